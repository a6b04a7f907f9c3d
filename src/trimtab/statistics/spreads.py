"""Whether a spread (of lengths, latencies, numbers) has changed from what it normally is.

Values come as histograms with the buckets of `store.histograms`; `densities` tells what changes are watched for.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from operator import mul
from statistics import fmean
from typing import Final, Literal, NamedTuple

from msgspec import Struct, structs

from trimtab.statistics.baseline import HOURS, Moment, hour_of_week, is_excluded, learn_effects
from trimtab.statistics.densities import GROWTH, Density, changes
from trimtab.statistics.intervals import Interval
from trimtab.statistics.sequential import Alternative, Detector, Leading, Reading

SMALLEST: Final = 0.1
"""The change of a spread that is worth an alert where none is declared, as a share."""
USUAL_WOBBLE: Final = 0.03
"""How much the logarithm of a mean differs between days where too little was seen to tell."""
UPPER: Final = 0.1
"""The upper part whose share is looked at for clumps, beside the mean."""
Direction = Literal["rises", "falls", "both"]


class SpreadStep(NamedTuple):
    """The histogram, by bucket, of what was measured in the step that ended at a minute since 1970."""

    minute: int
    histogram: Mapping[int, int]


class SpreadBaseline(Struct, frozen=True):
    """A spread as it normally is.

    `counts` is the histogram of all values, from bucket `lowest` up, after what is normal for their hour was taken off;
    `shifts` is that, for each hour of the week, in buckets. `error` is its standard error and `wobble` the standard
    deviation between days, in buckets; `clumping` (at least 1) is the factor by which hours vary more than as many
    independent values would, in their mean or upper tenth. `n` values on `days` days were learned from; none: nothing
    is known. `damping` is as in `baseline.RateBaseline`.
    """

    lowest: int
    counts: tuple[int, ...]
    shifts: tuple[float, ...]
    error: float
    wobble: float
    clumping: float
    n: int
    days: int
    damping: tuple[float, ...] = ()


def learn_spread(steps: Iterable[SpreadStep], excluded: Sequence[tuple[int, int]] = ()) -> SpreadBaseline:
    """The baseline of past steps, of an hour or less each, in any order; `excluded` as in `baseline.learn_rate`."""
    hours: dict[int, Counter[int]] = {}
    for minute, histogram in steps:
        if histogram and not is_excluded(minute, excluded):
            hours.setdefault((minute - 1) // 60, Counter()).update(histogram)
    whole = _Moments.of(sum(hours.values(), Counter()))
    if not whole.n:
        return SpreadBaseline(0, (), (0.0,) * HOURS, 0.0, USUAL_WOBBLE / GROWTH, 1.0, 0, 0)
    parts = [(hour, _Moments.of(histogram)) for hour, histogram in hours.items()]
    variance = max(1.0, sum(one.squares - one.total**2 / one.n for _, one in parts) / max(1, whole.n - len(parts)))
    mean = whole.total / whole.n
    effects = learn_effects(
        [Moment(hour, (one.total - one.n * mean) / variance, one.n / variance) for hour, one in parts],
        USUAL_WOBBLE / GROWTH,
    )
    rest: Counter[int] = Counter()
    for hour, histogram in hours.items():
        shift = round(effects.shifts[hour_of_week(hour * 60 + 1)])
        rest.update({bucket - shift: count for bucket, count in histogram.items()})
    clumping = max(effects.clumping, _upper_clumping(hours, effects.shifts, rest))
    error = effects.clumping * variance / whole.n + effects.wobble**2 / effects.days + fmean(effects.variances)
    lowest, highest = min(rest), max(rest)
    return SpreadBaseline(
        lowest,
        tuple(rest[bucket] for bucket in range(lowest, highest + 1)),
        tuple(effects.shifts),
        math.sqrt(error),
        effects.wobble,
        clumping,
        whole.n,
        effects.days,
    )


class _Moments(NamedTuple):
    n: int
    total: float
    squares: float

    @classmethod
    def of(cls, histogram: Mapping[int, int]) -> _Moments:
        return cls(
            sum(histogram.values()),
            sum(bucket * count for bucket, count in histogram.items()),
            sum(bucket * bucket * count for bucket, count in histogram.items()),
        )


def _upper_clumping(hours: Mapping[int, Mapping[int, int]], shifts: Sequence[float], rest: Mapping[int, int]) -> float:
    """By how much more than by chance the share of the upper tenth varies between the hours of a day."""
    n = sum(rest.values())
    left, edge = n, min(rest)
    for edge in sorted(rest):
        left -= rest[edge]
        if left <= n * UPPER:
            break
    share = (left + 0.5) / (n + 1)
    moments = []
    for hour, histogram in hours.items():
        limit = edge + round(shifts[hour_of_week(hour * 60 + 1)])
        size = sum(histogram.values())
        above = sum(count for bucket, count in histogram.items() if bucket > limit)
        moments.append(Moment(hour, above - size * share, size * share * (1 - share)))
    return learn_effects(moments, USUAL_WOBBLE).clumping


class SpreadDetector(Detector[Mapping[int, int]]):
    """Whether a spread has changed from what was learned of it, by at least about `smallest` (a share of the values).

    It rises or falls as a whole; or, rising, in its upper part: a fifth of the values grow (one of five replicas is
    slow), or more of them lie at its upper end, which moves a p95 and leaves the median. The likelihood is that of the
    smoothed normal spread, centred so that its mean is at most 1 where nothing changed. The estimate is the
    geometric mean since the change and the baseline that before it, both in the unit of the values.
    """

    spare = 0.1
    doubt = 4.0
    alike = False

    def __init__(
        self,
        baseline: SpreadBaseline,
        direction: Direction = "both",
        smallest: float | None = None,
        false_alarms_per_month: float = 1.0,
    ) -> None:
        sides = ("rises", "falls") if direction == "both" else (direction,)
        least = math.log1p(SMALLEST if smallest is None else smallest)
        watched = [(side, change) for side in sides for change in changes(side, least)]
        weights = {side: 1 / len(sides) / sum(one == side for one, _ in watched) for side in sides}
        super().__init__(
            [Alternative(side, "", weights[side], change.family) for side, change in watched], false_alarms_per_month
        )
        self.baseline = baseline
        self._options = direction, smallest, false_alarms_per_month
        unsure = math.hypot(baseline.error, baseline.wobble)
        room = max(abs(change.buckets) for _, change in watched)
        self._density = Density(baseline.lowest, baseline.counts, unsure, room)
        damping = baseline.damping if len(baseline.damping) == len(watched) else (baseline.clumping,) * len(watched)
        self._table = self._density.table([change for _, change in watched], damping) if baseline.n else []

    def read(self, minute: int, seen: Mapping[int, int]) -> Reading | None:
        """The likelihood ratios of a histogram; None of an empty one."""
        n = sum(seen.values())
        if not n or not self._table:
            return None
        shift = round(self.baseline.shifts[hour_of_week(minute)]) + self._density.lowest
        last = len(self._table) - 1
        places = [bucket - shift for bucket in seen]
        counts = list(seen.values())
        rows = [self._table[0 if place < 0 else place if place < last else last] for place in places]
        ratios = [sum(map(mul, counts, column)) for column in zip(*rows, strict=True)]
        return Reading(ratios, [sum(map(mul, counts, places))] * len(ratios), n)

    def rehearsed(self, steps: Iterable[tuple[int, Mapping[int, int]]]) -> SpreadDetector:
        """As `rates.RateDetector.rehearsed`."""
        plain = SpreadDetector(structs.replace(self.baseline, damping=(), clumping=1.0), *self._options)
        damping = plain.rehearsal(steps, self.baseline.clumping)
        return SpreadDetector(structs.replace(self.baseline, damping=damping), *self._options)

    def describe(self, leading: Leading) -> tuple[float | None, Interval | None]:
        """The geometric mean since the change, and its interval from the spread that is normal."""
        if leading.trials <= 0 or not self.baseline.n:
            return None, None
        mean = leading.counted / leading.trials + self._density.lowest
        half = 1.96 * math.sqrt(self.baseline.clumping * self._density.variance / leading.trials)
        shift = self.baseline.shifts[hour_of_week(round(leading.since))]
        low, middle, high = (math.exp(GROWTH * (place + shift - 0.5)) for place in (mean - half, mean, mean + half))
        return middle, Interval(low, high)

    def normal(self, minute: int, what: str) -> float | None:
        """The geometric mean that is normal at a minute; None if nothing was learned."""
        if not self.baseline.n:
            return None
        return math.exp(GROWTH * (self._density.mean + self.baseline.shifts[hour_of_week(minute)] - 0.5))
