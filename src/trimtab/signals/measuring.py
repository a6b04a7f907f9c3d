"""From what was counted to figures: pure functions, one for each kind of signal.

Quantiles are read from histograms that were merged by addition; no percentile is made of percentiles.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from trimtab.signals.calibration import reliabilities
from trimtab.signals.figure import Bin, Figure, Part, Quantile
from trimtab.signals.judged import CALIBRATION
from trimtab.signals.signal import Ratio, Signal
from trimtab.statistics.intervals import wilson
from trimtab.statistics.quantiles import is_enough, rank_interval
from trimtab.store.histograms import GAMMA, Histogram, Ranked, at_rank, merged, size
from trimtab.store.readings import ReadingCounts
from trimtab.store.scores import COMPLETION, ScoreCounts
from trimtab.store.slices import Slice

LEVELS: Final = (0.5, 0.95, 0.99)
MOST_BINS: Final = 60
"""Bars of a histogram; neighbouring buckets are put together until they are no more."""
RULE: Final = "rule"


@dataclass(frozen=True)
class Taken:
    """What was counted of one task, value and step of `seconds`."""

    seconds: float
    slice: Slice | None = None
    scores: tuple[ScoreCounts, ...] = ()
    readings: tuple[ReadingCounts, ...] = ()


def measure(signal: Signal, taken: Taken, *, bins: bool = True) -> tuple[Figure, ...]:
    """The figures of a signal; none where nothing was counted. `bins` adds the bars of histograms."""
    if signal.source == "scores":
        return tuple(_of_scores(signal, taken.scores, bins=bins))
    if signal.source == "readings":
        return tuple(
            _of_reading(signal, one, bins=bins)
            for one in taken.readings
            if one.n and one.field.startswith(signal.reads)
        )
    if taken.slice is None or signal.source != "slices":
        return ()
    figure = _of_slice(signal, taken.slice, taken, bins=bins)
    return (figure,) if figure is not None else ()


def _of_slice(signal: Signal, one: Slice, taken: Taken, *, bins: bool) -> Figure | None:
    if signal.ratio is not None:
        return ratio_figure(signal, signal.ratio(one))
    if signal.spread is not None:
        return spread_figure(signal, signal.spread(one), bins=bins)
    if signal.shares is not None:
        return shares_figure(signal, signal.shares(one))
    return _amount(signal, signal.amount(one), one, taken) if signal.amount is not None else None


def ratio_figure(signal: Signal, found: Ratio, field: str = "") -> Figure | None:
    """A share with its Wilson interval; None of nothing."""
    if not found.n:
        return None
    low, high = wilson(found.of, found.n) if signal.independent else (None, None)
    return Figure(signal.name, "ratio", found.n, found.of / found.n, low, high, field, found.of)


def spread_figure(signal: Signal, found: Histogram, field: str = "", *, bins: bool = True) -> Figure | None:
    """A distribution: its quantiles with the interval that ranks give, and its bars; None of nothing."""
    ranked = Ranked(found)
    n = ranked.size
    if not n:
        return None
    quantiles = tuple(_quantile(ranked, level, signal.scale) for level in LEVELS)
    told = next(one for one in quantiles if one.level == signal.level)
    bars = bars_of(found, signal.scale) if bins else ()
    return Figure(signal.name, "spread", n, told.value, told.low, told.high, field, quantiles=quantiles, bins=bars)


def _quantile(found: Ranked, level: float, scale: float) -> Quantile:
    value = found.quantile(level) if is_enough(found.size, level) else None
    if value is None:
        return Quantile(level, None, None, None)
    ranks = rank_interval(found.size, level)
    low, high = (found.at(rank) * scale if rank is not None else None for rank in ranks)
    return Quantile(level, value * scale, low, high)


def bars_of(found: Histogram, scale: float) -> tuple[Bin, ...]:
    """The bars of a histogram, at most `MOST_BINS`, from its first value to its last, empty ones among them."""
    if not found:
        return ()
    first, last = min(found), max(found)
    width = -(-(last - first + 1) // MOST_BINS)
    counts = [0] * -(-(last - first + 1) // width)
    for bucket, count in found.items():
        counts[(bucket - first) // width] += count
    edges = [GAMMA ** (first - 1 + place * width) * scale for place in range(len(counts) + 1)]
    return tuple(Bin(low, high, count) for low, high, count in zip(edges, edges[1:], counts, strict=False))


def shares_figure(signal: Signal, found: Mapping[str, int], field: str = "") -> Figure | None:
    """The parts of a whole, the largest first; None of nothing. Of a unit that adds up, `value` is the sum."""
    n = sum(found.values())
    if not n:
        return None
    adds_up = signal.unit != "share"
    parts = []
    for name, count in sorted(found.items(), key=lambda part: (-part[1], part[0])):
        low, high = wilson(count, n) if signal.independent else (None, None)
        parts.append(Part(name, count, count / n, low, high, count * signal.scale if adds_up else None))
    return Figure(signal.name, "shares", n, n * signal.scale if adds_up else None, field=field, parts=tuple(parts))


def _amount(signal: Signal, amount: float, one: Slice, taken: Taken) -> Figure | None:
    whole = amount * signal.scale
    if signal.per == "completed":
        return _per_completed(signal, whole, one, taken.scores)
    n = signal.count(one) if signal.count is not None else one.calls
    divisor = {"window": 1.0, "second": taken.seconds, "call": float(n)}[signal.per]
    return Figure(signal.name, "amount", n, whole / divisor) if n and divisor else None


def _per_completed(signal: Signal, whole: float, one: Slice, scores: Iterable[ScoreCounts]) -> Figure | None:
    """What was paid for each piece of work that was done.

    A rule judges every run, so where there is one what passed is what was done; of a sample that was judged, the share
    counts for all calls. The interval is that of the share.
    """
    judged = [score for score in scores if score.name == COMPLETION and score.valued]
    passed, n = sum(score.passed for score in judged), sum(score.valued for score in judged)
    if not n:
        return None
    pieces = n if any(score.source == RULE for score in judged) else one.calls
    low, high = wilson(passed, n)
    return Figure(
        signal.name,
        "amount",
        n,
        whole / (pieces * passed / n) if passed else None,
        whole / (pieces * high),
        whole / (pieces * low) if low else None,
        count=passed,
    )


def _of_scores(signal: Signal, scores: tuple[ScoreCounts, ...], *, bins: bool) -> Iterator[Figure]:
    if signal.lag is not None:
        lags = [lag for one in scores if (lag := signal.lag(one)) is not None]
        figure = spread_figure(signal, merged(lags), bins=bins)
        if figure is not None:
            yield figure
    if signal is CALIBRATION:
        yield from _calibrations(scores)
    if signal.scored is None:
        return
    by_field: defaultdict[str, list[Ratio]] = defaultdict(list)
    for one in scores:
        ratio = signal.scored(one)
        if ratio is not None:
            by_field[one.name if signal.adds_up else one.name.removeprefix(signal.reads)].append(ratio)
    if signal.adds_up:
        whole = [ratio for ratios in by_field.values() for ratio in ratios]
        by_field = defaultdict(list, {"": whole, **(by_field if len(by_field) > 1 else {})})
    for field, ratios in sorted(by_field.items()):
        told = ratio_figure(signal, Ratio(sum(one.of for one in ratios), sum(one.n for one in ratios)), field)
        if told is not None:
            yield told


def _calibrations(scores: Iterable[ScoreCounts]) -> Iterator[Figure]:
    for one in reliabilities(scores):
        found = one.calibration
        yield Figure(CALIBRATION.name, "amount", found.n, found.ece, *found.ece_interval, one.pointer)


def _of_reading(signal: Signal, one: ReadingCounts, *, bins: bool) -> Figure:
    field = one.field
    if one.kind == "category":
        parts = tuple(
            Part(name, count, count / one.n, *wilson(count, one.n))
            for name, count in sorted(one.categories.items(), key=lambda part: (-part[1], part[0]))
        )
        return Figure(signal.name, "shares", one.n, field=field, parts=parts)
    quantiles = tuple(_signed_quantile(one, level) for level in LEVELS)
    middle = quantiles[0]
    bars = _signed_bars(one) if bins else ()
    return Figure(
        signal.name, "spread", one.n, middle.value, middle.low, middle.high, field, quantiles=quantiles, bins=bars
    )


def _signed_quantile(one: ReadingCounts, level: float) -> Quantile:
    if not is_enough(one.n, level):
        return Quantile(level, None, None, None)
    low, high = rank_interval(one.n, level)
    value = signed_at(one, int(level * (one.n - 1)))
    ends = (signed_at(one, rank) if rank is not None else None for rank in (low, high))
    return Quantile(level, value, *ends)


def signed_at(one: ReadingCounts, rank: int) -> float:
    """The number at a rank, counted from 0, of those below 0, the zeros, and those above."""
    below = size(one.negative)
    if rank < below:
        return -at_rank(one.negative, below - 1 - rank)
    if rank < below + one.zeros:
        return 0.0
    return at_rank(one.positive, rank - below - one.zeros)


def _signed_bars(one: ReadingCounts) -> tuple[Bin, ...]:
    below = tuple(Bin(-bar.high, -bar.low, bar.count) for bar in reversed(bars_of(one.negative, 1.0)))
    zeros = (Bin(0.0, 0.0, one.zeros),) if one.zeros else ()
    return (*below, *zeros, *bars_of(one.positive, 1.0))
