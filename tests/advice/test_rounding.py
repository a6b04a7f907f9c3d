"""Numbers that a person would write."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.advice.rounding import at_least, at_most, duration, share_at_least, tokens_at_least

NUMBERS = st.floats(1e-6, 1e9)


@pytest.mark.parametrize(
    ("value", "wanted"), [(1.0, 1.0), (1.01, 1.2), (0.26, 0.3), (26.0, 30.0), (8.1, 10.0), (99.0, 100.0), (3.0, 3.0)]
)
def test_limits_are_rounded_up(value: float, wanted: float) -> None:
    """To the next of 1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8 and 10."""
    assert at_least(value) == pytest.approx(wanted)


@pytest.mark.parametrize(("value", "wanted"), [(1.0, 1.0), (0.99, 0.9), (0.0287, 0.028), (3.3, 3.2), (9.9, 9.0)])
def test_goals_are_rounded_down(value: float, wanted: float) -> None:
    """To the next smaller one of a finer row."""
    assert at_most(value) == pytest.approx(wanted)


@given(NUMBERS)
def test_rounding_goes_one_way_and_not_far(value: float) -> None:
    """A limit is never below, a goal never above; both stay within a third."""
    assert value * 0.999999 <= at_least(value) <= value * 1.34
    assert value * 0.75 <= at_most(value) <= value * 1.000001


@pytest.mark.parametrize(
    ("value", "wanted"), [(1, 16), (16, 16), (17, 24), (25, 32), (33, 48), (600, 768), (4096, 4096)]
)
def test_tokens(value: float, wanted: int) -> None:
    """Powers of two, and halfway between."""
    assert tokens_at_least(value) == wanted


@pytest.mark.parametrize(
    ("seen", "n", "wanted"),
    [
        (0.9932, 5000, 0.995),
        (1.0, 100, 0.99),
        (1.0, 1000, 0.999),
        (1.0, 10**6, 0.999),
        (0.2, 100, 0.5),
        (0.95, 100, 0.95),
        (0.99, 1, 0.5),
    ],
)
def test_shares(seen: float, n: int, wanted: float) -> None:
    """The next round share; of 100 calls none above 0.99 can be told, for one failure has to be room."""
    assert share_at_least(seen, n) == wanted


@pytest.mark.parametrize(
    ("seconds", "wanted"),
    [(0.25, "250ms"), (0.028, "28ms"), (1.0, "1s"), (1.5, "1.5s"), (120.0, "120s"), (1e5, "100000s")],
)
def test_durations(seconds: float, wanted: str) -> None:
    """As a declaration writes them, without an exponent."""
    assert duration(seconds) == wanted


@pytest.mark.parametrize("value", [0.0, -1.0, float("nan"), float("inf")])
def test_what_is_no_size(value: float) -> None:
    """There is no limit for it."""
    with pytest.raises(ValueError, match="give a number above 0"):
        at_least(value)
