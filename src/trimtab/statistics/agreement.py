"""How well raters agree beyond chance: two on categories, or any number on categories, ranks and numbers."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from statistics import NormalDist
from typing import Final, Literal

from msgspec import Struct

from trimtab.statistics.differences import student_quantile

Measure = Literal["nominal", "ordinal", "interval"]
LEAST_UNITS: Final = 3


class Agreement(Struct, frozen=True):
    """A coefficient of agreement, 1 for perfect, 0 for chance, and its interval, over so many units.

    `nan` where all ratings are the same, since then chance alone would agree too.
    """

    value: float
    low: float
    high: float
    units: int


def cohen_kappa(pairs: Sequence[tuple[Hashable, Hashable]], confidence: float = 0.95) -> Agreement:
    """The agreement of two raters, each pair their categories of one unit. Raises `ValueError` without any.

    J. Cohen, Educational and Psychological Measurement 20 (1960) 37-46; the variance for large samples is that of J. L.
    Fleiss, J. Cohen and B. S. Everitt, Psychological Bulletin 72 (1969) 323-327.
    """
    if not pairs:
        raise ValueError("there are no ratings: let both raters label at least one case")
    n = len(pairs)
    table = {pair: count / n for pair, count in Counter(pairs).items()}
    first = {key: count / n for key, count in Counter(one for one, _ in pairs).items()}
    second = {key: count / n for key, count in Counter(other for _, other in pairs).items()}
    same = math.fsum(share for (one, other), share in table.items() if one == other)
    chance = math.fsum(share * second.get(key, 0.0) for key, share in first.items())
    if chance >= 1:
        return Agreement(math.nan, -1.0, 1.0, n)
    kappa = (same - chance) / (1 - chance)
    on = math.fsum(
        share * (1 - (first[one] + second[one]) * (1 - kappa)) ** 2
        for (one, other), share in table.items()
        if one == other
    )
    off = math.fsum(
        share * (second.get(one, 0.0) + first.get(other, 0.0)) ** 2
        for (one, other), share in table.items()
        if one != other
    )
    spread = on + (1 - kappa) ** 2 * off - (kappa - chance * (1 - kappa)) ** 2
    half = NormalDist().inv_cdf((1 + confidence) / 2) * math.sqrt(max(0.0, spread) / n) / (1 - chance)
    return Agreement(kappa, max(-1.0, kappa - half), min(1.0, kappa + half), n)


def krippendorff_alpha(
    units: Sequence[Sequence[float | str]], measure: Measure = "nominal", confidence: float = 0.95
) -> Agreement:
    """The agreement of any number of raters; each unit has the values of those who rated it, two or more count.

    K. Krippendorff, Content Analysis, 2nd edition (2004), chapter 11. The interval is Student's of a jackknife over
    units (R. G. Miller, "The jackknife - a review", Biometrika 61 (1974) 1-15). Ordinal and interval measures need
    numbers. Raises `ValueError` without a unit of two values.
    """
    rated = [Counter(unit) for unit in units if len(unit) > 1]
    if not rated:
        raise ValueError("no unit has two ratings: let a second reviewer label some of the same cases")
    alpha = _alpha(rated, measure)
    n = len(rated)
    if math.isnan(alpha) or n < LEAST_UNITS:
        return Agreement(alpha, -1.0, 1.0, n)
    without = [_alpha([*rated[:place], *rated[place + 1 :]], measure) for place in range(n)]
    known = [n * alpha - (n - 1) * (alpha if math.isnan(one) else one) for one in without]
    middle = math.fsum(known) / n
    error = math.sqrt(math.fsum((one - middle) ** 2 for one in known) / (n - 1) / n)
    half = student_quantile((1 + confidence) / 2, n - 1) * error
    return Agreement(alpha, max(-1.0, alpha - half), min(1.0, alpha + half), n)


def _alpha(rated: Sequence[Counter[float | str]], measure: Measure) -> float:
    totals: Counter[float | str] = Counter()
    for unit in rated:
        totals.update(unit)
    n = totals.total()
    apart = _distance(totals, measure)
    values = list(totals)
    expected = math.fsum(totals[a] * totals[b] * apart(a, b) for a in values for b in values) / (n - 1)
    if expected <= 0:
        return math.nan
    observed = math.fsum(
        unit[a] * unit[b] * apart(a, b) / (unit.total() - 1) for unit in rated for a in unit for b in unit
    )
    return 1 - observed / expected


def _distance(totals: Counter[float | str], measure: Measure) -> Callable[[float | str, float | str], float]:
    """The squared distance of two values."""
    if measure == "nominal":
        return lambda a, b: float(a != b)
    if measure == "interval":
        return lambda a, b: (float(a) - float(b)) ** 2
    ranked = sorted(totals, key=float)
    below, sums = 0.0, {}
    for value in ranked:
        sums[value] = below + totals[value] / 2
        below += totals[value]
    return lambda a, b: (sums[a] - sums[b]) ** 2
