"""Detectors of a spread (lengths, latencies, numbers) that has changed: normal spreads and how likely shifted ones are.

Values come as histograms whose buckets grow by a constant factor (`GROWTH`): a value that is a fifth larger lies a fixed
number of buckets higher, so a changed spread is the normal one moved by some buckets, all of it or part of it.
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
from trimtab.statistics.intervals import Interval
from trimtab.statistics.sequential import Alternative, Detector, Leading, Reading

GROWTH: Final = math.log(1.01 / 0.99)
"""The logarithm of the factor between buckets, that of `store.histograms`."""
SMALLEST: Final = 0.1
"""The change of a spread that is worth an alert where none is declared, as a share."""
USUAL_WOBBLE: Final = 0.03
"""How much the logarithm of a mean differs between days where too little was seen to tell."""
CAUTION: Final = 5.0
MOST_CAUTION: Final = 2.0
"""As in `rates`, in units of a score."""
MOST_CLUMPING: Final = 2.0
"""What hours differ beyond this is taken for a drift between them instead: it does not grow with what is seen."""
STEPS: Final = (0.0, 0.12, 0.35)
"""Alternatives for the whole, in logarithms beyond the smallest change worth an alert."""
PART: Final = 0.2
PART_GROWS: Final = (1.6, 2.4, 3.6)
"""Alternatives for a part: so much of the values, by such factors."""
UPPER: Final = 0.1
MOST: Final = 1.3
"""No single value says more than this, so that it takes several."""
EDGES, ABOVE = (0.02,), 0.08
"""Alternatives for the upper end: so many values normally lie beyond an edge, and as many do after the change."""
BODY, MOVE = 1.0, 0.25
"""What is taken for the body of a spread, and for a small move of it, in standard deviations."""
LEAST_WIDTH: Final = 3.0
"""The least width of the kernel, in buckets."""
EVERYWHERE: Final = 0.02
"""The probability that is spread evenly over all buckets."""
Direction = Literal["rises", "falls", "both"]


class SpreadStep(NamedTuple):
    """The histogram, by bucket, of what was measured in the step that ended at a minute since 1970."""

    minute: int
    histogram: Mapping[int, int]


class SpreadBaseline(Struct, frozen=True):
    """A spread as it normally is.

    `counts` is the histogram of all values, from bucket `lowest` up, after what is normal for their hour was taken off;
    `shifts` is that, for each hour of the week, in buckets. `error` is its standard error, `wobble` and `drift` are the
    standard deviations between days and between hours of a day, in buckets; `clumping` (1 to 2) is the factor by which
    means of an hour vary more than those of as many independent values. `n` values on `days` days were learned from; none: nothing is known.
    """

    lowest: int
    counts: tuple[int, ...]
    shifts: tuple[float, ...]
    error: float
    wobble: float
    drift: float
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
        return SpreadBaseline(0, (), (0.0,) * HOURS, 0.0, USUAL_WOBBLE / GROWTH, 0.0, 1.0, 0, 0)
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
    kept = min(clumping, MOST_CLUMPING)
    error = effects.clumping * variance / whole.n + effects.wobble**2 / effects.days + fmean(effects.variances)
    lowest, highest = min(rest), max(rest)
    return SpreadBaseline(
        lowest,
        tuple(rest[bucket] for bucket in range(lowest, highest + 1)),
        tuple(effects.shifts),
        math.sqrt(error),
        effects.wobble,
        math.sqrt((clumping - kept) * variance * len(hours) / whole.n),
        kept,
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


class _Change(NamedTuple):
    """A share of the values, grown by a number of buckets; or more values than the share `above` beyond their edge."""

    share: float
    buckets: int
    above: float = 0.0


class SpreadDetector(Detector[Mapping[int, int]]):
    """Whether a spread has changed from what was learned of it, by at least about `smallest` (a share of the values).

    It rises or falls as a whole; or, rising, in its upper part: a fifth of the values grow (one of five replicas is
    slow), which moves a p95 and leaves the median. The likelihood is that of the smoothed normal spread, centred so
    that its mean is at most 1 for spreads that count as unchanged. The estimate is the
    geometric mean since the change and the baseline that before it, both in the unit of the values.
    """

    spare = 0.12
    doubt = 4.0

    def __init__(
        self,
        baseline: SpreadBaseline,
        direction: Direction = "both",
        smallest: float | None = None,
        false_alarms_per_month: float = 1.0,
    ) -> None:
        sides = ("rises", "falls") if direction == "both" else (direction,)
        least = math.log1p(SMALLEST if smallest is None else smallest)
        changes = [(side, change) for side in sides for change in _changes(side, least)]
        weights = {side: 1 / len(sides) / sum(one == side for one, _ in changes) for side in sides}
        super().__init__([Alternative(side, "", weights[side]) for side, _ in changes], false_alarms_per_month)
        self.baseline = baseline
        self._options = direction, smallest, false_alarms_per_month
        self._density = _Density(baseline, max(abs(change.buckets) for _, change in changes))
        self._table = self._density.table([change for _, change in changes], baseline.damping) if baseline.n else []

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


def _changes(side: str, least: float) -> list[_Change]:
    """The alternatives on one side: whole spreads that grow or shrink, and a part that grows."""
    whole = [(least + step) / GROWTH for step in STEPS]
    if side == "falls":
        return [_Change(1.0, -round(one)) for one in whole]
    return [
        *(_Change(1.0, round(one)) for one in whole),
        *(_Change(PART, round(math.log(factor) / GROWTH)) for factor in PART_GROWS),
        *(_Change(1.0, 1, share) for share in EDGES),
    ]


class _Density:
    """The smoothed probability of each bucket, from `lowest` up, with room for the largest change on both sides."""

    def __init__(self, baseline: SpreadBaseline, room: int) -> None:
        self.lowest = baseline.lowest - room
        counts = [0] * room + list(baseline.counts) + [0] * room
        n = max(1, baseline.n)
        self.mean = sum(place * count for place, count in enumerate(counts)) / n + self.lowest
        self.variance = sum((place + self.lowest - self.mean) ** 2 * count for place, count in enumerate(counts)) / n
        self.clumping = baseline.clumping
        self.unsure = math.hypot(baseline.error, baseline.wobble)
        width = max(LEAST_WIDTH, 0.9 * math.sqrt(self.variance) * n**-0.2)
        self.raw = [count / n for count in counts]
        self.smooth = _smoothed(self.raw, width)

    def table(self, changes: Sequence[_Change], damping: Sequence[float]) -> list[list[float]]:
        """For each bucket, what a value in it says for each change: log likelihood ratios, centred and unclumped."""
        columns = []
        damping = damping if len(damping) == len(changes) else (self.clumping,) * len(changes)
        for change, damp in zip(changes, damping, strict=True):
            scores = self._scores(change)
            if change.share < 1:
                scores = self._level(scores)
            centre = self._centre(scores) + self._caution(scores, change)
            columns.append([(score - centre) / damp for score in scores])
        return [list(row) for row in zip(*columns, strict=True)]

    def _at(self, place: int) -> float:
        return self.smooth[min(max(place, 0), len(self.smooth) - 1)]

    def _scores(self, change: _Change) -> list[float]:
        """How much likelier each bucket is under a change, as a logarithm, not yet centred."""
        places = range(len(self.smooth))
        if change.above:
            left, edge = 1.0, 0
            while left > change.above:
                left -= self.raw[edge]
                edge += 1
            return [MOST * (place >= edge) for place in places]
        grown = ((1 - change.share) + change.share * self._at(place - change.buckets) / self._at(place) for place in places)
        return [min(MOST, math.log(ratio)) for ratio in grown]

    def _level(self, scores: Sequence[float]) -> list[float]:
        """Scores for a part that do not answer to a small move of the whole: load moves all values for minutes."""
        width = math.sqrt(self.variance)
        body = [min(max((place + self.lowest - self.mean) / width, -BODY), BODY) for place in range(len(scores))]
        step = max(1, round(width * MOVE))
        moved = self._mean(scores, step) - self._mean(scores, -step)
        share = moved / (self._mean(body, step) - self._mean(body, -step))
        return [score - share * off for score, off in zip(scores, body, strict=True)]

    def _centre(self, scores: Sequence[float]) -> float:
        """The logarithm of the mean likelihood ratio of the normal spread, as it was counted or smoothed."""
        return math.log(
            max(
                sum(weight * math.exp(score) for weight, score in zip(weights, scores, strict=True))
                for weights in (self.raw, self.smooth)
            )
        )

    def _caution(self, scores: Sequence[float], change: _Change) -> float:
        """What is taken off each score so that spreads as far off as hours and days normally are do not count as
        changed; `rates` tells the reason of the formula.
        """
        normal = self._mean(scores, 0)
        off = self._mean(scores, round(math.copysign(self.unsure, change.buckets))) - normal
        if change.above:
            distance = MOST * ABOVE - normal
        else:
            distance = change.share * (self._mean(scores, change.buckets) - normal)
        if off <= 0 or distance <= 0:
            return 0.0
        return min(MOST_CAUTION * off, CAUTION * off**2 / distance)

    def _mean(self, scores: Sequence[float], moved: int) -> float:
        """The mean score of the normal spread moved by some buckets."""
        last = len(scores) - 1
        return sum(weight * scores[min(max(place + moved, 0), last)] for place, weight in enumerate(self.raw) if weight)


def _smoothed(raw: Sequence[float], width: float) -> list[float]:
    """Probabilities with a normal kernel over them, and a little everywhere, so that nothing is impossible."""
    reach = math.ceil(3 * width)
    kernel = [math.exp(-0.5 * (step / width) ** 2) for step in range(-reach, reach + 1)]
    whole = sum(kernel)
    smooth = [EVERYWHERE / len(raw)] * len(raw)
    for place, weight in enumerate(raw):
        if weight:
            for step, part in enumerate(kernel, place - reach):
                smooth[min(max(step, 0), len(raw) - 1)] += (1 - EVERYWHERE) * weight * part / whole
    return smooth
