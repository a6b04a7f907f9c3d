"""What a store tells of slices: calls summed by task, step and one thing that tells them apart."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from tests.store.samples import MINUTE_NS, NOON_NS, SECOND_NS, call
from trimtab.record.events import Settled, ToolOutcome, ToolResult, Usage
from trimtab.store.histograms import bucket_of
from trimtab.store.slices import FACTS, MAX_NAMES, Fact, Slice, SliceQuery
from trimtab.store.telemetry import Batch, CostSum, Telemetry

HOUR = SliceQuery(NOON_NS - 30 * MINUTE_NS, NOON_NS + 30 * MINUTE_NS)


def made(
    name: str, seconds: float = 0, *, admitted: dict[str, Any] | None = None, attempts: int = 1, **fields: Any
) -> Settled:
    """A call that ended so long after noon."""
    ended = call(name, NOON_NS + int(seconds * SECOND_NS), **fields)
    return replace(ended, admitted=replace(ended.admitted, **admitted or {}), attempts=attempts)


def put(telemetry: Telemetry, *calls: Settled, token: str = "t") -> None:
    telemetry.insert(Batch(calls), token)


def query(**narrowed: Any) -> SliceQuery:
    return SliceQuery(HOUR.since_ns, HOUR.until_ns, **narrowed)


def test_everything_of_a_slice(telemetry: Telemetry) -> None:
    """Each count, map and histogram holds what its name says of the calls of one task."""
    put(
        telemetry,
        made("c1", 1, verdict="valid", finish_reason="stop", ttft_s=0.25, tpot_s=0.01, longest_gap_s=0.5, total_s=2.0,
             answer_tokens=40, usage=Usage(100, 30, 7, 40, 5), cost=("exact", 900), attempts=1,
             admitted={"request_bytes": 2048}),
        made("c2", 2, verdict="valid", repairs=2, finish_reason="length", total_s=4.0, answer_tokens=0,
             usage=None, cost=("estimated", 50), attempts=3, first_model="large",
             tool_outcomes=(ToolOutcome("find", "valid", 1), ToolOutcome("made_up", "unknown_tool", 2),
                            ToolOutcome("find", "bad_json", 2)),
             tool_results=(ToolResult("find", "", 9), ToolResult("find", "", 9, error=True))),
        made("c3", 3, outcome="output_invalid", verdict="invalid", total_s=9.0, cost=("unknown", None), attempts=2,
             repetition="loop", finish_reason="stop"),
        made("c4", 4, verdict="invalid", cost=("exact", 100)),
        made("c5", 5, verdict="truncated"),
        made("c6", 6, verdict="refused"),
    )  # fmt: skip
    (found,) = telemetry.slices(HOUR)
    assert found == Slice(
        task="route",
        at_ns=HOUR.since_ns,
        calls=6,
        outcomes={"ok": 5, "output_invalid": 1},
        finish_reasons={"stop": 2, "length": 1},
        valid_first=1,
        repaired=1,
        rejected=1,
        passed_invalid=1,
        truncated=1,
        refused=1,
        repairs=2,
        cut=1,
        repetition=1,
        tool_outcomes={"valid": 1, "unknown_tool": 1, "bad_json": 1},
        tools={"find": 2, "(unknown)": 1},
        tool_results=2,
        tool_errors=1,
        attempts=9,
        retried=2,
        fallbacks=1,
        tokens={"input": 140, "cache_read": 30, "cache_write": 7, "output": 60, "reasoning": 5},
        cost={"exact": CostSum(4, 3000), "estimated": CostSum(1, 50), "unknown": CostSum(1, 0)},
        spreads={
            "ttft": {bucket_of(250_000): 1},
            "tpot": {bucket_of(10_000): 1},
            "gap": {bucket_of(500_000): 1},
            "total": {bucket_of(2_000_000): 1, bucket_of(4_000_000): 1},
            "output": {bucket_of(40): 1},
            "input": {bucket_of(137): 1, bucket_of(10): 4},
            "request": {bucket_of(2048): 1},
        },
    )


@pytest.mark.parametrize(
    ("by", "found"),
    [
        ("task", [("", 3)]),
        ("model", [("large", 1), ("small", 2)]),
        ("replica", [("", 1), ("r1", 1), ("r2", 1)]),
        ("prompt", [("", 2), ("p1", 1)]),
        ("lock", [("", 1), ("l1", 2)]),
        ("key", [("k", 2), ("k2", 1)]),
        ("environment", [("live", 1), ("test", 2)]),
    ],
)
def test_by_each_dimension(telemetry: Telemetry, by: Any, found: list[tuple[str, int]]) -> None:
    """Calls of a task stand apart by the values of one dimension, in the alphabet's order, and add up to all."""
    put(
        telemetry,
        made("c1", model="large", replica="r1", admitted={"prompt": "p1", "lock": "l1"}),
        made("c2", replica="r2", admitted={"lock": "l1", "key": "k2"}),
        made("c3", admitted={"environment": "live"}),
    )
    assert [(one.value, one.calls) for one in telemetry.slices(query(by=by))] == found
    value, calls = found[-1]
    assert [(one.value, one.calls) for one in telemetry.slices(query(by=by, only=value))] == [(value, calls)]


def test_the_first_model_counts_where_none_served(telemetry: Telemetry) -> None:
    """A call that no model answered is one of the model that it asked for."""
    put(telemetry, replace(made("c1"), model=""))
    assert [one.value for one in telemetry.slices(query(by="model"))] == ["small"]


def test_steps_begin_at_their_multiples(telemetry: Telemetry) -> None:
    """Each step starts at a multiple of itself since 1970, and the window's edges cut the first and the last."""
    put(telemetry, *(made(f"c{minute}", 60 * minute) for minute in range(-10, 11)), made("x", 30, task="extract"))
    since, until = NOON_NS - 7 * MINUTE_NS, NOON_NS + 6 * MINUTE_NS
    found = telemetry.slices(SliceQuery(since, until, tasks=("route",), step_s=300))
    assert [((one.at_ns - NOON_NS) // MINUTE_NS, one.calls) for one in found] == [(-10, 2), (-5, 5), (0, 5), (5, 1)]
    whole = telemetry.slices(SliceQuery(since, until))
    assert [(one.task, one.at_ns, one.calls) for one in whole] == [("extract", since, 1), ("route", since, 13)]


def test_a_window_is_of_whole_minutes(telemetry: Telemetry) -> None:
    """A second within a minute brings the whole of it, and its end is left out."""
    put(telemetry, made("c1", 10), made("c2", 70), made("c3", 130))
    assert [one.calls for one in telemetry.slices(SliceQuery(NOON_NS + 50 * SECOND_NS, NOON_NS + 61 * SECOND_NS))] == [
        2
    ]
    assert telemetry.slices(SliceQuery(NOON_NS + MINUTE_NS, NOON_NS + MINUTE_NS)) == ()


def test_a_step_is_of_whole_minutes() -> None:
    """A step of seconds that are no whole minutes is refused."""
    with pytest.raises(ValueError, match="multiple of 60 seconds, not 90"):
        query(step_s=90)


def test_tasks_are_added_up(telemetry: Telemetry) -> None:
    """Across tasks there is one slice of each step and value, without a task's name; tasks may be picked."""
    put(telemetry, made("c1", replica="r1"), made("c2", replica="r1", task="extract"), made("c3", replica="r2"))
    found = telemetry.slices(query(by="replica", across=True))
    assert [(one.task, one.value, one.calls) for one in found] == [("", "r1", 2), ("", "r2", 1)]
    (found_of_one,) = telemetry.slices(query(across=True, tasks=("route",)))
    assert (found_of_one.task, found_of_one.calls) == ("", 2)


def test_only_the_histograms_that_are_wanted(telemetry: Telemetry) -> None:
    """No other comes, and none where no call has the measure."""
    put(telemetry, made("c1", ttft_s=0.25, total_s=1.0))
    (found,) = telemetry.slices(query(spreads=("ttft", "tpot")))
    assert found.spreads == {"ttft": {bucket_of(250_000): 1}}
    assert telemetry.slices(query(spreads=()))[0].spreads == {}


FULL = made(
    "full",
    verdict="valid",
    repairs=2,
    finish_reason="length",
    usage=Usage(100, 30, 7, 40, 5),
    cost=("exact", 900),
    attempts=3,
    first_model="large",
    repetition="loop",
    tool_outcomes=(ToolOutcome("find", "valid", 1),),
    tool_results=(ToolResult("find", "", 9, error=True),),
)
OF_FULL: dict[str, dict[str, Any]] = {
    "answers": {"repaired": 1, "repairs": 2, "cut": 1, "repetition": 1},
    "ends": {"outcomes": {"ok": 1}, "finish_reasons": {"length": 1}},
    "tools": {"tool_outcomes": {"valid": 1}, "tools": {"find": 1}, "tool_results": 1, "tool_errors": 1},
    "tries": {"attempts": 3, "retried": 1, "fallbacks": 1},
    "tokens": {"tokens": {"input": 100, "cache_read": 30, "cache_write": 7, "output": 40, "reasoning": 5}},
    "cost": {"cost": {"exact": CostSum(1, 900)}},
}


@pytest.mark.parametrize("fact", FACTS)
def test_only_the_facts_that_are_wanted(telemetry: Telemetry, fact: Fact) -> None:
    """Fields of other facts are left empty, in rows of the roll-up as in sums of calls; calls are always counted."""
    put(telemetry, FULL)
    for by in ("task", "model"):
        (found,) = telemetry.slices(query(by=by, facts=(fact,), spreads=()))
        wanted = Slice(found.task, found.at_ns, found.value, 1, **OF_FULL[fact])
        assert (found, found.value) == (wanted, "small" if by == "model" else "")
    assert telemetry.slices(query(facts=(), spreads=())) == (Slice("route", HOUR.since_ns, calls=1),)


def test_what_is_no_measure(telemetry: Telemetry) -> None:
    """Zeros, infinities and what is below zero lie in no bucket; the call counts all the same."""
    put(
        telemetry,
        made("c1", ttft_s=0.0, total_s=float("inf"), tpot_s=float("nan"), longest_gap_s=-1.0, answer_tokens=0),
        made("c2", ttft_s=1e305),
    )
    (found,) = telemetry.slices(HOUR)
    assert (found.calls, set(found.spreads)) == (2, {"input"})


def test_names_without_end_go_under_one(telemetry: Telemetry) -> None:
    """Of finish reasons that servers make up without end, those with most calls keep their names."""
    calls = [made(f"c{n}", finish_reason=f"reason {n:03}") for n in range(MAX_NAMES + 50)]
    put(telemetry, *calls, made("x", finish_reason="stop"), made("y", finish_reason="stop"))
    (found,) = telemetry.slices(HOUR)
    assert len(found.finish_reasons) == MAX_NAMES
    assert (found.finish_reasons["stop"], found.finish_reasons["(other)"]) == (2, 52)
    assert "reason 097" in found.finish_reasons
    assert "reason 098" not in found.finish_reasons


def test_a_batch_sent_again_counts_once(telemetry: Telemetry) -> None:
    """The same token brings nothing new to a slice."""
    for _ in range(3):
        put(telemetry, made("c1"), made("c2", 86_400))
    put(telemetry, made("c3"), token="u")
    day = SliceQuery(NOON_NS, NOON_NS + 1500 * MINUTE_NS, step_s=86_400)
    assert [one.calls for one in telemetry.slices(day)] == [2, 1]


def test_too_many_slices_are_refused(telemetry: Telemetry, monkeypatch: pytest.MonkeyPatch) -> None:
    """A question with more of an answer than is given is refused, with what to ask for instead."""
    for module in ("memory_slices", "clickhouse_slices"):
        monkeypatch.setattr(f"trimtab.store.{module}.MAX_SLICES", 3)
    put(telemetry, *(made(f"c{n}", 60 * n) for n in range(4)))
    assert len(telemetry.slices(query(step_s=120))) == 2
    with pytest.raises(ValueError, match="over 3 parts; ask for a shorter window, a larger step or one task"):
        telemetry.slices(query(step_s=60))
