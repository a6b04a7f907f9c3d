"""Estimates with intervals: against printed tables and sums done by hand."""

import math

import pytest

from bench import intervals


@pytest.mark.parametrize(
    ("df", "printed"), [(1, 12.706), (2, 4.303), (3, 3.182), (5, 2.571), (10, 2.228), (19, 2.093), (60, 2.000)]
)
def test_t_quantile_agrees_with_the_printed_table(df: int, printed: float) -> None:
    """The 97.5 % points of Student's t agree with the usual table within 0.2 %."""
    assert intervals.t_quantile(0.975, df) == pytest.approx(printed, rel=0.002)


def test_mean_has_the_interval_computed_by_hand() -> None:
    """2, 4, 6: mean 4, standard error 2/sqrt(3), t of 2 degrees 4.303, so 4 +- 4.968."""
    estimate = intervals.mean([2, 4, 6])
    assert estimate.mean == pytest.approx(4)
    assert estimate.half_width == pytest.approx(4.968, abs=0.001)
    assert estimate.n == 3


def test_one_value_has_an_unbounded_interval() -> None:
    """A single measurement must not look certain."""
    assert intervals.mean([3.0]).high == math.inf


def test_ratio_is_geometric_and_turns_over_when_the_arms_are_swapped() -> None:
    """Ratios 2 and 8 have the geometric mean 4; swapping the arms gives one over each bound."""
    ratio = intervals.ratio([(2, 1), (8, 1)])
    swapped = intervals.ratio([(1, 2), (1, 8)])
    assert ratio.mean == pytest.approx(4)
    assert swapped.low == pytest.approx(1 / ratio.high)
    assert swapped.high == pytest.approx(1 / ratio.low)


def test_difference_is_first_minus_second() -> None:
    """5 - 3 and 6 - 2 have the mean 3."""
    assert intervals.difference([(5, 3), (6, 2)]).mean == pytest.approx(3)
