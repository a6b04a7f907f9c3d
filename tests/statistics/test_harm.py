"""Bets on harm: fair at the margin, quick where the harm is great, and right however often one looks."""

from __future__ import annotations

import math
import random

import pytest

from trimtab.statistics.harm import STAKES, HarmRunning, HarmTest

RUNS = 400


def after(test: HarmTest, *differences: float) -> HarmRunning:
    running = HarmRunning()
    for one in differences:
        running = test.step(running, one)
    return running


def test_money_after_two_losses() -> None:
    """Each stake grows by 1 + stake at a loss of 1 with no margin; the whole is their mean."""
    running = after(HarmTest(0.0), -1.0, -1.0)
    expected = sum((1 + stake) ** 2 for stake in (0.025, 0.05, 0.1, 0.2, 0.4, 0.8)) / 6
    assert running.p_value == pytest.approx(1 / expected)
    assert (running.seen, running.mean) == (2, -1.0)


def test_the_most_money_counts() -> None:
    """Gains later on do not take back what was shown: the p-value holds at every look."""
    lost = after(HarmTest(0.0), -1.0, -1.0)
    assert after(HarmTest(0.0), -1.0, -1.0, 1.0, 1.0).p_value == lost.p_value


def test_a_bet_is_fair_at_the_margin() -> None:
    """Where the mean loss is the margin, no stake wins or loses on average."""
    margin = 0.25
    for stake in STAKES:
        worse = 1 + stake / (1 + margin) * (1 - margin)
        same = 1 + stake / (1 + margin) * (0 - margin)
        assert margin * worse + (1 - margin) * same == pytest.approx(1.0)


def test_false_alarms_stay_below_alpha_at_every_look() -> None:
    """400 candidates that are worse by just the margin, looked at after each of 300 users: at most 5 % and error."""
    draw, test, alpha, alarms = random.Random(4), HarmTest(0.1), 0.05, 0
    for _ in range(RUNS):
        running = HarmRunning()
        for _ in range(300):
            running = test.step(running, float((draw.random() < 0.8) - (draw.random() < 0.9)))
            if running.p_value <= alpha:
                alarms += 1
                break
    assert alarms / RUNS <= alpha + 2 * math.sqrt(alpha * (1 - alpha) / RUNS)


def test_great_harm_is_found_after_a_few_users() -> None:
    """Of users who all fail where nobody else does, twenty are enough at a level of 0.1 %, and five are not."""
    assert after(HarmTest(0.02), *[-1.0] * 20).p_value < 0.001 < after(HarmTest(0.02), *[-1.0] * 5).p_value


@pytest.mark.parametrize("margin", [-0.1, 1.0])
def test_foreign_margins(margin: float) -> None:
    """A margin is a difference of rates."""
    with pytest.raises(ValueError, match="margin"):
        HarmTest(margin)


@pytest.mark.parametrize("difference", [-1.1, 1.1, math.nan])
def test_foreign_differences(difference: float) -> None:
    """A difference beyond 1 would break the bound."""
    with pytest.raises(ValueError, match="scale"):
        HarmTest(0.0).step(HarmRunning(), difference)
