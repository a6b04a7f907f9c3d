"""The figures of a report are what their definitions say."""

from __future__ import annotations

import msgspec
import pytest

from tests.store.samples import MINUTE_NS, NOON_NS, SECOND_NS, call
from trimtab.declare.project import Defaults, Goal, Objective, Sampling
from trimtab.policy.snapshot import TaskPolicy
from trimtab.record.events import Settled, Usage
from trimtab.reports.report import Report, Scope, TaskReport, compile_report
from trimtab.store.memory import MemoryTelemetry
from trimtab.store.telemetry import Batch

WINDOW = Scope(NOON_NS - MINUTE_NS, NOON_NS + MINUTE_NS)


def policy(objective: Objective) -> TaskPolicy:
    defaults = Defaults()
    return TaskPolicy(
        name="route",
        owner="support",
        task_class="interactive",
        models=("small",),
        sampling=Sampling(),
        deadline=defaults.deadline,
        objective=objective,
        retry=defaults.retry,
        redaction="full",
        prompt=None,
    )


def report_of(*calls: Settled, objective: Objective | None = None, scope: Scope = WINDOW) -> Report:
    telemetry = MemoryTelemetry()
    telemetry.insert(Batch(calls), "t")
    return compile_report(telemetry, scope, {"route": policy(objective)} if objective else {})


def task_of(*calls: Settled, objective: Objective | None = None) -> TaskReport:
    (one,) = report_of(*calls, objective=objective).tasks
    return one


def calls(count: int, **fields: object) -> list[Settled]:
    return [call(f"c{number}", **fields) for number in range(count)]  # type: ignore[arg-type]


def test_nothing_happened() -> None:
    """An empty window is a report without tasks."""
    assert report_of().tasks == ()


def test_success_leaves_out_what_the_caller_did() -> None:
    """18 ok, 2 failed by us, 5 clients gone and 1 bad request: 18 of 20, with Wilson's interval."""
    mixed = [
        *calls(18),
        *(call(f"f{number}", outcome="upstream_error") for number in range(2)),
        *(call(f"g{number}", outcome="client_gone") for number in range(5)),
        call("b", outcome="invalid_request"),
    ]
    one = task_of(*mixed)
    assert one.requests == 26
    assert (one.success.succeeded, one.success.n, one.success.rate) == (18, 20, 0.9)
    assert (one.success.low, one.success.high) == pytest.approx((0.6990, 0.9721), abs=1e-4)
    assert one.errors == {"client_gone": 5, "invalid_request": 1, "upstream_error": 2}


def test_success_of_nothing_is_unknown() -> None:
    """Only calls that the caller spoilt: no rate, and not 100 %."""
    one = task_of(call("a", outcome="client_gone"))
    assert (one.success.n, one.success.rate, one.success.low, one.success.high) == (0, None, 0.0, 1.0)


def test_a_percentile_needs_calls_behind_it() -> None:
    """p95 from 20 calls on, p99 from 100; the largest is told from the first."""
    spread = task_of(*calls(19, total_s=0.5)).total_s
    assert (spread.n, spread.p50, spread.p95, spread.p99, spread.largest) == (19, 0.5, None, None, 0.5)
    assert task_of(*calls(20, total_s=0.5)).total_s.p95 == 0.5
    assert task_of(*calls(99, total_s=0.5)).total_s.p99 is None
    assert task_of(*calls(100, total_s=0.5)).total_s.p99 == 0.5


def test_percentiles_stand_apart() -> None:
    """Of times 1..100 s, p50 is 50, p95 is 95, p99 is 99 and the largest 100."""
    timed = [call(f"c{second}", total_s=float(second)) for second in range(1, 101)]
    spread = task_of(*timed).total_s
    assert (spread.p50, spread.p95, spread.p99, spread.largest) == (50, 95, 99, 100)


def test_a_measure_nobody_has_is_unknown() -> None:
    """Calls that were not streamed have no ttft, tpot or gap, and nothing is made up."""
    one = task_of(*calls(200, total_s=1.0))
    for spread in (one.ttft_s, one.tpot_s, one.longest_gap_s):
        assert (spread.n, spread.p50, spread.largest) == (0, None, None)


@pytest.mark.parametrize(
    ("count", "ttft_s", "standing"),
    [(20, 0.8, "met"), (20, 0.81, "missed"), (19, 0.1, "not enough data"), (0, None, "not enough data")],
)
def test_a_percentile_goal(count: int, ttft_s: float | None, standing: str) -> None:
    """A goal is met at its limit, missed above it, and undecided while too few calls lie behind it."""
    objective = Objective(goals=(Goal("ttft", 0.95, 0.8),))
    (goal,) = task_of(*calls(count, ttft_s=ttft_s), call("x"), objective=objective).objective
    assert (goal.name, goal.limit, goal.n, goal.standing) == ("ttft_p95", 0.8, count, standing)
    assert goal.seen == (None if standing == "not enough data" else ttft_s)


@pytest.mark.parametrize(
    ("ok", "failed", "standing"), [(199, 1, "met"), (198, 2, "missed"), (198, 1, "not enough data"), (0, 200, "missed")]
)
def test_a_success_goal(ok: int, failed: int, standing: str) -> None:
    """99.5 % of 200 calls allows one failure; fewer calls than that cannot tell."""
    failures = [call(f"f{number}", outcome="upstream_error") for number in range(failed)]
    (goal,) = task_of(*calls(ok), *failures, objective=Objective(success=0.995)).objective
    assert (goal.name, goal.n, goal.standing) == ("success", ok + failed, standing)


def test_goals_at_any_percentile() -> None:
    """A task may set more different percentiles than one query of the store takes."""
    levels = (0.1, 0.2, 0.3, 0.4, 0.6, 0.7, 0.8, 0.9, 0.999)
    timed = [call(f"c{number}", total_s=float(number)) for number in range(1, 1001)]
    goals = tuple(Goal("total", level, 1e9) for level in levels)
    results = task_of(*timed, objective=Objective(goals=goals)).objective
    assert [goal.name for goal in results][-1] == "total_p999"
    assert [goal.seen for goal in results] == pytest.approx([1 + int(level * 999) for level in levels])


def test_a_task_that_is_not_declared_has_no_objective() -> None:
    """What no task claims is reported, and held against nothing."""
    telemetry = MemoryTelemetry()
    telemetry.insert(Batch((call("a", task="(undeclared)"),)), "t")
    objective = Objective(goals=(Goal("ttft", 0.95, 0.8),))
    (one,) = compile_report(telemetry, WINDOW, {"route": policy(objective)}).tasks
    assert (one.task, one.objective) == ("(undeclared)", ())


def test_cost_stands_with_its_label() -> None:
    """Exact, estimated and unknown are counted and summed apart, to the picodollar."""
    one = task_of(call("a", cost=("exact", 7)), call("b", cost=("estimated", 5)), call("c", cost=("unknown", None)))
    assert {label: (cost.calls, cost.pusd) for label, cost in one.cost.items()} == {
        "exact": (1, 7),
        "estimated": (1, 5),
        "unknown": (1, 0),
    }


def test_throughput() -> None:
    """Prefill: 300 uncached tokens in 1.5 s. Decode: 10 tokens after the first, 0.1 s each."""
    one = task_of(
        call("a", ttft_s=0.5, tpot_s=0.1, usage=Usage(input=100, cache_read=900, output=11), answer_tokens=11),
        call("b", ttft_s=1.0, usage=Usage(input=200, output=1), answer_tokens=1),
    )
    assert one.prefill_tokens_per_s == pytest.approx(200)
    assert one.decode_tokens_per_s == pytest.approx(10)
    assert task_of(call("a")).prefill_tokens_per_s is None


def test_the_window_is_told_in_whole_minutes() -> None:
    """The report says which minutes it covers: from the one it begins in to the end of the one it ends in."""
    report = report_of(call("a"), scope=Scope(NOON_NS - 90 * SECOND_NS, NOON_NS + SECOND_NS))
    assert (report.since_ns, report.until_ns) == (NOON_NS - 2 * MINUTE_NS, NOON_NS + MINUTE_NS)
    assert report.tasks[0].requests == 1


def test_json_says_the_same() -> None:
    """The JSON of a report decodes to the report."""
    report = report_of(*calls(30, total_s=0.5), objective=Objective(success=0.5))
    assert msgspec.json.decode(msgspec.json.encode(report), type=Report) == report
