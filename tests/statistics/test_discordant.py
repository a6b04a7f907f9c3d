"""Exact tests of paired pass or fail, against statsmodels and by going through every outcome."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.contingency_tables import mcnemar as reference

from trimtab.statistics.discordant import Discordant, exact_tail, mcnemar, tango


@pytest.mark.parametrize(("gained", "lost"), [(0, 0), (0, 5), (3, 9), (12, 12), (40, 61)])
def test_mcnemar_is_that_of_statsmodels(gained: int, lost: int) -> None:
    """The exact test, to 1e-9."""
    expected = float(reference([[10, gained], [lost, 10]], exact=True).pvalue)
    assert mcnemar(gained, lost) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(("gained", "lost", "cases", "bound"), [(4, 9, 50, 0.0), (0, 7, 30, 0.0)])
def test_the_score_statistic_of_no_difference_is_mcnemars(gained: int, lost: int, cases: int, bound: float) -> None:
    """At a difference of 0 Tango's statistic is (b - c) / sqrt(b + c)."""
    assert tango(gained, lost, cases, bound) == pytest.approx((gained - lost) / math.sqrt(gained + lost))


def test_no_discordant_case_in_fifty() -> None:
    """If 5 % are worse, none of 50 differs with probability 0.95^50 at most: 0.0769."""
    assert Discordant(0, 0, 50).above(-0.05) == pytest.approx(0.95**50, abs=1e-6)


@pytest.mark.parametrize("bound", [-0.3, -0.1, 0.0, 0.2])
def test_the_test_errs_no_more_often_than_it_says(bound: float) -> None:
    """Over every outcome of 12 cases and 41 shares of discordant ones P(p <= a) is at most a, 0.01 or 0.05."""
    cases = 12
    p_values = {
        (gained, lost): exact_tail(gained, lost, cases, bound)
        for gained in range(cases + 1)
        for lost in range(cases + 1 - gained)
    }
    for place in range(41):
        lost_share = max(0.0, -bound) + place / 40 * ((1 - abs(bound)) / 2)
        gained_share = lost_share + bound
        for alpha in (0.01, 0.05):
            wrong = 0.0
            for (gained, lost), p_value in p_values.items():
                if p_value <= alpha:
                    ways = math.comb(cases, gained) * math.comb(cases - gained, lost)
                    rest = max(0.0, 1 - gained_share - lost_share)
                    wrong += ways * gained_share**gained * lost_share**lost * rest ** (cases - gained - lost)
            assert wrong <= alpha + 1e-3


@settings(max_examples=30)
@given(st.integers(2, 40).flatmap(lambda n: st.tuples(st.integers(0, n // 2), st.integers(0, n // 2), st.just(n))))
def test_the_interval_holds_the_difference(counts: tuple[int, int, int]) -> None:
    """The observed difference lies within; to exchange both sides mirrors the interval."""
    gained, lost, cases = counts
    low, high = Discordant(gained, lost, cases).interval(0.95)
    assert -1 <= low <= (gained - lost) / cases <= high <= 1
    back = Discordant(lost, gained, cases).interval(0.95)
    assert (-back.high, -back.low) == pytest.approx((low, high), abs=1e-9)
