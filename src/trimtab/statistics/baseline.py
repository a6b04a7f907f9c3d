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
    `damping` is what a rehearsal of a detector found (`sequential.Detector.rehearsal`), for each of its alternatives.
    """

    shares: tuple[float, ...]
    errors: tuple[float, ...]
    wobble: float
    clumping: float
    n: int
    days: int
    damping: tuple[float, ...] = ()

    def share(self, minute: int) -> float:
        """What is normal at a minute."""
        return self.shares[hour_of_week(minute)]

    @property
    def lasting(self) -> float:
        """The variance of the logit that all hours share: by how much the whole may be off for good."""
        of = self.n * sum(self.shares) / len(self.shares)
        return _lasting(of, self.n, self.clumping, self.wobble, self.days)


def hour_of_week(minute: int) -> int:
    """The hour of the week, from Monday 0:00 UTC, of the step that ended at a minute since 1970."""
    return (minute - 1 - MONDAY) % MINUTES_OF_A_WEEK // 60


def known_rate(share: float) -> RateBaseline:
    """The baseline of a declared limit: exact, the same at every hour. Raises `ValueError` unless 0 < share < 1.

    It counts as one observation of one day, since with none nothing would be known.
    """
    if not 0 < share < 1:
        raise ValueError(f"{share} is no share between 0 and 1")
    return RateBaseline((share,) * HOURS, (0.0,) * HOURS, 0.0, 1.0, 1, 1)


def learn_rate(steps: Iterable[RateStep], excluded: Sequence[tuple[int, int]] = ()) -> RateBaseline:
    """The baseline of past steps, of an hour or less each, in any order; 28 days are a good length.

    Steps that ended in an `excluded` (from, until] are left out: minutes in which an alarm held, or that lie before a
    change that was accepted as normal. Nothing to learn from gives a baseline against which nothing raises an alarm.
    """
    hours: dict[int, list[int]] = {}
    for minute, of, n in steps:
        if n > 0 and not is_excluded(minute, excluded):
            hour = hours.setdefault((minute - 1) // 60, [0, 0])
            hour[0] += of
            hour[1] += n
    of, n = (sum(column) for column in zip(*hours.values(), strict=True)) if hours else (0, 0)
    whole = (of + 0.5) / (n + 1)
    variance = whole * (1 - whole)
    moments = [Moment(hour, of - n * whole, n * variance) for hour, (of, n) in hours.items()]
    effects = learn_effects(moments, USUAL_WOBBLE)
    alone = _lasting(of, n, effects.clumping, effects.wobble, effects.days)
    return RateBaseline(
        tuple(min(max(whole + shift * variance, whole / 10), 1 - (1 - whole) / 10) for shift in effects.shifts),
        tuple(math.sqrt(alone + more) for more in effects.variances),
        effects.wobble,
        effects.clumping,
        n,
        effects.days,
    )


def _lasting(of: float, n: int, clumping: float, wobble: float, days: int) -> float:
    return clumping * (1 / (of + 0.5) + 1 / (n - of + 0.5)) + wobble**2 / max(1, days)


def is_excluded(minute: int, excluded: Sequence[tuple[int, int]]) -> bool:
    """Whether a minute lies in one of the ranges (from, until]."""
    return any(begins < minute <= ends for begins, ends in excluded)


class Moment(NamedTuple):
    """An hour since 1970: by how much what was seen is off the whole, and the variance that chance alone gives it.

    `off / variance` estimates the hour's effect in its natural parameter (the logit of a share, the mean over the
    variance of a normal value), with variance 1 / `variance`.
    """

    hour: int
    off: float
    variance: float


class Effects(NamedTuple):
    """The effect of each hour of the week and the variance of its estimate; the rest as in `RateBaseline`."""

    shifts: list[float]
    variances: list[float]
    wobble: float
    clumping: float
    days: int


def learn_effects(moments: Sequence[Moment], usual: float) -> Effects:
    """The effects of hours of the week, drawn towards the hours of the day and those towards nothing, as far as they do
    not differ by more than clumping and wobble explain. `usual` is the wobble where too little was seen to tell.
    """
    nothing = Effects([0.0] * HOURS, [0.0] * HOURS, usual, 1.0, len({one.hour // 24 for one in moments}))
    if nothing.days < 2:
        return nothing
    first = _cells(moments, nothing, usual)
    dispersed = _dispersed(_without(moments, first), first, usual)
    second = _cells(moments, dispersed, usual)
    return _cells(moments, _dispersed(_without(moments, second), second, usual), usual)


def _cells(moments: Sequence[Moment], about: Effects, usual: float) -> Effects:
    coarse = [24 * (cell >= _WEEKEND) + cell % 24 for cell in range(HOURS)]
    middle = _drawn(moments, about, coarse, usual)
    fine = _drawn(_without(moments, middle), about, range(HOURS), usual / 2)
    shifts = [one + other for one, other in zip(middle.shifts, fine.shifts, strict=True)]
    variances = [one + other for one, other in zip(middle.variances, fine.variances, strict=True)]
    return about._replace(shifts=shifts, variances=variances)


def _without(moments: Sequence[Moment], effects: Effects) -> list[Moment]:
    """What is left of moments without the effects of their hours."""
    return [Moment(hour, off - variance * effects.shifts[_cell(hour)], variance) for hour, off, variance in moments]


def _cell(hour: int) -> int:
    return hour_of_week(hour * 60 + 1)


def _drawn(moments: Sequence[Moment], about: Effects, groups: Sequence[int], usual: float) -> Effects:
    """Effects of groups of cells drawn towards nothing, and the variance that is left."""
    found: dict[int, list[float]] = {}
    for hour, off, variance in moments:
        sums = found.setdefault(groups[_cell(hour)], [0.0, 0.0, 0.0])
        sums[0] += off
        sums[1] += variance
        sums[2] += variance**2
    chance = {key: about.clumping * v + about.wobble**2 * v2 for key, (_, v, v2) in found.items()}
    spread = sum(v * v for _, v, _ in found.values())
    seen = max(0.0, sum(found[key][0] ** 2 - chance[key] for key in found) / spread)
    between = _tempered(seen, 2 * sum(one * one for one in chance.values()) / spread**2, usual)
    shifts, left = [0.0] * HOURS, [between] * HOURS
    for cell in range(HOURS):
        off, v, _ = found.get(groups[cell], (0.0, 0.0, 0.0))
        if v:
            kept = between * v * v / (between * v * v + chance[groups[cell]])
            shifts[cell], left[cell] = kept * off / v, between * (1 - kept)
    return about._replace(shifts=shifts, variances=left)


def _dispersed(moments: Sequence[Moment], about: Effects, usual: float) -> Effects:
    """How much more than by chance hours of a day differ (clumping), and days (wobble)."""
    days: dict[int, list[Moment]] = {}
    for one in moments:
        days.setdefault(one.hour // 24, []).append(one)
    totals = [(sum(one.off for one in hours), sum(one.variance for one in hours)) for hours in days.values()]
    pearson = sum(
        (one.off - off / total * one.variance) ** 2 / one.variance
        for hours, (off, total) in zip(days.values(), totals, strict=True)
        for one in hours
    )
    freedom = len(moments) - len(days)
    clumping = max(1.0, pearson / freedom) if freedom >= _LEAST_FREEDOM else 1.0
    squares = sum(v * v for _, v in totals)
    seen = max(0.0, sum(off * off - clumping * v for off, v in totals) / squares)
    wobble2 = _tempered(seen, 2 * clumping**2 / squares, usual)
    return about._replace(wobble=math.sqrt(wobble2), clumping=clumping)


def _tempered(seen: float, variance: float, usual: float) -> float:
    """A variance between groups, from its estimate and what is usual, each weighted by how sure it is."""
    sure = usual**4
    return (seen * sure + usual**2 * variance) / (sure + variance)
