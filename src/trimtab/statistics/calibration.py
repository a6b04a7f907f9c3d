"""Calibration: whether answers given with confidence p are right p of the time.

The expected calibration error is that of Guo, Pleiss, Sun and Weinberger, ICML 2017 (after Naeini and others, 2015),
over bins of equal width; the Brier score is that of Monthly Weather Review 78 (1950), for two outcomes. The interval of
the error is made of those of its bins; that of the Brier score takes the greatest variance that numbers from 0 to 1 of
its mean can have (Bhatia and Davis, 2000): both are wider than they need be.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from statistics import NormalDist
from typing import Final, NamedTuple

from trimtab.statistics.intervals import Interval, wilson

BINS: Final = 20
"""Bins of equal width over [0, 1]."""


class Bin(NamedTuple):
    """Answers whose confidence lies in [low, high): how many, and how many of them were right.

    `share` is that of the right ones; that of all bins lie between their `below` and `above` at the level asked for
    (Wilson, Bonferroni).
    """

    low: float
    high: float
    n: int
    right: int
    share: float
    below: float
    above: float

    @property
    def middle(self) -> float:
        """The confidence that stands for the bin; no answer in it is further away than half its width."""
        return (self.low + self.high) / 2


class Sums(NamedTuple):
    """How many confidences there are, their sum, and the sum of their squares."""

    n: int = 0
    total: float = 0.0
    squares: float = 0.0


class Calibration(NamedTuple):
    """How well confidence tells what is right, over `n` answers; `accuracy` and `confidence` are the means.

    `ece` is the expected calibration error, each bin taken at its middle; its interval holds wherever in the bins the
    confidences lie. `brier` is the mean squared distance of the confidence from 1 (right) or 0 (wrong).
    """

    n: int
    accuracy: float
    confidence: float
    ece: float
    ece_interval: Interval
    brier: float
    brier_interval: Interval
    bins: tuple[Bin, ...]


def bin_of(confidence: float) -> str:
    """The name of the bin of a confidence: its lower edge, `0.85`. What lies outside [0, 1] counts as the end of it."""
    number = min(BINS - 1, max(0, math.floor(confidence * BINS + 1e-9)))
    return f"{number / BINS:.2f}"


def calibration(
    right: Mapping[str, int],
    wrong: Mapping[str, int],
    right_sums: Sums,
    wrong_sums: Sums,
    confidence: float = 0.95,
) -> Calibration | None:
    """The calibration of answers counted by the bin of their confidence (`bin_of`), right and wrong ones apart.

    None without any. What is counted under no bin's name is left out; the sums are those of all confidences.
    """
    edges = [number / BINS for number in range(BINS)]
    counts = [(low, right.get(f"{low:.2f}", 0), wrong.get(f"{low:.2f}", 0)) for low in edges]
    held = [(low, good, good + bad) for low, good, bad in counts if good + bad]
    n, of_sums = sum(total for _, _, total in held), right_sums.n + wrong_sums.n
    if not n or not of_sums:
        return None
    level = 1 - (1 - confidence) / len(held)
    bins = tuple(_bin(low, good, total, level) for low, good, total in held)
    brier = (right_sums.n - 2 * right_sums.total + right_sums.squares + wrong_sums.squares) / of_sums
    brier = min(1.0, max(0.0, brier))
    half = NormalDist().inv_cdf((1 + confidence) / 2) * math.sqrt(brier * (1 - brier) / of_sums)
    return Calibration(
        n=n,
        accuracy=sum(one.right for one in bins) / n,
        confidence=(right_sums.total + wrong_sums.total) / of_sums,
        ece=sum(one.n * abs(one.share - one.middle) for one in bins) / n,
        ece_interval=Interval(
            sum(one.n * _nearest(one) for one in bins) / n, sum(one.n * _farthest(one) for one in bins) / n
        ),
        brier=brier,
        brier_interval=Interval(max(0.0, brier - half), min(1.0, brier + half)),
        bins=bins,
    )


def _bin(low: float, right: int, n: int, level: float) -> Bin:
    interval = wilson(right, n, level)
    return Bin(low, low + 1 / BINS, n, right, right / n, interval.low, interval.high)


def _nearest(one: Bin) -> float:
    """The least distance that a bin's share may have from its confidence."""
    return max(0.0, one.below - one.high, one.low - one.above)


def _farthest(one: Bin) -> float:
    """The greatest."""
    return max(one.above - one.low, one.high - one.below)
