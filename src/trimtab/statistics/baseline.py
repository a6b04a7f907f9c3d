"""What is normal: shares and spreads by hour and weekday, learned from the past with their uncertainty.

A cell is an hour of the week in UTC. Cells with little data are drawn towards the same hour of all working days or of
the weekend, and those towards all hours (empirical Bayes with the moments of the beta-binomial: J. C. Kleinman, JASA 68
(1973) 46-54). Days differ by more than chance, and what fails fails in clumps: both are learned and widen what counts
as normal (D. A. Williams, "Extra-binomial variation in logistic linear models", Applied Statistics 31 (1982) 144-148).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from msgspec import Struct

HOURS: Final = 168
MINUTES_OF_A_WEEK: Final = HOURS * 60
MONDAY: Final = 4 * 24 * 60
"""The first Monday since 1970, in minutes."""
USUAL_WOBBLE: Final = 0.1
"""How much the logit of a share differs between days where too little was seen to tell."""
_HOURS_OF_A_DAY: Final = 24
_WEEKEND: Final = 5 * 24
_LEAST_FREEDOM: Final = 24


class RateStep(NamedTuple):
    """How many (`of`) of `n` observations had what is watched, in the step that ended at a minute since 1970."""

    minute: int
    of: int
    n: int


class RateBaseline(Struct, frozen=True):
    """A share as it normally is: for each hour of the week, with the standard error of its logit.

    `wobble` is the standard deviation between days, in logits; `clumping` (at least 1) the factor by which the variance
    within an hour exceeds the binomial one. `n` observations on `days` days were learned from; none: nothing is known.
    """

    shares: tuple[float, ...]
    errors: tuple[float, ...]
    wobble: float
    clumping: float
    n: int
    days: int

    def share(self, minute: int) -> float:
        """What is normal at a minute."""
        return self.shares[hour_of_week(minute)]


def hour_of_week(minute: int) -> int:
    """The hour of the week, from Monday 0:00 UTC, of the step that ended at a minute since 1970."""
    return (minute - 1 - MONDAY) % MINUTES_OF_A_WEEK // 60


def known_rate(share: float) -> RateBaseline:
    """The baseline of a declared limit: exact, the same at every hour. Raises `ValueError` unless 0 < share < 1."""
    if not 0 < share < 1:
        raise ValueError(f"{share} is no share between 0 and 1")
    return RateBaseline((share,) * HOURS, (0.0,) * HOURS, 0.0, 1.0, 0, 0)


def learn_rate(steps: Iterable[RateStep], excluded: Sequence[tuple[int, int]] = ()) -> RateBaseline:
    """The baseline of past steps, of an hour or less each, in any order; 28 days are a good length.

    Steps that ended in an `excluded` (from, until] are left out: minutes in which an alarm held, or that lie before a
    change that was accepted as normal. Nothing to learn from gives a baseline against which nothing raises an alarm.
    """
    hours: dict[int, list[int]] = {}
    for minute, of, n in steps:
        if n > 0 and not any(begins < minute <= ends for begins, ends in excluded):
            hour = hours.setdefault((minute - 1) // 60, [0, 0])
            hour[0] += of
            hour[1] += n
    return _Learning([_Hour(hour, of, n) for hour, (of, n) in sorted(hours.items())]).baseline()


class _Hour(NamedTuple):
    hour: int
    of: int
    n: int

    @property
    def cell(self) -> int:
        return hour_of_week(self.hour * 60 + 1)

    @property
    def day(self) -> int:
        return self.hour // 24


class _Learning:
    """The moments, in order: the whole, clumping and wobble about it by cell, then cells drawn towards the whole."""

    def __init__(self, hours: Sequence[_Hour]) -> None:
        self.hours = hours
        self.of, self.n = sum(one.of for one in hours), sum(one.n for one in hours)
        self.whole = (self.of + 0.5) / (self.n + 1)
        self.days = len({one.day for one in hours})
        self.clumping, self.wobble2 = 1.0, USUAL_WOBBLE**2

    def baseline(self) -> RateBaseline:
        """What was learned."""
        shares, excess = self._cells([self.whole] * HOURS)
        if self.days > 1:
            self._disperse(shares)
            shares, excess = self._cells([self.whole] * HOURS)
        whole = self.clumping * (1 / (self.of + 0.5) + 1 / (self.n - self.of + 0.5)) + self.wobble2 / max(1, self.days)
        errors = tuple(math.sqrt(whole + more) for more in excess)
        return RateBaseline(tuple(shares), errors, math.sqrt(self.wobble2), self.clumping, self.n, self.days)

    def _cells(self, parents: Sequence[float]) -> tuple[list[float], list[float]]:
        """The share of each hour of the week, and the variance of its logit beyond that of the whole."""
        coarse = [_HOURS_OF_A_DAY * (cell >= _WEEKEND) + cell % _HOURS_OF_A_DAY for cell in range(HOURS)]
        middle, first = self._drawn(parents, coarse)
        fine, second = self._drawn(middle, range(HOURS))
        return fine, [one + other for one, other in zip(first, second, strict=True)]

    def _drawn(self, parents: Sequence[float], groups: Sequence[int]) -> tuple[list[float], list[float]]:
        """Shares of groups of cells, each drawn towards its parents as far as the groups do not differ by more than
        chance; and the variance that is left.
        """
        found: dict[int, list[float]] = {}
        for one in self.hours:
            share = parents[one.cell]
            variance = one.n * share * (1 - share)
            group = found.setdefault(groups[one.cell], [0.0] * 4)
            for place, more in enumerate((one.of - one.n * share, variance, variance**2, one.n)):
                group[place] += more
        chance = {key: self.clumping * v + self.wobble2 * v2 for key, (_, v, v2, _) in found.items()}
        spread = sum(v * v for _, v, _, _ in found.values())
        between = max(0.0, sum(found[key][0] ** 2 - chance[key] for key in found) / spread) if spread else 0.0
        shares, left = [], []
        for cell, parent in enumerate(parents):
            off, v, _, n = found.get(groups[cell], (0.0, 0.0, 0.0, 0.0))
            kept = between * v * v / (between * v * v + chance[groups[cell]]) if between and v else 0.0
            shares.append(min(max(parent + (kept * off / n if n else 0.0), parent / 10), 1 - (1 - parent) / 10))
            left.append(between * (1 - kept))
        return shares, left

    def _disperse(self, shares: Sequence[float]) -> None:
        """How much more than by chance hours of a day differ (clumping), and days (wobble)."""
        days: dict[int, list[_Hour]] = {}
        for one in self.hours:
            days.setdefault(one.day, []).append(one)
        pearson, freedom, excess, squares = 0.0, 0, 0.0, 0.0
        totals = []
        for hours in days.values():
            off = [one.of - one.n * shares[one.cell] for one in hours]
            variances = [one.n * shares[one.cell] * (1 - shares[one.cell]) for one in hours]
            total = sum(variances)
            mean = sum(off) / total
            pearson += sum((o - mean * v) ** 2 / v for o, v in zip(off, variances, strict=True))
            freedom += len(hours) - 1
            totals.append((sum(off), total))
        self.clumping = max(1.0, pearson / freedom) if freedom > _LEAST_FREEDOM else 1.0
        excess = sum(off * off - self.clumping * v for off, v in totals)
        squares = sum(v * v for _, v in totals)
        chance = 2 * self.clumping**2 * sum(v * v for _, v in totals) / squares**2
        seen = max(0.0, excess / squares)
        usual = USUAL_WOBBLE**2
        self.wobble2 = (seen / chance + 1 / usual) / (1 / chance + 1 / usual**2) if chance else usual
