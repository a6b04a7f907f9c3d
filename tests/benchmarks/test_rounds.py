"""Interleaved rounds: order, pairing, repetition and when they end."""

import pytest

from bench import rounds

QUIET = lambda text: None  # noqa: E731


def test_every_arm_takes_part_once_in_each_round_in_an_order_fixed_by_the_seed() -> None:
    """Two runs with one seed visit the arms in the same order, and that order varies between rounds."""

    def visited(seed: int) -> list[str]:
        order: list[str] = []

        def measure(arm: str) -> dict[str, float]:
            order.append(arm)
            return {"us": 1.0}

        plan = rounds.Plan(least=8, most=8, seed=seed)
        rounds.interleave(["a", "b", "c"], measure, plan, lambda done: False, QUIET)
        return order

    order = visited(1)
    threes = [tuple(order[i : i + 3]) for i in range(0, 24, 3)]
    assert order == visited(1)
    assert all(sorted(three) == ["a", "b", "c"] for three in threes)
    assert len(set(threes)) > 1


def test_rounds_go_on_while_the_interval_is_wide_but_not_beyond_the_most() -> None:
    """With least 2 and most 5: never wide ends at 2, always wide at 5."""
    plan = rounds.Plan(least=2, most=5, seed=1)
    narrow = rounds.interleave(["a"], lambda arm: {"us": 1.0}, plan, lambda done: False, QUIET)
    wide = rounds.interleave(["a"], lambda arm: {"us": 1.0}, plan, lambda done: True, QUIET)
    assert (len(narrow.done), len(wide.done)) == (2, 5)


def test_a_round_that_fell_behind_is_repeated_whole_and_counted() -> None:
    """The first attempt at a round fails on arm b: nothing of it is kept, and one repetition is counted."""
    failures = iter([True])

    def measure(arm: str) -> dict[str, float]:
        if arm == "b" and next(failures, False):
            raise rounds.FellBehindError("late")
        return {"us": 1.0}

    done = rounds.interleave(["a", "b"], measure, rounds.Plan(3, 3, seed=1), lambda done: False, QUIET)
    assert len(done.done) == 3
    assert done.repeated == 1
    assert all(set(one) == {"a", "b"} for one in done.done)


def test_a_machine_that_always_falls_behind_ends_the_run() -> None:
    """A measurement that can never be kept is an error, not an endless loop."""

    def measure(arm: str) -> dict[str, float]:
        raise rounds.FellBehindError("late")

    with pytest.raises(rounds.FellBehindError):
        rounds.interleave(["a"], measure, rounds.Plan(1, 3, seed=1), lambda done: False, QUIET)


def test_pairs_come_only_from_rounds_that_both_arms_joined() -> None:
    """An arm that joins every second round is paired with the rounds it joined."""
    plan = rounds.Plan(least=4, most=4, seed=1, every={"dear": 2})
    done = rounds.interleave(["dear", "base"], lambda arm: {"us": float(len(arm))}, plan, lambda done: False, QUIET)
    assert done.pairs("dear", "base", "us") == [(4.0, 4.0)] * 2
    assert len(done.values("base", "us")) == 4
