"""Power against statsmodels, and against what a test really sees."""

from __future__ import annotations

import math
from random import Random

import pytest
from statsmodels.stats.power import TTestPower

from trimtab.statistics.clustered import Observation, VarianceParts
from trimtab.statistics.paired import paired_difference
from trimtab.statistics.power import (
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
    assert found.tied == 0.0


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
