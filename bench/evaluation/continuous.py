"""An evaluation that goes on: 20 cases an hour, months without a change, and drops of 5 points.

The cases are fresh each hour, the same 20, or 20 of 300 in turns, as schedules ask them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from random import Random
from statistics import median
from typing import NamedTuple, TypeVar

from trimtab.evals.case import Case
from trimtab.evals.scheduled import chosen
from trimtab.statistics.anytime import drop_detector, steady_rate
from trimtab.statistics.baseline import RateStep
from trimtab.statistics.rates import Counted
from trimtab.statistics.repeated import RepeatedDetector, learned
from trimtab.statistics.sequential import Detector

CASES, LEARNED, MONTH, SHARE, DROP = 20, 28 * 24, 30 * 24, 0.9, 0.05
SUITE, WEEK = 300, 7 * 24
"""Cases that are asked in turns, and the hours that are learned from first."""
KINDS = {"fresh": "fresh cases each hour", "same": "the same 20 cases each hour", "turns": "20 of 300 cases in turns"}
WINDOWS = (6, 12, 24, 48, 96)
Seen = TypeVar("Seen")


class Found(NamedTuple):
    """What one month says: false alarms, the delay of a drop in hours, and the cases passed in each hour of both, less
    the mean of the hours that were learned from.
    """

    false: int
    delay: float
    quiet: tuple[float, ...]
    dropped: tuple[float, ...]


def hours(random: Random, count: int, chances: Sequence[float], drop: float = 0.0) -> list[list[bool]]:
    """Which cases pass in each hour; a drop lowers each chance in proportion."""
    factor = 1 - drop / SHARE
    return [[random.random() < chance * factor for chance in chances] for _ in range(count)]


def month(job: tuple[int, str]) -> Found:
    """Time to learn from, a quiet month, then a drop until it is found."""
    seed, kind = job
    random = Random(seed)
    if kind == "turns":
        return _month_of_turns(random, seed)
    fixed = kind == "same"
    chances = [random.betavariate(4.5, 0.5) for _ in range(CASES)] if fixed else [SHARE] * CASES
    learn, quiet = hours(random, LEARNED, chances), hours(random, MONTH, chances)
    dropped = hours(random, MONTH, chances, DROP)
    steps = [RateStep(60 * (1 + n), sum(passed), CASES) for n, passed in enumerate(learn)]
    usual = sum(map(sum, learn)) / LEARNED
    if fixed:
        return _watched(
            RepeatedDetector(learned([_by_case(one) for one in learn]), DROP), _by_case, quiet, dropped, usual
        )
    return _watched(
        drop_detector(steady_rate(steps), DROP), lambda one: Counted(sum(one), CASES), quiet, dropped, usual
    )


def _month_of_turns(random: Random, seed: int) -> Found:
    """As schedules do it: each hour is held against what was learned before it, and learned from."""
    cases = tuple(Case(str(n)) for n in range(SUITE))
    chances = {case.id: random.betavariate(4.5, 0.5) for case in cases}
    factor = 1 - DROP / SHARE

    def hour(number: int) -> dict[str, bool]:
        times = factor if number >= WEEK + MONTH else 1.0
        asked = chosen(cases, seed, number, CASES)
        return {case.id: random.random() < chances[case.id] * times for case in asked}

    ran = [hour(n) for n in range(WEEK + 2 * MONTH)]
    known = learned([_of_hour(one) for one in ran[:WEEK]])
    state, false, delay, turn = None, 0, math.inf, WEEK + MONTH
    for n, one in enumerate(ran[WEEK:], WEEK):
        detector = RepeatedDetector(known, DROP)
        if state is None or (n == turn and state.held):
            state = detector.begin(60 * n)
        held = state.held
        state, decision = detector.step(state, 60 * (n + 1), _of_hour(one))
        if decision.alarm and n >= turn:
            delay = n + 1.0 - turn
            break
        false += decision.alarm and held is None
        known = known if decision.alarm else learned([known, _of_hour(one)])
    usual = sum(sum(one.values()) for one in ran[:WEEK]) / WEEK
    passed = [sum(one.values()) * CASES / len(one) - usual for one in ran[WEEK:]]
    return Found(false, delay, tuple(passed[:MONTH]), tuple(passed[MONTH:]))


def _of_hour(passed: dict[str, bool]) -> dict[str, Counted]:
    return {case: Counted(int(one), 1) for case, one in passed.items()}


def _by_case(passed: Sequence[bool]) -> dict[str, Counted]:
    return {str(case): Counted(int(one), 1) for case, one in enumerate(passed)}


def _watched(
    detector: Detector[Seen],
    seen: Callable[[Sequence[bool]], Seen],
    quiet: Sequence[Sequence[bool]],
    dropped: Sequence[Sequence[bool]],
    usual: float,
) -> Found:
    start, turn = 60 * LEARNED, 60 * (LEARNED + MONTH)
    state = detector.begin(start)
    state, edges = detector.run(state, [(start + 60 * (1 + n), seen(one)) for n, one in enumerate(quiet)])
    false = sum(decision.alarm for _, decision in edges)
    state = detector.begin(turn) if state.held else state
    _, edges = detector.run(state, [(turn + 60 * (1 + n), seen(one)) for n, one in enumerate(dropped)])
    delay = (edges[0][0] - turn) / 60 if edges else math.inf
    below = [tuple(sum(one) - usual for one in side) for side in (quiet, dropped)]
    return Found(false, delay, *below)


def lows(passed: Sequence[float], window: int) -> list[float]:
    """The share of each window of hours that ended."""
    total, found = sum(passed[:window]), []
    found.append(total / window / CASES)
    for new, old in zip(passed[window:], passed, strict=False):
        total += new - old
        found.append(total / window / CASES)
    return found


def threshold(months: Sequence[Found], window: int, allowed: float) -> float:
    """The largest threshold below which no more months than allowed fall."""
    least = sorted(min(lows(one.quiet, window)) for one in months)
    return least[min(len(least) - 1, math.floor(allowed * len(least)))]


def fixed_delay(months: Sequence[Found], window: int, limit: float) -> float:
    """The median hours until the share of a window that began in the quiet month lies below a limit."""
    delays = []
    for one in months:
        shares = lows([*one.quiet[-window:], *one.dropped], window)[1:]
        delays.append(next((n + 1.0 for n, share in enumerate(shares) if share < limit), math.inf))
    return median(delays)
