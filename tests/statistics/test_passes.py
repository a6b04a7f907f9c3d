"""pass@k and pass^k by hand."""

from __future__ import annotations

import pytest

from trimtab.statistics.clustered import Observation, mean
from trimtab.statistics.passes import pass_all, pass_at

CASES = [
    Observation("a", "a", (1.0, 1.0, 0.0, 0.0)),
    Observation("b", "b", (1.0, 1.0, 1.0, 1.0)),
    Observation("c", "c", (0.0, 0.0, 0.0, 1.0)),
]


def test_by_hand() -> None:
    """2, 4 and 1 of 4 passed: of 2 samples one passes with 5/6, 1 and 1/2, both with 1/6, 1 and 0."""
    assert pass_at(CASES, 2).value == pytest.approx((5 / 6 + 1 + 1 / 2) / 3)
    assert pass_all(CASES, 2).value == pytest.approx((1 / 6 + 1 + 0) / 3)


def test_one_sample_is_the_mean() -> None:
    """With k of 1 both are the mean, with its interval."""
    assert pass_at(CASES, 1) == pass_all(CASES, 1) == mean(CASES)


def test_a_partial_score_is_no_pass() -> None:
    """0.9 is not 1."""
    assert pass_at([Observation("a", "a", (0.9, 0.5))], 1).value == 0.0


def test_the_interval_is_over_cases() -> None:
    """20 cases of 50 samples that all pass are 20 trials, not 1,000: at least 83 % (Clopper and Pearson: 0.8316)."""
    cases = [Observation(str(place), str(place), (1.0,) * 50) for place in range(20)]
    assert pass_all(cases, 3).low == pytest.approx(0.8316, abs=5e-5)


@pytest.mark.parametrize("k", [0, 5])
def test_a_k_that_cannot_be(k: int) -> None:
    """More than there are samples, or none."""
    with pytest.raises(ValueError, match="k"):
        pass_at(CASES, k)
