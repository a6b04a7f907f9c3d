"""The distribution of a mean less the truth over its standard error, for skewed and heavy-tailed values too.

Student's t with the skewness taken out by the monotone cubic of P. Hall, "On the removal of skewness by
transformation", JRSS B 54 (1992) 221-228, and the next term, of the kurtosis, by which such an interval is too short or
too long (P. Hall, "Theoretical comparison of bootstrap confidence intervals", Annals of Statistics 16 (1988) 927-953;
the same error as the bootstrap-t has). On the side where the skewness would make the interval shorter than Student's it
is taken in part from 30 clusters on, below not at all, and the level is raised: of few values neither moment is known.
`python -m bench eval_statistics` tells the coverage.
"""

from __future__ import annotations

import math
from typing import Final

from msgspec import Struct, structs

from trimtab.statistics.differences import student_quantile, student_tail

FEW: Final = 30
"""Clusters from which on moments are trusted."""
CAUTION: Final = 0.14
"""By how much more the skewness and kurtosis of values without bounds are taken to be than they look."""
_INNER: Final = 0.5
_RAISED: Final = 75.0
_LEAST: Final = -0.1
_MOST: Final = 0.5
_STRAIGHT: Final = 1e-9


def raised(clusters: float) -> float:
    """By how much a level is divided where there are few clusters."""
    return 1.0 if clusters >= FEW else 1 + _RAISED / clusters**2


def widened(excess: float, clusters: float) -> float:
    """By how much a quantile lies further out for so much kurtosis beyond what skewness explains."""
    return 1 + min(_MOST, max(_LEAST, excess * 1.447 / clusters))


class Studentized(Struct, frozen=True, tag=True):
    """How (mean - truth) / standard error is distributed, for `clusters` clusters.

    `freedom` is that of the standard error; `skewness` and `kurtosis` (excess, 0 for normal) are of the clusters'
    contributions. `bounded` says that scores lie between 0 and 1. Without `shortens` skewness never makes a side
    shorter than Student's.
    """

    freedom: float
    clusters: int
    skewness: float = 0.0
    kurtosis: float = 0.0
    bounded: bool = True
    shortens: bool = True

    def ends(self, confidence: float) -> tuple[float, float]:
        """The quantiles between which it lies with this confidence, the lower one below 0."""
        if self.clusters < 2:
            return -math.inf, math.inf
        tail = max(1e-12, (1 - confidence) / 2 / raised(self.clusters))
        quantile = student_quantile(1 - tail, self.freedom)
        return -self._end(quantile, -1), self._end(quantile, 1)

    def above(self, t: float) -> float:
        """The probability of more than `t`, so that `t` is the upper end at 1 - 2 * above where it is below a half."""
        if self.clusters < 2 or math.isnan(t):
            return 1.0
        if math.isinf(t):
            return float(t < 0)
        if t < 0:
            return 1 - self._mirrored().above(-t)
        return min(0.5, student_tail(self._quantile(t), self.freedom) * raised(self.clusters))

    def below(self, t: float) -> float:
        """The probability of less than `t`."""
        return self._mirrored().above(-t)

    def _mirrored(self) -> Studentized:
        return structs.replace(self, skewness=-self.skewness)

    def end(self, quantile: float) -> float:
        """How far above 0 it lies at the level at which Student's t lies at this quantile."""
        return self._end(quantile, 1)

    def _end(self, quantile: float, side: int) -> float:
        """How far from 0 the quantile of Student's t lies on one side, after the transformation."""
        quantile *= widened(self.excess(), self.clusters)
        slope = side * self._slope()
        if abs(slope) < _STRAIGHT:
            return quantile
        end = 3 / slope * (math.cbrt(1 + slope * (quantile - slope / 6)) - 1)
        inner = self._inner()
        return end if end >= quantile else inner * quantile + (1 - inner) * end

    def _quantile(self, t: float) -> float:
        """Where `_end` is `t` on the upper side: the lesser of what either of its branches has there.

        With u = 1 + slope * end / 3 the cubic has the quantile (u^3 - 1) / slope + slope / 6. What lies `inner` of the
        way from that end to the quantile is `t` where u^3 + p u = q, which has one root, since p is not negative.
        """
        slope, inner = self._slope(), self._inner()
        found = t
        if abs(slope) >= _STRAIGHT:
            found = ((1 + slope * t / 3) ** 3 - 1) / slope + slope / 6
            within = t
            if inner < 1:
                p = 3 * (1 - inner) / inner
                q = 1 + p + slope * t / inner - slope * slope / 6
                root = math.sqrt(p / 3)
                u = 2 * root * math.sinh(math.asinh(q / (2 * root**3)) / 3)
                within = (u**3 - 1) / slope + slope / 6
            found = min(found, within)
        return max(0.0, found) / widened(self.excess(), self.clusters)

    def _slope(self) -> float:
        few = max(0.0, FEW - self.clusters) / FEW
        return self.skewness * (1 + few + (0.0 if self.bounded else CAUTION)) / math.sqrt(self.clusters)

    def _inner(self) -> float:
        return _INNER if self.shortens and self.clusters >= FEW else 1.0

    def excess(self) -> float:
        """Kurtosis less what skewness explains. Without bounds a tail may hide, so that less is believed only of light
        tails, and heavy ones are taken to be heavier; light ones are believed less where few clusters have the weight.
        """
        excess = self.kurtosis - 1.5 * self.skewness**2
        if not self.bounded:
            excess = excess * (1 + CAUTION) if excess > 0 else min(0.0, self.kurtosis)
        return excess if excess > 0 else excess * min(1.0, self.freedom / (self.clusters - 1))
