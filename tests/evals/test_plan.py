"""Plans: the same calls with the same seeds whenever they are made, both arms next to each other."""

from __future__ import annotations

import hashlib

import pytest
from msgspec.structs import replace

from trimtab.declare.evaluating import Evals, Schedule, Scorer
from trimtab.evals.plan import ArmPlan, Plan, cells, order_of, plan_digest, seed_of, suite_digest

SUITE = Evals(cases="tasks/triage/cases", samples=3, scorers=(Scorer("exact", "exact"),))
PLAN = Plan(
    id="0199",
    task="triage",
    at_ns=5,
    suite=SUITE,
    data_set="tasks/triage/cases",
    cases="sha256:c",
    order=("b", "a"),
    arms=(ArmPlan("base", "main", "l1", "s1"), ArmPlan("candidate", "here", "l2", "s2")),
)


def test_seeds_are_those_of_the_definition() -> None:
    """The first 31 bits of the sha256 of the suite's seed, the case and the number; so nothing else moves them."""
    digest = hashlib.sha256(b"trimtab sample 1\n7\n2\ncase-9").hexdigest()
    assert seed_of(7, "case-9", 2) == int(digest[:8], 16) >> 1
    assert 0 <= seed_of(7, "case-9", 2) < 2**31


def test_every_call_is_planned_once() -> None:
    """Cases in order, samples in order, and both arms of a sample next to each other under one seed."""
    found = list(cells(PLAN))
    assert len(found) == PLAN.calls == 12
    assert [(cell.case, cell.number) for cell in found[::2]] == [
        ("b", 0),
        ("b", 1),
        ("b", 2),
        ("a", 0),
        ("a", 1),
        ("a", 2),
    ]
    for one, other in zip(found[::2], found[1::2], strict=True):
        assert (one.case, one.number, one.seed) == (other.case, other.number, other.seed)
        assert {one.arm, other.arm} == {"base", "candidate"}
    assert list(cells(PLAN)) == found


def test_no_arm_is_always_first() -> None:
    """Which arm of a sample is asked first is left to chance: of 2,000 samples, about half each."""
    many = replace(PLAN, order=tuple(f"c{number}" for number in range(1000)), suite=replace(SUITE, samples=2))
    first = sum(cell.arm == "base" for cell in list(cells(many))[::2])
    assert 850 < first < 1150


def test_the_order_follows_from_the_seed_alone() -> None:
    """However the rows are ordered, cases are asked in one random order; its beginning is a sample of all."""
    ids = [f"c{number:03}" for number in range(200)]
    assert order_of(ids, 1) == order_of(ids[::-1], 1)
    assert order_of(ids, 1) != order_of(ids, 2)
    assert sorted(order_of(ids, 1)) == ids
    assert order_of(ids, 1, 10) == order_of(ids, 1)[:10]
    places = sorted(ids.index(case) for case in order_of(ids, 1, 40))
    assert places[0] < 20 and places[-1] > 180, "not the first forty"


def test_groups_stand_together() -> None:
    """Cases of a group follow each other, groups and the cases in them in random order; the same cases are chosen."""
    ids = [f"c{number:03}" for number in range(100)]
    groups = {case: f"g{number // 4}" for number, case in enumerate(ids) if number < 80}
    found = order_of(ids, 1, 50, groups)
    assert sorted(found) == sorted(order_of(ids, 1, 50))
    runs = [groups.get(case, case) for case in found]
    assert len([run for place, run in enumerate(runs) if place == 0 or run != runs[place - 1]]) == len(set(runs))
    assert runs != sorted(runs)


SAME = {
    "its id": replace(PLAN, id="0200"),
    "its time": replace(PLAN, at_ns=6),
    "how fast it runs": replace(PLAN, suite=replace(SUITE, concurrency=2)),
    "its budget": replace(PLAN, suite=replace(SUITE, budget_usd=1.0)),
    "its schedule": replace(PLAN, suite=replace(SUITE, schedule=Schedule())),
}
OTHER = {
    "samples": replace(PLAN, suite=replace(SUITE, samples=4)),
    "a scorer's file": replace(PLAN, suite=replace(SUITE, scorers=(Scorer("p", "python", digest="0"),))),
    "the cases": replace(PLAN, cases="sha256:d"),
    "which of them": replace(PLAN, order=("b",)),
    "a lock": replace(PLAN, arms=(PLAN.arms[0], replace(PLAN.arms[1], lock="l3"))),
    "a judge": replace(PLAN, judges={"large": "sha256:j"}),
    "stopping early": replace(PLAN, early=True),
}


@pytest.mark.parametrize("what", SAME)
def test_what_does_not_make_another_evaluation(what: str) -> None:
    """An evaluation that was begun is found again whatever changed that decides nothing."""
    assert plan_digest(SAME[what]) == plan_digest(PLAN)


@pytest.mark.parametrize("what", OTHER)
def test_what_makes_another_evaluation(what: str) -> None:
    """Whatever decides what is asked and how it is marked makes it another one."""
    assert plan_digest(OTHER[what]) != plan_digest(PLAN)


def test_the_digest_of_a_suite() -> None:
    """A suite is known by what it asks and marks, not by when."""
    assert suite_digest(SUITE) == suite_digest(replace(SUITE, schedule=Schedule(), concurrency=1))
    assert suite_digest(SUITE) != suite_digest(replace(SUITE, margin=0.03))
    assert suite_digest(SUITE).startswith("sha256:")
