"""Trimtab's detectors on simulated streams: baselines learned from hours, steps of a minute."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from bench.detection.streams import GROWTH, LABELS, Array, Monitor, Stream
from trimtab.statistics.baseline import RateStep, learn_rate
from trimtab.statistics.rates import Counted, Direction, RateDetector, SharesDetector
from trimtab.statistics.sequential import Detector
from trimtab.statistics.spreads import SpreadDetector, SpreadStep, learn_spread

NAMES = tuple(LABELS)


def rehearsed(monitor: Monitor, reference: Stream, **options: Any) -> Detector[Any]:
    """What watches a monitor, after a rehearsal on its reference."""
    found: Any = detector(monitor, reference, **options)
    return found.rehearsed(steps(monitor, reference))  # type: ignore[no-any-return]


def detector(monitor: Monitor, reference: Stream, **options: Any) -> Detector[Any]:
    """What watches a monitor, with a baseline learned from a stream of the past, hour by hour."""
    ends = reference.begins + 60 * (1 + np.arange(reference.minutes // 60))
    if monitor.kind == "spread":
        steps = [
            SpreadStep(int(end), histogram)
            for end, histogram in zip(ends, histograms(reference, 60), strict=True)
            if histogram
        ]
        direction: Direction = "rises" if monitor.name == "ttft" else "both"
        return SpreadDetector(learn_spread(steps), direction, **options)
    n = _hourly(reference.n)
    if monitor.kind == "rate":
        of = _hourly(reference.sums(reference.value))
        rate = learn_rate(RateStep(int(m), int(k), int(c)) for m, k, c in zip(ends, of, n, strict=True))
        return RateDetector(rate, "rises", **options)
    learned = {}
    for place, name in enumerate(NAMES):
        of = _hourly(reference.sums(reference.value == place))
        learned[name] = learn_rate(RateStep(int(m), int(k), int(c)) for m, k, c in zip(ends, of, n, strict=True))
    return SharesDetector(learned, **options)


def _hourly(values: Array) -> Array:
    return np.asarray(values[: len(values) // 60 * 60]).reshape(-1, 60).sum(1)


def histograms(stream: Stream, step: int) -> list[dict[int, int]]:
    """The histogram of each `step` minutes, by the buckets of `store.histograms`."""
    found: list[dict[int, int]] = [{} for _ in range(-(-stream.minutes // step))]
    if not len(stream.value):
        return found
    buckets = np.ceil(np.log(stream.value) / GROWTH).astype(np.int64)
    lowest = int(buckets.min())
    width = int(buckets.max()) - lowest + 1
    keys, counts = np.unique(stream.minute // step * width + buckets - lowest, return_counts=True)
    for key, count in zip(keys.tolist(), counts.tolist(), strict=True):
        found[key // width][key % width + lowest] = count
    return found


def steps(monitor: Monitor, stream: Stream) -> Iterator[tuple[int, Any]]:
    """The minutes in which there were calls, as the detector takes them."""
    ends = range(stream.begins + 1, stream.begins + stream.minutes + 1)
    if monitor.kind == "spread":
        yield from ((end, one) for end, one in zip(ends, histograms(stream, 1), strict=True) if one)
    elif monitor.kind == "rate":
        of = stream.sums(stream.value).astype(int).tolist()
        for end, k, n in zip(ends, of, stream.n.tolist(), strict=True):
            if n:
                yield end, Counted(k, n)
    else:
        columns = [stream.sums(stream.value == place).astype(int).tolist() for place in range(len(NAMES))]
        for end, *counts in zip(ends, *columns, strict=True):
            seen: Mapping[str, int] = {name: count for name, count in zip(NAMES, counts, strict=True) if count}
            if seen:
                yield end, seen
