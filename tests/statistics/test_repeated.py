"""The same cases again and again."""

from __future__ import annotations

import math
from collections.abc import Mapping
from random import Random

import pytest

from trimtab.statistics.rates import Counted
from trimtab.statistics.repeated import RepeatedDetector, correlation, learned

CHANCES = [1.0] * 10 + [0.99] * 5 + [0.9] * 3 + [0.5] * 2


def runs(random: Random, count: int, factor: float = 1.0) -> list[Mapping[str, Counted]]:
    """Hourly runs of 20 cases, one sample each."""
    return [
        {str(case): Counted(int(random.random() < chance * factor), 1) for case, chance in enumerate(CHANCES)}
        for _ in range(count)
    ]


def test_runs_add_up() -> None:
    """Each case apart."""
    found = learned([{"a": Counted(1, 1), "b": Counted(0, 2)}, {"a": Counted(0, 1)}])
    assert found == {"a": Counted(1, 2), "b": Counted(0, 2)}


def test_a_drop_is_found_within_two_days_and_no_change_is_not() -> None:
    """Ten sets of runs: at most two false alarms in ten months, which allow ten; a drop of 5 points in 48 hours."""
    false = 0
    for seed in range(10):
        random = Random(seed)
        detector = RepeatedDetector(learned(runs(random, 336)))
        state = detector.begin(0)
        state, edges = detector.run(state, [(60 * (1 + n), run) for n, run in enumerate(runs(random, 720))])
        false += len(edges) > 0
        state = detector.begin(0)
        _, edges = detector.run(state, [(60 * (1 + n), run) for n, run in enumerate(runs(random, 48, 0.94))])
        assert edges
        assert edges[0][1].direction == "falls"
    assert false <= 2


def test_what_a_failure_says() -> None:
    """Of a case that passed 99 of 99 a failure is much likelier after a drop, of one that passed 50 of 99 hardly."""
    detector = RepeatedDetector({"sure": Counted(99, 99), "odd": Counted(50, 99)}, 0.1)
    sure = detector.read(1, {"sure": Counted(0, 1)})
    odd = detector.read(1, {"odd": Counted(0, 1)})
    assert sure is not None and odd is not None
    assert sure.ratios[0] > math.log(3) > math.log(1.2) > odd.ratios[0] > 0
    assert detector.read(1, {"else": Counted(0, 1)}) is None


def test_cases_of_which_nothing_is_known() -> None:
    """There is nothing to hold against."""
    with pytest.raises(ValueError, match="nothing is known"):
        RepeatedDetector({})


def test_how_alike_samples_of_a_case_are() -> None:
    """By hand: always the same is as alike as it can be; of 4 cases with 2 of 4 each nothing is; one sample tells none.

    Of ten cases half pass 4 of 5 and half 1 of 5: squares 10 * 1.5^2 / 0.25 = 90, less 50 samples, over 10 * 20 pairs.
    """
    assert correlation([Counted(4, 4), Counted(0, 4)], 0.5) == 0.9
    assert correlation([Counted(2, 4)] * 4, 0.5) == 0.02
    assert correlation([Counted(1, 1), Counted(0, 1)], 0.5) == 0.02
    assert correlation([Counted(4, 5)] * 5 + [Counted(1, 5)] * 5, 0.5) == pytest.approx((90 - 50) / 200)
