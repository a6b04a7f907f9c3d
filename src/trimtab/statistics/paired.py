"""Two sets of answers to the same cases: the candidate's mean score less the base's."""

from __future__ import annotations

import math
from collections.abc import Sequence

from msgspec import Struct

from trimtab.statistics.clustered import Observation, case_means
from trimtab.statistics.differences import student_quantile, student_tail
from trimtab.statistics.robust import robust_mean


class Difference(Struct, frozen=True):
    """The candidate's mean less the base's over shared cases, in the unit of the scores, with its interval.

    `p_value` is two-sided, that there is no difference. `correlation` is that of both sides' case means (nan where one
    does not vary). `deviation` is the standard deviation of one case's difference, from which the number of cases
    needed follows; `design_effect` the factor by which groups raise the variance.
    """

    value: float
    low: float
    high: float
    standard_error: float
    p_value: float
    correlation: float
    base: float
    candidate: float
    cases: int
    clusters: int
    samples: int
    deviation: float
    design_effect: float
    freedom: float
    confidence: float
    method: str

    def above(self, bound: float) -> float:
        """The p-value of the difference being at most `bound`: small, if it is surely above."""
        return student_tail((self.value - bound) / self.standard_error, self.freedom)

    def below(self, bound: float) -> float:
        """The p-value of the difference being at least `bound`: small, if it is surely below."""
        return student_tail((bound - self.value) / self.standard_error, self.freedom)


class Ratio(Struct, frozen=True):
    """The candidate's mean over the base's (cost, latency, length), with its interval; above 1 is more."""

    value: float
    low: float
    high: float
    p_value: float
    base: float
    candidate: float
    cases: int
    clusters: int
    confidence: float
    method: str


def paired_difference(
    base: Sequence[Observation], candidate: Sequence[Observation], confidence: float = 0.95
) -> Difference:
    """The difference over the cases that both have; others are left out.

    Raises `ValueError` where there is none, for a case without values, or one that comes twice.
    """
    raise NotImplementedError


def ratio_of_means(base: Sequence[Observation], candidate: Sequence[Observation], confidence: float = 0.95) -> Ratio:
    """The ratio over the cases that both have. Raises `ValueError` like `paired_difference`, and for a mean not above 0."""
    raise NotImplementedError
