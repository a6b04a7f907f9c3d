"""Histograms whose buckets grow by a constant factor: quantiles are off by 1 % at most, and two merge by addition.

The buckets are those of DDSketch (Masson, Rim and Lee, VLDB 2019): value x lies in bucket ceil(log x / log GAMMA), and
is taken to be 2 GAMMA^bucket / (GAMMA + 1). A value that lies above an edge by less than `TIE` of a bucket counts as
below, so that no rounding decides. What is 0 or less, or not finite, is not measured. The SQL that fills the roll-ups
follows the same rule; `tests/store` holds the two together.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import accumulate
from typing import Final

RELATIVE_ERROR: Final = 0.01
GAMMA: Final = (1 + RELATIVE_ERROR) / (1 - RELATIVE_ERROR)
LOG_GAMMA: Final = math.log(GAMMA)
TIE: Final = 1e-9
"""Logarithms of two libraries differ in their last bits, which decide where a value lies on an edge."""

Histogram = Mapping[int, int]
"""How many values lie in each bucket; empty buckets are left out."""


def bucket_of(value: float) -> int:
    """The bucket of a value above 0."""
    return math.ceil(math.log(value) / LOG_GAMMA - TIE)


def value_of(bucket: int) -> float:
    """The value that stands for a bucket: no value in it is more than 1 % away."""
    return 2 * GAMMA**bucket / (GAMMA + 1)


def of_values(values: Iterable[float]) -> Histogram:
    """The histogram of values; those that are not above 0 and finite are left out."""
    return dict(Counter(bucket_of(value) for value in values if value > 0 and math.isfinite(value)))


def merged(histograms: Iterable[Histogram]) -> Histogram:
    """Their sum."""
    total: Counter[int] = Counter()
    for one in histograms:
        total.update(one)
    return dict(total)


def size(histogram: Histogram) -> int:
    """How many values it holds."""
    return sum(histogram.values())


def quantile(histogram: Histogram, level: float) -> float | None:
    """The value at rank floor(level (n - 1)), counted from 0, as DDSketch defines it; None of an empty histogram."""
    return Ranked(histogram).quantile(level)


def at_rank(histogram: Histogram, rank: int) -> float:
    """The value at a rank, counted from 0; raises `IndexError` for one that is not below the count."""
    return Ranked(histogram).at(rank)


class Ranked:
    """A histogram of which values are asked by their ranks, in order once for all of them."""

    def __init__(self, histogram: Histogram) -> None:
        self._buckets = sorted(histogram)
        self._below = list(accumulate(map(histogram.__getitem__, self._buckets)))

    def __repr__(self) -> str:
        return f"Ranked({self.size} values)"

    @property
    def size(self) -> int:
        """How many values it holds."""
        return self._below[-1] if self._below else 0

    def at(self, rank: int) -> float:
        """The value at a rank, counted from 0; raises `IndexError` for one that is not below the count."""
        return value_of(self._buckets[bisect_right(self._below, rank)])

    def quantile(self, level: float) -> float | None:
        """The value at rank floor(level (n - 1)), as DDSketch defines it; None of an empty histogram."""
        return self.at(math.floor(level * (self.size - 1))) if self.size else None


def above(histogram: Histogram, limit: float) -> int:
    """How many values lie in buckets above that of `limit`."""
    if limit <= 0:
        return size(histogram)
    edge = bucket_of(limit)
    return sum(count for bucket, count in histogram.items() if bucket > edge)
