"""What people do with runs, against the journal's own store."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from tests.journal.logs import BEGAN, SECOND
from trimtab.console.run_desk import Wanted
from trimtab.journal.asks import Begin, Begun, Claim, Find, Finish, Lease, Note, Open, RunRow
from trimtab.journal.client import BlockingLocalKeeper
from trimtab.journal.entries import Checked, Ended, Result, Started, body_of
from trimtab.journal.reading import body_read, log_read, row_of
from trimtab.journal.refusals import AskInvalid, Halted, RunExists, RunUnknown
from trimtab.journal.runs.bodies import MemoryBodies
from trimtab.journal.runs.database import open_runs
from trimtab.journal.runs.store import RunStore
from trimtab.processes.run_acts import NoFork, again_id, dead, forked, ordered, reconciled, redriven
from trimtab.processes.run_book import compared, tree_of
from trimtab.testing import JumpingClock

NOW = BEGAN + 1000 * SECOND


@pytest.fixture
def clock() -> JumpingClock:
    """The journal's time."""
    return JumpingClock()


@pytest.fixture
def journal(tmp_path: Path, clock: JumpingClock) -> Iterator[BlockingLocalKeeper]:
    """An empty journal."""
    with closing(RunStore(open_runs(tmp_path / "journal.db"), MemoryBodies(), clock)) as store:
        yield BlockingLocalKeeper(store)


class Driver:
    """Takes the steps of one run, one after another."""

    def __init__(self, journal: BlockingLocalKeeper, run: str, **started: Any) -> None:
        self.journal, self.run, self.after = journal, run, 0
        lease = journal.do(Open(run, Started(BEGAN, "refund", **started), owner="me"))
        assert isinstance(lease, Lease)
        self.epoch = lease.epoch

    @classmethod
    def of(cls, journal: BlockingLocalKeeper, run: str) -> Driver:
        """Takes up a run that is there."""
        driver = cls.__new__(cls)
        driver.journal, driver.run, driver.after = journal, run, 0
        lease = journal.do(Claim("other", run))
        assert isinstance(lease, Lease)
        driver.epoch = lease.epoch
        return driver

    def begin(self, label: str, asked: str = "", **more: Any) -> Begun:
        """Begins a step in the one branch."""
        digest = sha256(asked.encode()).hexdigest()
        begun = self.journal.do(
            Begin(
                self.run,
                self.epoch,
                "tool",
                label,
                digest,
                body_of(asked.encode()),
                branch="1",
                after=self.after,
                **more,
            )
        )
        assert isinstance(begun, Begun)
        self.after = begun.seq
        return begun

    def step(self, label: str, answer: str = "ok", asked: str = "", **more: Any) -> int:
        """Takes a step; its seq."""
        begun = self.begin(label, asked, **more)
        self.journal.do(Finish(self.run, self.epoch, Result(BEGAN, begun.seq, "ok", body_of(answer.encode()))))
        return begun.seq

    def end(self, state: Any = "completed", error: str = "") -> None:
        """Ends the run."""
        self.journal.do(Note(self.run, self.epoch, Ended(BEGAN, state, error=error)))


def test_a_fork_has_what_came_before(journal: BlockingLocalKeeper) -> None:
    """Steps before the fork are recorded in it, under the same seqs; the step there is taken again."""
    first = Driver(journal, "r1")
    seqs = [first.step(name) for name in ("a", "b", "c")]
    first.end()
    row = forked(journal, Wanted("r1", "r2", seqs[1], overrides={"model": "large"}), NOW)
    assert (row.fork_of, row.fork_seq, row.task, row.steps) == ("r1", seqs[1], "refund", 1)
    second = Driver.of(journal, "r2")
    assert second.begin("a").found == "recorded"
    assert second.begin("b").found == "go"
    found = compared(journal, "r1", "r2")
    assert found.overrides == {"model": "large"}
    assert [pair.how for pair in found.alignment.pairs] == ["same", "outcome", "left"]
    assert [fork.run for fork in tree_of(journal, "r1").forks] == ["r2"]


def test_a_fork_with_another_answer(journal: BlockingLocalKeeper) -> None:
    """A step may be given another answer, which its driver then finds recorded."""
    first = Driver(journal, "r1")
    first.step("a")
    seq = first.step("look up", "order is open")
    first.step("c")
    long = b'{"order": "' + b"x" * 3000 + b'"}'
    forked(journal, Wanted("r1", "r2", seq, long), NOW)
    second = Driver.of(journal, "r2")
    second.begin("a")
    begun = second.begin("look up")
    assert begun.found == "recorded"
    assert begun.result is not None
    assert body_read(journal, "r2", begun.result.output) == long
    assert second.begin("c").found == "go"
    found = compared(journal, "r1", "r2")
    assert found.overrides == {"answer": f"of step {seq}"}
    assert found.alignment.first is not None
    assert found.alignment.first.told.startswith(f"step {seq} (tool look up) was answered otherwise")


def test_a_fork_after_all_steps_goes_on_from_the_end(journal: BlockingLocalKeeper) -> None:
    """Without a place a fork has all steps, but not the end of the run."""
    first = Driver(journal, "r1")
    first.step("a")
    first.end("failed", "broken")
    forked(journal, Wanted("r1", "r2"), NOW)
    log = log_read(journal, "r2")
    assert ([step.state for step in log.steps], log.ended) == (["ok"], None)
    assert Driver.of(journal, "r2").begin("a").found == "recorded"


def test_what_cannot_be_forked_is_refused(journal: BlockingLocalKeeper) -> None:
    """No such run, no such step, an id that is taken, and an answer of no step."""
    Driver(journal, "r1").step("a")
    with pytest.raises(RunUnknown):
        forked(journal, Wanted("r9", "r2"), NOW)
    with pytest.raises(NoFork, match="no step at 99"):
        forked(journal, Wanted("r1", "r2", 99), NOW)
    with pytest.raises(NoFork, match="needs a step"):
        forked(journal, Wanted("r1", "r2", 0, b"1"), NOW)
    with pytest.raises(RunExists):
        forked(journal, Wanted("r1", "r1"), NOW)
    with pytest.raises(AskInvalid):
        forked(journal, Wanted("r1", "no spaces"), NOW)


def test_orders(journal: BlockingLocalKeeper) -> None:
    """A paused run takes no step until it is resumed; an order for a task reaches all of its runs that go on."""
    drivers = [Driver(journal, f"r{number}") for number in range(3)]
    drivers[2].end()
    assert ordered(journal, "pause", "ana", "look first", run="r0") == ("r0",)
    with pytest.raises(Halted, match="ana"):
        drivers[0].begin("a")
    assert ordered(journal, "resume", "ana", run="r0") == ("r0",)
    drivers[0].begin("a")
    assert set(ordered(journal, "stop", "ana", task="refund")) == {"r0", "r1"}
    assert ordered(journal, "stop", "ana", task="other") == ()


def test_what_failed_is_taken_up_again_once(journal: BlockingLocalKeeper) -> None:
    """A run that failed is forked at its first step that went wrong, and is no dead letter any more."""
    first = Driver(journal, "r1")
    first.step("a")
    seq = first.step("b")
    journal.do(Note("r1", first.epoch, Checked(BEGAN, seq, "limit", passed=False, action="fail")))
    first.end("failed", "check_failed")
    good = Driver(journal, "r2")
    good.end()
    (row,) = dead(journal, Find())
    done = redriven(journal, row, NOW)
    assert (done.ok, done.fork) == (True, "r1.again1")
    assert row_of(journal, "r1.again1").fork_seq == seq
    assert dead(journal, Find()) == ()
    again = Driver.of(journal, "r1.again1")
    assert [again.begin(name).found for name in ("a", "b")] == ["recorded", "go"]
    assert again_id("r1.again1") == "r1.again2"


def test_an_unknown_outcome_is_said(journal: BlockingLocalKeeper, clock: JumpingClock) -> None:
    """A run whose effect may have happened is parked, and goes on with what a person says became of it."""
    first = Driver(journal, "r1")
    seq = first.begin("pay", effect="write").seq
    clock.advance(60)
    second = Driver.of(journal, "r1")
    assert second.begin("pay", effect="write").found == "unknown"
    (row,) = dead(journal, Find())
    assert (row.run, row.state) == ("r1", "parked")
    assert not redriven(journal, row, NOW).ok
    told: RunRow = reconciled(journal, "r1", seq, "happened", "ana", "bank says so", b'"paid"', NOW)
    assert told.state == "running"
    second.after = 0
    begun = second.begin("pay", effect="write")
    assert begun.found == "recorded"
    assert begun.result is not None
    assert begun.result.output == body_of(b'"paid"')
