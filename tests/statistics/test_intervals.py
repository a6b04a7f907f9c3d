"""Intervals against published values."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.statistics.intervals import Interval, wilson


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_matches_the_published_intervals(successes: int, trials: int, low: float, high: float) -> None:
    """The 95 % score intervals of table I in R. G. Newcombe, Statistics in Medicine 17 (1998), method 3."""
    assert wilson(successes, trials) == pytest.approx(Interval(low, high), abs=5e-5)


def test_nothing_tried_is_nothing_known() -> None:
    """Without trials every share is possible."""
    assert wilson(0, 0) == Interval(0.0, 1.0)


@pytest.mark.parametrize(("successes", "trials", "confidence"), [(2, 1, 0.95), (-1, 1, 0.95), (0, 1, 1.0), (0, 1, 0.0)])
def test_what_is_no_proportion_is_refused(successes: int, trials: int, confidence: float) -> None:
    """More successes than trials, or certainty, is a mistake of the caller."""
    with pytest.raises(ValueError, match="no proportion"):
        wilson(successes, trials, confidence)


@given(st.integers(1, 10**9).flatmap(lambda trials: st.tuples(st.integers(0, trials), st.just(trials))))
def test_the_interval_holds_the_share(counts: tuple[int, int]) -> None:
    """Both ends lie within 0..1 and the observed share lies between them; failures mirror successes."""
    successes, trials = counts
    low, high = wilson(successes, trials)
    assert 0 <= low <= successes / trials <= high <= 1
    mirrored = wilson(trials - successes, trials)
    assert (1 - mirrored.high, 1 - mirrored.low) == pytest.approx((low, high), abs=1e-9)
