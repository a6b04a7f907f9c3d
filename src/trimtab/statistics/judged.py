"""Means of a judge's scores, corrected by a part that people scored too.

Prediction-powered inference: what the judge says of all cases, less how much it is off on those that people scored,
with the weight of the judge that makes the variance least. A judge may be biased in any way, as long as the cases that
people scored were drawn at random. A. N. Angelopoulos et al., "Prediction-powered inference", Science 382 (2023);
A. N. Angelopoulos, J. C. Duchi and T. Zrnic, "PPI++", arXiv 2311.01453 (2023).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist, covariance, fmean, variance
from typing import Final, NamedTuple

from trimtab.statistics.clustered import Estimate
from trimtab.statistics.intervals import Interval
from trimtab.statistics.studentized import Studentized

LEAST_LABELLED: Final = 10
"""Cases that people have to score at least."""
TIED: Final = 0.5
_HALF: Final = math.sqrt(0.5)


class Judged(NamedTuple):
    """The judge's score of one case and that of people, None where none looked; `group` as in `Observation`.

    For a comparison both are differences of candidate and base. The judge's score may be a mean over its samples and
    both orders of answers.
    """

    case: str
    group: str
    judge: float
    human: float | None = None


def corrected_mean(judged: Sequence[Judged], confidence: float = 0.95) -> Estimate:
    """The mean that people would give over all cases, with the interval of a mean of clusters. `samples` counts labels.

    Where people and the judge mostly agree, half a label is added in each direction on which they differ as far as
    elsewhere, for the interval alone (as A. Agresti and Y. Min do, Statistics in Medicine 24 (2005) 729-740): else a
    judge that errs seldom would pass for one that never errs. Raises `ValueError` for fewer than ten cases that people
    scored.
    """
    labelled = [(one, one.human) for one in judged if one.human is not None]
    rest = [one for one in judged if one.human is None]
    if len(labelled) < LEAST_LABELLED:
        raise ValueError(
            f"people scored {len(labelled)} cases: label at least {LEAST_LABELLED} drawn at random, 50 are better"
        )
    weight = _weight(labelled, rest)
    off = [human - weight * one.judge for one, human in labelled]
    said = [weight * one.judge for one in rest]
    value = fmean(off) + (fmean(said) if said else 0.0)
    groups = [one.group for one, _ in labelled]
    apart = [human - one.judge for one, human in labelled]
    added = _added(apart) if sum(one == 0 for one in apart) >= TIED * len(apart) else 0.0
    parts = [*_parts(off, groups), *_parts(said, [one.group for one in rest])]
    error, reference = _distribution(parts, off, groups, said, [one.group for one in rest], added)
    low, high = reference.ends(confidence)
    interval = Interval(value - high * error, value - low * error)
    if all(0 <= score <= 1 for one, human in labelled for score in (one.judge, human)):
        interval = Interval(max(0.0, min(value, interval.low)), min(1.0, max(value, interval.high)))
    return Estimate(value, *interval, error, len(judged), len({one.group for one in judged}), len(labelled), "ppi")


def _weight(labelled: Sequence[tuple[Judged, float]], rest: Sequence[Judged]) -> float:
    """The weight of the judge: cov(human, judge) / ((1 + n / N) var(judge)), from 0 to 1 (PPI++, section 6)."""
    scores = [one.judge for one, _ in labelled]
    spread = variance([*scores, *(one.judge for one in rest)])
    if not rest or spread <= 0 or len(set(scores)) < 2:
        return 0.0
    shared = covariance(scores, [human for _, human in labelled])
    return min(1.0, max(0.0, shared / ((1 + len(labelled) / len(rest)) * spread)))


def _parts(values: Sequence[float], groups: Sequence[str]) -> list[tuple[str, float]]:
    middle = fmean(values) if values else 0.0
    return [(group, (value - middle) / len(values)) for value, group in zip(values, groups, strict=True)]


def _added(apart: Sequence[float]) -> float:
    """How far apart the judge and people are where they differ; where little was seen, the largest distance."""
    differing = [one * one for one in apart if one]
    return math.sqrt((math.fsum(differing) + 2) / (len(differing) + 2))


def _distribution(
    parts: Sequence[tuple[str, float]],
    off: Sequence[float],
    groups: Sequence[str],
    said: Sequence[float],
    others: Sequence[str],
    added: float,
) -> tuple[float, Studentized]:
    """The standard error over clusters and its distribution, with Satterthwaite's degrees of freedom of both parts."""
    totals: dict[str, float] = {}
    for group, part in parts:
        totals[group] = totals.get(group, 0.0) + part
    sums = list(totals.values())
    if added:
        sums += [added * _HALF / (len(off) + 1), -added * _HALF / (len(off) + 1)]
    count, labelled = len(sums), len(set(groups))
    second = math.fsum(one * one for one in sums)
    error = math.sqrt(second * labelled / max(1, labelled - 1))
    first = math.fsum(part * part for _, part in parts[: len(off)])
    rest = math.fsum(part * part for _, part in parts[len(off) :])
    freedom = float(labelled - 1)
    if rest > 0:
        freedom = (first + rest) ** 2 / (first**2 / (labelled - 1) + rest**2 / max(1, len(set(others)) - 1))
    if second <= 0:
        return 0.0, Studentized(freedom, labelled)
    n = labelled
    skewness = math.fsum(one**3 for one in sums) / second**1.5 * math.sqrt(n)
    kurtosis = n * (math.fsum(one**4 for one in sums) / second**2 - 3 / count)
    return error, Studentized(freedom, labelled, skewness, kurtosis, bounded=True)


def rogan_gladen(
    positive: tuple[int, int], sensitivity: tuple[int, int], specificity: tuple[int, int], confidence: float = 0.95
) -> Estimate:
    """The share that is truly positive, from how many of how many a judge says are.

    `sensitivity` is how many of the truly positive labelled ones the judge says are, `specificity` how many of the
    truly negative ones it says are not. W. J. Rogan and B. Gladen, American Journal of Epidemiology 107 (1978) 71-76;
    the interval is that of Z. Lang and J. Reiczigel, Preventive Veterinary Medicine 113 (2014) 13-22. `low` and `high`
    are 0 and 1 where the judge may be no better than chance. Raises `ValueError` without labels of both kinds.
    """
    for what, (right, of) in (("positive", sensitivity), ("negative", specificity)):
        if not 0 <= right <= of or not of:
            raise ValueError(f"{right} of {of} truly {what} cases: label at least one of them")
    (k, n), z = positive, NormalDist().inv_cdf((1 + confidence) / 2)
    (a, of_a), (b, of_b) = sensitivity, specificity
    plain = a / of_a + b / of_b - 1
    value = min(1.0, max(0.0, (k / n + b / of_b - 1) / plain)) if plain > 0 else k / n
    apparent, true, false = (k + z * z / 2) / (n + z * z), (a + 1) / (of_a + 2), (b + 1) / (of_b + 2)
    better = true + false - 1
    if better <= 0:
        return Estimate(value, 0.0, 1.0, math.inf, n, n, of_a + of_b, "rogan-gladen")
    share = (apparent + false - 1) / better
    of_true, of_false = true * (1 - true) / (of_a + 2), false * (1 - false) / (of_b + 2)
    spread = apparent * (1 - apparent) / (n + z * z) + share**2 * of_true + (1 - share) ** 2 * of_false
    error = math.sqrt(spread) / better
    middle = share + 2 * z * z * (share * of_true - (1 - share) * of_false)
    low, high = max(0.0, middle - z * error), min(1.0, middle + z * error)
    return Estimate(value, min(low, value), max(high, value), error, n, n, of_a + of_b, "rogan-gladen")
