"""Means of scores of sampled answers: samples in cases, cases in groups."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean
from typing import Literal, NamedTuple

from msgspec import Struct

from trimtab.statistics.differences import student_quantile
from trimtab.statistics.robust import robust_mean


class Observation(NamedTuple):
    """The scores of one case, one for each sample of it; `group` is the cluster of the case (itself, if alone)."""

    case: str
    group: str
    values: tuple[float, ...]


class Estimate(Struct, frozen=True):
    """A mean over cases, each with the same weight, and its interval; in the unit of the scores.

    `samples` counts all scores; `method` names how the interval was made.
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

    The variance of a mean of n cases with k samples each is about
    `between_groups` * m / n + `between_cases` / n + `within_cases` / (n k), with m cases in each group.
    `samples` is the harmonic mean of the number of samples of a case.
    """

    between_groups: float
    between_cases: float
    within_cases: float
    cases: int
    clusters: int
    samples: float


def mean(observations: Sequence[Observation], confidence: float = 0.95) -> Estimate:
    """The mean over cases. Raises `ValueError` without observations, or for a case without values."""
    values = case_means(observations)
    found = robust_mean(values, [one.group for one in observations])
    half = student_quantile((1 + confidence) / 2, found.freedom) * found.standard_error
    samples = sum(len(one.values) for one in observations)
    return Estimate(
        found.value, found.value - half, found.value + half, found.standard_error, found.n, found.clusters, samples,
        "t",
    )  # fmt: skip


def case_means(observations: Sequence[Observation]) -> list[float]:
    """The mean score of each case. Raises `ValueError` for a case without values."""
    empty = [one.case for one in observations if not one.values]
    if empty:
        raise ValueError(f"case {empty[0]} has no score; leave it out or score it")
    return [fmean(one.values) for one in observations]


def variance_parts(observations: Sequence[Observation]) -> VarianceParts:
    """The parts, by the moments of an analysis of variance; none is below 0.

    `within_cases` is nan where no case has two samples. Raises `ValueError` like `mean`.
    """
    values = case_means(observations)
    found = robust_mean(values, [one.group for one in observations])
    spare = sum(len(one.values) - 1 for one in observations)
    squares = math.fsum(
        (each - middle) ** 2 for one, middle in zip(observations, values, strict=True) for each in one.values
    )
    within = squares / spare if spare else math.nan
    harmonic = len(observations) / math.fsum(1 / len(one.values) for one in observations)
    all_cases = math.fsum((each - found.value) ** 2 for each in values) / max(1, len(values) - 1)
    groups = all_cases * found.correlation
    cases = max(0.0, all_cases - groups - (0.0 if math.isnan(within) else within / harmonic))
    return VarianceParts(groups, cases, within, found.n, found.clusters, harmonic)


def next_call(
    parts: VarianceParts, samples: float, cost_of_case: float = 1.0, cost_of_sample: float = 1.0
) -> Literal["case", "sample"]:
    """Whether the next call is better spent on a new case or on one more sample of a known one."""
    within = 0.0 if math.isnan(parts.within_cases) else parts.within_cases
    between = parts.between_groups + parts.between_cases
    if between <= 0:
        return "sample"
    best = math.sqrt(within / between * cost_of_case / cost_of_sample)
    return "sample" if samples + 1 <= best else "case"
