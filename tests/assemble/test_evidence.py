"""What recorded calls say of an old model and a new one."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from tests.store.samples import call
from trimtab.assemble.evidence import Evidence, Row, Sides, Standing, compare
from trimtab.lock.lockfile import Lock, entry, lock
from trimtab.record.events import Settled, ToolOutcome, Usage
from trimtab.statistics.differences import ENTIRE

USD = 10**12


def rows(evidence: Evidence) -> dict[str, Row]:
    return {row.measure: row for row in evidence.rows}


def verdicts(**counts: int) -> list[Settled]:
    """So many calls of each verdict, `none` for calls without one."""
    return [
        call(f"{name}{number}", verdict="" if name == "none" else name, finish_reason="stop")
        for name, count in counts.items()
        for number in range(count)
    ]


def test_answers_that_keep_the_schema() -> None:
    """The share of valid ones, of those that were judged and not refused, with Newcombe's published interval."""
    before = verdicts(valid=48, invalid=30, truncated=2, refused=3, none=5)
    after = verdicts(valid=56, invalid=14)
    row = rows(compare(before, after))["answers that keep the schema"]
    assert (row.task, row.unit, row.n_before, row.n_after) == ("route", "share", 80, 70)
    assert (row.before, row.after) == (0.6, 0.8)
    assert tuple(row.difference) == pytest.approx((0.0524, 0.3339), abs=5e-5)


def test_refusals() -> None:
    """A verdict tells them; without a verdict, the reason for which the answer ended; a call without either nothing."""
    before = verdicts(refused=1, valid=2, invalid=1)
    after = [
        call("a", finish_reason="refusal"),
        call("b", finish_reason="content_filter"),
        call("c", finish_reason="stop"),
        call("d", finish_reason="content_filter", verdict="invalid"),
        call("e", outcome="deadline_gap"),
    ]
    row = rows(compare(before, after))["refusals"]
    assert (row.n_before, row.before, row.n_after, row.after) == (4, 0.25, 4, 0.5)


def test_tool_calls_count_by_call() -> None:
    """A call counts once, and as valid only if all its tool calls are."""
    good, bad = ToolOutcome("refund", "valid", 1), ToolOutcome("refund", "bad_json", 1)
    before = [call("a", tool_outcomes=(good, good)), call("b", tool_outcomes=(good, bad)), call("c")]
    after = [call("d", tool_outcomes=(bad,))]
    row = rows(compare(before, after))["calls with valid tool calls"]
    assert (row.n_before, row.before, row.n_after, row.after) == (2, 0.5, 1, 0.0)


def test_length_and_cost() -> None:
    """Tokens of the delivered answer, else of the whole call; dollars where they are known; Student's sleepers."""
    first = [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0]
    second = [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4]
    before = [
        call(f"a{n}", finish_reason="stop", answer_tokens=7, cost=("exact", round((hours + 2) * USD)))
        for n, hours in enumerate(second)
    ]
    after = [
        call(f"b{n}", finish_reason="stop", usage=Usage(output=5), cost=("estimated", round((hours + 2) * USD)))
        for n, hours in enumerate(first)
    ]
    after += [call("c", usage=Usage(output=900), cost=("unknown", None)), call("d", usage=None, cost=("unknown", 5))]
    found = rows(compare(before, after))
    length, cost = found["length of an answer"], found["cost of a call"]
    assert (length.unit, length.n_before, length.before, length.n_after, length.after) == ("tokens", 10, 7, 10, 5)
    assert tuple(length.difference) == (-2, -2)
    assert (cost.unit, cost.n_before, cost.n_after) == ("USD", 10, 10)
    assert (cost.before, cost.after) == pytest.approx((4.33, 2.75))
    assert tuple(cost.difference) == pytest.approx((-3.3654832, 0.2054832), abs=5e-8)


def test_tasks_are_not_mixed() -> None:
    """Only tasks that both models answered are compared, each by itself, and all calls are counted."""
    before = [call("a", task="extract"), call("b", task="route")]
    after = [call("c", task="route"), call("d", task="triage")]
    evidence = compare(before, after)
    assert (evidence.calls_before, evidence.calls_after) == (2, 2)
    assert {row.task for row in evidence.rows} == {"route"}


def test_nothing_to_compare() -> None:
    """Without calls of either side there are no rows; one call of each tells no mean."""
    assert compare([], [call("a")]) == Evidence(0, 1)
    assert compare([call("a")], []) == Evidence(1, 0)
    one = compare([call("a")], [replace(call("b"), upstream_model="new")])
    assert rows(one)["cost of a call"].difference == ENTIRE


def locked(resolved: str, revision: str, other: str = "x") -> Lock:
    """A lock of two models."""
    return lock([
        entry("models", "small", {"resolved": resolved, "revision": revision}),
        entry("models", "spare", {"resolved": other, "revision": ""}),
    ])  # fmt: skip


def made(under: Lock | None, model: str = "small", upstream: str = "acme") -> Settled:
    """A call made under a lock."""
    one = call("c", model=model, upstream_model=upstream)
    return replace(one, admitted=replace(one.admitted, lock=under.lock_id if under else ""))


def test_sides_by_lock() -> None:
    """What a name stood for in the lock of a call decides, though the servers' own name never changed."""
    old, new, spare = locked("acme", "1"), locked("acme", "2"), locked("acme", "2", "acme")
    sides = Sides("small", Standing("acme", "2"), [old, new, spare])
    assert (sides.before, sides.after) == ((old.lock_id,), (new.lock_id, spare.lock_id))
    assert sides.of(made(old)) == "before"
    assert sides.of(made(new)) == "after"
    assert sides.of(made(old, model="spare")) is None
    assert sides.of(made(spare, model="spare")) is None, "of the same name, but not known to be of the same revision"
    assert Sides("small", Standing("acme", ""), [spare]).of(made(spare, model="spare")) == "after"


def test_sides_without_a_lock() -> None:
    """Where the lock of a call is not known, the name that the server gave itself decides; without one, nothing."""
    sides = Sides("small", Standing("acme-2", ""), [])
    unknown = locked("acme", "9")
    for under in (None, unknown):
        assert sides.of(made(under, upstream="acme-1")) == "before"
        assert sides.of(made(under, upstream="acme-2")) == "after"
        assert sides.of(made(under, model="spare", upstream="acme-2")) == "after"
        assert sides.of(made(under, model="spare", upstream="acme-1")) is None
        assert sides.of(made(under, upstream="")) is None
