"""How likely a value of a spread is, normally and after each change that is watched for.

Values are buckets of a histogram that grow by a constant factor (`GROWTH`): a value that is a fifth larger lies a fixed
number of buckets higher, so a changed spread is the normal one moved by some buckets, all of it or part of it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final, NamedTuple

GROWTH: Final = math.log(1.01 / 0.99)
"""The logarithm of the factor between buckets, that of `store.histograms`."""
CAUTION: Final = 5.0
MOST_CAUTION: Final = 2.0
"""As in `rates`, in units of a score."""
STEPS: Final = (0.0, 0.12, 0.35)
"""Alternatives for the whole, in logarithms beyond the smallest change worth an alert."""
PART: Final = 0.2
PART_GROWS: Final = (1.6, 2.4, 3.6)
"""Alternatives for a part: so much of the values, by such factors."""
MOST: Final = 1.3
"""No single value says more than this, so that it takes several."""
EDGES, ABOVE = (0.02,), 0.08
"""Alternatives for the upper end: so many values normally lie beyond an edge, and as many do after the change."""
BODY, MOVE = 1.0, 0.75
"""What is taken for the body of a spread, and for a move of it that load may bring, in standard deviations."""
LEAST_WIDTH: Final = 3.0
"""The least width of the kernel, in buckets."""
EVERYWHERE: Final = 0.02
"""The probability of heavy tails over all buckets."""
LEAST_TAIL: Final = 25.0
"""Their least scale, in buckets."""


class Change(NamedTuple):
    """A share of the values, grown by a number of buckets; or more values than the share `above` beyond their edge."""

    share: float
    buckets: int
    above: float = 0.0

    @property
    def family(self) -> str:
        """What kind of change it is, whatever its size."""
        if self.above:
            return f"above {self.above}"
        return "whole" if self.share == 1 else "part"


def changes(side: str, least: float) -> list[Change]:
    """The alternatives on one side: whole spreads that grow or shrink, and a part that grows."""
    whole = [(least + step) / GROWTH for step in STEPS]
    if side == "falls":
        return [Change(1.0, -round(one)) for one in whole]
    return [
        *(Change(1.0, round(one)) for one in whole),
        *(Change(PART, round(math.log(factor) / GROWTH)) for factor in PART_GROWS),
        *(Change(1.0, 1, share) for share in EDGES),
    ]


class Density:
    """The smoothed probability of each bucket, from `lowest` up, with room for the largest change on both sides."""

    def __init__(self, lowest: int, counted: Sequence[int], unsure: float, room: int) -> None:
        self.lowest, self.unsure = lowest - room, unsure
        counts = [0] * room + list(counted) + [0] * room
        n = max(1, sum(counted))
        self.mean = sum(place * count for place, count in enumerate(counts)) / n + self.lowest
        self.variance = sum((place + self.lowest - self.mean) ** 2 * count for place, count in enumerate(counts)) / n
        width = max(LEAST_WIDTH, 0.9 * math.sqrt(self.variance) * n**-0.2)
        self.raw = [count / n for count in counts]
        self.smooth = _smoothed(self.raw, self.mean - self.lowest, math.sqrt(self.variance), width)

    def table(self, alternatives: Sequence[Change], damping: Sequence[float]) -> list[list[float]]:
        """For each bucket, what a value in it says for each change: log likelihood ratios, centred and damped."""
        columns = []
        for change, damp in zip(alternatives, damping, strict=True):
            scores = self._scores(change)
            if change.share < 1:
                scores = self._level(scores)
            centre = self._centre(scores) + self._caution(scores, change)
            columns.append([(score - centre) / damp for score in scores])
        return [list(row) for row in zip(*columns, strict=True)]

    def _at(self, place: int) -> float:
        return self.smooth[min(max(place, 0), len(self.smooth) - 1)]

    def _scores(self, change: Change) -> list[float]:
        """How much likelier each bucket is under a change, as a logarithm, not yet centred."""
        places = range(len(self.smooth))
        if change.above:
            left, edge = 1.0, 0
            while left > change.above:
                left -= self.raw[edge]
                edge += 1
            return [MOST * (place >= edge) for place in places]
        rest = 1 - change.share
        ratios = (rest + change.share * self._at(place - change.buckets) / self._at(place) for place in places)
        return [min(MOST, math.log(ratio)) for ratio in ratios]

    def _level(self, scores: Sequence[float]) -> list[float]:
        """Scores for a part that do not answer to a move of the whole: load moves all values for minutes or an hour."""
        width = math.sqrt(max(1.0, self.variance))
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

    def _caution(self, scores: Sequence[float], change: Change) -> float:
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


def _smoothed(raw: Sequence[float], mean: float, spread: float, width: float) -> list[float]:
    """Probabilities with a normal kernel over them, and heavy tails, so that nothing is impossible and what lies far
    off on one side is likelier the further the whole moves there.
    """
    reach = math.ceil(3 * width)
    kernel = [math.exp(-0.5 * (step / width) ** 2) for step in range(-reach, reach + 1)]
    whole = sum(kernel)
    tails = [math.exp(-abs(place - mean) / max(spread, LEAST_TAIL)) for place in range(len(raw))]
    together = sum(tails)
    smooth = [EVERYWHERE * tail / together for tail in tails]
    for place, weight in enumerate(raw):
        if weight:
            for step, part in enumerate(kernel, place - reach):
                smooth[min(max(step, 0), len(raw) - 1)] += (1 - EVERYWHERE) * weight * part / whole
    return smooth
