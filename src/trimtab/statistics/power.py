"""What a comparison can see: cases needed for an effect, and the effect that so many cases show.

The variance of a paired difference of n cases with K samples each is (omega^2 + sigma_base^2 / K_base +
sigma_candidate^2 / K_candidate) / n: E. Miller, "Adding error bars to evals", arXiv 2411.00640 (2024), section 5. The
power is that of Student's test, by the noncentral t distribution, at the level that so few clusters are tested at.

A comparison of values that are skewed, heavy-tailed, tied or of pass or fail asks for more than Student's test (see
`paired` and `studentized`). How much more, a pilot tells: each 150 of its clusters are compared by themselves, as D. N.
Politis and J. P. Romano take subsamples ("Large sample confidence regions based on subsamples under minimal
assumptions", Annals of Statistics 22 (1994) 2031-2050), and the power is the mean over these of

    P(T > e / k), T noncentral t with the mean distance / (k sqrt((r V + a / m) / n)), k = 1 - e g / (2 sqrt(m))

for n cases in m clusters with the variance V of a case as above: r is the part's variance over that of all, g the
mean of the parts' skewness, a / (n m) what the two clusters add to the variance of the mean that the test adds to such
values, and e the end, at the level of the test, of an interval of m clusters with the part's kurtosis: the mean of
those with its skewness and with one as far from g on the other side. k is due to the mean and its standard error, which
rise together where values are skewed to the right: their covariance is that of H. Cramer, Mathematical Methods of
Statistics (1946), section 27.4.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from statistics import NormalDist, variance
from typing import Final

from msgspec import Struct, structs

from trimtab.statistics.clustered import Observation, VarianceParts, case_means, variance_parts
from trimtab.statistics.differences import student_quantile
from trimtab.statistics.paired import Difference, paired_test, shared_cases
from trimtab.statistics.studentized import Studentized, raised

MOST_CASES: Final = 10_000_000
USUAL_CORRELATION: Final = 0.5
"""Of the true scores of a case on both sides, where no candidate was seen yet; Miller found 0.3 to 0.7 between models,
and changes of a prompt leave more."""
_NORMAL: Final = NormalDist()
_STEPS: Final = 200
_PART: Final = 150
_MOST_PARTS: Final = 100
_REACH: Final = 8.0
_LEAST_SCALE: Final = 0.3


class Shape(Struct, frozen=True):
    """How some 150 clusters of a comparison are spread, beside how much.

    `ratio` is their variance over that of all; `added`, over cases and clusters, what a test adds to the variance of
    their mean (`paired.paired_difference`). Skewness and kurtosis (excess) are those that the test goes by, `bounded`
    says that scores lie between 0 and 1.
    """

    ratio: float = 1.0
    added: float = 0.0
    skewness: float = 0.0
    kurtosis: float = 0.0
    bounded: bool = True

    def power(self, distance: float, variance_of_mean: float, groups: float, quantile: float, skewness: float) -> float:
        """That a mean of so many clusters is seen to lie above a bound, at Student's quantile; see above."""
        if variance_of_mean <= 0:
            return float(distance > 0)
        end = math.fsum(
            Studentized(groups - 1, round(groups), one, self.kurtosis, self.bounded).end(quantile) / 2
            for one in (self.skewness, 2 * skewness - self.skewness)
        )
        scale = max(_LEAST_SCALE, 1 - end * skewness / (2 * math.sqrt(groups)))
        return _power(distance / math.sqrt(variance_of_mean) / scale, groups - 1, end / scale)


class Spread(Struct, frozen=True):
    """What the variance of a paired difference is made of, in the squared unit of the scores.

    `difference` is the variance between cases of their true difference (omega^2), `base` and `candidate` that between
    samples of one case. `design_effect` is the factor by which groups of `cases_per_group` raise the variance. `shapes`
    are those of parts of a pilot; without any, differences are taken to be normal.
    """

    difference: float
    base: float = 0.0
    candidate: float = 0.0
    design_effect: float = 1.0
    cases_per_group: float = 1.0
    shapes: tuple[Shape, ...] = ()

    def of_case(self, samples: float, samples_base: float | None = None) -> float:
        """The variance that one case's difference has with so many samples of each side, groups included."""
        of_base = samples if samples_base is None else samples_base
        return self.design_effect * (self.difference + self.base / of_base + self.candidate / samples)

    def mirrored(self) -> Spread:
        """For a test whether a difference is surely below a bound; as it stands it is of one above."""
        return structs.replace(self, shapes=tuple(structs.replace(one, skewness=-one.skewness) for one in self.shapes))


class More(Struct, frozen=True):
    """What would settle it: so many more cases with the same samples, or so many more samples of each case.

    None where no number of it would, where it would take more than ten million, or where nothing tells.
    """

    cases: int | None
    samples: int | None


def design_effect(cases_per_group: float, correlation: float) -> float:
    """By how much groups raise the variance of a mean: 1 + (m - 1) * correlation (L. Kish, Survey Sampling, 1965)."""
    return 1 + (cases_per_group - 1) * correlation


def spread_of(base: Sequence[Observation], candidate: Sequence[Observation]) -> Spread:
    """The parts as a pilot shows them. Raises `ValueError` like `paired.paired_difference`."""
    pairs = shared_cases(base, candidate)
    sides = [variance_parts([pair[place] for pair in pairs]) for place in (0, 1)]
    means = [case_means([pair[place] for pair in pairs]) for place in (0, 1)]
    differences = [after - before for before, after in zip(*means, strict=True)]
    whole = variance(differences) if len(differences) > 1 else 0.0
    within = [0.0 if math.isnan(one.within_cases) else one.within_cases for one in sides]
    true = max(0.0, whole - sum(one / parts.samples for one, parts in zip(within, sides, strict=True)))
    each = len(pairs) / sides[0].clusters
    groups = variance_parts(
        [Observation(pair[0].case, pair[0].group, (one,)) for pair, one in zip(pairs, differences, strict=True)]
    )
    alike = groups.between_groups / whole if whole > 0 else 0.0
    effect = design_effect(each, alike)
    shapes = _shapes(pairs, whole * effect) if whole > 0 else ()
    return Spread(true, within[0], within[1], effect, each, shapes)


def _shapes(pairs: Sequence[tuple[Observation, Observation]], whole: float) -> tuple[Shape, ...]:
    """The shape of each 150 clusters, of a hundred such parts at most; a rest of less than a half is left out."""
    rows: dict[str, list[tuple[Observation, Observation]]] = {}
    for pair in pairs:
        rows.setdefault(pair[0].group, []).append(pair)
    groups = list(rows.values())
    starts = range(0, max(1, len(groups) - _PART // 2), _PART)
    parts = [groups[start : start + _PART] for start in starts[:: math.ceil(len(starts) / _MOST_PARTS)]]
    return tuple(_shape([pair for row in part for pair in row], whole) for part in parts if len(part) > 1)


def _shape(pairs: Sequence[tuple[Observation, Observation]], whole: float) -> Shape:
    found = paired_test([pair[0] for pair in pairs], [pair[1] for pair in pairs], exact=False)
    own, reference = found.deviation**2 * found.design_effect, found.reference
    if not isinstance(reference, Studentized):  # never: no exact test was asked for
        return Shape()
    added = (found.standard_error**2 * found.cases - own) * found.clusters
    return Shape(own / whole, added, reference.skewness, reference.kurtosis, reference.bounded)


def spread_before(parts: VarianceParts, correlation: float = USUAL_CORRELATION) -> Spread:
    """What to expect before a candidate was seen: it varies as the base does, and its true scores correlate so much.

    Where cases have one sample each, all that varies counts as between cases.
    """
    between = parts.between_groups + parts.between_cases
    within = 0.0 if math.isnan(parts.within_cases) else parts.within_cases
    each = parts.cases / parts.clusters
    alike = parts.between_groups / between if between > 0 else 0.0
    return Spread(2 * (1 - correlation) * between, within, within, design_effect(each, alike), each)


def power_of(spread: Spread, samples: float, cases: int, distance: float, alpha: float = 0.05) -> float:
    """The probability that a test of one side at level `alpha` sees a distance (see `cases_needed`).

    That is one above the bound; of one below it, it is that of `Spread.mirrored`.
    """
    groups = cases / spread.cases_per_group
    if groups < 2:
        return 0.0
    quantile, of_case = student_quantile(1 - alpha / raised(groups), groups - 1), spread.of_case(samples)
    shapes = spread.shapes or (Shape(),)
    skewness = math.fsum(shape.skewness for shape in shapes) / len(shapes)
    return math.fsum(
        shape.power(distance, (of_case * shape.ratio + shape.added / groups) / cases, groups, quantile, skewness)
        for shape in shapes
    ) / len(shapes)


def student_power(shift: float, freedom: float, alpha: float) -> float:
    """P(T > t) for noncentral t, where t is Student's quantile at 1 - alpha."""
    return _power(shift, freedom, student_quantile(1 - alpha, freedom))


@lru_cache(maxsize=4096)
def _power(shift: float, freedom: float, limit: float) -> float:
    """P(T > limit): the normal probability averaged over the chi distribution of the standard error."""
    spread = 1 / math.sqrt(2 * freedom)
    low, high = max(0.0, 1 - _REACH * spread), 1 + _REACH * spread
    front = math.log(2) + freedom / 2 * math.log(freedom / 2) - math.lgamma(freedom / 2)
    found, step = 0.0, (high - low) / _STEPS
    for place in range(_STEPS + 1):
        error = low + place * step
        if error > 0:
            density = math.exp(front + (freedom - 1) * math.log(error) - freedom * error * error / 2)
        else:
            density = math.exp(front) if freedom == 1 else 0.0
        weight = 1 if place in {0, _STEPS} else 4 if place % 2 else 2
        found += weight * density * _NORMAL.cdf(shift - limit * error)
    return min(1.0, found * step / 3)


def cases_needed(
    spread: Spread, samples: float, distance: float, power: float = 0.8, alpha: float = 0.05
) -> int | None:
    """The least number of cases with which a test of one side at level `alpha` sees a distance with this power.

    The distance is from the tested bound to the truth, above 0: for non-inferiority margin + true difference, for a
    regression the size of the regression less the margin. A two-sided test is one of each side at half the alpha.
    None if more than ten million are needed. Raises `ValueError` unless alpha < power < 1.
    """
    if not alpha < power < 1:
        raise ValueError(f"a power of {power} cannot be planned: give one between {alpha} and 1")
    if not distance > 0:
        return None
    low, high = 1, 2
    while power_of(spread, samples, high, distance, alpha) < power:
        low, high = high, high * 2
        if high > MOST_CASES:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if power_of(spread, samples, middle, distance, alpha) >= power else (middle, high)
    return high


def smallest_effect(spread: Spread, samples: float, cases: int, power: float = 0.8, alpha: float = 0.05) -> float:
    """The smallest distance that so many cases show with this power; infinite for fewer than two groups, and 0
    where nothing varies.
    """
    if cases / spread.cases_per_group < 2:
        return math.inf
    low, high = 0.0, math.sqrt(spread.of_case(samples) / cases)
    if not high:
        return 0.0
    while power_of(spread, samples, cases, high, alpha) < power:
        low, high = high, high * 2
    while high - low > 1e-9 * high:
        middle = (low + high) / 2
        low, high = (low, middle) if power_of(spread, samples, cases, middle, alpha) >= power else (middle, high)
    return high


def more_needed(
    difference: Difference,
    margin: float,
    spread: Spread | None = None,
    samples: int = 1,
    alpha: float = 0.05,
    power: float = 0.8,
) -> More:
    """How many more cases, or samples of each case, would settle non-inferiority if the difference is as it looks.

    `spread` and `samples` tell what samples are worth; without a spread only cases are told.
    """
    distance = abs(difference.value + margin)
    each = difference.cases / difference.clusters
    seen = Spread(difference.deviation**2, design_effect=difference.design_effect, cases_per_group=each)
    if spread is not None and difference.value < -margin:
        spread = spread.mirrored()
    needed = cases_needed(seen if spread is None else spread, samples, distance, power, alpha)
    cases = None if needed is None else max(0, needed - difference.cases)
    if spread is None or power_of(spread, math.inf, difference.cases, distance, alpha) < power:
        return More(cases, None)
    more = 0
    while power_of(spread, samples + more, difference.cases, distance, alpha) < power:
        more += 1 + more // 8
    return More(cases, more)
