"""What a store tells of locks: which were in force, figures under each, and calls by all that a lock pins."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from tests.store.samples import MINUTE_NS, NOON_NS, SECOND_NS, call
from trimtab.record.events import ContextUse, Settled, ToolOutcome
from trimtab.store.lock_figures import CallKind, CallKinds, LockUse
from trimtab.store.telemetry import Batch, ReportQuery, Telemetry

HOUR = ReportQuery(NOON_NS - 30 * MINUTE_NS, NOON_NS + 30 * MINUTE_NS)


def under(lock: str, name: str, seconds: int = 0, *, admitted: dict[str, Any] | None = None, **fields: Any) -> Settled:
    """A call that was made under a lock, of which there is one snapshot unless `admitted` says otherwise."""
    made = call(name, NOON_NS + seconds * SECOND_NS, **fields)
    facts = {"lock": lock, "snapshot": f"s-{lock}"} | (admitted or {})
    return replace(made, admitted=replace(made.admitted, **facts))


def put(telemetry: Telemetry, *calls: Settled) -> None:
    telemetry.insert(Batch(calls), "t")


def test_locks_in_the_order_they_came_in_force(telemetry: Telemetry) -> None:
    """Each lock with its calls, how many snapshots they were made under, and when the first and last of them ended."""
    put(
        telemetry,
        under("b" * 64, "c4", 40),
        under("", "c1", 10),
        under("a" * 64, "c3", 30, admitted={"snapshot": "other"}),
        under("a" * 64, "c2", 20),
        under("a" * 64, "old", -3600),
    )
    assert telemetry.locks(HOUR) == (
        LockUse("", 1, 1, NOON_NS + 10 * SECOND_NS, NOON_NS + 10 * SECOND_NS),
        LockUse("a" * 64, 2, 2, NOON_NS + 20 * SECOND_NS, NOON_NS + 30 * SECOND_NS),
        LockUse("b" * 64, 1, 1, NOON_NS + 40 * SECOND_NS, NOON_NS + 40 * SECOND_NS),
    )


def test_locks_are_narrowed_like_a_report(telemetry: Telemetry) -> None:
    """Only calls of the wanted tasks and model count."""
    put(telemetry, under("a", "c1"), under("b", "c2", task="extract"), under("c", "c3", model="large"))

    def locks(**narrowed: Any) -> list[str]:
        return [use.lock for use in telemetry.locks(ReportQuery(HOUR.since_ns, HOUR.until_ns, **narrowed))]

    assert locks(tasks=("extract",)) == ["b"]
    assert locks(model="large") == ["c"]
    assert locks() == ["a", "b", "c"]


def test_report_by_lock(telemetry: Telemetry) -> None:
    """Each task's figures stand apart by lock, on request; two snapshots of one lock are one."""
    put(
        telemetry,
        under("a", "c1", total_s=1.0),
        under("a", "c2", total_s=1.0, admitted={"snapshot": "other"}),
        under("b", "c3", total_s=4.0),
        under("", "c4", task="extract", model="large"),
    )

    def seen(**apart: bool) -> list[tuple[str, str, str, int]]:
        query = ReportQuery(HOUR.since_ns, HOUR.until_ns, **apart)
        return [(one.task, one.model, one.lock, sum(one.outcomes.values())) for one in telemetry.report(query)]

    assert seen() == [("extract", "", "", 1), ("route", "", "", 3)]
    assert seen(by_lock=True) == [("extract", "", "", 1), ("route", "", "a", 2), ("route", "", "b", 1)]
    assert seen(by_lock=True, by_model=True) == [
        ("extract", "large", "", 1),
        ("route", "small", "a", 2),
        ("route", "small", "b", 1),
    ]
    by_lock = ReportQuery(HOUR.since_ns, HOUR.until_ns, by_lock=True)
    longest = [one.distributions["total"].values[-1] for one in telemetry.report(by_lock) if one.task == "route"]
    assert [round(seconds) for seconds in longest] == [1, 4]


def test_contracts_by_lock(telemetry: Telemetry) -> None:
    """What became of answers and tool calls stands apart by lock as well, and adds up to the same without."""
    put(
        telemetry,
        under("a", "c1", verdict="valid", tool_outcomes=(ToolOutcome("find", "valid", 1),)),
        under("a", "c2", verdict="invalid"),
        under("b", "c3", verdict="valid", repairs=1, tool_outcomes=(ToolOutcome("what", "unknown_tool", 1),)),
        under("b", "c4", seams=(3, 9), repetition="line", repetition_stopped=True),
    )
    found = {one.lock: one for one in telemetry.contracts(ReportQuery(HOUR.since_ns, HOUR.until_ns, by_lock=True))}
    assert set(found) == {"a", "b"}
    assert {result: n for result, n in found["a"].answers.items() if n} == {"valid_first": 1, "passed_invalid": 1}
    assert {result: n for result, n in found["b"].answers.items() if n} == {"repaired": 1}
    assert (found["a"].tool_calls, found["b"].tool_calls) == (
        {"find": {"valid": 1}},
        {"(unknown)": {"unknown_tool": 1}},
    )
    assert (found["b"].repairs, found["b"].stopped, found["b"].resumed, found["b"].seams) == (1, 1, 1, 2)
    (whole,) = telemetry.contracts(HOUR)
    assert (whole.lock, whole.answers["valid_first"], whole.answers["repaired"], whole.seams) == ("", 1, 1, 2)


def test_kinds_of_calls(telemetry: Telemetry) -> None:
    """Calls that are alike in all that is pinned are one kind, with what was dropped of their messages added up."""
    shortened = ContextUse("token_window", "d", 9, dropped=4, tokens=300, dropped_tokens=120, counted="tokenizer")
    whole = ContextUse("token_window", "d", 2, tokens=50)
    told = {"upstream_model": "jobs-small", "system_fingerprint": "fp"}
    pinned = {"prompt": "p", "schema": "s"}
    put(
        telemetry,
        under("a", "c1", 5, admitted=pinned | {"context": shortened}, **told),
        under("a", "c2", 3, admitted=pinned | {"context": whole}, **told),
        under("a", "c3", 4, admitted=pinned | {"context": shortened}, **told),
        under("a", "c4", 6, admitted=pinned, **told | {"system_fingerprint": "other"}),
        under("a", "old", -3600, admitted=pinned, **told),
    )
    alike = CallKind(
        task="route",
        lock="a",
        prompt="p",
        served_by="small",
        upstream_model="jobs-small",
        system_fingerprint="fp",
        schema="s",
        context_strategy="token_window",
        context_digest="d",
        calls=3,
        looked_at=3,
        shortened=2,
        messages=20,
        dropped=8,
        tokens=650,
        dropped_tokens=240,
        first_ns=NOON_NS + 3 * SECOND_NS,
        last_ns=NOON_NS + 5 * SECOND_NS,
    )
    other = CallKind(
        *("route", "a", "p", "small", "jobs-small", "other", "s", "", ""),
        calls=1,
        first_ns=NOON_NS + 6 * SECOND_NS,
        last_ns=NOON_NS + 6 * SECOND_NS,
    )
    assert telemetry.call_kinds(HOUR) == CallKinds((alike, other), 4)


def test_nothing_is_of_no_kind(telemetry: Telemetry) -> None:
    """An empty window has no locks and no kinds."""
    assert (telemetry.locks(HOUR), telemetry.call_kinds(HOUR)) == ((), CallKinds())
