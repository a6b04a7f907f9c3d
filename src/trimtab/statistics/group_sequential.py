"""A comparison with some looks on the way: fewer cases on average, the same error rates.

At each look the p-value of the cases so far is held against a level; the levels together spend alpha in proportion to
the cases seen (K. Kim and D. L. DeMets, "Design and analysis of group sequential tests based on the type I error
spending rate function", Biometrika 74 (1987) 149-154, with exponent 1). They follow from the joint distribution of the
statistics, integrated numerically (P. Armitage, C. K. McPherson and B. C. Rowe, JRSS A 132 (1969) 235-244). Where any
number of looks may come, and no number of cases is declared, use `anytime`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from statistics import NormalDist
from typing import Final

from msgspec import Struct

from trimtab.statistics.decision import Decision, Verdict, judged
from trimtab.statistics.paired import Difference

LOOKS: Final = 10
MOST_LOOKS: Final = 50
_NORMAL: Final = NormalDist()
_GRID: Final = 96
_REACH: Final = 6.0
_HALVINGS: Final = 50


class Plan(Struct, frozen=True):
    """A test with looks: at most so many cases, after each of `looks` as many more, and what it is expected to use.

    `most` is what gives the power; `expected` is the mean number of cases if the truth lies as far from the bound as
    planned, `expected_far` if it lies twice as far.
    """

    most: int
    looks: tuple[int, ...]
    expected: float
    expected_far: float


class GroupSequentialTest:
    """Non-inferiority with looks after equal parts of a declared number of cases, which come in random order.

    Ships a change that is worse than the margin with probability at most `alpha`, and blocks one that is no worse with
    the same, over all looks together. Raises `ValueError` for a margin below 0 or fewer than 1 or more than 50 looks.
    """

    def __init__(self, margin: float, looks: int = LOOKS, alpha: float = 0.05, higher_is_better: bool = True) -> None:
        if not margin >= 0 or not 1 <= looks <= MOST_LOOKS:
            raise ValueError(
                f"{looks} looks at a margin of {margin}: give 1 to {MOST_LOOKS} looks, a margin of 0 or more"
            )
        self.margin, self.looks, self.alpha, self.higher_is_better = margin, looks, alpha, higher_is_better
        self.levels = levels(looks, alpha)

    def judge(self, look: int, difference: Difference) -> Verdict:
        """The verdict at a look, counted from 1, of all cases so far; the first that is not inconclusive counts."""
        return judged(difference, self.margin, self.levels[look - 1], self.higher_is_better)


def plan(cases: int, looks: int = LOOKS, power: float = 0.8, alpha: float = 0.05) -> Plan:
    """The looks that have the power of a test of `cases` cases with one look at the end (`power.cases_needed`)."""
    shift = _NORMAL.inv_cdf(1 - alpha) + _NORMAL.inv_cdf(power)
    bounds = tuple(_NORMAL.inv_cdf(1 - level) for level in levels(looks, alpha))
    low, high = 1.0, 3.0
    for _ in range(_HALVINGS // 2):
        middle = (low + high) / 2
        reached = math.fsum(crossings(bounds, shift * math.sqrt(middle)))
        low, high = (middle, high) if reached < power else (low, middle)
    most = math.ceil(cases * high)
    parts = tuple(math.ceil(most * place / looks) for place in range(1, looks + 1))
    expected = [_expected(crossings(bounds, factor * shift * math.sqrt(high)), parts) for factor in (1, 2)]
    return Plan(most, parts, expected[0], expected[1])


def _expected(stops: Sequence[float], parts: Sequence[int]) -> float:
    return (
        math.fsum(stop * cases for stop, cases in zip(stops, parts, strict=True)) + (1 - math.fsum(stops)) * parts[-1]
    )


@lru_cache(maxsize=64)
def levels(looks: int, alpha: float = 0.05) -> tuple[float, ...]:
    """The one-sided p-value below which to stop at each of equally spaced looks."""
    bounds: list[float] = []
    density: list[tuple[float, float]] = []
    for look in range(1, looks + 1):
        spend = alpha / looks
        low, high = -_REACH, 2 * _REACH
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            low, high = (middle, high) if _beyond(density, middle, look, 0.0) > spend else (low, middle)
        bounds.append(high)
        density = _carried(density, high, look, 0.0)
    return tuple(_NORMAL.cdf(-bound) for bound in bounds)


@lru_cache(maxsize=256)
def crossings(bounds: tuple[float, ...], shift: float) -> tuple[float, ...]:
    """The probability of crossing first at each of equally spaced looks a bound of the standardised statistic, if its
    mean at the last look is `shift`.
    """
    density: list[tuple[float, float]] = []
    found = []
    drift = shift / math.sqrt(len(bounds))
    for look, bound in enumerate(bounds, 1):
        found.append(_beyond(density, bound, look, drift))
        density = _carried(density, bound, look, drift)
    return tuple(found)


def _beyond(density: Sequence[tuple[float, float]], bound: float, look: int, drift: float) -> float:
    """The mass that crosses a bound at a look. `density` has points of the sum of `look - 1` steps of variance 1, below
    the bounds before, and their mass.
    """
    limit = bound * math.sqrt(look) - drift
    if look == 1:
        return _NORMAL.cdf(-limit)
    return math.fsum(mass * _NORMAL.cdf(point - limit) for point, mass in density)


def _carried(
    density: Sequence[tuple[float, float]], bound: float, look: int, drift: float
) -> list[tuple[float, float]]:
    """The density after a step, of what has not crossed, by Simpson's rule."""
    root = math.sqrt(look)
    top, bottom = bound * root, min(look * drift - _REACH * root, bound * root - 1.0)
    step = (top - bottom) / _GRID
    front = step / 3 / math.sqrt(2 * math.pi)
    points = []
    for place in range(_GRID + 1):
        point = bottom + place * step
        from_all = (
            math.exp(-((point - drift) ** 2) / 2)
            if look == 1
            else math.fsum(mass * math.exp(-((point - drift - before) ** 2) / 2) for before, mass in density)
        )
        points.append((point, front * from_all * (1 if place in {0, _GRID} else 4 if place % 2 else 2)))
    return points


def stopped(verdicts: Sequence[Verdict]) -> Decision:
    """The decision of a sequence of looks: the first that is one."""
    return next((one.decision for one in verdicts if one.decision is not Decision.INCONCLUSIVE), Decision.INCONCLUSIVE)
