"""Conversations, spend and undeclared traffic, as a store lists them."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tests.store.samples import NOON_NS, SECOND_NS, call
from trimtab.record.events import CostLabel, Score, Settled, Usage
from trimtab.store.conversations import ConversationLine, ConversationQuery
from trimtab.store.histograms import of_values
from trimtab.store.search import CallSearch
from trimtab.store.spend import HOUR_NS, Spend, SpendQuery
from trimtab.store.telemetry import DAY_NS, Batch, Telemetry
from trimtab.store.undeclared import Cluster, Undeclared

SINCE, UNTIL = NOON_NS - HOUR_NS, NOON_NS + HOUR_NS


def made(name: str, seconds: float = 0, *, admitted: dict[str, Any] | None = None, **fields: Any) -> Settled:
    one = call(name, NOON_NS + round(seconds * SECOND_NS), **fields)
    return msgspec.structs.replace(one, admitted=msgspec.structs.replace(one.admitted, **admitted or {}))


def said(conversation: str, name: str, seconds: float = 0, **fields: Any) -> Settled:
    admitted = {"conversation": conversation, **fields.pop("admitted", {})}
    return made(name, seconds, admitted=admitted, **fields)


def names(telemetry: Telemetry, **query: Any) -> list[str]:
    page = telemetry.conversations(ConversationQuery(SINCE, UNTIL, **query))
    return [line.conversation for line in page.conversations]


def test_a_conversation_sums_its_calls(telemetry: Telemetry) -> None:
    """Its end user, tasks, times, ends, tokens and cost by label; its worst end is the last that was not ok."""
    usage = Usage(input=10, cache_read=4, cache_write=2, output=5, reasoning=1)
    telemetry.insert(
        Batch(
            (
                said("c", "a", 0, usage=usage, verdict="invalid", admitted={"end_user": "ana"}),
                said("c", "b", 1, outcome="upstream_error", task="extract", cost=("estimated", 7)),
                said("c", "d", 2, outcome="deadline_gap", cost=("unknown", None), usage=None),
                said("c", "e", 3, cost=("exact", 2**62)),
                said("c", "f", 4, cost=("exact", 2**62)),
                made("alone"),
            )
        ),
        "t",
    )
    expected = ConversationLine(
        conversation="c",
        end_user="ana",
        tasks=("extract", "route"),
        first_ns=NOON_NS,
        last_ns=NOON_NS + 4 * SECOND_NS,
        calls=5,
        failed=2,
        invalid=1,
        worst="deadline_gap",
        tokens={"input": 40, "cache_read": 4, "cache_write": 2, "output": 20, "reasoning": 1},
        cost={"exact": 2**63 + 1000, "estimated": 7, "unknown": 0},
    )
    assert telemetry.conversation("c") == expected
    assert telemetry.conversations(ConversationQuery(SINCE, UNTIL)).conversations == (expected,)
    assert telemetry.conversation("none") is None
    assert telemetry.conversation("") is None


def test_conversations_in_their_orders(telemetry: Telemetry) -> None:
    """Newest by the last call, dearest by cost, longest by calls; equal ones newest first."""
    telemetry.insert(
        Batch(
            (
                said("old", "a", 0, cost=("exact", 50)),
                said("two", "b", 1, cost=("exact", 3)),
                said("two", "c", 2, cost=("exact", 3)),
                said("old two", "d", -1, cost=("exact", 1)),
                said("old two", "e", -1, cost=("exact", 1)),
                said("new", "f", 9, cost=("exact", 4)),
            )
        ),
        "t",
    )
    assert names(telemetry) == ["new", "two", "old", "old two"]
    assert names(telemetry, order="dearest") == ["old", "two", "new", "old two"]
    assert names(telemetry, order="longest") == ["two", "old two", "new", "old"]


@pytest.mark.parametrize("order", ["newest", "dearest", "longest"])
def test_pages_of_conversations(telemetry: Telemetry, order: Any) -> None:
    """Page by page each comes once, also where many are equal and conversations go on over others' pages."""
    calls = [said(f"c{n % 7}", f"a{n}", n // 3, cost=("exact", n % 3)) for n in range(20)]
    telemetry.insert(Batch(tuple(calls)), "t")
    whole = names(telemetry, order=order)
    pages: list[list[str]] = []
    after = ""
    while True:
        page = telemetry.conversations(ConversationQuery(SINCE, UNTIL, order=order, limit=3, after=after))
        pages.append([line.conversation for line in page.conversations])
        after = page.after
        if not after:
            break
    assert [len(page) for page in pages] == [3, 3, 1]
    assert [name for page in pages for name in page] == whole
    assert set(whole) == {f"c{n}" for n in range(7)}


def test_conversations_are_narrowed(telemetry: Telemetry) -> None:
    """By task, by end user and by whole hours: only the calls that are wanted are summed."""
    telemetry.insert(
        Batch(
            (
                said("c", "a", 0, admitted={"end_user": "ana"}),
                said("c", "b", 1, task="extract", admitted={"end_user": "ana"}),
                said("c", "old", -2 * 3600, admitted={"end_user": "ana"}),
                said("d", "e", 2, admitted={"end_user": "bo"}),
            )
        ),
        "t",
    )
    assert names(telemetry) == ["d", "c"]
    assert names(telemetry, end_user="ana") == ["c"]
    (line,) = telemetry.conversations(ConversationQuery(SINCE, UNTIL, tasks=("extract",))).conversations
    assert (line.conversation, line.calls, line.tasks) == ("c", 1, ("extract",))
    (line,) = telemetry.conversations(ConversationQuery(NOON_NS + 5, NOON_NS + 6, end_user="ana")).conversations
    assert line.calls == 2
    whole = telemetry.conversation("c")
    assert whole is not None
    assert whole.calls == 3


def test_the_calls_of_a_conversation_are_a_search(telemetry: Telemetry) -> None:
    """They come by its id, whatever lies between them."""
    telemetry.insert(Batch((said("c", "a"), said("d", "b", 1), said("c", "e", 2))), "t")
    page = telemetry.search(CallSearch(SINCE, UNTIL, conversation="c"))
    assert [one.admitted.call for one in page.calls] == ["e", "a"]


def test_what_a_conversation_was_scored(telemetry: Telemetry) -> None:
    """Its latest completion score says whether it is completed."""
    scores = [
        Score(f"s{n}", NOON_NS + n, "completion", "rule", conversation="c", value=value)
        for n, value in enumerate((1.0, 0.0, None))
    ]
    other = Score("other", NOON_NS + 9, "helpful", "feedback", conversation="c", value=1.0)
    telemetry.insert(Batch((said("c", "a"), said("d", "b", 1)), scores=(*scores, other)), "t")
    lines = telemetry.conversations(ConversationQuery(SINCE, UNTIL)).conversations
    assert [(line.conversation, line.completed) for line in lines] == [("d", None), ("c", False)]


@pytest.mark.parametrize("wanted", [{"limit": 0}, {"limit": 1001}, {"after": "no"}], ids=str)
def test_what_cannot_be_asked_of_conversations(wanted: dict[str, Any]) -> None:
    """Bounds and cursors are held at the edge."""
    with pytest.raises(ValueError, match=r"\w"):
        ConversationQuery(SINCE, UNTIL, **wanted)


def paid(name: str, label: CostLabel, pusd: int | None, hours: int = 0, **fields: Any) -> Settled:
    return made(name, hours * 3600, cost=(label, pusd), usage=Usage(input=10, output=1), **fields)


def tokens(calls: int) -> dict[str, int]:
    return {"input": 10 * calls, "cache_read": 0, "cache_write": 0, "output": calls, "reasoning": 0}


def test_spend_is_summed_exactly(telemetry: Telemetry) -> None:
    """Cost adds up past 2^63 picodollars, by label; a call of unknown cost counts and adds nothing."""
    large = 2**62
    telemetry.insert(
        Batch(
            (
                paid("a", "exact", large),
                paid("b", "exact", large),
                paid("c", "exact", large + 1),
                paid("d", "estimated", 5),
                paid("e", "unknown", None),
                paid("old", "exact", 1, hours=-2),
            )
        ),
        "t",
    )
    cost: dict[CostLabel, int] = {"exact": 3 * large + 1, "estimated": 5, "unknown": 0}
    labelled: dict[CostLabel, int] = {"exact": 3, "estimated": 1, "unknown": 1}
    assert telemetry.spend(SpendQuery(SINCE, UNTIL, by=())) == (Spend(SINCE, (), 5, tokens(5), cost, labelled),)


def test_spend_is_stored_once(telemetry: Telemetry) -> None:
    """A batch sent three times under one token counts once, in spend and in conversations."""
    for _ in range(3):
        telemetry.insert(Batch((said("c", "a"), said("c", "b"))), "t")
    (row,) = telemetry.spend(SpendQuery(SINCE, UNTIL))
    line = telemetry.conversation("c")
    assert line is not None
    assert (row.calls, line.calls) == (2, 2)


@pytest.mark.parametrize(
    ("dimension", "fields"),
    [
        ("task", {"task": "x"}),
        ("model", {"model": "x"}),
        ("key", {"admitted": {"key": "x"}}),
        ("owner", {"admitted": {"owner": "x"}}),
        ("prompt", {"admitted": {"prompt": "x"}}),
        ("lock", {"admitted": {"lock": "x"}}),
        ("environment", {"admitted": {"environment": "x"}}),
        ("conversation", {"admitted": {"conversation": "x"}}),
        ("end_user", {"admitted": {"end_user": "x"}}),
    ],
)
def test_spend_by_each_dimension(telemetry: Telemetry, dimension: Any, fields: dict[str, Any]) -> None:
    """Each tells calls apart, alone and beside another; the dearest stands first."""
    telemetry.insert(Batch((paid("a", "exact", 9, **fields), paid("b", "exact", 2), paid("c", "exact", 3))), "t")
    rows = telemetry.spend(SpendQuery(SINCE, UNTIL, by=(dimension,)))
    assert [(row.values[0] == "x", row.calls, row.cost) for row in rows] == [
        (True, 1, {"exact": 9}),
        (False, 2, {"exact": 5}),
    ]
    beside = "task" if dimension == "model" else "model"
    rows = telemetry.spend(SpendQuery(SINCE, UNTIL, by=(dimension, beside)))
    assert [(row.values[0] == "x", row.calls) for row in rows] == [(True, 1), (False, 2)]


def test_spend_in_steps(telemetry: Telemetry) -> None:
    """Steps begin at multiples of their length; those that cost most over the whole window are told in each."""
    telemetry.insert(
        Batch(
            (
                paid("a", "exact", 5, 0),
                paid("b", "exact", 5, 13),
                paid("c", "exact", 9, 13, task="extract"),
                paid("d", "exact", 1, 13, task="small"),
                paid("e", "exact", 2, 13, task="smaller"),
            )
        ),
        "t",
    )
    rows = telemetry.spend(SpendQuery(NOON_NS, NOON_NS + 14 * HOUR_NS, by=("task",), step_s=86_400, top=2))
    midnight = NOON_NS + 12 * HOUR_NS
    assert [(row.at_ns, row.values, row.cost["exact"]) for row in rows] == [
        (midnight - DAY_NS, ("route",), 5),
        (midnight, ("extract",), 9),
        (midnight, ("route",), 5),
        (midnight, ("(other)",), 3),
    ]


def test_spend_is_narrowed(telemetry: Telemetry) -> None:
    """By tasks, models and keys, also where conversations are told apart."""
    telemetry.insert(
        Batch(
            (
                said("c", "a", cost=("exact", 1)),
                said("c", "b", task="extract", cost=("exact", 2)),
                said("c", "d", model="large", cost=("exact", 4)),
                said("c", "e", admitted={"key": "other"}, cost=("exact", 8)),
            )
        ),
        "t",
    )

    def cost(**wanted: Any) -> int:
        (row,) = telemetry.spend(SpendQuery(SINCE, UNTIL, **wanted))
        return row.cost["exact"]

    for by in ((), ("conversation",)):
        assert cost(by=by) == 15
        assert cost(by=by, tasks=("extract", "no")) == 2
        assert cost(by=by, models=("large",)) == 4
        assert cost(by=by, keys=("other",)) == 8


@pytest.mark.parametrize(
    "wanted",
    [
        {"by": ("task", "model", "key")},
        {"by": ("task", "task")},
        {"by": ("call",)},
        {"step_s": 60},
        {"top": 0},
        {"top": 1001},
        {"step_s": 3600, "top": 1000, "until_ns": SINCE + 40 * HOUR_NS},
    ],
    ids=str,
)
def test_what_cannot_be_asked_of_spend(wanted: dict[str, Any]) -> None:
    """Dimensions, steps and the number of rows are held at the edge."""
    with pytest.raises(ValueError, match=r"\w"):
        SpendQuery(**{"since_ns": SINCE, "until_ns": UNTIL} | wanted)


def outside(name: str, seconds: float = 0, *, admitted: dict[str, Any] | None = None, **fields: Any) -> Settled:
    return made(name, seconds, task="(undeclared)", admitted=admitted, **fields)


def test_undeclared_calls_are_put_together(telemetry: Telemetry) -> None:
    """Calls with one system prompt and one set of tools are a cluster, with what is seen of them."""
    same = {"system_prompt": "p", "tools": "t"}
    telemetry.insert(
        Batch(
            (
                outside(
                    "a",
                    admitted={**same, "max_output_tokens": 100, "schema": "s"},
                    usage=Usage(input=5, cache_read=15, output=40),
                    answer_tokens=40,
                    total_s=2.0,
                    ttft_s=0.5,
                    tpot_s=0.01,
                    longest_gap_s=0.2,
                    finish_reason="stop",
                    tool_calls=2,
                ),
                outside(
                    "b",
                    1,
                    model="large",
                    admitted={**same, "key": "other", "stream": False},
                    usage=None,
                    outcome="upstream_error",
                    total_s=9.0,
                ),
                outside("other tools", 2, admitted={"system_prompt": "p"}, usage=None),
                outside("late", 3 * 3600, admitted=same),
                made("declared", admitted=same),
            )
        ),
        "t",
    )
    found = telemetry.undeclared(SINCE, UNTIL)
    assert found.calls == 3
    assert found.clusters[0] == Cluster(
        system_prompt="p",
        tools="t",
        calls=2,
        first_ns=NOON_NS,
        last_ns=NOON_NS + SECOND_NS,
        streamed=1,
        with_tool_calls=1,
        largest_output=40,
        keys={"k": 1, "other": 1},
        asked={"small": 1, "large": 1},
        surfaces={"chat_completions": 2},
        outcomes={"ok": 1, "upstream_error": 1},
        finish_reasons={"stop": 1},
        limits={100: 1, 0: 1},
        schemas={"s": 1},
        spreads={
            "output": of_values([40]),
            "input": of_values([20]),
            "total": of_values([2e6]),
            "ttft": of_values([5e5]),
            "tpot": of_values([1e4]),
            "gap": of_values([2e5]),
        },
        examples=("b", "a"),
    )
    assert [(one.tools, one.calls) for one in found.clusters[1:]] == [("", 1)]


def test_no_undeclared_calls(telemetry: Telemetry) -> None:
    """Where every call has a task there is no cluster."""
    telemetry.insert(Batch((made("a"),)), "t")
    assert telemetry.undeclared(SINCE, UNTIL) == Undeclared()


def test_roll_ups_go_with_their_day(telemetry: Telemetry) -> None:
    """Retention drops spend, conversations and clusters with the calls they were made of."""
    telemetry.insert(Batch((outside("a", admitted={"conversation": "c"}),)), "t")
    telemetry.retain(NOON_NS + DAY_NS)
    assert telemetry.spend(SpendQuery(SINCE, UNTIL)) == ()
    assert telemetry.conversation("c") is None
    assert telemetry.undeclared(SINCE, UNTIL) == Undeclared()
