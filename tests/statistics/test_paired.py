"""Paired differences and ratios: by hand, against scipy, and on samples in which the truth is known."""

from __future__ import annotations

import math
from random import Random

import msgspec
import pytest
from scipy import stats

from trimtab.statistics.clustered import Observation
from trimtab.statistics.decision import Decision, non_inferiority
from trimtab.statistics.paired import Difference, paired_difference, ratio_of_means, ratio_test


def side(values: list[float], size: int = 1) -> list[Observation]:
    """Each value a case, so many neighbours a group."""
    return [Observation(str(place), str(place // size), (value,)) for place, value in enumerate(values)]


def test_a_difference_by_hand() -> None:
    """Differences of 1, 2 and 3: mean 2, deviation 1, standard error 1 / sqrt(3)."""
    found = paired_difference(side([1.0, 5.0, 2.0]), side([2.0, 7.0, 5.0]))
    assert (found.value, found.base, found.candidate) == pytest.approx((2.0, 8 / 3, 14 / 3))
    assert (found.deviation, found.standard_error) == pytest.approx((1.0, 1 / math.sqrt(3)))
    assert (found.cases, found.clusters, found.samples, found.method) == (3, 3, 6, "student")


def test_only_shared_cases_count() -> None:
    """A case that one side lacks is left out, whatever the order."""
    base = side([1.0, 2.0, 3.0])
    found = paired_difference(base, [base[2], base[0], Observation("else", "else", (9.0,))])
    assert (found.cases, found.value) == (2, 0.0)


def test_values_without_skew_have_the_p_value_of_scipy() -> None:
    """Symmetric differences of 200 cases: the p-value of the t-test for pairs, as far as the kurtosis lets it."""
    base = [Random(1).gauss(5, 1) for _ in range(200)]
    apart = [stats.norm.ppf((place + 0.5) / 200) * 2 + 0.3 for place in range(200)]
    found = paired_difference(side(base), side([one + two for one, two in zip(base, apart, strict=True)]))
    assert found.p_value == pytest.approx(float(stats.ttest_1samp(apart, 0.0).pvalue), abs=2e-3)


def test_groups_that_agree_are_one_observation_each() -> None:
    """40 cases in 8 groups, all of a group alike, have the standard error of 8 cases."""
    base = [0.0] * 40
    alone = [0.1, 0.7, 0.3, 0.9, 0.5, 0.2, 0.6, 0.8]
    grouped = paired_difference(side(base, 5), side([alone[place // 5] for place in range(40)], 5))
    single = paired_difference(side(base[:8]), side(alone))
    assert grouped.standard_error == pytest.approx(single.standard_error)
    assert grouped.design_effect == pytest.approx(39 / 7, rel=1e-9)


def test_pass_or_fail_is_tested_exactly() -> None:
    """8 lost and 1 gained of 40: McNemar's 2 * (1 + 9) / 512."""
    base, after = [1.0] * 20 + [0.0] * 20, [0.0] * 8 + [1.0] * 12 + [1.0] + [0.0] * 19
    found = paired_difference(side(base), side(after))
    assert (found.method, found.value) == ("exact", pytest.approx(-7 / 40))
    assert found.p_value == pytest.approx(20 / 512)


@pytest.mark.parametrize(("samples", "size"), [(1, 1), (5, 1), (5, 4)])
def test_answers_that_never_differ_are_no_proof_of_none(samples: int, size: int) -> None:
    """40 cases that all come out alike: a loss of 3 points is possible, one of 40 is not."""
    same = [Observation(str(place), str(place // size), (1.0,) * samples) for place in range(40)]
    found = paired_difference(same, same)
    assert found.low < -0.03
    assert non_inferiority(found, 0.03).decision is Decision.INCONCLUSIVE
    if size == 1:
        assert found.low > -0.4


def answers(random: Random, groups: int, size: int, samples: int, drop: float) -> list[list[Observation]]:
    """Pass or fail of base and candidate; cases of a group are alike, the candidate passes less often by a factor."""
    sides: list[list[Observation]] = [[], []]
    for group in range(groups):
        level = random.betavariate(2.0, 1.0)
        for case in range(size):
            chance = random.betavariate(6 * level + 0.01, 6 * (1 - level) + 0.01)
            for one, factor in zip(sides, (1.0, 1 - drop), strict=True):
                values = tuple(float(random.random() < chance * factor) for _ in range(samples))
                one.append(Observation(f"{group}.{case}", str(group), values))
    return sides


@pytest.mark.parametrize(("groups", "size", "samples"), [(30, 1, 1), (12, 5, 2), (40, 3, 3)])
def test_the_same_twice_is_seldom_different(groups: int, size: int, samples: int) -> None:
    """A/A: of 300 comparisons of a thing with itself no more than 5 % and two Monte Carlo errors (0.025) differ, are
    blocked at a margin of 0, or shipped at it.
    """
    random = Random(7)
    wrong = {"different": 0, "blocked": 0, "shipped": 0}
    for _ in range(300):
        found = paired_difference(*answers(random, groups, size, samples, 0.0))
        verdict = non_inferiority(found, 0.0)
        wrong["different"] += found.p_value <= 0.05
        wrong["blocked"] += verdict.decision is Decision.BLOCK
        wrong["shipped"] += verdict.decision is Decision.SHIP
    assert max(wrong.values()) / 300 <= 0.075


def test_a_regression_as_large_as_the_margin_is_seldom_shipped() -> None:
    """The level holds at the margin: 300 comparisons in 30 groups, at most 5 % and two Monte Carlo errors."""
    random = Random(8)
    shipped = covered = 0
    for _ in range(300):
        found = paired_difference(*answers(random, 30, 3, 2, 0.15))
        shipped += non_inferiority(found, 0.1).decision is Decision.SHIP
        covered += found.low <= -0.1 <= found.high
    assert shipped / 300 <= 0.075
    assert covered / 300 >= 0.92


def test_a_ratio_by_hand() -> None:
    """Each of 40 cases costs twice as much: 2, for sure."""
    costs = [float(place) for place in range(1, 41)]
    found = ratio_of_means(side(costs), side([2 * cost for cost in costs]))
    assert (found.value, found.low, found.high) == pytest.approx((2.0, 2.0, 2.0), abs=1e-5)
    assert found.p_value == pytest.approx(0.0)


def test_a_ratio_is_nowhere_nearer_than_students() -> None:
    """Against a base of 1 the ratio is a mean: of values skewed to the right the low end is that of scipy's t."""
    after = [-math.log(1 - (place + 0.5) / 40) for place in range(40)]
    found = ratio_of_means(side([1.0] * 40), side(after))
    low, high = stats.t.interval(0.95, 39, math.fsum(after) / 40, stats.sem(after))
    assert found.low == pytest.approx(low, rel=2e-6)
    assert found.high > high + 0.05


def test_a_ratio_ends_where_its_tests_begin_to_reject() -> None:
    """At each end of a 90 % interval the p-value of one side is 5 %; its own is that of 1."""
    random = Random(4)
    base = [random.lognormvariate(0, 1) for _ in range(60)]
    after = [one * random.lognormvariate(0.1, 0.5) for one in base]
    found, test = ratio_of_means(side(base), side(after), 0.9), ratio_test(side(base), side(after))
    assert test.above(math.log(found.low)) == pytest.approx(0.05, abs=1e-5)
    assert test.below(math.log(found.high)) == pytest.approx(0.05, abs=1e-5)
    assert found.p_value == pytest.approx(2 * min(test.above(0.0), test.below(0.0)))


def test_skewed_costs_are_covered() -> None:
    """Log-normal costs of 15 cases, a quarter more for the candidate: covered in 91 % of 200 and more."""
    random = Random(9)
    hits = 0
    for _ in range(200):
        base = [random.lognormvariate(0, 1) for _ in range(15)]
        after = [1.25 * one * random.lognormvariate(-0.08, 0.4) for one in base]
        found = ratio_of_means(side(base), side(after))
        hits += found.low <= 1.25 <= found.high
    assert hits / 200 >= 0.91


@pytest.mark.parametrize(
    ("base", "candidate", "said"),
    [
        (side([1.0]), [Observation("else", "else", (1.0,))], "share no case"),
        (side([1.0]) * 2, side([1.0]), "comes twice"),
        (side([0.0]), side([1.0]), "no ratio"),
    ],
)
def test_what_cannot_be_compared_is_said(base: list[Observation], candidate: list[Observation], said: str) -> None:
    """Each error names what to do."""
    with pytest.raises(ValueError, match=said):
        ratio_of_means(base, candidate)


def test_a_difference_can_be_stored() -> None:
    """What was found travels as JSON, and says the same of a margin afterwards."""
    for values in ([1.0, 0.0] * 10, [0.2, 0.7] * 10):
        found = paired_difference(side(values), side(values[::-1]))
        again = msgspec.json.decode(msgspec.json.encode(found), type=Difference, strict=False)
        assert again.above(-0.05) == found.above(-0.05)
