"""Tests that may be looked at after every case."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import msgspec
import pytest

from trimtab.statistics.anytime import AnytimeTest, Running, drop_detector, steady_rate
from trimtab.statistics.baseline import RateStep
from trimtab.statistics.decision import Decision
from trimtab.statistics.rates import Counted


def discordant(random: Random, mean: float, share: float = 0.2) -> Callable[[], float]:
    """Differences of pass or fail: 1, -1 or 0."""

    def draw() -> float:
        place = random.random()
        return 1.0 if place < (share + mean) / 2 else -1.0 if place < share else 0.0

    return draw


def run(test: AnytimeTest, draw: Callable[[], float], most: int) -> tuple[Running, bool]:
    """Up to a decision; and whether the interval ever missed the mean of 0 less the margin."""
    running, missed = test.begin(), False
    for _ in range(most):
        running, look = test.step(running, draw())
        missed = missed or not look.interval.low <= -test.margin <= look.interval.high
        if running.decision is not Decision.INCONCLUSIVE:
            break
    return running, missed


def test_a_change_at_the_margin_is_seldom_decided_in_a_thousand_looks() -> None:
    """200 runs: at most 5 % and two Monte Carlo errors ship, as many are blocked, as many ever leave the interval."""
    random = Random(1)
    test = AnytimeTest(0.1)
    found = [run(test, discordant(random, -0.1), 1_000) for _ in range(200)]
    for decision in (Decision.SHIP, Decision.BLOCK):
        assert sum(running.decision is decision for running, _ in found) / 200 <= 0.08
    assert sum(missed for _, missed in found) / 200 <= 0.08


@pytest.mark.parametrize(("mean", "decision"), [(0.0, "ship"), (-0.2, "block")])
def test_clear_changes_are_decided_early(mean: float, decision: str) -> None:
    """A test with one look needs 170 cases (90 % power); 100 runs use fewer on average, of at most 255."""
    random = Random(2)
    found = [run(AnytimeTest(0.1), discordant(random, mean), 255)[0] for _ in range(100)]
    assert sum(one.decision == decision for one in found) >= 82
    assert sum(one.cases for one in found) / 100 < 0.85 * 170


def test_p_values_by_hand() -> None:
    """The first bet is the root of bet * 0.1 + bet^3 * 0.1 = 0.05, 0.4239; a gain of 0.05 makes 1.0212 of 1."""
    test = AnytimeTest(0.05, variance=0.1)
    _, look = test.step(test.begin(), 0.0)
    assert look.ship == pytest.approx(1 / 1.0212, abs=1e-4)
    assert look.block == 1.0


def test_it_goes_on_where_it_stopped() -> None:
    """What it remembers can be stored and read again."""
    test = AnytimeTest(0.1)
    draw = discordant(Random(3), 0.0)
    running = test.begin()
    for _ in range(20):
        running, look = test.step(running, draw())
    again = msgspec.json.decode(msgspec.json.encode(running), type=Running)
    assert again == running
    assert test.look(again) == look


def test_a_decision_stays() -> None:
    """What comes after does not undo it."""
    test = AnytimeTest(0.1)
    running = test.begin()
    for difference in [1.0] * 20 + [-1.0] * 50:
        running, look = test.step(running, difference)
    assert look.decision is Decision.SHIP


@pytest.mark.parametrize("margin", [0.0, 1.0, -0.1])
def test_an_impossible_margin(margin: float) -> None:
    """It must lie above 0 and below the largest difference."""
    with pytest.raises(ValueError, match="margin"):
        AnytimeTest(margin)


def test_a_difference_beyond_the_largest() -> None:
    """It would break the bets."""
    with pytest.raises(ValueError, match="scale scores"):
        AnytimeTest(0.1).step(Running(), 1.5)


def test_a_drop_is_found_and_a_steady_rate_is_not() -> None:
    """20 cases an hour of which 90 % pass, learned in four weeks: no alarm in a month, one within a week of 80 %."""
    random = Random(4)

    def hours(first: int, count: int, share: float) -> list[RateStep]:
        return [
            RateStep(60 * (first + place), sum(random.random() < share for _ in range(20)), 20)
            for place in range(count)
        ]

    detector = drop_detector(steady_rate(hours(1, 672, 0.9)))
    state = detector.begin(60 * 672)
    state, edges = detector.run(state, ((minute, Counted(of, n)) for minute, of, n in hours(673, 720, 0.9)))
    assert edges == []
    state, edges = detector.run(state, ((minute, Counted(of, n)) for minute, of, n in hours(1393, 168, 0.8)))
    assert [decision.direction for _, decision in edges][:1] == ["falls"]


def test_the_same_cases_vary_less_than_fresh_ones() -> None:
    """Ten cases that always pass and ten that do half of the time have two thirds of the variance of 75 % in 20."""
    random = Random(5)
    steps = [RateStep(60 * (1 + hour), 10 + sum(random.random() < 0.5 for _ in range(10)), 20) for hour in range(672)]
    found = steady_rate(steps)
    assert found.share(0) == pytest.approx(0.75, abs=0.01)
    assert found.clumping == pytest.approx(2.5 / 3.75, rel=0.2)
    assert found.days == 28
    assert steady_rate([]).n == 0
