"""What a test that is repeated costs in false alarms, and what it can see."""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import Final

STEPS: Final = 400
_NORMAL: Final = NormalDist()


def both_exceed(z: float, correlation: float) -> float:
    """P(X > z and Y > z) for standard normal X and Y with this correlation, to about 1e-9.

    By R. L. Plackett's reduction, Biometrika 41 (1954): d/dr P = exp(-z^2 / (1 + r)) / (2 pi sqrt(1 - r^2)), integrated
    from 0 by Simpson's rule over the angle asin r. Raises `ValueError` unless -1 < correlation < 1.
    """
    if not -1 < correlation < 1:
        raise ValueError(f"{correlation} is no correlation between -1 and 1")
    alone = _NORMAL.cdf(-z)
    end = math.asin(correlation)
    step = end / STEPS
    weights = (1 if place in {0, STEPS} else 4 if place % 2 else 2 for place in range(STEPS + 1))
    inner = sum(weight * math.exp(-z * z / (1 + math.sin(place * step))) for place, weight in enumerate(weights))
    return alone * alone + inner * step / 3 / (2 * math.pi)


def two_hits(alpha: float, tested: int, reference: int) -> float:
    """The probability that two tests at level `alpha`, two-sided, both hit although nothing has changed.

    Each compares `tested` fresh samples with the same `reference` samples, whose own chance deviation both share: their
    correlation is tested / (tested + reference). For statistics that are about normal; alpha^2 without a correlation.
    """
    correlation = tested / (tested + reference)
    z = -_NORMAL.inv_cdf(alpha / 2)
    return 2 * (both_exceed(z, correlation) + both_exceed(z, -correlation))


def detectable(alpha: float, power: float, tested: int, reference: int) -> float:
    """The shift of a mean, in standard deviations of one sample, that two hits in a row find with this power.

    For a two-sided test of means at level `alpha` each; each test must then hit with the square root of the power.
    """
    each = math.sqrt(power)
    return (_NORMAL.inv_cdf(1 - alpha / 2) + _NORMAL.inv_cdf(each)) * math.sqrt(1 / tested + 1 / reference)
