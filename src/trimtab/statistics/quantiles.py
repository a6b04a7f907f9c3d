"""Which ranks of a sample say what about a quantile of where it came from."""

from __future__ import annotations

import math
from functools import lru_cache
from statistics import NormalDist
from typing import Final, NamedTuple

LARGE: Final = 10_000.0
"""From this variance on the normal approximation of the binomial is off by less than a rank or two."""
REACH: Final = 9
"""How many standard deviations from its mean a binomial is summed; the rest is less than 1e-15."""


class Ranks(NamedTuple):
    """Ranks counted from 0 in ascending order; None where the sample is too small to bound that side."""

    low: int | None
    high: int | None


def is_enough(n: int, level: float) -> bool:
    """Whether at least one of `n` values is expected beyond the level (0 to 1)."""
    return level >= 1 or n >= math.ceil(1 / (1 - level) - 1e-9)


@lru_cache(maxsize=4096)
def rank_interval(n: int, level: float, confidence: float = 0.95) -> Ranks:
    """The ranks between which the quantile at `level` lies with at least this confidence, whatever the distribution.

    The number of values below the quantile is binomial; each tail has at most half of what is left. Source:
    W. J. Conover, "Practical Nonparametric Statistics", 3rd edition (1999), section 3.2. Above a variance of 10,000 the
    normal approximation stands for the binomial. Raises `ValueError` unless n >= 0, 0 < level < 1, 0 < confidence < 1.
    """
    if n < 0 or not 0 < level < 1 or not 0 < confidence < 1:
        raise ValueError(f"no interval of quantile {level} of {n} values at confidence {confidence}")
    if n == 0:
        return Ranks(None, None)
    tail = (1 - confidence) / 2
    spread = n * level * (1 - level)
    if spread > LARGE:
        half = NormalDist().inv_cdf(1 - tail) * math.sqrt(spread)
        return Ranks(math.floor(n * level - half - 0.5), math.ceil(n * level + half - 0.5))
    low, high = _tails(n, level, tail)
    return Ranks(low - 1 if low >= 1 else None, high - 1 if high <= n else None)


def _tails(n: int, level: float, tail: float) -> tuple[int, int]:
    """The largest l with P(B < l) <= tail, and the smallest u with P(B >= u) <= tail, B being binomial (n, level)."""
    reach = REACH * math.sqrt(n * level * (1 - level)) + REACH
    first, last = max(0, math.floor(n * level - reach)), min(n, math.ceil(n * level + reach))
    odds = level / (1 - level)
    low, below, mass = first, 0.0, _mass(n, level, first)
    while low <= n and below + mass <= tail:
        below += mass
        mass *= (n - low) / (low + 1) * odds
        low += 1
    high, above, mass = last + 1, 0.0, _mass(n, level, last)
    while high > 0 and above + mass <= tail:
        above += mass
        high -= 1
        mass *= high / (n - high + 1) / odds
    return low, high


def _mass(n: int, level: float, k: int) -> float:
    """P(B = k), from which its neighbours follow: P(B = k + 1) = P(B = k) (n - k) / (k + 1) level / (1 - level)."""
    ways = math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
    return math.exp(ways + k * math.log(level) + (n - k) * math.log1p(-level))
