"""Ranks bound a quantile as tables and the binomial say."""

from __future__ import annotations

import random

import pytest

from trimtab.statistics.quantiles import LARGE, is_enough, rank_interval


@pytest.mark.parametrize(
    ("n", "low", "high"), [(5, None, None), (6, 1, 6), (10, 2, 9), (15, 4, 12), (20, 6, 15), (25, 8, 18), (50, 18, 33)]
)
def test_the_median(n: int, low: int | None, high: int | None) -> None:
    """Ranks (counted from 1) of the 95 % interval of the median, as tables of the sign test give them."""
    found = rank_interval(n, 0.5)
    assert found == (low and low - 1, high and high - 1)


def test_a_high_quantile_needs_values_beyond_it() -> None:
    """0.95^71 = 0.0262 and 0.95^72 = 0.0249: from 72 values on the largest bounds the p95 from above."""
    assert rank_interval(71, 0.95).high is None
    assert rank_interval(72, 0.95).high == 71


def test_nothing_bounds_nothing() -> None:
    """Without values both sides are open."""
    assert rank_interval(0, 0.5) == (None, None)


@pytest.mark.parametrize("level", [0.5, 0.95, 0.99])
def test_it_goes_over_into_the_approximation(level: float) -> None:
    """Just below and above the bound on the variance the two ways agree to within three ranks: two for the two more."""
    n = int(LARGE / (level * (1 - level)))
    exact, approximate = rank_interval(n - 1, level), rank_interval(n + 1, level)
    assert exact.low is not None and approximate.low is not None and abs(exact.low - approximate.low) <= 3
    assert exact.high is not None and approximate.high is not None and abs(exact.high - approximate.high) <= 3


def test_it_covers() -> None:
    """Of 2,000 samples of 200 uniform values, the interval of the p95 holds 0.95 in at least 95 %, less chance."""
    draw = random.Random(5)
    low, high = rank_interval(200, 0.95)
    assert low is not None and high is not None
    held = 0
    for _ in range(2000):
        values = sorted(draw.random() for _ in range(200))
        held += values[low] <= 0.95 <= values[high]
    assert held / 2000 >= 0.95 - 3 * (0.95 * 0.05 / 2000) ** 0.5


@pytest.mark.parametrize(
    ("n", "level", "told"), [(19, 0.95, False), (20, 0.95, True), (99, 0.99, False), (1, 1.0, True)]
)
def test_enough(n: int, level: float, told: bool) -> None:
    """One value beyond the level is to be expected: 20 for the p95, 100 for the p99; the largest needs one."""
    assert is_enough(n, level) is told


@pytest.mark.parametrize(("n", "level"), [(-1, 0.5), (5, 0.0), (5, 1.0)])
def test_nonsense_is_refused(n: int, level: float) -> None:
    """A level of 0 or 1 has no interval, and fewer than no values there are not."""
    with pytest.raises(ValueError, match="no interval"):
        rank_interval(n, level)
