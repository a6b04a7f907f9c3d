"""What others do: a fixed threshold, a z-score and ADWIN, each with one number that is tuned to a rate of false alarms.

Each peer turns a stream into a level for every minute; it alarms where the level passes its number. A fixed threshold
holds the figure of a sliding window against a limit; a z-score holds it against what the same hour of the day was in
the reference, in standard errors of a window of that size. Windows are tried and the best is taken. ADWIN is river's,
with its delta tuned (A. Bifet and R. Gavalda, "Learning from time-changing data with adaptive windowing", SDM 2007).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from bench.detection.streams import DAY, GROWTH, LABELS, Array, Monitor, Stream

WINDOWS: Final = (10, 60, 6 * 60, 24 * 60)
BLOCK: Final = 30
LEAST: Final = 10
"""A window of fewer calls says nothing."""


@dataclass
class Profile:
    """What a reference taught the z-score: by hour of the day, the mean of each column; and its variance in a call."""

    means: Array
    variances: Array


def columns(monitor: Monitor, stream: Stream) -> Array:
    """For each minute the sums of what is averaged: failures, each label, lengths, or calls above each of 60 times."""
    if monitor.kind == "rate":
        return stream.sums(stream.value)[:, None]
    if monitor.kind == "shares":
        return np.stack([stream.sums(stream.value == place) for place in range(len(LABELS))], 1)
    if monitor.name == "length":
        return stream.sums(stream.value)[:, None]
    place = np.searchsorted(LIMITS, stream.value)
    cells = np.bincount(stream.minute * (len(LIMITS) + 1) + place, minlength=stream.minutes * (len(LIMITS) + 1))
    above = np.cumsum(cells.reshape(stream.minutes, -1)[:, ::-1], 1)[:, ::-1]
    return np.asarray(above[:, 1:], float)


LIMITS: Final = 40.0 * np.exp(GROWTH * 2 * np.arange(60))
"""Times in milliseconds, 4 % apart, that a p95 is held against."""


def profile(monitor: Monitor, reference: Stream) -> Profile:
    """What the z-score learns."""
    sums = columns(monitor, reference)
    hour = (reference.begins + np.arange(reference.minutes)) % DAY // 60
    calls = np.bincount(hour, weights=reference.n, minlength=24)
    means = np.stack([np.bincount(hour, weights=column, minlength=24) / calls for column in sums.T], 1)
    shares = means.mean(0)
    variances = np.array([reference.value.var()]) if monitor.name == "length" else shares * (1 - shares)
    return Profile(means, variances)


def windowed(values: Array, window: int) -> Array:
    """The sum over the last `window` minutes, at each minute."""
    total = np.concatenate([np.zeros((1, *values.shape[1:])), np.cumsum(values, 0)])
    ends = np.arange(1, len(values) + 1)
    return np.asarray(total[ends] - total[np.maximum(0, ends - window)])


def fixed(monitor: Monitor, stream: Stream, window: int, learned: Profile, sums: Array | None = None) -> Array:
    """The windowed figure: a share of failures, the furthest label from its share, a mean length, or a p95."""
    sums = columns(monitor, stream) if sums is None else sums
    n = windowed(stream.n.astype(float), window)
    with np.errstate(invalid="ignore", divide="ignore"):
        means = windowed(sums, window) / n[:, None]
    if monitor.name == "ttft":
        level = np.asarray((means > 0.05).sum(1), float)
    elif monitor.kind == "shares":
        level = np.abs(means - learned.means.mean(0)).max(1)
    elif monitor.name == "length":
        level = np.abs(np.log(np.maximum(means[:, 0], 1) / learned.means.mean()))
    else:
        level = means[:, 0]
    return np.where(n >= LEAST, level, -math.inf)


def z_score(monitor: Monitor, stream: Stream, window: int, learned: Profile, sums: Array | None = None) -> Array:
    """How far the windowed figure lies from that of its hours in the reference, in standard errors."""
    sums = columns(monitor, stream) if sums is None else sums
    n = windowed(stream.n.astype(float), window)
    hour = (stream.begins + np.arange(stream.minutes)) % DAY // 60
    expected = windowed(stream.n[:, None] * learned.means[hour], window)
    with np.errstate(invalid="ignore", divide="ignore"):
        z = (windowed(sums, window) - expected) / np.sqrt(n[:, None] * learned.variances)
    if monitor.name == "ttft":
        place = int(np.argmin(np.abs(learned.means.mean(0) - 0.05)))
        level = z[:, place]
    elif monitor.kind == "rate":
        level = z[:, 0]
    else:
        level = np.abs(z).max(1)
    return np.where(n >= LEAST, level, -math.inf)


def by_blocks(level: Array) -> Array:
    """The highest level of each half hour: what alarms are counted from."""
    return np.asarray(level[: len(level) // BLOCK * BLOCK].reshape(-1, BLOCK).max(1), np.float32)


def raised(blocks: Array, limit: float) -> int:
    """How many alarms a limit raises: one for half hours in a row that pass it."""
    above = blocks > limit
    return int(above[0]) + int((above[1:] & ~above[:-1]).sum())


def records(level: Array) -> tuple[Array, Array]:
    """The minutes at which a level is higher than ever before, and those levels: when any limit would be passed."""
    highest = np.maximum.accumulate(level)
    new = np.flatnonzero(np.diff(highest, prepend=-np.inf) > 0)
    return new, np.asarray(highest[new], np.float32)


def limit_for(nulls: Sequence[Array], allowed: float) -> float:
    """The lowest limit at which these null months raise at most so many alarms in all."""
    values = np.unique(np.concatenate([blocks[np.isfinite(blocks)] for blocks in nulls]))
    low, high = 0, len(values) - 1
    while low < high:
        middle = (low + high) // 2
        alarms = sum(raised(blocks, float(values[middle])) for blocks in nulls)
        low, high = (low, middle) if alarms <= allowed else (middle + 1, high)
    return float(values[low])


def adwin(monitor: Monitor, stream: Stream, delta: float, after: int = -1) -> list[int]:
    """The minutes at which river's ADWIN finds a change for the worse (any, where there is no worse); only the first
    after a minute, if one is given.
    """
    from river.drift import ADWIN  # noqa: PLC0415 - wanted for this peer alone

    if monitor.kind == "shares":
        series = [(stream.value == place).astype(float) for place in range(len(LABELS))]
    elif monitor.kind == "rate":
        series = [stream.value]
    else:
        series = [np.clip(np.log(stream.value) / 10, 0, 1)]
    either = monitor.kind == "shares" or monitor.name == "length"
    found: list[int] = []
    minutes = stream.minute.tolist()
    for values in series:
        detector = ADWIN(delta=delta)
        before = 0.0
        for minute, value in zip(minutes, values.tolist(), strict=True):
            detector.update(value)
            if detector.drift_detected:
                if either or detector.estimation > before:
                    found.append(minute)
                    if 0 <= after <= minute:
                        break
                before = detector.estimation
            elif detector.n_detections == 0 or detector.width % 256 == 0:
                before = detector.estimation
    return sorted(found)
