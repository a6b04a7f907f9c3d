"""The share of a population, from units that were drawn with unequal probabilities."""

from __future__ import annotations

import math
from collections.abc import Sequence

from msgspec import Struct

from trimtab.statistics.differences import beta_quantile


class WeightedShare(Struct, frozen=True):
    """A share, its interval, and of how many units drawn alike it tells as much (`effective`)."""

    value: float
    low: float
    high: float
    effective: float


def weighted_share(units: Sequence[tuple[bool, float]], confidence: float = 0.95) -> WeightedShare | None:
    """The share of units that have something, each with the probability with which it was drawn; None without units.

    The estimate weighs each unit by the inverse of its probability (D. G. Horvitz, D. J. Thompson, JASA 47 (1952)
    663-685, over the sum of weights). The interval is that of C. J. Clopper and E. S. Pearson (Biometrika 26 (1934)
    404-413) for as many units as tell as much, after E. L. Korn and B. I. Graubard (Survey Methodology 24 (1998)
    193-201): by the linearised variance of the share, and no more than by that of the weights (L. Kish, Survey Sampling
    (1965), section 11.7). Of units that were drawn alike it is exact.

    Raises `ValueError` for a probability that is not above 0 and up to 1.
    """
    if any(not 0 < drawn <= 1 for _, drawn in units):
        raise ValueError("a unit was drawn with a probability above 0 and up to 1")
    if not units:
        return None
    weights = [1 / drawn for _, drawn in units]
    total = math.fsum(weights)
    value = math.fsum(weight for (has, _), weight in zip(units, weights, strict=True) if has) / total
    effective = total**2 / math.fsum(weight**2 for weight in weights)
    spread = math.fsum((weight * (has - value)) ** 2 for (has, _), weight in zip(units, weights, strict=True))
    if spread > 0:
        effective = min(effective, value * (1 - value) * total**2 / spread)
    tail = (1 - confidence) / 2
    having, rest = value * effective, (1 - value) * effective
    low = beta_quantile(tail, having, rest + 1) if any(has for has, _ in units) else 0.0
    high = beta_quantile(1 - tail, having + 1, rest) if not all(has for has, _ in units) else 1.0
    return WeightedShare(value, low, high, effective)
