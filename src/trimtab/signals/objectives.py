"""Objectives: how much of what a task may fail is left, and how fast it goes.

Of each goal some calls may break it: of `success` 0.995 five in a thousand, of a p95 one in twenty. What may be broken
over the objective's window is the error budget; a burn rate of 1 uses it up in exactly that window. Source: B. Beyer
and others, "The Site Reliability Workbook" (2018), chapter 5.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Protocol

from msgspec import Struct

from trimtab.policy.goals import goal_name
from trimtab.policy.snapshot import TaskPolicy
from trimtab.policy.watch import Objective
from trimtab.signals.figure import Standing
from trimtab.signals.signal import Ratio
from trimtab.statistics.quantiles import is_enough
from trimtab.store.histograms import above, size
from trimtab.store.outcomes import succeeded
from trimtab.store.slices import Slice, SliceQuery, Spread
from trimtab.store.telemetry import MINUTE_NS

SECOND_NS: Final = 1_000_000_000
MICROSECONDS: Final = 1e6
HOUR_S: Final = 3600.0
BURNS_S: Final = {"1h": HOUR_S, "6h": 6 * HOUR_S, "3d": 72 * HOUR_S}
"""The windows whose burn rates are told."""
ALL_OF_IT: Final = 1 + 1e-9
SIGNAL_OF: Final = {"ttft": "ttft", "tpot": "tpot", "gap": "longest_gap", "total": "total"}
NAMES: Final[Mapping[str, Spread]] = {"ttft": "ttft", "tpot": "tpot", "gap": "gap", "total": "total"}


class Sliced(Protocol):
    """What objectives are read from: one operation of `Telemetry`."""

    def slices(self, query: SliceQuery) -> tuple[Slice, ...]:
        """What calls came to, by task."""


class Promise(Struct, frozen=True):
    """One goal of a task in the form that budgets are reckoned in: at most `allowed` (0 to 1) of its calls break it.

    `name` is that of the declaration (`ttft_p95`, `success`). A call breaks it by taking longer than `limit_s`, or,
    where that is None, by failing.
    """

    name: str
    signal: str
    allowed: float
    measure: str = ""
    limit_s: float | None = None


class Burn(Struct, frozen=True):
    """What went against a goal over the last `window`: `bad` of `n` calls, `rate` times as many as it allows."""

    window: str
    bad: int
    n: int
    rate: float | None


class ObjectiveFigure(Struct, frozen=True):
    """A goal over the objective's window: `bad` of `n` calls broke it.

    `budget_left` is the part of what it allows that is left, 1 where nothing broke it, below 0 where it is missed;
    None of no calls. `burns` are the latest windows, the shortest first.
    """

    task: str
    name: str
    signal: str
    allowed: float
    limit_s: float | None
    window_s: float
    bad: int
    n: int
    budget_left: float | None
    standing: Standing
    burns: tuple[Burn, ...]


def promises(objective: Objective) -> tuple[Promise, ...]:
    """The goals of an objective, those on time first."""
    found = [
        Promise(goal_name(goal), SIGNAL_OF[goal.measure], _complement(goal.quantile), goal.measure, goal.limit_s)
        for goal in objective.goals
    ]
    if objective.success is not None:
        found.append(Promise("success", "availability", _complement(objective.success)))
    return tuple(found)


def _complement(share: float) -> float:
    """What is left to 1, without the last bits that binary fractions leave."""
    return round(1 - share, 12)


def broken(promise: Promise, one: Slice) -> Ratio:
    """How many of a slice's calls broke a goal, of those it is about."""
    if promise.limit_s is None:
        found = succeeded(one.outcomes)
        return Ratio(found.n - found.of, found.n)
    histogram = one.spreads.get(NAMES[promise.measure], {})
    return Ratio(above(histogram, promise.limit_s * MICROSECONDS), size(histogram))


def objectives(
    telemetry: Sliced, policies: Mapping[str, TaskPolicy], now_ns: int, tasks: tuple[str, ...] = ()
) -> tuple[ObjectiveFigure, ...]:
    """How all tasks with goals (or those asked for) stand at a moment, by task in alphabetical order.

    Raises `StoreError` when telemetry cannot be read.
    """
    with_goals = {name: promises(policies[name].objective) for name in sorted(policies) if not tasks or name in tasks}
    with_goals = {name: found for name, found in with_goals.items() if found}
    if not with_goals:
        return ()
    spreads = tuple(sorted({NAMES[one.measure] for found in with_goals.values() for one in found if one.measure}))
    until = -(-now_ns // MINUTE_NS) * MINUTE_NS
    lengths = {*BURNS_S.values(), *(policies[name].objective.window_s for name in with_goals)}
    known: dict[float, dict[str, Slice]] = {}
    for length in lengths:
        since = max(0, until - int(length) * SECOND_NS) // MINUTE_NS * MINUTE_NS
        names = tuple(name for name in with_goals if length in BURNS_S.values() or _window(policies[name]) == length)
        found = telemetry.slices(SliceQuery(since, until, names, spreads=spreads, facts=("ends",)))
        known[length] = {one.task: one for one in found}
    return tuple(
        _standing(name, promise, policies[name].objective.window_s, known)
        for name, found in with_goals.items()
        for promise in found
    )


def _window(task: TaskPolicy) -> float:
    return task.objective.window_s


def _standing(
    task: str, promise: Promise, window_s: float, known: Mapping[float, Mapping[str, Slice]]
) -> ObjectiveFigure:
    def over(length: float) -> Ratio:
        one = known[length].get(task)
        return broken(promise, one) if one is not None else Ratio(0, 0)

    bad, n = over(window_s)
    rate = burn_rate(Ratio(bad, n), promise.allowed)
    enough = n > 0 and is_enough(n, 1 - promise.allowed)
    standing: Standing = "not enough data" if not enough or rate is None else "met" if rate <= ALL_OF_IT else "missed"
    burns = tuple(
        Burn(name, *(spent := over(length)), burn_rate(spent, promise.allowed)) for name, length in BURNS_S.items()
    )
    left = 1 - rate if rate is not None else None
    facts = promise.name, promise.signal, promise.allowed, promise.limit_s, window_s
    return ObjectiveFigure(task, *facts, bad, n, left, standing, burns)


def burn_rate(spent: Ratio, allowed: float) -> float | None:
    """How many times as many calls broke a goal as it allows; None of no calls, or where it allows none and none did.

    Infinite where it allows none and one did.
    """
    if not spent.n or (allowed <= 0 and not spent.of):
        return None
    return spent.of / spent.n / allowed if allowed > 0 else float("inf")
