"""Receivers are told once of a background call that is over, and of nothing that a model or a client wrote."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from tests.journal_runs.test_background import LIMITS, answer, settle, submission, take
from tests.journal_runs.world import World
from tests.processes.test_review_watch import receivers
from trimtab.database.migrate import open_state
from trimtab.declare.alerting import Alerting
from trimtab.journal.asks import Find
from trimtab.journal.background import BackgroundCounts, Redrive, Submitted
from trimtab.journal.client import BlockingLocalKeeper, LocalKeeper
from trimtab.journal.outbox import Outbox
from trimtab.journal.reading import row_of
from trimtab.journal.runs.database import open_runs
from trimtab.policy.watch import TaskWatch, Watch
from trimtab.processes.background_watch import BackgroundWatch
from trimtab.processes.deliver import read
from trimtab.processes.keeper_watch import KeeperView
from trimtab.processes.metrics import keeper_families
from trimtab.processes.run_acts import dead, redriven
from trimtab.signals.notify import forms

WATCH = Watch(
    environment="production",
    alerting=Alerting(receivers=receivers("ops"), console_url="https://trim.example"),
    tasks={"t": TaskWatch("pay")},
)


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A journal."""
    return World(lambda: open_runs(tmp_path / "journal.db"))


async def test_told_once_of_each_end(world: World, tmp_path: Path) -> None:
    """However often control looks or restarts; one that is re-driven is told of again when it is over again."""
    world.told(submission(world, receiver="ops"), Submitted)
    with closing(Outbox(open_state(tmp_path / "state.db"))) as box:
        await BackgroundWatch(LocalKeeper(world.store), box, lambda: WATCH).look()
        assert box.due(world.now, 9) == ()
        taken = take(world)
        seq = answer(world, taken, "error", b'{"error": {"code": "said-by-a-model"}}')
        settle(world, taken, "dead", seq, status=400, error="said-by-a-model", detail="said-by-a-model")
        for _ in range(2):
            watch = BackgroundWatch(LocalKeeper(world.store), box, lambda: WATCH)
            await watch.look()
            await watch.look()
        [letter] = box.due(world.now, 9)
        assert watch.counts == BackgroundCounts(dead=1)
        message = read(letter)
        world.clock.advance(5)
        world.ask(Redrive("b1", "ana"))
        again = take(world)
        settle(world, again, "done", answer(world, again))
        await watch.look()
        second = [read(one).kind for one in box.due(world.now, 9)]
    assert (letter.receiver, message.kind, message.group, message.owner) == ("ops", "failed", "b1", "pay")
    assert message.link == "https://trim.example/runs/b1"
    assert message.lines == ("id b1", "status failed", "poll /v1/background/b1")
    assert b"said-by-a-model" not in msgspec.json.encode(message)
    assert second == ["failed", "completed"]
    assert "trimtab runs show b1" in str(
        forms.email(msgspec.structs.replace(message, link=""), "a@b.example", ("c@d.example",), 1)
    )


def test_what_waits_is_measured() -> None:
    """How many by state, and how long the oldest has waited; nothing where the journal was not asked yet."""
    counts = BackgroundCounts(queued=3, in_progress=2, dead=1, oldest_ns=10 * 10**9)
    view = KeeperView(True, 25 * 10**9, background=counts)
    samples = {
        (sample.name, *sample.labels.values()): sample.value
        for family in keeper_families(view)
        for sample in family.samples
        if "background" in sample.name
    }
    assert samples == {
        ("trimtab_background_calls", "queued"): 3,
        ("trimtab_background_calls", "in_progress"): 2,
        ("trimtab_background_calls", "dead"): 1,
        ("trimtab_background_oldest_seconds",): 15,
    }
    unasked = [family.name for family in keeper_families(KeeperView(True, 1))]
    assert not [name for name in unasked if "background" in name]


def test_a_dead_letter_is_listed_and_made_again_as_itself(world: World) -> None:
    """Among the runs that wait for a person; what is forgotten has to be submitted anew."""
    journal = BlockingLocalKeeper(world.store)
    world.told(submission(world), Submitted)
    settle(world, take(world), "dead", status=400, error="invalid_request")
    assert [row.run for row in dead(journal, Find())] == ["b1"]
    done = redriven(journal, row_of(journal, "b1"), world.now)
    assert (done.ok, done.fork) == (True, "b1")
    taken = take(world)
    settle(world, taken, "dead", status=400, error="invalid_request")
    world.clock.advance(LIMITS.keep_s)
    world.sweep()
    assert not redriven(journal, row_of(journal, "b1"), world.now).ok
