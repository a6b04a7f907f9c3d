"""Intervals of differences against published values."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.statistics.differences import (
    ENTIRE,
    difference_of_means,
    difference_of_shares,
    student_quantile,
)
from trimtab.statistics.intervals import Interval

SHARES = st.integers(1, 10_000).flatmap(lambda trials: st.tuples(st.integers(0, trials), st.just(trials)))
NUMBERS = st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=30)


@pytest.mark.parametrize(
    ("first", "second", "low", "high"),
    [
        ((56, 70), (48, 80), 0.0524, 0.3339),
        ((9, 10), (3, 10), 0.1705, 0.8090),
        ((6, 7), (2, 7), 0.0582, 0.8062),
        ((5, 56), (0, 29), -0.0381, 0.1926),
        ((0, 10), (0, 20), -0.1611, 0.2775),
        ((0, 10), (0, 10), -0.2775, 0.2775),
        ((10, 10), (0, 20), 0.6791, 1.0000),
        ((10, 10), (0, 10), 0.6075, 1.0000),
    ],
)
def test_shares_match_the_published_intervals(
    first: tuple[int, int], second: tuple[int, int], low: float, high: float
) -> None:
    """The 95 % intervals of table II in R. G. Newcombe, Statistics in Medicine 17 (1998) 873-890, method 10.

    The table gives the first share less the second.
    """
    assert difference_of_shares(second, first) == pytest.approx(Interval(low, high), abs=5.1e-5)


def test_no_trials_tell_nothing() -> None:
    """Without trials on either side every difference is possible; with some on one side, what these leave possible."""
    assert difference_of_shares((0, 0), (0, 0)) == Interval(-1.0, 1.0)
    low, high = difference_of_shares((0, 0), (20, 20))
    assert (low, high) == pytest.approx((-0.1611, 1.0), abs=5e-5)


@given(SHARES, SHARES)
def test_the_interval_holds_the_difference(before: tuple[int, int], after: tuple[int, int]) -> None:
    """The observed difference lies within, and to exchange both sides mirrors the interval."""
    low, high = difference_of_shares(before, after)
    assert -1 <= low <= after[0] / after[1] - before[0] / before[1] <= high <= 1
    back = difference_of_shares(after, before)
    assert (-back.high, -back.low) == pytest.approx((low, high), abs=1e-12)


@pytest.mark.parametrize(
    ("freedom", "level", "quantile"),
    [
        (1, 0.975, 12.706),
        (2, 0.975, 4.303),
        (5, 0.975, 2.571),
        (10, 0.975, 2.228),
        (30, 0.975, 2.042),
        (120, 0.975, 1.980),
        (1e9, 0.975, 1.960),
        (1, 0.95, 6.314),
        (7, 0.95, 1.895),
        (4, 0.995, 4.604),
        (60, 0.9995, 3.460),
        (3, 0.5, 0.0),
    ],
)
def test_student_quantiles_match_the_table(freedom: float, level: float, quantile: float) -> None:
    """The percentage points of the t-distribution of R. A. Fisher and F. Yates, Statistical Tables, table III."""
    assert student_quantile(level, freedom) == pytest.approx(quantile, abs=5.1e-4)


@pytest.mark.parametrize("freedom", [0.5, 1.0, 2.5, 17.3, 1e4])
def test_one_degree_of_freedom_is_cauchy(freedom: float) -> None:
    """With one degree of freedom t has the quantiles of Cauchy's distribution; more of them make it narrower."""
    for level in (0.6, 0.9, 0.999, 0.999999):
        cauchy = math.tan(math.pi * (level - 0.5))
        found = student_quantile(level, freedom)
        assert found == pytest.approx(cauchy, rel=1e-9) if freedom == 1 else (found < cauchy) == (freedom > 1)


def test_means_match_the_published_interval() -> None:
    """Student's hours of sleep (Biometrika 6 (1908) 20), as R's manual page of t.test compares them without pairing."""
    first = [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0]
    second = [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4]
    low, high = difference_of_means(second, first)
    assert (low, high) == pytest.approx((-3.3654832, 0.2054832), abs=5e-8)


@given(NUMBERS, NUMBERS)
def test_means_lie_within(before: list[float], after: list[float]) -> None:
    """The observed difference of means lies within, and to exchange both sides mirrors the interval."""
    low, high = difference_of_means(before, after)
    difference = sum(after) / len(after) - sum(before) / len(before)
    assert low - 1e-6 <= difference <= high + 1e-6
    back = difference_of_means(after, before)
    assert (-back.high, -back.low) == pytest.approx((low, high), rel=1e-9, abs=1e-9)


def test_one_value_tells_nothing_of_a_mean() -> None:
    """Fewer than two values on either side leave everything possible; values that never differ, one difference."""
    assert difference_of_means([1.0], [2.0, 3.0]) == ENTIRE
    assert difference_of_means([1.0, 1.0], []) == ENTIRE
    assert difference_of_means([1.0, 1.0], [3.0, 3.0]) == Interval(2.0, 2.0)


@pytest.mark.parametrize(("level", "freedom"), [(0.4, 3.0), (1.0, 3.0), (0.9, 0.0), (0.9, -1.0), (0.9, math.nan)])
def test_what_is_no_quantile_is_refused(level: float, freedom: float) -> None:
    """Levels and degrees of freedom that do not exist are a mistake of the caller."""
    with pytest.raises(ValueError, match="no quantile"):
        student_quantile(level, freedom)


def test_certainty_is_refused() -> None:
    """No finite interval of means is certain."""
    with pytest.raises(ValueError, match="no confidence"):
        difference_of_means([1.0, 2.0], [1.0, 2.0], confidence=1.0)
