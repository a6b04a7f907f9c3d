"""Whether two samples, as counts or histograms, come from one distribution; and how far apart they are.

A test tells whether there is a difference, an effect size whether it matters: with many values every test finds one.
For a stream that is looked at again and again use `sequential`; these are for one look, or few (`spent`).
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from random import Random
from statistics import NormalDist
from typing import Final, TypeVar

Key = TypeVar("Key", bound=Hashable)
LEAST_EXPECTED: Final = 5.0
"""Where a category is expected less often than this, the p-value is found by permutation."""
PERMUTATIONS: Final = 1_999
MOST_PERMUTED: Final = 20_000
"""More observations than this are never permuted: rare categories then weigh little."""
_NORMAL: Final = NormalDist()
_SERIES: Final = 500


def g_test(first: Mapping[Key, int], second: Mapping[Key, int], random: Random) -> float:
    """The p-value that two tables of counts by category have the same shares; 1 where one of them is empty.

    The log likelihood ratio with Williams's correction, against chi-square: D. A. Williams, "Improved likelihood ratio
    tests for complete contingency tables", Biometrika 63 (1976) 33-37; by permutation where counts are small.
    """
    keys = sorted({*first, *second}, key=repr)
    rows = [[table.get(key, 0) for key in keys] for table in (first, second)]
    columns = [(one, other) for one, other in zip(*rows, strict=True) if one + other]
    n, m = (sum(column) for column in zip(*columns, strict=True)) if columns else (0, 0)
    if not n or not m or len(columns) < 2:
        return 1.0
    least = min(n, m) * min(one + other for one, other in columns) / (n + m)
    if least < LEAST_EXPECTED and n + m <= MOST_PERMUTED:
        return _permuted(columns, n, random)
    total = n + m
    inverse = (total / n + total / m - 1) * (sum(total / (one + other) for one, other in columns) - 1)
    correction = 1 + inverse / (6 * total * (len(columns) - 1))
    return chi_square_tail(_g(columns, n, m) / correction, len(columns) - 1)


def _g(columns: list[tuple[int, int]], n: int, m: int) -> float:
    found = 0.0
    for one, other in columns:
        for count, size in ((one, n), (other, m)):
            if count:
                found += count * math.log(count * (n + m) / (size * (one + other)))
    return 2 * max(0.0, found)


def _permuted(columns: list[tuple[int, int]], n: int, random: Random) -> float:
    """By B. Phipson and G. K. Smyth, "Permutation p-values should never be zero", SAGMB 9 (2010)."""
    pooled = [place for place, (one, other) in enumerate(columns) for _ in range(one + other)]
    m = len(pooled) - n
    observed, extreme = _g(columns, n, m) - 1e-9, 0
    for _ in range(PERMUTATIONS):
        chosen = [0] * len(columns)
        for place in random.sample(pooled, n):
            chosen[place] += 1
        split = [(one, sum(column) - one) for one, column in zip(chosen, columns, strict=True)]
        extreme += _g(split, n, m) >= observed
    return (1 + extreme) / (1 + PERMUTATIONS)


def kolmogorov_smirnov(first: Mapping[int, int], second: Mapping[int, int]) -> float:
    """The p-value that two histograms over the same ordered buckets come from one distribution; 1 of an empty one.

    Values of a bucket are ties, which make it conservative. N. V. Smirnov, Annals of Mathematical Statistics 19 (1948)
    279-281, with the correction for small samples of M. A. Stephens, JRSS B 32 (1970) 115-122.
    """
    n, m = sum(first.values()), sum(second.values())
    if not n or not m:
        return 1.0
    distance = furthest(first, second)
    root = math.sqrt(n * m / (n + m))
    value = (root + 0.12 + 0.11 / root) * distance
    if value < 0.2:
        return 1.0
    tail: float = 2 * sum((-1) ** (place - 1) * math.exp(-2 * place * place * value * value) for place in range(1, 101))
    return min(1.0, max(0.0, tail))


def furthest(first: Mapping[int, int], second: Mapping[int, int]) -> float:
    """The largest distance between the cumulative shares of two histograms (Kolmogorov's D)."""
    n, m = sum(first.values()), sum(second.values())
    below, largest = 0.0, 0.0
    for bucket in sorted({*first, *second}):
        below += first.get(bucket, 0) / n - second.get(bucket, 0) / m
        largest = max(largest, abs(below))
    return largest


def jensen_shannon(first: Mapping[Key, int], second: Mapping[Key, int]) -> float:
    """The distance of two tables of counts: 0 for the same shares, 1 for none in common; nan where one is empty.

    The root of the divergence in bits: J. Lin, IEEE Transactions on Information Theory 37 (1991) 145-151.
    """
    n, m = sum(first.values()), sum(second.values())
    if not n or not m:
        return math.nan
    found = 0.0
    for key in {*first, *second}:
        one, other = first.get(key, 0) / n, second.get(key, 0) / m
        for share in (one, other):
            if share:
                found += share * math.log2(2 * share / (one + other)) / 2
    return math.sqrt(max(0.0, found))


def stability_index(first: Mapping[Key, int], second: Mapping[Key, int]) -> float:
    """The population stability index, with half an observation in each empty category; nan where one is empty.

    Below 0.1 is taken for stable, above 0.25 for changed: N. Siddiqi, Credit Risk Scorecards (2006).
    """
    n, m = sum(first.values()), sum(second.values())
    if not n or not m:
        return math.nan
    found = 0.0
    for key in {*first, *second}:
        one, other = (first.get(key, 0) or 0.5) / n, (second.get(key, 0) or 0.5) / m
        found += (one - other) * math.log(one / other)
    return found


def moved(first: Mapping[int, int], second: Mapping[int, int]) -> float:
    """By how many buckets values have to move to make the one histogram the other (Wasserstein's distance), on average.

    With buckets that grow by a constant factor it is a distance of logarithms. nan where one is empty.
    """
    n, m = sum(first.values()), sum(second.values())
    if not n or not m:
        return math.nan
    buckets = sorted({*first, *second})
    below, found = 0.0, 0.0
    for bucket, following in zip(buckets, [*buckets[1:], buckets[-1]], strict=True):
        below += first.get(bucket, 0) / n - second.get(bucket, 0) / m
        found += abs(below) * (following - bucket)
    return found


def spent(part: float, alpha: float) -> float:
    """How much of a level of significance may be spent by the time `part` (0 to 1) of the observations have come.

    The spending function of P. C. O'Brien and T. R. Fleming's kind: K. K. G. Lan and D. L. DeMets, "Discrete sequential
    boundaries for clinical trials", Biometrika 70 (1983) 659-663. Each look has what was not spent before. Raises
    `ValueError` unless 0 < part <= 1 and 0 < alpha < 1.
    """
    if not 0 < part <= 1 or not 0 < alpha < 1:
        raise ValueError(f"nothing of a level of {alpha} is spent at {part}")
    return 2 * (1 - _NORMAL.cdf(_NORMAL.inv_cdf(1 - alpha / 2) / math.sqrt(part)))


def chi_square_tail(value: float, freedom: int) -> float:
    """The probability that chi-square with `freedom` degrees exceeds a value.

    M. Abramowitz and I. A. Stegun, Handbook of Mathematical Functions (1964), 26.4.19, by 6.5.29 (a series) and 6.5.31
    (a continued fraction).
    """
    if value <= 0:
        return 1.0
    a, x = freedom / 2, value / 2
    front = math.exp(a * math.log(x) - x - math.lgamma(a + 1))
    if x < a + 1:
        term = total = 1.0
        for step in range(1, _SERIES):
            term *= x / (a + step)
            total += term
        return max(0.0, 1 - front * total)
    b = x + 1 - a
    c, d = 1e300, 1 / b
    h = d
    for step in range(1, _SERIES):
        an = -step * (step - a)
        b += 2
        d = 1 / (an * d + b)
        c = b + an / c
        h *= c * d
        if abs(c * d - 1) < 1e-15:
            break
    return front * a * h
