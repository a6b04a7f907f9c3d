"""Calibration of confidence, against figures worked out by hand."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.statistics.calibration import Sums, bin_of, calibration


def sums(values: list[float]) -> Sums:
    return Sums(len(values), sum(values), sum(value * value for value in values))


def counted(values: list[float]) -> dict[str, int]:
    found: dict[str, int] = {}
    for value in values:
        found[bin_of(value)] = found.get(bin_of(value), 0) + 1
    return found


@pytest.mark.parametrize(
    ("confidence", "name"), [(0, "0.00"), (0.049, "0.00"), (0.05, "0.05"), (0.15, "0.15"), (0.999, "0.95"), (1, "0.95")]
)
def test_bins(confidence: float, name: str) -> None:
    """A confidence lies in the bin whose lower edge it reaches; one lies in the last."""
    assert bin_of(confidence) == name


def test_by_hand() -> None:
    """Two bins: 0.90 (4 of 5 right) and 0.50 (1 of 5): the error is (5 * 0.125 + 5 * 0.325) / 10 = 0.225.

    The middles are 0.925 and 0.525. Brier: four times (1 - 0.9)^2 and once 0.9^2, once (1 - 0.5)^2 and four times
    0.5^2, together 0.04 + 0.81 + 0.25 + 1.0 = 2.1 over ten.
    """
    right, wrong = [0.9] * 4 + [0.5], [0.9] + [0.5] * 4
    found = calibration(counted(right), counted(wrong), sums(right), sums(wrong))
    assert found is not None
    assert (found.n, found.accuracy) == (10, 0.5)
    assert found.confidence == pytest.approx(0.7)
    assert found.ece == pytest.approx(0.225)
    assert found.brier == pytest.approx(0.21)
    assert [(one.low, one.n, one.right) for one in found.bins] == [(0.5, 5, 1), (0.9, 5, 4)]


def test_nothing() -> None:
    """Without labels there is no calibration."""
    assert calibration({}, {}, Sums(), Sums()) is None


def test_perfect_and_contrary() -> None:
    """Always right at 1 has a Brier score of 0 and an interval of the error down to 0; always wrong at 1 has 1."""
    sure = [1.0] * 1000
    good = calibration(counted(sure), {}, sums(sure), Sums())
    bad = calibration({}, counted(sure), Sums(), sums(sure))
    assert good is not None and bad is not None
    assert (good.brier, good.ece_interval.low) == (0.0, 0.0)
    assert bad.brier == 1.0
    assert bad.ece_interval.low > 0.9


def test_the_interval_holds_the_truth() -> None:
    """Where answers are right as often as their confidence says, the interval of the error reaches 0 nearly always."""
    draw = random.Random(5)
    held = 0
    for _ in range(200):
        confidences = [draw.random() for _ in range(300)]
        right = [value for value in confidences if draw.random() < value]
        wrong = list(confidences)
        for value in right:
            wrong.remove(value)
        found = calibration(counted(right), counted(wrong), sums(right), sums(wrong))
        held += found is not None and found.ece_interval.low == 0
    assert held >= 190


@given(st.lists(st.floats(0, 1)), st.lists(st.floats(0, 1)))
def test_bounds(right: list[float], wrong: list[float]) -> None:
    """All figures lie within [0, 1], and their intervals hold them."""
    found = calibration(counted(right), counted(wrong), sums(right), sums(wrong))
    if found is None:
        assert not right and not wrong
        return
    assert 0 <= found.brier_interval.low <= found.brier <= found.brier_interval.high <= 1
    assert 0 <= found.ece_interval.low <= found.ece + 1e-12
    assert found.ece <= found.ece_interval.high + 1e-12
