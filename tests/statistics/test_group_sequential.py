"""Levels of looks against published constants, and the error rate over all of them."""

from __future__ import annotations

import math
from random import Random
from statistics import NormalDist

import pytest

from trimtab.statistics.clustered import Observation
from trimtab.statistics.decision import Decision
from trimtab.statistics.group_sequential import GroupSequentialTest, crossings, levels, plan, stopped
from trimtab.statistics.paired import paired_difference


@pytest.mark.parametrize(("looks", "constant"), [(2, 2.178), (5, 2.413), (10, 2.555)])
def test_pococks_bounds_are_crossed_as_published(looks: int, constant: float) -> None:
    """C. Jennison and B. W. Turnbull, Group Sequential Methods (2000), table 2.1: 5 % of both sides together."""
    assert math.fsum(crossings((constant,) * looks, 0.0)) == pytest.approx(0.025, abs=1e-4)


@pytest.mark.parametrize(("looks", "constant"), [(2, 1.977), (5, 2.040), (10, 2.087)])
def test_obriens_and_flemings_bounds_are_crossed_as_published(looks: int, constant: float) -> None:
    """Table 2.3 of the same."""
    bounds = tuple(constant * math.sqrt(looks / place) for place in range(1, looks + 1))
    assert math.fsum(crossings(bounds, 0.0)) == pytest.approx(0.025, abs=1e-4)


def test_the_power_is_the_published_one() -> None:
    """O'Brien and Fleming, 5 looks, 1.026 times the cases have 90 % power (table 2.4)."""
    bounds = tuple(2.040 * math.sqrt(5 / place) for place in range(1, 6))
    shift = math.sqrt(1.026) * (1.959964 + 1.281552)
    assert math.fsum(crossings(bounds, shift)) == pytest.approx(0.9, abs=1e-3)


@pytest.mark.parametrize("looks", [1, 3, 20])
def test_all_looks_together_spend_alpha(looks: int) -> None:
    """Each look spends the same part of it."""
    bounds = tuple(NormalDist().inv_cdf(1 - level) for level in levels(looks, 0.05))
    assert crossings(bounds, 0.0) == pytest.approx((0.05 / looks,) * looks, abs=1e-6)


def test_looks_save_a_third() -> None:
    """Of 500 cases with 90 % power, 17 % more at the most and 36 % fewer on average (as simulated elsewhere)."""
    found = plan(500, 10, 0.9)
    assert found.looks[-1] == found.most
    assert found.most == pytest.approx(1.17 * 500, rel=0.01)
    assert found.expected == pytest.approx(0.643 * 500, rel=0.01)
    assert found.expected_far < 0.3 * 500


def test_a_change_at_the_margin_is_seldom_shipped_at_any_look() -> None:
    """Of 150 changes as bad as the margin at most 5 % and two Monte Carlo errors ship; as many are blocked."""
    random = Random(3)
    test = GroupSequentialTest(0.05, looks=5)
    ends = dict.fromkeys(Decision, 0)
    for _ in range(150):
        base = [Observation(str(case), str(case), (random.random() * 0.5,)) for case in range(150)]
        after = [one._replace(values=(one.values[0] + random.gauss(0.05, 0.1) - 0.1,)) for one in base]
        verdicts = [test.judge(look, paired_difference(base[: 30 * look], after[: 30 * look])) for look in range(1, 6)]
        ends[stopped(verdicts)] += 1
    assert ends[Decision.SHIP] / 150 <= 0.086
    assert ends[Decision.BLOCK] / 150 <= 0.086


@pytest.mark.parametrize(("margin", "looks"), [(-0.1, 5), (0.1, 0), (0.1, 51)])
def test_an_impossible_test(margin: float, looks: int) -> None:
    """A margin below 0, no looks, too many."""
    with pytest.raises(ValueError, match="looks"):
        GroupSequentialTest(margin, looks)
