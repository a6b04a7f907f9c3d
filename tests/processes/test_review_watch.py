"""Receivers are told once of a review that waits and once when it escalates; some runs that ended are looked at."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from tests.journal_runs.world import World
from trimtab.database.migrate import open_state
from trimtab.declare.alerting import Address, Alerting, Receiver
from trimtab.declare.reviewing import ReviewRule, ReviewSample
from trimtab.journal.asks import FindReviews, Reviews
from trimtab.journal.client import LocalKeeper
from trimtab.journal.outbox import Outbox
from trimtab.journal.runs.database import open_runs
from trimtab.policy.watch import TaskWatch, Watch
from trimtab.processes.deliver import read
from trimtab.processes.review_watch import MOST, ReviewWatch, is_drawn
from trimtab.signals.notify import forms

HOUR_NS = 3600 * 10**9


def receivers(*names: str) -> dict[str, Receiver]:
    return {name: Receiver(name, "webhook", Address("http://127.0.0.1/x")) for name in names}


WATCH = Watch(
    environment="production",
    alerting=Alerting(
        receivers=receivers("desk", "pager", "team"), owners={"pay": ("team",)}, console_url="https://trim.example"
    ),
    tasks={"t": TaskWatch("pay", reviews=(ReviewRule(("refund",), receivers=("desk",)),))},
)


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A journal."""
    return World(lambda: open_runs(tmp_path / "journal.db"))


def watching(world: World, box: Outbox, watch: Watch = WATCH) -> ReviewWatch:
    return ReviewWatch(LocalKeeper(world.store), box, lambda: watch, world.clock)


def waits(world: World, tool: str, **facts: Any) -> str:
    world.open()
    step = world.begin(f"review {tool}", "aa", step="step", tool=tool)
    return world.review(step.seq, **facts).review


async def test_told_however_many_samples_nobody_looked_at(world: World, tmp_path: Path) -> None:
    """Samples that pile up take no place from a review that a run waits for."""
    world.open("s", "d0")
    step = world.begin("look", "aa", run="s")
    for number in range(MOST):
        world.review(step.seq, f"S{number}", run="s", sampled=True)
    world.clock.advance(1)
    waits(world, "refund")
    with closing(Outbox(open_state(tmp_path / "state.db"))) as box:
        await watching(world, box).look()
        assert [one.receiver for one in box.due(world.now, 9)] == ["desk"]


async def test_told_once_and_again_when_it_escalates(world: World, tmp_path: Path) -> None:
    """Its rule's receiver gets one letter, however often control looks or restarts; after that the one it goes to."""
    facts = {"escalates_ns": world.now + HOUR_NS, "escalates_to": "pager", "expires_ns": world.now + 24 * HOUR_NS}
    review = waits(world, "refund", **facts)
    with closing(Outbox(open_state(tmp_path / "state.db"))) as box:
        for _ in range(2):
            watch = watching(world, box)
            await watch.look()
            await watch.look()
        assert [one.receiver for one in box.due(world.now, 9)] == ["desk"]
        world.clock.advance(3601)
        world.sweep()
        await watching(world, box).look()
        first, second = box.due(world.now, 9)
        assert (first.receiver, second.receiver) == ("desk", "pager")
        message = read(second)
    assert (message.severity, message.group, message.link) == ("page", review, f"https://trim.example/reviews/{review}")
    assert "Still undecided" in message.title
    assert "rejected by itself 24 h after it was asked" in message.lines
    assert f"trimtab reviews show {review}" in str(
        forms.email(replace(read(first), link=""), "a@b.example", ("c@d.example",), 1)
    )


async def test_those_of_the_owner_are_told_where_no_rule_says_whom(world: World, tmp_path: Path) -> None:
    """A tool without a rule of its own is told to the owner's receivers, and nothing the model wrote is told."""
    waits(world, "charge")
    with closing(Outbox(open_state(tmp_path / "state.db"))) as box:
        await watching(world, box).look()
        (letter,) = box.due(world.now, 9)
    assert letter.receiver == "team"
    assert b"amount" not in letter.body


async def test_runs_that_ended_are_sampled(world: World, tmp_path: Path) -> None:
    """Of the runs of a task a share is looked at, each by as many as declared, never more in a day than that."""
    watch = Watch(tasks={"t": TaskWatch(review_sample=ReviewSample(0.5, reviewers=2, runs_a_day=3))})
    for number in range(20):
        world.open(f"r{number}")
        world.step(run=f"r{number}")
        world.end(f"r{number}")
    with closing(Outbox(open_state(tmp_path / "state.db"))) as box:
        for _ in range(3):
            await watching(world, box, watch).look()
        assert box.due(world.now, 9) == ()
    found = world.told(FindReviews(limit=100), Reviews).reviews
    runs = {one.run for one in found}
    assert (len(found), len(runs)) == (6, 3)
    assert all(one.sampled and is_drawn(one.run, 0.5) for one in found)
    assert {one.proposed.inline for one in found} == {"done"}


async def test_no_more_are_sampled_in_a_day_however_many_wait(world: World, tmp_path: Path) -> None:
    """Reviews that runs of the task wait for, and samples of earlier days, hide none of today's."""
    watch = Watch(tasks={"t": TaskWatch(review_sample=ReviewSample(1.0, reviewers=1, runs_a_day=2))})
    world.open("s", "d0")
    step = world.begin("look", "aa", run="s")
    for number in range(MOST):
        world.review(step.seq, f"S{number}", run="s", sampled=True)
    world.clock.advance(86_400)
    for number in range(5):
        world.open(f"r{number}")
        world.step(run=f"r{number}")
        world.end(f"r{number}")
    began_ns = world.now
    with closing(Outbox(open_state(tmp_path / "state.db"))) as box:
        looking = watching(world, box, watch)
        for _ in range(3):
            await looking.look()
            world.clock.advance(60)
    today = world.told(FindReviews(limit=MOST, sampled=True, since_ns=began_ns), Reviews).reviews
    assert (len(today), len({one.run for one in today})) == (2, 2)


def test_a_share_is_a_share() -> None:
    """About as many are drawn as are meant, and the same ones for whoever asks."""
    drawn = sum(is_drawn(f"run-{number}", 0.1) for number in range(10_000))
    assert 900 < drawn < 1100
    assert is_drawn("r", 1.0)
