"""What a store finds: pages of calls by what they are and by what was said, and examples for an alert."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.store.conftest import KINDS, opener
from tests.store.samples import MINUTE_NS, NOON_NS, SECOND_NS, call
from trimtab.record.events import Admitted, Settled, ToolOutcome, ToolResult, Usage
from trimtab.store.search import CallSearch, Cursor, Example, Range, ReadingMatch
from trimtab.store.telemetry import DAY_NS, Batch, Telemetry
from trimtab.store.texts import MAX_CHARACTERS, CallText
from trimtab.store.windows import FIRST_CALLS, HOUR_NS, Hour, Window, next_least, windows, within

SINCE, UNTIL = NOON_NS - 30 * MINUTE_NS, NOON_NS + 30 * MINUTE_NS


def made(name: str, seconds: float = 0, *, admitted: dict[str, Any] | None = None, **fields: Any) -> Settled:
    one = call(name, NOON_NS + round(seconds * SECOND_NS), **fields)
    return msgspec.structs.replace(one, admitted=msgspec.structs.replace(one.admitted, **admitted or {}))


def put(telemetry: Telemetry, *calls: Settled, texts: tuple[CallText, ...] = ()) -> None:
    telemetry.insert(Batch(calls, texts=texts), "t")


@contextlib.contextmanager
def holding(request: pytest.FixtureRequest, *calls: Settled, texts: tuple[CallText, ...] = ()) -> Iterator[Telemetry]:
    with contextlib.closing(opener(request)()) as store:
        store.migrate()
        put(store, *calls, texts=texts)
        yield store


def found(telemetry: Telemetry, **wanted: Any) -> list[str]:
    page = telemetry.search(CallSearch(SINCE, UNTIL, **wanted))
    return [one.admitted.call for one in page.calls]


def test_newest_first_within_the_window(telemetry: Telemetry) -> None:
    """Calls that ended in [since, until) come newest first; equal ends are told apart by their ids."""
    edges = call("first", SINCE), call("early", SINCE - 1), call("last", UNTIL - 1), call("late", UNTIL)
    put(telemetry, *edges, made("a"), made("b"), made("c", 1))
    assert found(telemetry) == ["last", "c", "b", "a", "first"]


def test_calls_come_whole_but_for_their_chunks(telemetry: Telemetry) -> None:
    """A found call is the call as it was stored, without its chunk delays and lengths."""
    one = made("a", ttft_s=0.5, detail="why", finish_reason="stop", chunk_delays_us=b"\x01", chunk_lengths=b"\x02")
    put(telemetry, one)
    bare = msgspec.structs.replace(one, chunk_delays_us=b"", chunk_lengths=b"")
    page = telemetry.search(CallSearch(SINCE, UNTIL))
    assert (page.calls, page.after, page.looked_back_ns) == ((bare,), "", SINCE)


def test_a_list_has_only_what_it_shows(telemetry: Telemetry) -> None:
    """Brief calls have the fields of a list and nothing else, with usage or without it."""
    usage = Usage(100, 20, 3, 50, 7, {"audio": 4})
    one = made(
        "a", 1, model="large", verdict="invalid", outcome="output_invalid", usage=usage, ttft_s=0.5, total_s=2.0,
        detail="why", replica="r", finish_reason="stop", tool_outcomes=(ToolOutcome("refund", "bad_json", 1),),
        cost=("estimated", 9000), admitted={"conversation": "c1", "prompt": "p1"},
    )  # fmt: skip
    other = made("b", usage=None, cost=("unknown", None))
    put(telemetry, msgspec.structs.replace(one, attempts=3), other)
    page = telemetry.search(CallSearch(SINCE, UNTIL, brief=True))
    assert page.calls == (
        Settled(
            Admitted("a", 0, "", "", "", "route", "", "", "large"), one.at_ns, "output_invalid", 0, 3, model="large",
            total_s=2.0, ttft_s=0.5, usage=Usage(100, 20, 3, 50), cost_pusd=9000, cost_label="estimated",
            verdict="invalid",
        ),
        Settled(
            Admitted("b", 0, "", "", "", "route", "", "", "small"), other.at_ns, "ok", 0, 1, model=other.model,
            total_s=other.total_s,
        ),
    )  # fmt: skip


ODD = made(
    "odd",
    task="extract",
    model="large",
    outcome="output_invalid",
    usage=Usage(input=100, cache_read=20, cache_write=3, output=50),
    cost=("exact", 9000),
    admitted={
        "environment": "staging",
        "key": "other",
        "prompt": "p" * 64,
        "lock": "l" * 64,
        "run": "r1",
        "conversation": "c1",
        "end_user": "u1",
        "system_prompt": "sha256:5",
        "tools": "t5",
    },
    replica="http://10.0.0.9:1",
    verdict="invalid",
    finish_reason="length",
    total_s=9.0,
    ttft_s=0.9,
    tpot_s=0.09,
    longest_gap_s=1.9,
    answer_tokens=50,
    repairs=2,
    tool_outcomes=(ToolOutcome("refund", "bad_json", 1),),
    tool_results=(ToolResult("find", "", 7, error=True),),
)
ODD = msgspec.structs.replace(ODD, attempts=3)
PLAIN = made(
    "plain",
    replica="http://10.0.0.1:1",
    verdict="valid",
    finish_reason="stop",
    total_s=1.0,
    ttft_s=0.1,
    tpot_s=0.01,
    longest_gap_s=0.2,
    answer_tokens=5,
    tool_outcomes=(ToolOutcome("find", "valid", 1),),
    tool_results=(ToolResult("find", "", 7),),
)
BARE = made("bare", usage=None, cost=("unknown", None))


@pytest.fixture(scope="module", params=KINDS)
def three(request: pytest.FixtureRequest) -> Iterator[Telemetry]:
    """A store of each kind with three calls in it, which tests only read."""
    with holding(request, ODD, PLAIN, BARE) as store:
        yield store


@pytest.mark.parametrize(
    "wanted",
    [
        {"tasks": ("extract", "no")},
        {"models": ("large",)},
        {"replicas": ("http://10.0.0.9:1",)},
        {"outcomes": ("output_invalid",)},
        {"verdicts": ("invalid", "refused")},
        {"finish_reasons": ("length",)},
        {"environments": ("staging",)},
        {"keys": ("other",)},
        {"prompts": ("q", "ppp")},
        {"locks": ("ll",)},
        {"run": "r1"},
        {"conversation": "c1"},
        {"end_user": "u1"},
        {"system_prompt": "sha256:5"},
        {"tools": "t5"},
        {"tool": "refund"},
        {"failing": True},
        {"bad_tool_call": True},
        {"tool_error": True},
        {"retried": True},
        {"ranges": (Range("total", least=9.0),)},
        {"ranges": (Range("ttft", least=0.5, most=0.9),)},
        {"ranges": (Range("tpot", least=0.05),)},
        {"ranges": (Range("gap", least=1.5),)},
        {"ranges": (Range("output", least=6),)},
        {"ranges": (Range("input", least=123, most=123),)},
        {"ranges": (Range("cost", least=1001),)},
        {"ranges": (Range("attempts", least=2),)},
        {"ranges": (Range("repairs", least=1), Range("total", least=2))},
    ],
    ids=str,
)
def test_each_filter_keeps_what_it_names(three: Telemetry, wanted: dict[str, Any]) -> None:
    """Of three calls, each filter alone keeps the one it was made for."""
    assert found(three, **wanted) == ["odd"]


def test_filters_narrow_together(telemetry: Telemetry) -> None:
    """A call must pass all of them."""
    put(telemetry, ODD, PLAIN)
    assert found(telemetry, tasks=("extract",), models=("small",)) == []
    assert found(telemetry, tasks=("extract", "route"), outcomes=("ok",), tool="find") == ["plain"]


def test_a_model_that_served_none_is_the_one_asked_for(telemetry: Telemetry) -> None:
    """Calls that no model served are found under the model they asked for."""
    put(telemetry, msgspec.structs.replace(made("a", model="large"), model=""))
    assert found(telemetry, models=("large",)) == ["a"]


@pytest.mark.parametrize(
    ("order", "field"),
    [
        ("slowest", "total_s"),
        ("slowest_first_token", "ttft_s"),
        ("longest", "answer_tokens"),
    ],
)
def test_orders_by_a_figure(telemetry: Telemetry, order: str, field: str) -> None:
    """The largest first, equal ones newest first; calls without the figure are left out."""
    put(
        telemetry,
        made("two", 1, **{field: 2}),
        made("five", 2, **{field: 5}),
        made("older two", 0, **{field: 2}),
        made("none", 9),
    )
    assert found(telemetry, order=order) == ["five", "two", "older two"]


def test_the_dearest_first(telemetry: Telemetry) -> None:
    """Calls by cost; one whose cost is unknown is left out."""
    put(telemetry, *(made(f"c{pusd}", cost=("exact", pusd)) for pusd in (5, 9_000_000_000, 7)), BARE)
    assert found(telemetry, order="dearest") == ["c9000000000", "c7", "c5"]


@pytest.mark.parametrize("order", ["newest", "slowest"])
def test_pages_follow_each_other(telemetry: Telemetry, order: str) -> None:
    """Page by page every call comes once, in order, also where many are equal; the last page leads no further."""
    put(telemetry, *(made(f"c{n}", n // 3, total_s=float(n // 4)) for n in range(10)))
    whole = found(telemetry, order=order)
    pages: list[list[str]] = []
    after = ""
    while True:
        page = telemetry.search(CallSearch(SINCE, UNTIL, order=order, limit=4, after=after))  # type: ignore[arg-type]
        pages.append([one.admitted.call for one in page.calls])
        after = page.after
        if not after:
            break
    assert [len(page) for page in pages] == [4, 4, 2]
    assert [name for page in pages for name in page] == whole
    assert set(whole) == {f"c{n}" for n in range(10)}


def test_a_page_stays_while_new_calls_come(telemetry: Telemetry) -> None:
    """The second page is the same before and after newer calls were stored."""
    put(telemetry, *(made(f"c{n}", n) for n in range(6)))
    after = telemetry.search(CallSearch(SINCE, UNTIL, limit=3)).after
    telemetry.insert(Batch((made("new", 60),)), "u")
    page = telemetry.search(CallSearch(SINCE, UNTIL, limit=3, after=after))
    assert [one.admitted.call for one in page.calls] == ["c2", "c1", "c0"]


def test_a_search_ends_at_its_budget_and_goes_on(telemetry: Telemetry) -> None:
    """Once as many calls as the budget says were looked at, the page ends at that hour; its cursor leads further."""
    hours = [NOON_NS - back * HOUR_NS for back in (0, 5, 30)]
    put(
        telemetry, *(call(f"c{n}", at_ns, outcome="ok" if n < 2 else "upstream_error") for n, at_ns in enumerate(hours))
    )
    wanted = CallSearch(hours[2], UNTIL, failing=True, budget=2)
    first = telemetry.search(wanted)
    assert (first.calls, first.looked_back_ns) == ((), hours[1])
    second = telemetry.search(CallSearch(hours[2], UNTIL, failing=True, budget=2, after=first.after))
    assert [one.admitted.call for one in second.calls] == ["c2"]
    assert (second.after, second.looked_back_ns) == ("", hours[2])


def test_an_order_by_figure_says_how_far_it_looked(telemetry: Telemetry) -> None:
    """Past its budget it leaves older calls out, and says from where on it looked."""
    put(telemetry, call("new", NOON_NS, total_s=1.0), call("old", NOON_NS - 2 * HOUR_NS, total_s=9.0))
    page = telemetry.search(CallSearch(NOON_NS - DAY_NS, UNTIL, order="slowest", budget=1))
    assert [one.admitted.call for one in page.calls] == ["new"]
    assert (page.after, page.looked_back_ns) == ("", NOON_NS)


def test_calls_of_many_days_are_found(telemetry: Telemetry) -> None:
    """A rare call far back is found, with nothing in the hours between."""
    put(telemetry, call("old", NOON_NS - 20 * DAY_NS, task="rare"), made("new"))
    page = telemetry.search(CallSearch(0, UNTIL, tasks=("rare",)))
    assert [one.admitted.call for one in page.calls] == ["old"]


def said(name: str, asked: str = "", answered: str = "", **fields: Any) -> CallText:
    return CallText(name, NOON_NS, "route", asked, answered, **fields)


@pytest.fixture(scope="module", params=KINDS)
def spoken(request: pytest.FixtureRequest) -> Iterator[Telemetry]:
    """A store of each kind with calls and what was said in them, which tests only read."""
    texts = (
        said("a", asked="Please refund me, order 8812"),
        said("b", answered="Your Refund is on its way"),
        said("c", asked="Übergang: 100% Ünder a_b", answered=r"see C:\Temp"),
    )
    with holding(request, *(made(name) for name in "abcd"), texts=texts) as store:
        yield store


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("refund", ["b", "a"]),
        ("REFUND me", ["a"]),
        ("ünder", ["c"]),
        ("ÜNDER", ["c"]),
        ("100%", ["c"]),
        ("1000", []),
        ("a_b", ["c"]),
        ("axb", []),
        (r"c:\temp", ["c"]),
        ("'; DROP", []),
        ("", ["d", "c", "b", "a"]),
    ],
)
def test_text_is_found_whatever_its_case(spoken: Telemetry, text: str, names: list[str]) -> None:
    """The text is a part of a question or of an answer; no character of it has a meaning of its own."""
    assert found(spoken, text=text) == names


def test_text_is_searched_in_its_beginning(telemetry: Telemetry) -> None:
    """What stands behind the first characters is not kept, and half a character is replaced."""
    put(telemetry, made("a"), made("b"), texts=(said("a", "x" * MAX_CHARACTERS + "needle"), said("b", "\ud800 needle")))
    assert found(telemetry, text="needle") == ["b"]
    kept = telemetry.text("b")
    assert kept is not None
    assert (kept.asked, kept.at_ns, kept.task) == ("? needle", NOON_NS, "route")
    assert telemetry.text("c") is None


def test_the_texts_of_several_calls(telemetry: Telemetry) -> None:
    """What is kept of calls is given for many of them at once; those of which nothing is kept are left out."""
    calls = made("a"), made("b"), made("c")
    put(telemetry, *calls, texts=(said("a", "one"), said("c", answered="two")))
    assert {text.call: (text.asked, text.answered) for text in telemetry.texts(calls[:2])} == {"a": ("one", "")}
    assert {text.call for text in telemetry.texts(calls)} == {"a", "c"}
    assert telemetry.texts(()) == ()


def test_texts_go_with_their_day(telemetry: Telemetry) -> None:
    """Retention drops what was said with the calls."""
    put(telemetry, made("a"), texts=(said("a", "needle"),))
    telemetry.retain(NOON_NS + DAY_NS)
    telemetry.insert(Batch((made("a"),)), "u")
    assert found(telemetry) == ["a"]
    assert found(telemetry, text="needle") == []


def test_examples_tell_a_few_fields(telemetry: Telemetry) -> None:
    """An example bears what shows why it is one, and the beginning of its answer."""
    bad = msgspec.structs.replace(ODD, failing=("/label enum",), detail="why")
    put(telemetry, bad, PLAIN, texts=(said("odd", answered='{"label": "x"}'),))
    assert telemetry.examples(CallSearch(SINCE, UNTIL, failing=True, limit=3)) == (
        Example(
            call="odd",
            at_ns=NOON_NS,
            task="extract",
            model="large",
            replica="http://10.0.0.9:1",
            prompt="p" * 64,
            lock="l" * 64,
            outcome="output_invalid",
            verdict="invalid",
            finish_reason="length",
            failing=("/label enum",),
            detail="why",
            total_s=9.0,
            ttft_s=0.9,
            output_tokens=50,
            cost_pusd=9000,
            excerpt='{"label": "x"}',
        ),
    )


def test_examples_of_a_reading(telemetry: Telemetry) -> None:
    """Calls are found by a category that was read of them, or by a number within bounds."""
    put(
        telemetry,
        *(made(name, place) for place, name in enumerate("abcd")),
        texts=(
            said("a", categories={"answer/label": "spam"}, numbers={"answer/score": 0.2}),
            said("b", categories={"answer/label": "ham"}, numbers={"answer/score": -0.5}),
            said("c", categories={"answer/other": "spam"}),
        ),
    )

    def examples(reading: ReadingMatch) -> list[str]:
        return [one.call for one in telemetry.examples(CallSearch(SINCE, UNTIL), reading)]

    assert examples(ReadingMatch("answer/label", "spam")) == ["a"]
    assert examples(ReadingMatch("answer/score", least=-1.0)) == ["b", "a"]
    assert examples(ReadingMatch("answer/score", most=0.0)) == ["b"]
    assert examples(ReadingMatch("answer/none", "")) == []


@pytest.mark.parametrize(
    "wanted",
    [
        {"limit": 0},
        {"limit": 1001},
        {"order": "best"},
        {"text": "x" * 201},
        {"ranges": (Range("total", 1), Range("total", 2))},
        {"after": "nothing"},
        {"after": "é"},
        {"after": Cursor("slowest", 1.0, 1, "a").text()},
    ],
    ids=str,
)
def test_what_cannot_be_asked(wanted: dict[str, Any]) -> None:
    """Bounds, orders and cursors are held at the edge."""
    with pytest.raises(ValueError, match=r"\w"):
        CallSearch(SINCE, UNTIL, **wanted)


@given(st.text(max_size=100))
def test_any_cursor_is_taken_or_refused(text: str) -> None:
    """Whatever stands in an address, it is a cursor or a ValueError."""
    with contextlib.suppress(ValueError):
        Cursor.of(text, "newest")


@given(st.floats(allow_nan=False, allow_infinity=False), st.integers(0, 2**63 - 1), st.text(max_size=30))
def test_a_cursor_comes_back(figure: float, at_ns: int, name: str) -> None:
    """What a cursor was made of is read from its word, to the last bit."""
    cursor = Cursor("slowest", figure, at_ns, name)
    assert Cursor.of(cursor.text(), "slowest") == cursor


def test_windows_grow_from_the_newest_hour() -> None:
    """Small hours are put together until a window holds enough; the next holds ten times as many."""
    hours = [Hour(20, 100_000), Hour(19, 250_000), Hour(12, 2_900_000), Hour(11, 200_000), Hour(3, 1)]
    assert windows(hours, 3 * HOUR_NS + 5, 20 * HOUR_NS + 7) == [
        Window(19 * HOUR_NS, 20 * HOUR_NS + 7),
        Window(11 * HOUR_NS, 13 * HOUR_NS),
        Window(3 * HOUR_NS + 5, 4 * HOUR_NS),
    ]
    assert windows([], 0, HOUR_NS) == []


def test_how_much_further_a_search_looks() -> None:
    """It looks at half as much again as would do if calls further back were alike: 40 of 400,000 and 20 missing make
    300,000. It never looks at more than ten times as much, nor at less than at first.
    """
    assert next_least(300_000, 400_000, 40, 20) == 300_000
    assert next_least(300_000, 400_000, 40, 100) == 1_500_000
    assert next_least(300_000, 400_000, 1, 50) == 3_000_000
    assert next_least(300_000, 400_000, 0, 51) == 3_000_000
    assert next_least(300_000, 400_000, 50, 1) == FIRST_CALLS


def test_the_budget_reaches_into_the_hour_that_spends_it() -> None:
    """Hours are taken, newest first, until they hold the budget."""
    hours = [Hour(1, 10), Hour(3, 10), Hour(2, 10)]
    assert within(hours, 11) == ([Hour(3, 10), Hour(2, 10)], False)
    assert within(hours, 30) == ([Hour(3, 10), Hour(2, 10), Hour(1, 10)], True)
