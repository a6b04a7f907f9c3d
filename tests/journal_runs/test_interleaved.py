"""Reviews amid deploys, crashes and persons who are late: what was not approved of never happens, nothing is stuck."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from tests.journal_runs.interleaved import Story
from tests.journal_runs.world import World, beginning
from trimtab.journal.asks import AskReview, Begin, Claim, Lease, Release, Reviews, Written
from trimtab.journal.bindings import binding
from trimtab.journal.entries import Asked, body_of
from trimtab.journal.runs.database import Database

SAMPLE = 40
DAYS, RESTARTS, DEPLOYS, RUNS = 14, 50, 5, 6


@pytest.mark.parametrize("first", range(0, SAMPLE, 10))
def test_interleavings(opened: Callable[[], Database], first: int) -> None:
    """In a random order of events every effect that goes was approved of to the letter, and each approval once."""
    world = World(opened)
    for number in range(first, first + 10):
        assert Story(world, number).play() == [], number
    world.whole(*(f"s{number}" for number in range(first, first + 10)))


def test_two_weeks(opened: Callable[[], Database]) -> None:
    """Over 14 days with 50 restarts of the writer and 5 locks all is resolved, under the lock that holds then."""
    world, draw = World(opened), random.Random(7)
    events = ["restart"] * RESTARTS + ["deploy"] * DEPLOYS
    draw.shuffle(events)
    locks, asked = ["L0"], {}
    for number in range(RUNS):
        run = f"r{number}"
        world.open(run, run)
        asked[run] = world.begin("may I", run=run, step="step", binds="x").seq
        _ask(world, run, 1, asked[run], locks[-1])
        world.told(Release(run, 1), Written)
    for event in events:
        world.clock.advance(DAYS * 86_400.0 / len(events))
        if event == "restart":
            world.again()
        else:
            locks.append(f"L{len(locks)}")
        world.sweep()
    assert (len(world.reviews()), len(locks)) == (RUNS, DEPLOYS + 1)
    for run, of in asked.items():
        (first,) = world.reviews(run=run)
        assert isinstance(world.decide(first, binds=_binds(run, "L0")), Written)
        lease = world.told(Claim("later", run), Lease)
        refused = world.refused(_paying(run, lease.epoch, of, locks[-1]))
        assert refused == "NotApproved"
        second = _ask(world, run, lease.epoch, of, locks[-1])
        assert isinstance(world.decide(second, binds=_binds(run, locks[-1])), Written)
        begun = world.ask(_paying(run, lease.epoch, of, locks[-1]))
        assert begun.found == "go"  # type: ignore[union-attr]
    assert world.reviews() == []
    world.whole(*asked)


def _binds(run: str, lock: str) -> str:
    return binding("refund", "D", {"run": run}, lock)


def _ask(world: World, run: str, epoch: int, of: int, lock: str) -> str:
    ask = AskReview(run, epoch, Asked(world.now, "", of, _binds(run, lock)), body_of(b"{}"))
    reviews: Reviews = world.told(ask, Reviews)
    return reviews.reviews[0].review


def _paying(run: str, epoch: int, of: int, lock: str) -> Begin:
    return beginning("pay", "p", run=run, epoch=epoch, effect="write", binds=_binds(run, lock), after=of)
