"""Detectors of a spread (lengths, latencies, numbers) that has changed: normal spreads and how likely shifted ones are.

Values come as histograms whose buckets grow by a constant factor (`GROWTH`): a value that is a fifth larger lies a fixed
number of buckets higher, so a changed spread is the normal one moved by some buckets, all of it or part of it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Final, Literal, NamedTuple

from msgspec import Struct

from trimtab.statistics.baseline import HOURS, hour_of_week
from trimtab.statistics.intervals import Interval
from trimtab.statistics.sequential import Alternative, Detector, Leading, Reading

GROWTH: Final = math.log(1.01 / 0.99)
"""The logarithm of the factor between buckets, that of `store.histograms`."""
SMALLEST: Final = 0.1
"""The change of a spread that is worth an alert where none is declared, as a share."""
Direction = Literal["rises", "falls", "both"]


class SpreadStep(NamedTuple):
    """The histogram, by bucket, of what was measured in the step that ended at a minute since 1970."""

    minute: int
    histogram: Mapping[int, int]


class SpreadBaseline(Struct, frozen=True):
    """A spread as it normally is.

    `counts` is the histogram of all values, from bucket `lowest` up, after what is normal for their hour was taken off;
    `shifts` is that, for each hour of the week, in buckets. `error` and `wobble` are the standard error of those and
    the standard deviation between days, in buckets; `clumping` (at least 1) the factor by which means of an hour vary
    more than those of as many independent values. `n` values on `days` days were learned from; none: nothing is known.
    """

    lowest: int
    counts: tuple[int, ...]
    shifts: tuple[float, ...]
    error: float
    wobble: float
    clumping: float
    n: int
    days: int


def learn_spread(steps: Iterable[SpreadStep], excluded: Sequence[tuple[int, int]] = ()) -> SpreadBaseline:
    """The baseline of past steps, of an hour or less each, in any order; `excluded` as in `baseline.learn_rate`."""
    raise NotImplementedError


class SpreadDetector(Detector[Mapping[int, int]]):
    """Whether a spread has changed from what was learned of it, by at least about `smallest` (a share of the values).

    It rises or falls as a whole; or, rising, in its upper part: a fifth of the values grow (one of five replicas is
    slow), which moves a p95 and leaves the median. The estimate is the geometric mean since the change and the baseline
    that before it, both in the unit of the values.
    """

    def __init__(
        self,
        baseline: SpreadBaseline,
        direction: Direction = "both",
        smallest: float | None = None,
        false_alarms_per_month: float = 1.0,
    ) -> None:
        raise NotImplementedError
