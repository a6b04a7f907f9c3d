"""Pass or fail of both sides on the same cases, one sample each: exact tests of the difference of the shares.

Cases that only the candidate passes are `gained`, those that only the base passes `lost`. The tests order outcomes by
the score statistic of T. Tango, "Equivalence test and confidence interval for the difference in proportions for the
paired-sample design", Statistics in Medicine 17 (1998) 891-908, and take the largest probability over the share of
discordant cases, which is unknown: H.-M. Hsueh, J.-P. Liu and J. J. Chen, "Unconditional exact tests for equivalence or
noninferiority for paired binary endpoints", Biometrics 57 (2001) 478-483.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Final

from msgspec import Struct

from trimtab.statistics.differences import incomplete_beta
from trimtab.statistics.intervals import Interval

MOST_EXACT: Final = 400
"""More cases than this are not tested exactly."""
_SHARES: Final = 14
_PRECISE: Final = 1e-4
_NEGLIGIBLE: Final = 1e-9


class Discordant(Struct, frozen=True, tag=True):
    """Of `cases` cases, how many were gained and lost by the candidate."""

    gained: int
    lost: int
    cases: int

    def above(self, bound: float) -> float:
        """The p-value of the candidate's share less the base's being at most `bound`."""
        return exact_tail(self.gained, self.lost, self.cases, bound)

    def below(self, bound: float) -> float:
        """The p-value of its being at least `bound`."""
        return exact_tail(self.lost, self.gained, self.cases, -bound)

    def interval(self, confidence: float) -> Interval:
        """The differences that neither test rejects at half of what confidence leaves."""
        tail = (1 - confidence) / 2
        value = (self.gained - self.lost) / self.cases
        low = _crossing(lambda bound: self.above(bound) <= tail, value)
        return Interval(low, -_crossing(lambda bound: self.below(-bound) <= tail, -value))


def mcnemar(gained: int, lost: int) -> float:
    """The exact two-sided p-value that gains and losses are equally likely.

    Q. McNemar, Psychometrika 12 (1947) 153-157, by the binomial distribution.
    """
    n, least = gained + lost, min(gained, lost)
    if gained == lost:
        return 1.0
    return min(1.0, 2 * incomplete_beta(0.5, 0.5, n - least, least + 1))


def tango(gained: int, lost: int, cases: int, bound: float) -> float:
    """The score statistic of the difference of the shares being `bound`; large if it is above."""
    linear = (2 * cases - gained + lost) * bound - gained - lost
    free = -lost * bound * (1 - bound)
    share = (math.sqrt(max(0.0, linear * linear - 8 * cases * free)) - linear) / (4 * cases)
    share = max(share, 0.0, -bound)
    variance = cases * (2 * share + bound * (1 - bound))
    distance = gained - lost - cases * bound
    if variance <= 0:
        return math.copysign(math.inf, distance) if abs(distance) > _NEGLIGIBLE else 0.0
    return distance / math.sqrt(variance)


@lru_cache(maxsize=4096)
def exact_tail(gained: int, lost: int, cases: int, bound: float) -> float:
    """The largest probability, of all shares of lost cases, of a statistic at least as large as the observed one if
    the difference is `bound`. Raises `ValueError` for a bound not between -1 and 1.
    """
    if not -1 <= bound <= 1:
        raise ValueError(f"{bound} is no difference of shares: give a bound from -1 to 1")
    if abs(bound) == 1:
        return 1.0 if bound == 1 or gained - lost == -cases else 0.0
    limits = _limits(cases, bound, tango(gained, lost, cases, bound) - _NEGLIGIBLE)
    least, most = max(0.0, -bound), (1 - bound) / 2
    places = [(place / _SHARES) ** 2 for place in range(_SHARES + 1)]
    return max(_probability(limits, cases, least + (most - least) * place, bound) for place in places)


def _limits(cases: int, bound: float, observed: float) -> list[int]:
    """For each number of gained cases the most that may be lost so that the statistic is not below the observed one."""
    limits, lost = [], -1
    for gained in range(cases + 1):
        while lost < cases and tango(gained, lost + 1, cases, bound) >= observed:
            lost += 1
        limits.append(lost)
    return limits


def _probability(limits: list[int], cases: int, share: float, bound: float) -> float:
    """Of the outcomes within the limits, if `share` of cases are lost and share + bound gained."""
    gain = min(1.0, max(0.0, share + bound))
    rest = share / (1 - gain) if gain < 1 else 0.0
    found = 0.0
    for gained, limit in enumerate(limits):
        mass = _binomial(gained, cases, gain)
        if mass > _NEGLIGIBLE / cases and limit >= 0:
            left = cases - gained
            found += mass * (1.0 if limit >= left else incomplete_beta(1 - rest, rest, left - limit, limit + 1))
        elif gained > cases * gain and found > 0 and mass < _NEGLIGIBLE / cases:
            break
    return min(1.0, found + _NEGLIGIBLE)


def _binomial(count: int, of: int, share: float) -> float:
    if share in {0.0, 1.0}:
        return float(count == of * share)
    ways = math.lgamma(of + 1) - math.lgamma(count + 1) - math.lgamma(of - count + 1)
    return math.exp(ways + count * math.log(share) + (of - count) * math.log1p(-share))


def _crossing(rejected: Callable[[float], bool], value: float) -> float:
    """The largest bound below a value, to about 1e-4, up to which every bound is rejected."""
    step, low = 0.02, value - 0.02
    while low > -1 and not rejected(low):
        step *= 2
        low = value - step
    low, high = max(-1.0, low), min(value, value - step / 2 if step > 0.02 else value)
    while high - low > _PRECISE:
        middle = (low + high) / 2
        low, high = (middle, high) if rejected(middle) else (low, middle)
    return low
