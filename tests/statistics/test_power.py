"""Power against statsmodels, and against what a test really sees."""

from __future__ import annotations

import math
from random import Random

import pytest
from scipy.stats import nct, t
from statsmodels.stats.power import TTestPower

from trimtab.statistics.clustered import Observation, VarianceParts
from trimtab.statistics.paired import paired_difference, paired_test
from trimtab.statistics.power import (
    Shape,
    Spread,
    cases_needed,
    design_effect,
    more_needed,
    power_of,
    smallest_effect,
    spread_before,
    spread_of,
    student_power,
)


@pytest.mark.parametrize(("distance", "cases"), [(0.3, 50), (0.5, 20), (0.1, 400), (0.9, 5), (0.2, 2)])
def test_the_power_is_that_of_statsmodels(distance: float, cases: int) -> None:
    """A t-test of one side at 5 %, the variance being 1: to 1e-6."""
    expected = TTestPower().power(distance, cases, 0.05, alternative="larger")
    assert student_power(distance * math.sqrt(cases), cases - 1, 0.05) == pytest.approx(float(expected), abs=1e-6)
    if cases >= 30:
        assert power_of(Spread(1.0), 1, cases, distance) == pytest.approx(float(expected), abs=1e-6)


@pytest.mark.parametrize(("distance", "power"), [(0.2, 0.8), (0.4, 0.9), (0.05, 0.8)])
def test_the_cases_needed_are_those_of_statsmodels(distance: float, power: float) -> None:
    """Its fractional number, rounded up; and the smallest effect of so many is at most the distance."""
    expected = TTestPower().solve_power(distance, power=power, alpha=0.05, alternative="larger")
    found = cases_needed(Spread(1.0), 1, distance, power)
    assert found == math.ceil(float(expected))
    assert smallest_effect(Spread(1.0), 1, found, power) <= distance
    assert smallest_effect(Spread(1.0), 1, found - 1, power) > distance


def test_samples_lower_what_they_cause_alone() -> None:
    """Variance 0.02 between cases and 0.1 of each side's samples: 0.22 with one, 0.06 with five; groups multiply."""
    spread = Spread(0.02, 0.1, 0.1)
    assert spread.of_case(1) == pytest.approx(0.22)
    assert spread.of_case(5) == pytest.approx(0.06)
    assert Spread(0.02, 0.1, 0.1, design_effect(5, 0.25)).of_case(5) == pytest.approx(0.12)


def test_the_spread_of_a_pilot() -> None:
    """Each part is found again in 4,000 cases of 4 samples: 0.01 between cases, 0.04 and 0.09 between samples."""
    random = Random(2)
    sides: list[list[Observation]] = [[], []]
    for case in range(4_000):
        level, change = random.gauss(0, 1), random.gauss(0.2, 0.1)
        for side, shift, noise in ((sides[0], 0.0, 0.2), (sides[1], change, 0.3)):
            side.append(
                Observation(str(case), str(case), tuple(level + shift + random.gauss(0, noise) for _ in range(4)))
            )
    found = spread_of(*sides)
    assert (found.difference, found.base, found.candidate) == pytest.approx((0.01, 0.04, 0.09), abs=0.004)
    assert len(found.shapes) == 27
    assert all(0.5 < one.ratio < 2 and abs(one.added) < 1e-9 and abs(one.skewness) < 1 for one in found.shapes)


def test_before_a_candidate_was_seen() -> None:
    """Twice the variance between cases, less what correlates; groups as in the base."""
    found = spread_before(VarianceParts(0.01, 0.03, 0.1, 100, 20, 3.0), correlation=0.75)
    assert found == Spread(pytest.approx(0.02), 0.1, 0.1, pytest.approx(1 + 4 * 0.25), 5.0)


def test_what_is_announced_is_seen() -> None:
    """Pass or fail of 5 samples, no change, a margin of 8 points: of 300 tests 80 % and two Monte Carlo errors ship."""
    random = Random(4)

    def both(cases: int) -> tuple[list[Observation], list[Observation]]:
        sides: tuple[list[Observation], list[Observation]] = ([], [])
        for case in range(cases):
            chance = random.betavariate(1.0, 0.5)
            for side in sides:
                values = tuple(float(random.random() < chance) for _ in range(5))
                side.append(Observation(str(case), str(case), values))
        return sides

    needed = cases_needed(spread_of(*both(5_000)), 5, 0.08)
    assert needed is not None
    shipped = sum(paired_difference(*both(needed)).above(-0.08) <= 0.05 for _ in range(300))
    assert 0.8 - 0.05 <= shipped / 300 <= 0.8 + 0.05


def test_power_is_the_mean_over_parts_of_a_pilot() -> None:
    """Of two parts, one with half the variance and one with half as much again, as statsmodels has each."""
    spread = Spread(1.0, shapes=(Shape(0.5), Shape(1.5)))
    alone = [TTestPower().power(0.3 / math.sqrt(part), 60, 0.05, alternative="larger") for part in (0.5, 1.5)]
    assert power_of(spread, 1, 60, 0.3) == pytest.approx(float(sum(alone)) / 2, abs=1e-6)


def test_heavy_tails_take_power() -> None:
    """An excess of 6 puts the end for 101 clusters 1.447 * 6 / 101 further out, of which noncentral t knows."""
    limit = t.ppf(0.95, 100) * (1 + 1.447 * 6 / 101)
    heavy = Spread(1.0, shapes=(Shape(kurtosis=6.0),))
    assert power_of(heavy, 1, 101, 0.25) == pytest.approx(nct.sf(limit, 100, 0.25 * math.sqrt(101)), abs=1e-6)


def test_skewness_takes_power_on_one_side_and_gives_it_on_the_other() -> None:
    """Few large losses make it harder to tell that a difference is above a bound, and easier that it is below one."""
    lost = Spread(1.0, shapes=(Shape(skewness=-2.0, kurtosis=6.0),))
    above, below = (power_of(one, 1, 100, 0.25) for one in (lost, lost.mirrored()))
    assert above < power_of(Spread(1.0), 1, 100, 0.25) < below


def test_what_a_comparison_adds_where_most_cases_tie() -> None:
    """Of 100 cases 20 gain 0.2, 20 lose as much: two clusters of 0.2 make 1.68 of the squares' 1.6, over 102 * 101."""
    apart = [0.2] * 20 + [-0.2] * 20 + [0.0] * 60
    base = [Observation(str(case), str(case), (0.5,)) for case in range(100)]
    after = [one._replace(values=(0.5 + more,)) for one, more in zip(base, apart, strict=True)]
    [shape] = spread_of(base, after).shapes
    assert shape.ratio == pytest.approx(1)
    assert shape.added == pytest.approx(100**2 * (1.68 / (102 * 101) - 1.6 / (100 * 99)))


@pytest.mark.parametrize("kind", ["heavy tails", "ties", "losses"])
def test_what_is_announced_is_seen_of_scores_that_are_not_normal(kind: str) -> None:
    """Of 1,000 tests 80 % ship, within 3 points and two Monte Carlo errors.

    Student's t with 4 degrees, 70 % of cases alike, and losses as an exponential distribution has them.
    """
    random = Random(8)

    def apart() -> float:
        if kind == "ties":
            return random.gauss(0, 0.2) if random.random() < 0.3 else 0.0
        if kind == "losses":
            return 0.1 - random.expovariate(10)
        return 0.1 * random.gauss(0, 1) / math.sqrt(random.gammavariate(2, 2) / 4)

    def both(cases: int) -> tuple[list[Observation], list[Observation]]:
        sides: tuple[list[Observation], list[Observation]] = ([], [])
        for case in range(cases):
            for side, value in zip(sides, (0.5, 0.5 + apart()), strict=True):
                side.append(Observation(str(case), str(case), (value,)))
        return sides

    needed = cases_needed(spread_of(*both(10_000)), 1, 0.04)
    assert needed is not None
    shipped = sum(paired_test(*both(needed)).above(-0.04) <= 0.05 for _ in range(1_000))
    assert 0.8 - 0.055 <= shipped / 1_000 <= 0.8 + 0.055


def test_how_many_more_would_settle_it() -> None:
    """As it looks, 0.03 from the margin with a deviation of 0.3, 620 cases are needed (statsmodels), 100 are there."""
    base = [Observation(str(place), str(place), (0.0,)) for place in range(100)]
    apart = 0.3 * math.sqrt(99 / 100)
    after = [Observation(str(place), str(place), (apart * (1 if place % 2 else -1) - 0.02,)) for place in range(100)]
    found = more_needed(paired_difference(base, after), 0.05)
    expected = TTestPower().solve_power(0.1, power=0.8, alpha=0.05, alternative="larger")
    assert found.cases == math.ceil(float(expected)) - 100
    assert found.samples is None
    assert more_needed(paired_difference(base, after), 0.02).cases is None


def test_more_samples_settle_only_what_samples_cause() -> None:
    """Where samples cause all of the variance more of them help, where cases do none do."""
    base = [Observation(str(place), str(place), (0.0,)) for place in range(100)]
    after = [Observation(str(place), str(place), (0.3 * (1 if place % 2 else -1),)) for place in range(100)]
    found = paired_difference(base, after)
    assert more_needed(found, 0.05, Spread(0.0, 0.045, 0.045), samples=1).samples == pytest.approx(2, abs=1)
    assert more_needed(found, 0.05, Spread(0.09), samples=1).samples is None


def test_an_impossible_plan() -> None:
    """No number of cases shows a distance of nothing; a power below the level is a mistake."""
    assert cases_needed(Spread(1.0), 1, 0.0) is None
    assert cases_needed(Spread(1.0), 1, 1e-6) is None
    with pytest.raises(ValueError, match="power"):
        cases_needed(Spread(1.0), 1, 0.1, power=0.04)


def test_what_does_not_vary_shows_anything() -> None:
    """Without any variance the smallest effect is 0, and finding that ends."""
    assert smallest_effect(Spread(0.0), 5, 300) == 0.0
