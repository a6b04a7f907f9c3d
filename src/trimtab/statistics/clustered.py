"""Means of scores of sampled answers: samples in cases, cases in groups.

Pass or fail has the interval of E. L. Korn and B. I. Graubard, "Confidence intervals for proportions with small
expected number of positive counts estimated from survey data", Survey Methodology 24 (1998) 193-201: Clopper's and
Pearson's (`exact`), for as many trials as the variance over clusters is worth; so have scores most of which are 0 or 1.
Others have Student's t with the standard error of `robust`, corrected for skewness and kurtosis (`studentized`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean
from typing import Final, Literal, NamedTuple

from msgspec import Struct

from trimtab.statistics.differences import beta_quantile, student_quantile
from trimtab.statistics.exact import clopper_pearson
from trimtab.statistics.intervals import Interval
from trimtab.statistics.robust import Clusters, Robust, clusters, robust_mean

UNSEEN: Final = 3.0
"""Clusters of one trial each that are added to those that tell how alike the samples of a cluster are."""


class Observation(NamedTuple):
    """The scores of one case, one for each sample of it; `group` is the cluster of the case (itself, if alone)."""

    case: str
    group: str
    values: tuple[float, ...]


class Estimate(Struct, frozen=True):
    """A mean over cases, each with the same weight, and its interval; in the unit of the scores.

    `samples` counts all scores. `method` names how the interval was made: "clopper-pearson", "korn-graubard",
    "student"; of a judge "ppi" and "rogan-gladen".
    """

    value: float
    low: float
    high: float
    standard_error: float
    cases: int
    clusters: int
    samples: int
    method: str


class VarianceParts(Struct, frozen=True):
    """Where the variance of scores comes from: groups, cases within a group, samples of a case.

    The variance of a mean of n cases with k samples each is
    `between_groups` * m / n + `between_cases` / n + `within_cases` / (n k), with m cases in each group.
    `within_cases` is nan where no case has two samples; what varies within cases then stands under `between_cases`.
    `samples` is the harmonic mean of the number of samples of a case.
    """

    between_groups: float
    between_cases: float
    within_cases: float
    cases: int
    clusters: int
    samples: float


def mean(observations: Sequence[Observation], confidence: float = 0.95) -> Estimate:
    """The mean over cases. Raises `ValueError` without observations, for a case without values or a foreign confidence.

    Scores between 0 and 1 have no end of an interval beyond these; one cluster alone tells nothing.
    """
    if not 0 < confidence < 1:
        raise ValueError(f"{confidence} is no confidence: give a share between 0 and 1, like 0.95")
    if not observations:
        raise ValueError("there is no mean of no cases: evaluate at least one")
    values = case_means(observations)
    groups = [one.group for one in observations]
    samples = sum(len(one.values) for one in observations)
    binary = all(value in {0, 1} for one in observations for value in one.values)
    if binary and samples == len(set(groups)):
        share = fmean(values)
        interval = clopper_pearson(round(sum(values)), samples, confidence)
        error = math.sqrt(share * (1 - share) / max(1, samples - 1))
        return Estimate(share, *interval, error, samples, samples, samples, "clopper-pearson")
    if binary or (all(is_bounded(one.values) for one in observations) and _is_share(values)):
        return mean_share(values, groups, samples, confidence)
    robust = robust_mean(clusters(values, groups), all(is_bounded(one.values) for one in observations))
    low, high = robust.reference.ends(confidence)
    interval = _scaled(robust, low, high)
    if robust.reference.bounded:
        interval = Interval(max(0.0, interval.low), min(1.0, interval.high))
    return Estimate(
        robust.value, *interval, robust.standard_error, len(values), robust.reference.clusters, samples, "student"
    )  # fmt: skip


def mean_share(values: Sequence[float], groups: Sequence[str], samples: int, confidence: float = 0.95) -> Estimate:
    """The mean of one share from 0 to 1 for each case, of so many trials in all, by Korn and Graubard."""
    found = clusters(values, groups)
    robust = robust_mean(found, bounded=True)
    interval = _korn_graubard(robust, found, samples, confidence)
    return Estimate(
        robust.value, *interval, robust.standard_error, len(values), len(found.sums), samples, "korn-graubard"
    )


def _is_share(values: Sequence[float]) -> bool:
    """Whether most are 0 or 1, or all the same: nothing tells then how far the others may lie."""
    return sum(value in {0, 1} for value in values) >= len(values) / 2 or min(values) == max(values)


def is_bounded(values: Sequence[float]) -> bool:
    """Whether all scores lie between 0 and 1."""
    return all(0 <= value <= 1 for value in values)


def _scaled(robust: Robust, low: float, high: float) -> Interval:
    error = robust.standard_error
    if error == 0:
        return Interval(robust.value, robust.value)
    return Interval(robust.value - high * error, robust.value - low * error)


def _korn_graubard(robust: Robust, found: Clusters, samples: int, confidence: float) -> Interval:
    """Trials are as many as give the standard error, fewer by what few clusters cost in degrees of freedom.

    Where few clusters have both outcomes or the rarer one, little tells how alike the samples of a cluster are: the
    variance is that of as many clusters as have it and of `UNSEEN` more, of which each is one trial.
    """
    share, count = robust.value, robust.reference.clusters
    if count < 2:
        return Interval(0.0, 1.0)
    spread = share * (1 - share)
    n = math.fsum(found.sizes)
    alone = math.fsum(size * size for size in found.sizes) / n**2
    trials = 1 / alone
    if spread > 0:
        rarer = sum(
            0 < one < size or (one > 0) is (share < 0.5) for one, size in zip(found.sums, found.sizes, strict=True)
        )
        variance = (rarer * robust.standard_error**2 + UNSEEN * spread * alone) / (rarer + UNSEEN)
        level = (1 + confidence) / 2
        ratio = student_quantile(level, samples - 1.0) / student_quantile(level, robust.reference.freedom)
        trials = min(float(samples), spread / variance * ratio**2) if variance > 0 else float(samples)
    tail = (1 - confidence) / 2
    passed = share * trials
    low = beta_quantile(tail, passed, trials - passed + 1) if passed > 0 else 0.0
    high = beta_quantile(1 - tail, passed + 1, trials - passed) if trials - passed > 0 else 1.0
    return Interval(low, high)


def case_means(observations: Sequence[Observation]) -> list[float]:
    """The mean score of each case. Raises `ValueError` for a case without values."""
    empty = [one.case for one in observations if not one.values]
    if empty:
        raise ValueError(f"case {empty[0]} has no score; leave it out or score it")
    return [fmean(one.values) for one in observations]


def variance_parts(observations: Sequence[Observation]) -> VarianceParts:
    """The parts, by the moments of an analysis of variance; none is below 0. Raises `ValueError` like `mean`."""
    values = case_means(observations)
    found = clusters(values, [one.group for one in observations])
    spare = sum(len(one.values) - 1 for one in observations)
    squares = math.fsum(
        (each - middle) ** 2 for one, middle in zip(observations, values, strict=True) for each in one.values
    )
    within = squares / spare if spare else math.nan
    inverse = math.fsum(1 / len(one.values) for one in observations) / len(observations)
    middle = fmean(values)
    whole = math.fsum((each - middle) ** 2 for each in values) / max(1, len(values) - 1)
    groups = whole * found.correlation
    cases = max(0.0, whole - groups - (0.0 if math.isnan(within) else within * inverse))
    return VarianceParts(groups, cases, within, len(values), len(found.sums), 1 / inverse)


def next_call(
    parts: VarianceParts, samples: float, cost_of_case: float = 1.0, cost_of_sample: float = 1.0
) -> Literal["case", "sample"]:
    """Whether the next call is better spent on a new case or on one more sample of the known ones, of `samples` now.

    The least variance for a cost has sqrt(within / between * cost of a case / cost of a sample) samples of each case,
    where a case costs what it costs beside its samples (labels, say), at least one: W. G. Cochran, Sampling Techniques,
    3rd edition (1977), section 10.6. A new case where nothing tells how samples vary.
    """
    within = 0.0 if math.isnan(parts.within_cases) else parts.within_cases
    between = parts.between_groups + parts.between_cases
    if between <= 0:
        return "sample" if within > 0 else "case"
    best = math.sqrt(within / between * cost_of_case / cost_of_sample)
    return "sample" if samples * (samples + 1) <= best * best else "case"
