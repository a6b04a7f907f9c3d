"""The mean of values that come in clusters: its standard error and the degrees of freedom of that.

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


class Robust(NamedTuple):
    """A mean of `n` values in `clusters` clusters, in their unit.

    `correlation` is that of two values of a cluster, by the moments of an analysis of variance, at least 0; `skewness`
    that of the clusters' contributions. The standard error is infinite for fewer than two clusters.
    """

    value: float
    standard_error: float
    freedom: float
    clusters: int
    n: int
    correlation: float
    skewness: float


def robust_mean(values: Sequence[float], groups: Sequence[str]) -> Robust:
    """The mean of values, each with the name of its cluster. Raises `ValueError` without any, or for unequal lengths."""
    if not values or len(values) != len(groups):
        raise ValueError(f"{len(values)} values with {len(groups)} groups have no mean")
    n = len(values)
    value = math.fsum(values) / n
    sums: dict[str, float] = {}
    sizes: dict[str, int] = {}
    for one, group in zip(values, groups, strict=True):
        sums[group] = sums.get(group, 0.0) + (one - value)
        sizes[group] = sizes.get(group, 0) + 1
    if len(sums) < 2:
        return Robust(value, math.inf, 1.0, len(sums), n, 0.0, 0.0)
    totals = list(sums.values())
    shares = [size / n for size in sizes.values()]
    parts = [total * total / (1 - share) for total, share in zip(totals, shares, strict=True)]
    error = math.sqrt(math.fsum(parts)) / n
    correlation = _correlation(values, groups, sums, sizes, value)
    return Robust(
        value, error, _freedom(list(sizes.values()), n, correlation), len(sums), n, correlation, _skewness(totals)
    )


def _skewness(totals: Sequence[float]) -> float:
    second = math.fsum(one * one for one in totals) / len(totals)
    third = math.fsum(one**3 for one in totals) / len(totals)
    return float(third / second**1.5) if second > 0 else 0.0


def _correlation(
    values: Sequence[float], groups: Sequence[str], sums: dict[str, float], sizes: dict[str, int], value: float
) -> float:
    """By the moments of an analysis of variance of groups of unequal size."""
    n, count = len(values), len(sizes)
    if n == count:
        return 0.0
    means = {group: value + sums[group] / sizes[group] for group in sums}
    within = math.fsum((one - means[group]) ** 2 for one, group in zip(values, groups, strict=True)) / (n - count)
    between = math.fsum(sums[group] ** 2 / sizes[group] for group in sums) / (count - 1)
    size = (n - sum(each * each for each in sizes.values()) / n) / (count - 1)
    above = (between - within) / size
    return max(0.0, above / (above + within)) if above + within > 0 else 0.0


def _freedom(sizes: Sequence[int], n: int, correlation: float) -> float:
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
    return max(1.0, trace * trace / (pairs + diagonal))
