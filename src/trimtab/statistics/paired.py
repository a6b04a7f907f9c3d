"""Two sets of answers to the same cases: the candidate's mean score less the base's.

Each case counts by the difference of its mean scores, cases in groups are clusters (E. Miller, "Adding error bars to
evals", arXiv 2411.00640 (2024)). One sample of pass or fail each, without groups, is tested exactly (`discordant`).
Otherwise Student's t with robust standard errors, corrected for skewness and kurtosis. Where most cases do not differ
at all, or scores are pass or fail, two clusters are added, one that differs by as much as those that do and one by as
much in the other direction, as D. G. Bonett and R. M. Price add to each discordant cell ("Adjusted Wald confidence
interval for a difference of binomial proportions based on paired data", Journal of Educational and Behavioral
Statistics 37 (2012) 479-488): without them a difference that nobody saw yet would be ruled out.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from statistics import correlation, fmean, stdev
from typing import Final, NamedTuple

from msgspec import Struct, structs

from trimtab.statistics.clustered import Observation, case_means, is_bounded
from trimtab.statistics.discordant import MOST_EXACT, Discordant, mcnemar
from trimtab.statistics.robust import Clusters, clusters, robust_mean
from trimtab.statistics.studentized import Studentized

TIED: Final = 0.5
"""From this share of cases without any difference on, two clusters are added."""
_LARGEST: Final = 700.0
_FARTHEST: Final = 14.0
_PRECISE: Final = 1e-6


class Difference(Struct, frozen=True):
    """The candidate's mean less the base's over shared cases, in the unit of the scores, with its interval.

    `p_value` is two-sided, that there is no difference. `correlation` is that of both sides' case means (nan where one
    does not vary). `deviation` is the standard deviation of one case's difference; `design_effect` the factor by which
    groups raise the variance, so that the squared standard error is about deviation^2 * design_effect / cases.
    `centre` and `reference` are what the interval and p-values are computed from.
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
    confidence: float
    method: str
    centre: float
    reference: Studentized | Discordant

    def above(self, bound: float) -> float:
        """The p-value of the difference being at most `bound`: small, if it is surely above."""
        if isinstance(self.reference, Discordant):
            return self.reference.above(min(1.0, max(-1.0, bound)))
        return self.reference.above(_distance(self.centre - bound, self.standard_error))

    def below(self, bound: float) -> float:
        """The p-value of the difference being at least `bound`: small, if it is surely below."""
        if isinstance(self.reference, Discordant):
            return self.reference.below(min(1.0, max(-1.0, bound)))
        return self.reference.below(_distance(self.centre - bound, self.standard_error))


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
    base: Sequence[Observation], candidate: Sequence[Observation], confidence: float = 0.95, *, exact: bool = True
) -> Difference:
    """The difference over the cases that both have; others are left out. Groups are those of the base.

    Without `exact` no test is an exact one, so that something may be added to the standard error.
    Raises `ValueError` where there is none, for a case without values, one that comes twice, or a foreign confidence.
    """
    return _with_interval(paired_test(base, candidate, confidence, exact=exact))


def paired_test(
    base: Sequence[Observation], candidate: Sequence[Observation], confidence: float = 0.95, *, exact: bool = True
) -> Difference:
    """As `paired_difference`, without what takes longest: for the p-values of a margin alone.

    `low` and `high` are infinite, `p_value` is 1.
    """
    if not 0 < confidence < 1:
        raise ValueError(f"{confidence} is no confidence: give a share between 0 and 1, like 0.95")
    pairs = shared_cases(base, candidate)
    before, after = case_means([pair[0] for pair in pairs]), case_means([pair[1] for pair in pairs])
    differences = [new - old for old, new in zip(before, after, strict=True)]
    found = clusters(differences, [pair[0].group for pair in pairs])
    scale = _scale(pairs)
    robust = robust_mean(found, scale.bounded)
    used, method = robust, "student"
    reference: Studentized | Discordant = robust.reference
    if exact and scale.exact and len(found.sums) == len(pairs) <= MOST_EXACT:
        gained, lost = sum(one > 0 for one in differences), sum(one < 0 for one in differences)
        reference, method = Discordant(gained, lost, len(pairs)), "exact"
    elif scale.binary or sum(one == 0 for one in differences) >= TIED * len(pairs):
        used, method = robust_mean(_with_two(found, scale.largest, scale.binary), scale.bounded), "student-plus-two"
        reference = structs.replace(used.reference, clusters=robust.reference.clusters)
    deviation = _deviation(differences)
    alone = deviation / math.sqrt(len(pairs))
    return Difference(
        value=robust.value,
        low=-math.inf,
        high=math.inf,
        standard_error=used.standard_error,
        p_value=1.0,
        correlation=_correlation(before, after),
        base=fmean(before),
        candidate=fmean(after),
        cases=len(pairs),
        clusters=len(found.sums),
        samples=sum(len(side.values) for pair in pairs for side in pair),
        deviation=deviation,
        design_effect=(robust.standard_error / alone) ** 2 if alone > 0 and len(found.sums) > 1 else 1.0,
        confidence=confidence,
        method=method,
        centre=used.value,
        reference=reference,
    )


def shared_cases(
    base: Sequence[Observation], candidate: Sequence[Observation]
) -> list[tuple[Observation, Observation]]:
    """The observations of each case that both sides have, in the order of the base.

    Raises `ValueError` where there is none, or a case comes twice on a side.
    """
    sides = []
    for name, side in (("base", base), ("candidate", candidate)):
        found = {one.case: one for one in side}
        if len(found) < len(side):
            raise ValueError(f"a case comes twice in the {name}: give all samples of a case as one observation")
        sides.append(found)
    pairs = [(one, sides[1][case]) for case, one in sides[0].items() if case in sides[1]]
    if not pairs:
        raise ValueError("base and candidate share no case: evaluate both on the same cases")
    return pairs


class _Scale(NamedTuple):
    """Pass or fail, one sample each of it, scores from 0 to 1, and the largest difference that there can be."""

    binary: bool
    exact: bool
    bounded: bool
    largest: float


def _scale(pairs: Sequence[tuple[Observation, Observation]]) -> _Scale:
    sides = [side.values for pair in pairs for side in pair]
    binary = all(value in {0, 1} for values in sides for value in values)
    bounded = binary or all(is_bounded(values) for values in sides)
    most, least = max(map(max, sides)), min(map(min, sides))
    return _Scale(binary, binary and all(len(values) == 1 for values in sides), bounded, 1 if bounded else most - least)


def _with_two(found: Clusters, largest: float, binary: bool) -> Clusters:
    """With two more clusters of the usual size, whose means lie apart from 0 by as much as those that do.

    How much that is follows from the root mean square; where little was seen from the largest difference, that can be
    of pass or fail, that was seen of scores.
    """
    means = [total / size for total, size in zip(found.sums, found.sizes, strict=True)]
    apart = [one * one for one in means if one]
    most = largest**2 if binary or not apart else max(apart)
    scale = math.sqrt((math.fsum(apart) + 2 * most) / (len(apart) + 2))
    size = math.fsum(found.sizes) / len(found.sizes)
    return Clusters([*found.sums, scale * size, -scale * size], [*found.sizes, size, size], found.correlation)


def _with_interval(draft: Difference) -> Difference:
    if isinstance(draft.reference, Discordant):
        low, high = draft.reference.interval(draft.confidence)
        p_value = mcnemar(draft.reference.gained, draft.reference.lost)
    else:
        below, above = draft.reference.ends(draft.confidence)
        low, high = (_minus(draft.centre, end, draft.standard_error) for end in (above, below))
        p_value = min(1.0, 2 * min(draft.above(0.0), draft.below(0.0)))
    return structs.replace(draft, low=min(low, draft.value), high=max(high, draft.value), p_value=p_value)


def _minus(centre: float, end: float, error: float) -> float:
    return centre - end * error if error > 0 else centre


def _distance(distance: float, error: float) -> float:
    """In standard errors; an infinite one tells nothing."""
    if math.isinf(error):
        return math.nan
    if error > 0:
        return distance / error
    return math.copysign(math.inf, distance) if distance else 0.0


def _deviation(values: Sequence[float]) -> float:
    return stdev(values) if len(values) > 1 else 0.0


def _correlation(before: Sequence[float], after: Sequence[float]) -> float:
    if len(set(before)) < 2 or len(set(after)) < 2:
        return math.nan
    return correlation(before, after)


class RatioTest(NamedTuple):
    """Tests of the ratio of the means of cases: `after` over `before`; a ratio is given by its logarithm."""

    before: Sequence[float]
    after: Sequence[float]
    groups: Sequence[str]

    def above(self, log: float) -> float:
        """The p-value of the ratio being at most this."""
        reference, t = self._at(log)
        return reference.above(t)

    def below(self, log: float) -> float:
        """The p-value of the ratio being at least this."""
        reference, t = self._at(log)
        return reference.below(t)

    def _at(self, log: float) -> tuple[Studentized, float]:
        ratio = math.exp(log)
        rest = [new - ratio * old for old, new in zip(self.before, self.after, strict=True)]
        robust = robust_mean(clusters(rest, self.groups))
        return structs.replace(robust.reference, shortens=False), _distance(robust.value, robust.standard_error)


def ratio_test(base: Sequence[Observation], candidate: Sequence[Observation]) -> RatioTest:
    """The tests that `ratio_of_means` makes its interval of. Raises `ValueError` like that."""
    pairs = shared_cases(base, candidate)
    before, after = case_means([pair[0] for pair in pairs]), case_means([pair[1] for pair in pairs])
    if math.fsum(before) <= 0 or math.fsum(after) <= 0:
        raise ValueError(f"means of {fmean(before):g} and {fmean(after):g} have no ratio: give amounts above 0")
    return RatioTest(before, after, [pair[0].group for pair in pairs])


def ratio_of_means(base: Sequence[Observation], candidate: Sequence[Observation], confidence: float = 0.95) -> Ratio:
    """The ratio over the cases that both have: all those for which after - ratio * before may have the mean 0.

    E. C. Fieller, "Some problems in interval estimation", JRSS B 16 (1954) 175-185, with the standard errors of
    clusters. What is left of costs after the ratio has long tails on both sides: a dear case is far off either way. The
    few largest of it decide how skewed a sample looks and where its mean lies at once, while Student's t is safe
    without them (Y. Benjamini, "Is the t test really conservative when the parent distribution is long-tailed?", JASA
    78 (1983) 645-654). So skewness makes the interval longer on one side, and on none shorter. Where the base's mean
    may be 0 itself, any ratio is possible. Raises `ValueError` like `paired_difference`, and where a mean is not
    above 0.
    """
    if not 0 < confidence < 1:
        raise ValueError(f"{confidence} is no confidence: give a share between 0 and 1, like 0.95")
    test = ratio_test(base, candidate)
    old, new = fmean(test.before), fmean(test.after)
    value, tail = math.log(new / old), (1 - confidence) / 2
    low = _farthest(lambda log: test.above(log) > tail, value, -1)
    high = _farthest(lambda log: test.below(log) > tail, value, 1)
    p_value = min(1.0, 2 * min(test.above(0.0), test.below(0.0)))
    cases, groups = len(test.before), len(set(test.groups))
    return Ratio(new / old, math.exp(low), math.exp(high), p_value, old, new, cases, groups, confidence, "fieller")


def _farthest(possible: Callable[[float], bool], value: float, side: int) -> float:
    """How far from a value on one side the logarithm of a ratio may lie; infinite beyond a factor of a million."""
    step = 0.1
    while possible(value + side * step):
        step *= 2
        if step > _FARTHEST:
            return math.copysign(_LARGEST, side)
    near, far = 0.0 if step == 0.1 else step / 2, step
    while far - near > _PRECISE:
        middle = (near + far) / 2
        near, far = (middle, far) if possible(value + side * middle) else (near, middle)
    return value + side * near
