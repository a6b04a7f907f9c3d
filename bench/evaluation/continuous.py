"""An evaluation that goes on: 20 cases an hour, months without a change, and drops of 5 points."""

from __future__ import annotations

import math
from collections.abc import Sequence
from random import Random
from statistics import median
from typing import NamedTuple

from trimtab.statistics.anytime import drop_detector
from trimtab.statistics.baseline import RateStep, learn_rate
from trimtab.statistics.rates import Counted

CASES, LEARNED, MONTH, SHARE, DROP = 20, 28 * 24, 30 * 24, 0.9, 0.05
WINDOWS = (6, 12, 24, 48, 96)


class Found(NamedTuple):
    """What one month says: false alarms, the delay of a drop in hours, and the cases passed in each hour of both."""

    false: int
    delay: float
    quiet: tuple[int, ...]
    dropped: tuple[int, ...]


def hours(random: Random, count: int, chances: Sequence[float], drop: float = 0.0) -> list[int]:
    """How many cases pass in each hour; a drop lowers each chance in proportion."""
    factor = 1 - drop / SHARE
    return [sum(random.random() < chance * factor for chance in chances) for _ in range(count)]


def month(job: tuple[int, bool]) -> Found:
    """Four weeks to learn from, a quiet month, then a drop until it is found; `fixed` cases are the same each hour."""
    seed, fixed = job
    random = Random(seed)
    chances = [random.betavariate(4.5, 0.5) for _ in range(CASES)] if fixed else [SHARE] * CASES
    chances = [chance * SHARE * CASES / math.fsum(chances) for chance in chances] if fixed else chances
    chances = [min(1.0, chance) for chance in chances]
    learned = hours(random, LEARNED, chances)
    detector = drop_detector(learn_rate([RateStep(60 * (1 + n), of, CASES) for n, of in enumerate(learned)]), DROP)
    quiet, dropped = hours(random, MONTH, chances), hours(random, MONTH, chances, DROP)
    state = detector.begin(60 * LEARNED)
    state, edges = detector.run(state, [(60 * (LEARNED + 1 + n), Counted(of, CASES)) for n, of in enumerate(quiet)])
    false = sum(decision.alarm for _, decision in edges)
    if state.held:
        state = detector.begin(60 * (LEARNED + MONTH))
    start = 60 * (LEARNED + MONTH)
    _, edges = detector.run(state, [(start + 60 * (1 + n), Counted(of, CASES)) for n, of in enumerate(dropped)])
    delay = (edges[0][0] - start) / 60 if edges else math.inf
    return Found(false, delay, tuple(quiet), tuple(dropped))


def lows(passed: Sequence[int], window: int) -> list[float]:
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
