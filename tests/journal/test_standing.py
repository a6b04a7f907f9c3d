"""Which verdicts of checks stand: by hand-written logs."""

from __future__ import annotations

from typing import Literal

import pytest

from trimtab.journal.entries import Asked, Checked, Decided, Entry, Intent
from trimtab.journal.standing import Standing, standing

Said = Literal["approved", "edited", "rejected"]
Action = Literal["", "repair", "branch", "ask", "fail", "flag"]


def step(label: str, branch: str = "main") -> Intent:
    return Intent(0, "model", label, "d", 0, branch=branch)


def verdict(of: int, action: Action) -> Checked:
    return Checked(0, of, "right", not action, "", action)


@pytest.mark.parametrize(
    ("log", "expected"),
    [
        ([step("a"), verdict(1, "")], Standing(True, 0)),
        ([step("a"), verdict(1, "flag"), step("b"), verdict(3, "")], Standing(False, 0)),
        ([step("a"), verdict(1, "fail")], Standing(None, 1)),
        ([step("a"), verdict(1, "repair"), step("check right: repair"), verdict(3, "")], Standing(True, 1)),
        ([step("a"), verdict(1, "branch"), step("b"), verdict(3, "flag")], Standing(False, 1)),
    ],
)
def test_what_changed_the_run_does_not_stand(log: list[Entry], expected: Standing) -> None:
    """A repaired answer counts as what it became, and what failed a step as nothing."""
    assert standing(log) == {"right": expected}


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("approved", Standing(False, 0)),
        ("edited", Standing(None, 1)),
        ("rejected", Standing(None, 1)),
        (None, Standing(None, 1)),
    ],
)
def test_what_a_person_let_pass_stands(said: Said | None, expected: Standing) -> None:
    """An alarm that somebody overruled is one on an answer that the run went on with."""
    log: list[Entry] = [step("a"), verdict(1, "ask"), step("check right: review"), Asked(0, "r", 3, "b")]
    if said is not None:
        log.append(Decided(0, "r", said, "Ada"))
    assert standing(log) == {"right": expected}


def test_parallel_reviews_are_told_apart() -> None:
    """What was decided in one branch is not said of another."""
    log: list[Entry] = [
        step("a", "one"),
        step("a", "two"),
        verdict(1, "ask"),
        verdict(2, "ask"),
        step("check right: review", "two"),
        Asked(0, "r2", 5, "b"),
        Decided(0, "r2", "approved", "Ada"),
    ]
    assert standing(log) == {"right": Standing(False, 1)}
