"""Rates of false alarms against closed forms of the bivariate normal."""

from __future__ import annotations

import math
from statistics import NormalDist

import pytest

from trimtab.statistics.alarms import both_exceed, detectable, two_hits


@pytest.mark.parametrize("correlation", [-0.9, -0.5, 0.0, 0.3, 0.5, 0.95])
def test_the_share_of_a_quadrant(correlation: float) -> None:
    """P(X > 0, Y > 0) = 1/4 + asin(r) / (2 pi): W. F. Sheppard (1899)."""
    assert both_exceed(0.0, correlation) == pytest.approx(0.25 + math.asin(correlation) / (2 * math.pi), abs=1e-9)


@pytest.mark.parametrize("z", [0.5, 1.96, 3.29])
def test_without_correlation_it_is_a_square(z: float) -> None:
    """Independent values exceed z together with the square of the probability."""
    assert both_exceed(z, 0.0) == pytest.approx(NormalDist().cdf(-z) ** 2, rel=1e-9)


def test_with_near_certain_correlation_it_is_one_tail() -> None:
    """As the correlation nears one both exceed z as often as one does."""
    assert both_exceed(1.0, 0.999999) == pytest.approx(NormalDist().cdf(-1.0), abs=2e-3)


@pytest.mark.parametrize(("z", "correlation"), [(1.0, 0.5), (3.29, 0.1), (2.0, -0.4)])
def test_it_is_the_integral_of_the_definition(z: float, correlation: float) -> None:
    """P = integral over x > z of phi(x) * P(Y > z given x), summed up in 40,000 steps out to z + 8."""
    normal, step = NormalDist(), 8 / 40_000
    wide = math.sqrt(1 - correlation**2)
    points = (z + (place + 0.5) * step for place in range(40_000))
    expected = sum(normal.pdf(x) * normal.cdf((correlation * x - z) / wide) for x in points) * step
    assert both_exceed(z, correlation) == pytest.approx(expected, rel=1e-6)


def test_a_shared_reference_makes_two_hits_likelier() -> None:
    """An endless reference leaves two independent tests; a short one ties them, never beyond one test's level."""
    assert two_hits(0.001, 20, 10**9) == pytest.approx(1e-6, rel=1e-3)
    assert 1e-6 < two_hits(0.001, 20, 200) < two_hits(0.001, 20, 20) < 1e-3


def test_what_can_be_seen() -> None:
    """At 5 % with power 0.81, 0.9 each, and 50 + 50 samples: (1.959964 + 1.281552) * sqrt(2 / 50) = 0.648303."""
    assert detectable(0.05, 0.81, 50, 50) == pytest.approx(0.648303, abs=1e-6)


@pytest.mark.parametrize("correlation", [-1.0, 1.0, 2.0])
def test_no_correlation_at_all_is_refused(correlation: float) -> None:
    """Values that determine each other have no density to integrate."""
    with pytest.raises(ValueError, match="no correlation"):
        both_exceed(1.0, correlation)
