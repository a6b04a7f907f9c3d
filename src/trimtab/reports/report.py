"""What the calls of each task did over a window: the one place where these figures are defined.

Times are seconds, money picodollars, shares lie between 0 and 1.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Literal

from msgspec import Struct

from trimtab.policy.goals import goal_name
from trimtab.policy.snapshot import TaskPolicy
from trimtab.reports.contracts import ContractReport, contract_reports
from trimtab.reports.drift import Drifted, drifted
from trimtab.statistics.intervals import wilson
from trimtab.statistics.quantiles import is_enough
from trimtab.store.lock_figures import LockUse
from trimtab.store.outcomes import succeeded
from trimtab.store.telemetry import (
    MAX_LEVELS,
    MINUTE_NS,
    RELATIVE_ERROR,
    CostSum,
    Distribution,
    Figures,
    Measure,
    ReportQuery,
    Telemetry,
    Work,
)

SHOWN_LEVELS = (0.5, 0.95, 0.99, 1.0)
OK = "ok"

Standing = Literal["met", "missed", "not enough data"]


class GoalResult(Struct, frozen=True):
    """One goal of a task's objective: what was promised, what was seen over `n` calls, and how the two compare."""

    name: str
    limit: float
    seen: float | None
    n: int
    standing: Standing


class Spread(Struct, frozen=True):
    """A distribution over `n` calls; a percentile is None where fewer than 1/(1-p) calls lie behind it.

    Percentiles come from sketches and lie within `relative_error` of the exact ones.
    """

    n: int
    p50: float | None
    p95: float | None
    p99: float | None
    largest: float | None


class SuccessRate(Struct, frozen=True):
    """`ok` calls among those that did not end by the caller's doing, with its 95 % Wilson interval."""

    succeeded: int
    n: int
    rate: float | None
    low: float
    high: float


class Cost(Struct, frozen=True):
    """What the calls with one label cost: `exact` from usage the engine told, `estimated` without, or `unknown`."""

    calls: int
    pusd: int


class TaskReport(Struct, frozen=True):
    """The figures of one task, or of one task on one model where `model` is not empty.

    ttft_s: the request's last byte read to the first content-bearing event written, streamed calls only.
    tpot_s: (last token - first token) / (output tokens - 1), for streamed answers of at least 2 tokens.
    longest_gap_s: the longest silence between two content-bearing events of one call.
    total_s: the request's last byte read to the answer's last byte written, over calls with outcome `ok`.
    output_tokens: the length of the delivered answer, where the engine told it.
    prefill_tokens_per_s: uncached input tokens / time to first token, summed over streamed calls with usage. Queueing
        and network are in it: it is what callers get, not what the engine can do.
    decode_tokens_per_s: output tokens after the first / time from first to last token, summed likewise: the mean
        speed of one stream.
    lock: the lock its calls were made under, where the figures are told apart by it; empty for those under none.
    contracts: what became of answers and tool calls, one for each prompt where they are told apart by it; empty where
        no answer had a schema, a tool call, degenerate repetition or a seam.
    """

    task: str
    model: str
    requests: int
    success: SuccessRate
    errors: dict[str, int]
    ttft_s: Spread
    tpot_s: Spread
    longest_gap_s: Spread
    total_s: Spread
    output_tokens: Spread
    objective: tuple[GoalResult, ...]
    tokens: dict[str, int]
    cost: dict[str, Cost]
    prefill_tokens_per_s: float | None
    decode_tokens_per_s: float | None
    contracts: tuple[ContractReport, ...] = ()
    lock: str = ""


class Report(Struct, frozen=True):
    """A window of whole minutes, [since, until) in ns since 1970, the figures of each task in it, and the locks that
    these calls were made under. `drift` is what was found to have drifted; a report of some tasks tells none.
    """

    since_ns: int
    until_ns: int
    tasks: tuple[TaskReport, ...]
    relative_error: float = RELATIVE_ERROR
    locks: tuple[LockUse, ...] = ()
    by_lock: bool = False
    drift: tuple[Drifted, ...] = ()


class Scope(Struct, frozen=True):
    """What a report is asked for; an empty field narrows nothing.

    `by_prompt` tells `contracts` apart and nothing else: the other figures are not kept by prompt.
    """

    since_ns: int
    until_ns: int
    tasks: tuple[str, ...] = ()
    model: str = ""
    by_model: bool = False
    by_prompt: bool = False
    by_lock: bool = False


def compile_report(telemetry: Telemetry, scope: Scope, tasks: Mapping[str, TaskPolicy]) -> Report:
    """Reads the figures of a scope and holds them against the objectives of the declared tasks.

    Raises `StoreError` when telemetry cannot be read.
    """
    since_ns, until_ns = scope.since_ns // MINUTE_NS * MINUTE_NS, -(-scope.until_ns // MINUTE_NS) * MINUTE_NS
    query = ReportQuery(since_ns, until_ns, scope.tasks, scope.model, scope.by_model, scope.by_prompt, scope.by_lock)
    levels = _levels(tasks.values())
    found = _figures(telemetry, query, levels)
    contracts = contract_reports(telemetry.contracts(query))
    reports = (
        _task_report(one, levels, tasks.get(one.task), contracts.get((one.task, one.model, one.lock), ()))
        for one in found
    )
    locks = telemetry.locks(query)
    in_force = {use.lock: place for place, use in enumerate(locks)}
    ordered = sorted(reports, key=lambda one: (one.task, one.model, in_force.get(one.lock, len(locks)), one.lock))
    return Report(
        since_ns,
        until_ns,
        tuple(ordered),
        locks=locks,
        by_lock=scope.by_lock,
        drift=() if scope.tasks else drifted(telemetry, since_ns, until_ns),
    )


def _levels(tasks: Iterable[TaskPolicy]) -> tuple[float, ...]:
    """The levels that are always shown, and after them those that goals name."""
    named = {goal.quantile for task in tasks for goal in task.objective.goals}
    return (*SHOWN_LEVELS, *sorted(named - set(SHOWN_LEVELS)))


def _figures(telemetry: Telemetry, query: ReportQuery, levels: tuple[float, ...]) -> tuple[Figures, ...]:
    """The figures at all levels, asked for in as many queries as that takes."""
    found = telemetry.report(replace(query, levels=levels[:MAX_LEVELS]))
    for start in range(MAX_LEVELS, len(levels), MAX_LEVELS):
        more = telemetry.report(replace(query, levels=levels[start : start + MAX_LEVELS]))
        others = {(one.task, one.model, one.lock): one.distributions for one in more}
        found = tuple(_widened(one, others.get((one.task, one.model, one.lock), {})) for one in found)
    return found


def _widened(figures: Figures, others: Mapping[Measure, Distribution]) -> Figures:
    distributions = {
        measure: Distribution(spread.n, spread.values + others.get(measure, Distribution()).values)
        for measure, spread in figures.distributions.items()
    }
    return replace(figures, distributions=distributions)


def _task_report(
    figures: Figures, levels: tuple[float, ...], task: TaskPolicy | None, contracts: tuple[ContractReport, ...]
) -> TaskReport:
    spreads = {measure: spread(one, levels) for measure, one in figures.distributions.items()}
    success = success_rate(figures.outcomes)
    return TaskReport(
        task=figures.task,
        model=figures.model,
        requests=sum(figures.outcomes.values()),
        success=success,
        errors={code: figures.outcomes[code] for code in sorted(figures.outcomes) if code != OK},
        ttft_s=spreads["ttft"],
        tpot_s=spreads["tpot"],
        longest_gap_s=spreads["gap"],
        total_s=spreads["total"],
        output_tokens=spreads["output"],
        objective=_objective(figures.distributions, levels, success, task) if task is not None else (),
        tokens=figures.tokens,
        cost={label: _cost(found) for label, found in figures.cost.items()},
        prefill_tokens_per_s=_speed(figures.prefill),
        decode_tokens_per_s=_speed(figures.decode),
        contracts=contracts,
        lock=figures.lock,
    )


def _objective(
    distributions: Mapping[Measure, Distribution],
    levels: tuple[float, ...],
    success: SuccessRate,
    task: TaskPolicy,
) -> tuple[GoalResult, ...]:
    results = []
    for goal in task.objective.goals:
        spread = distributions[goal.measure]
        seen = _quantile(spread, levels, goal.quantile)
        standing: Standing = "not enough data" if seen is None else "met" if seen <= goal.limit_s else "missed"
        results.append(GoalResult(goal_name(goal), goal.limit_s, seen, spread.n, standing))
    if task.objective.success is not None:
        results.append(_success_goal(success, task.objective.success))
    return tuple(results)


def _success_goal(success: SuccessRate, wanted: float) -> GoalResult:
    """Enough data is one call for each failure that the goal allows, as for a percentile."""
    seen = success.rate if success.n and is_enough(success.n, wanted) else None
    standing: Standing = "not enough data" if seen is None else "met" if seen >= wanted else "missed"
    return GoalResult("success", wanted, seen, success.n, standing)


def spread(distribution: Distribution, levels: tuple[float, ...]) -> Spread:
    """A distribution at `levels`, `SHOWN_LEVELS` among them, as it is reported."""
    p50, p95, p99 = (_quantile(distribution, levels, level) for level in (0.5, 0.95, 0.99))
    largest = distribution.values[levels.index(1.0)] if distribution.n else None
    return Spread(distribution.n, p50, p95, p99, largest)


def _quantile(distribution: Distribution, levels: tuple[float, ...], level: float) -> float | None:
    place = levels.index(level)
    if place >= len(distribution.values) or not is_enough(distribution.n, level):
        return None
    return distribution.values[place]


def success_rate(outcomes: Mapping[str, int]) -> SuccessRate:
    """The share of calls that succeeded, by how calls ended."""
    found = succeeded(outcomes)
    share = found.of / found.n if found.n else None
    return SuccessRate(found.of, found.n, share, *wilson(found.of, found.n))


def _cost(found: CostSum) -> Cost:
    return Cost(found.calls, found.pusd)


def _speed(work: Work) -> float | None:
    return work.tokens / work.seconds if work.seconds > 0 else None
