"""Kinds of cases by hand and against scipy."""

from __future__ import annotations

from random import Random

import pytest
from scipy import stats

from trimtab.statistics.clustered import Observation
from trimtab.statistics.flaky import flakier, hypergeometric_tail, kinds, mixed_tail


def case(name: str, passed: int, of: int) -> Observation:
    """So many samples that passed, then the others."""
    return Observation(name, name, (1.0,) * passed + (0.0,) * (of - passed))


@pytest.mark.parametrize(("passed", "of"), [(9, 10), (5, 10), (2, 30), (29, 30)])
def test_the_p_value_is_that_of_the_binomial(passed: int, of: int) -> None:
    """The rarer outcome against the noise, by scipy, to 1e-9."""
    rarer = min(passed, of - passed)
    expected = float(stats.binomtest(rarer, of, 0.01, alternative="greater").pvalue)
    assert mixed_tail(passed, of, 0.01) == pytest.approx(expected, abs=1e-9)


def test_kinds() -> None:
    """Half of 10 is flaky, all of 30 saturated, none of 30 hard; one of 30 is noise, and 5 that agree tell nothing."""
    cases = [case("a", 5, 10), case("b", 30, 30), case("c", 0, 30), case("d", 29, 30), case("e", 5, 5)]
    assert [one.kind for one in kinds(cases)] == ["flaky", "saturated", "hard", "", ""]


def test_noise_is_seldom_named() -> None:
    """Of 2,000 cases of 10 samples with 1 % of noise hardly one is flaky."""
    random = Random(6)
    cases = [case(str(place), 10 - sum(random.random() < 0.01 for _ in range(10)), 10) for place in range(2_000)]
    assert sum(one.kind == "flaky" for one in kinds(cases)) <= 2


@pytest.mark.parametrize("table", [(5, 10, 0, 10), (3, 8, 1, 9), (0, 5, 2, 5)])
def test_fishers_test_is_that_of_scipy(table: tuple[int, int, int, int]) -> None:
    """One-sided, to 1e-9."""
    count, of, other, of_other = table
    expected = stats.fisher_exact([[count, of - count], [other, of_other - other]], alternative="greater").pvalue
    assert hypergeometric_tail(*table) == pytest.approx(float(expected), abs=1e-9)


def test_what_became_flakier() -> None:
    """A case that always passed and now passes half of the time is named; one that always did so is not."""
    base = [case("a", 20, 20), case("b", 10, 20), case("gone", 1, 1)]
    after = [case("a", 10, 20), case("b", 9, 20), case("new", 10, 20)]
    assert flakier(base, after) == ["a"]
