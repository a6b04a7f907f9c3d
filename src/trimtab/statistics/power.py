"""What a comparison can see: cases needed for an effect, and the effect that so many cases show.

The variance of a paired difference of n cases with K samples each is (omega^2 + sigma_base^2 / K_base +
sigma_candidate^2 / K_candidate) / n: E. Miller, "Adding error bars to evals", arXiv 2411.00640 (2024), section 5. The
power is that of Student's test, by the noncentral t distribution, at the level that so few clusters are tested at.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from statistics import NormalDist, median, variance
from typing import Final

from msgspec import Struct

from trimtab.statistics.clustered import Observation, VarianceParts, case_means, variance_parts
from trimtab.statistics.differences import student_quantile
from trimtab.statistics.paired import Difference, shared_cases
from trimtab.statistics.robust import clusters, robust_mean
from trimtab.statistics.studentized import raised, widened

MOST_CASES: Final = 10_000_000
USUAL_CORRELATION: Final = 0.5
"""Of the true scores of a case on both sides, where no candidate was seen yet; Miller found 0.3 to 0.7 between models,
and changes of a prompt leave more."""
_NORMAL: Final = NormalDist()
_STEPS: Final = 200
_PART: Final = 100
_REACH: Final = 8.0


class Spread(Struct, frozen=True):
    """What the variance of a paired difference is made of, in the squared unit of the scores.

    `difference` is the variance between cases of their true difference (omega^2), `base` and `candidate` that between
    samples of one case. `design_effect` is the factor by which groups of `cases_per_group` raise the variance. `tied`
    is the share of cases that do not differ at all: where these are most, a comparison adds two clusters
    (`paired.paired_difference`), which takes power. So do heavy tails: `excess` is the kurtosis of the contributions of
    groups beyond what skewness explains, as some hundred of them show it.
    """

    difference: float
    base: float = 0.0
    candidate: float = 0.0
    design_effect: float = 1.0
    cases_per_group: float = 1.0
    tied: float = 0.0
    excess: float = 0.0

    def of_case(self, samples: float, samples_base: float | None = None) -> float:
        """The variance that one case's difference has with so many samples of each side, groups included."""
        of_base = samples if samples_base is None else samples_base
        return self.design_effect * (self.difference + self.base / of_base + self.candidate / samples)


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
    tied = sum(one == 0 for one in differences) / len(pairs)
    names = [pair[0].group for pair in pairs]
    return Spread(true, within[0], within[1], design_effect(each, alike), each, tied, _excess(differences, names))


def _excess(differences: Sequence[float], groups: Sequence[str]) -> float:
    """The median of what each hundred of cases show."""
    parts = [
        robust_mean(clusters(differences[start : start + _PART], groups[start : start + _PART])).reference.excess()
        for start in range(0, max(1, len(differences) - _PART // 2), _PART)
    ]
    return median(parts)


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
    """The probability that a test of one side at level `alpha` sees a distance (see `cases_needed`)."""
    groups = cases / spread.cases_per_group
    if groups < 2:
        return 0.0
    variance_of_mean = spread.of_case(samples) / cases
    if spread.tied >= 0.5:
        variance_of_mean *= 1 + 2 / (groups * max(1 / groups, 1 - spread.tied))
    if variance_of_mean <= 0:
        return float(distance > 0)
    return student_power(
        distance / math.sqrt(variance_of_mean), groups - 1, alpha / raised(groups), widened(spread.excess, groups)
    )


@lru_cache(maxsize=4096)
def student_power(shift: float, freedom: float, alpha: float, further: float = 1.0) -> float:
    """P(T > t) for noncentral t: the normal probability averaged over the chi distribution of the standard error.

    The limit lies so much `further` than at level alpha.
    """
    limit = student_quantile(1 - alpha, freedom) * further
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
    needed = cases_needed(seen if spread is None else spread, samples, distance, power, alpha)
    cases = None if needed is None else max(0, needed - difference.cases)
    if spread is None or power_of(spread, math.inf, difference.cases, distance, alpha) < power:
        return More(cases, None)
    more = 0
    while power_of(spread, samples + more, difference.cases, distance, alpha) < power:
        more += 1 + more // 8
    return More(cases, more)
