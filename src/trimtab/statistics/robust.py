"""The mean of values that come in clusters: its standard error, and how it is distributed.

Within a cluster values may depend on each other in any way; clusters are independent. The variance is the
bias-reduced one (CR2) of R. M. Bell and D. F. McCaffrey, "Bias reduction in standard errors for linear regression with
multi-stage samples", Survey Methodology 28 (2002) 169-181, for a model of nothing but a mean. Its degrees of freedom
are Satterthwaite's, as there, under the working model of one correlation for all pairs within a cluster (J. E.
Pustejovsky and E. Tipton, Journal of Business and Economic Statistics 36 (2018) 672-683).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from trimtab.statistics.studentized import Studentized


class Clusters(NamedTuple):
    """Values by cluster: their sum and number in each, and the correlation of two values of one."""

    sums: list[float]
    sizes: list[float]
    correlation: float


class Robust(NamedTuple):
    """A mean, its standard error (infinite for fewer than two clusters) and its distribution."""

    value: float
    standard_error: float
    reference: Studentized


def clusters(values: Sequence[float], groups: Sequence[str]) -> Clusters:
    """Values, each with the name of its cluster. Raises `ValueError` without any, or for unequal lengths.

    The correlation is by the moments of an analysis of variance of groups of unequal size, at least 0.
    """
    if not values or len(values) != len(groups):
        raise ValueError(f"{len(values)} values with {len(groups)} groups have no mean")
    rows: dict[str, list[float]] = {}
    for value, group in zip(values, groups, strict=True):
        rows.setdefault(group, []).append(value)
    sums = [math.fsum(row) for row in rows.values()]
    sizes = [float(len(row)) for row in rows.values()]
    n, count = len(values), len(rows)
    if n == count or count < 2:
        return Clusters(sums, sizes, 0.0)
    mean = math.fsum(values) / n
    means = [total / size for total, size in zip(sums, sizes, strict=True)]
    within = math.fsum((one - middle) ** 2 for row, middle in zip(rows.values(), means, strict=True) for one in row)
    within /= n - count
    between = math.fsum(size * (middle - mean) ** 2 for size, middle in zip(sizes, means, strict=True)) / (count - 1)
    above = (between - within) / ((n - math.fsum(size * size for size in sizes) / n) / (count - 1))
    return Clusters(sums, sizes, max(0.0, above / (above + within)) if above + within > 0 else 0.0)


def robust_mean(found: Clusters, bounded: bool = False) -> Robust:
    """The mean of all values; `bounded` says that scores lie between 0 and 1."""
    n, count = math.fsum(found.sizes), len(found.sums)
    value = math.fsum(found.sums) / n
    if count < 2:
        return Robust(value, math.inf, Studentized(1.0, count, bounded=bounded))
    totals = [total - size * value for total, size in zip(found.sums, found.sizes, strict=True)]
    squares = (total * total / (1 - size / n) for total, size in zip(totals, found.sizes, strict=True))
    error = math.sqrt(math.fsum(squares)) / n
    skewness, _ = _moments(totals)
    spreads = [math.sqrt(size * (1 + max(0.0, size - 1) * found.correlation)) for size in found.sizes]
    _, kurtosis = _moments([total / spread for total, spread in zip(totals, spreads, strict=True)])
    reference = Studentized(_freedom(found.sizes, n, found.correlation), count, skewness, kurtosis, bounded)
    return Robust(value, error, reference)


def _moments(totals: Sequence[float]) -> tuple[float, float]:
    """Skewness and excess kurtosis of residuals, corrected for small samples (D. N. Joanes and C. A. Gill, The
    Statistician 47 (1998) 183-189, G1 and G2); 0 where there are too few.

    Clusters of unequal size have unequal variances, for which the degrees of freedom account: kurtosis is asked for of
    residuals over what their size lets expect.
    """
    n, largest = len(totals), max(map(abs, totals))
    if largest <= 0 or n < 3:
        return 0.0, 0.0
    totals = [one / largest for one in totals]
    second = math.fsum(one * one for one in totals) / n
    skewness = math.fsum(one**3 for one in totals) / n / second**1.5 * math.sqrt(n * (n - 1)) / (n - 2)
    if n < 4:
        return skewness, 0.0
    plain = math.fsum(one**4 for one in totals) / n / second**2 - 3
    return skewness, (n - 1) / ((n - 2) * (n - 3)) * ((n + 1) * plain + 6)


def _freedom(sizes: Sequence[float], n: float, correlation: float) -> float:
    """(tr G)^2 / tr G^2 of the quadratic form that the variance is, in time linear in the number of clusters.

    The totals of clusters less their share of the whole have covariances v_g [g = h] - w_h v_g - w_g v_h + w_g w_h V.
    """
    w = [size / n for size in sizes]
    v = [size * (1 + (size - 1) * correlation) for size in sizes]
    e = [1 / (1 - share) for share in w]
    total = math.fsum(v)
    own = [each - 2 * share * each + share * share * total for share, each in zip(w, v, strict=True)]
    off = [own_g - v_g for own_g, v_g in zip(own, v, strict=True)]
    ww = math.fsum(a * b * b for a, b in zip(e, w, strict=True))
    wv = math.fsum(a * b * c for a, b, c in zip(e, w, v, strict=True))
    vv = math.fsum(a * c * c for a, c in zip(e, v, strict=True))
    pairs = 2 * ww * vv + total * total * ww * ww + 2 * wv * wv - 4 * total * wv * ww
    diagonal = math.fsum(a * a * (b * b - c * c) for a, b, c in zip(e, own, off, strict=True))
    trace = math.fsum(a * b for a, b in zip(e, own, strict=True))
    return min(len(sizes) - 1.0, max(1.0, trace * trace / (pairs + diagonal)))
