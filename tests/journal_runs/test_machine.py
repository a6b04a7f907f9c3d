"""The journal of runs against a model of it: whatever is asked in whatever order, both say the same."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.journal_runs.model import Model, Review, S
from tests.journal_runs.world import World, beginning, finishing
from trimtab.journal.asks import (
    Ask,
    AskReview,
    Begun,
    Claim,
    Decide,
    Direct,
    Directed,
    Lease,
    Note,
    Nothing,
    Open,
    Reconcile,
    Refused,
    Release,
    Renew,
    Reviews,
    Tell,
    Told,
    Written,
)
from trimtab.journal.entries import Arrived, Asked, Decided, Ended, Reconciled, Started, State, body_of
from trimtab.journal.runs.database import open_runs

RUNS = st.sampled_from(["a", "a", "b"])
BINDS = st.sampled_from(["B1", "B2"])
BACK = st.sampled_from([0, 0, 0, 0, 1])
"""How far behind the newest lease the asker's is; most hold it."""
EFFECTS = st.sampled_from(["read", "idempotent", "write"])


def plain(told: Told) -> Any:
    """What was told, as the model says it."""
    match told:
        case Refused():
            return told.error
        case Lease():
            return (told.epoch, told.head)
        case Begun():
            return (told.found, told.seq, told.key, told.again)
        case Written():
            return (told.seq, told.changed)
        case Directed():
            return sorted(told.runs)
    raise AssertionError(told)


class Machine(RuleBasedStateMachine):
    """Drivers, gateways, persons and time, each asking what they like."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.world = World(lambda: open_runs(self.folder / "journal.db"))
        self.model = Model(self.world.now)
        self.owners = 0

    def teardown(self) -> None:
        """Leaves nothing behind."""
        self.world.store.close()
        shutil.rmtree(self.folder)

    def same(self, ask: Ask, expected: Any) -> Told:
        """Asks, and compares."""
        told = self.world.ask(ask)
        if isinstance(expected, list):
            expected = sorted(expected)
        assert plain(told) == expected, (ask, told)
        return told

    @property
    def now(self) -> int:
        """The time."""
        return self.world.now

    def epoch(self, run: str, back: int) -> int:
        """The epoch somebody writes under."""
        return self.model.runs[run].epoch - back

    @initialize()
    def first(self) -> None:
        """There is a run with two steps, the second of which waits for a review."""
        self.open("a", "t", again=False)
        self.take("a", "x", 0, effect="read")
        self.take("a", "y", 3, effect="write")
        self.look("a", 1, 3, "B1", None)

    def take(self, run: str, label: str, after: int, *, effect: str, key: str = "", binds: str = "") -> None:
        """The driver takes a step on branch `m`."""
        epoch = self.epoch(run, 0)
        ask = beginning(label, "aa", run=run, epoch=epoch, branch="m", after=after, effect=effect, key=key, binds=binds)
        self.same(ask, self.model.begin(run, epoch, label, "m", after, effect, key, binds))

    @rule(run=RUNS, effect=EFFECTS, key=st.sampled_from(["", "k"]))
    def die(self, run: str, effect: str, key: str) -> None:
        """A driver dies in the middle of a step; another one takes the run over and comes to that step."""
        if run not in self.model.runs:
            return
        after = max([0, *(seq for seq, step in self.model.runs[run].steps.items() if step.branch == "m")])
        self.take(run, "x", after, effect=effect, key=key)
        self.pass_time(11)
        self.claim(run)
        self.take(run, "x", after, effect=effect, key=key)

    @precondition(lambda self: any(one.verdict is None for one in self.model.reviews.values()))
    @rule(data=st.data(), verdict=st.sampled_from(["approved", "approved", "rejected"]), twice=st.booleans())
    def approve(self, data: st.DataObject, verdict: Any, twice: bool) -> None:
        """A person says something of what waits, and the driver takes that step, perhaps once too often."""
        waiting = [one.id for one in self.model.reviews.values() if one.verdict is None]  # ids are drawn by chance
        review = self.model.reviews[data.draw(st.sampled_from(waiting))]
        ask = Decide(Decided(self.now, review.id, verdict, "p"), review.binds)
        self.same(ask, self.model.decide(review.id, verdict, "p", review.binds, ""))
        for _ in range(1 + twice):
            after = max(seq for seq in self.model.runs[review.run].steps)
            self.take(review.run, "x", after, effect="write", binds=review.binds)

    @rule(run=RUNS, task=st.sampled_from(["t", "t", "t", "u"]), again=st.booleans())
    def open(self, run: str, task: str, again: bool) -> None:
        """A driver opens a run; perhaps its ask comes twice."""
        self.owners += 1
        ask = Open(run, Started(self.now, task), f"d{self.owners}", 10.0)
        for _ in range(1 + again):
            self.same(ask, self.model.open(run, task, f"d{self.owners}", 10 * S))

    @rule(run=RUNS)
    def claim(self, run: str) -> None:
        """A driver takes a run over by its id."""
        self.owners += 1
        self.same(Claim(f"d{self.owners}", run, ttl_s=10.0), self.model.claim(run, f"d{self.owners}", 10 * S))

    @rule()
    def claim_any(self) -> None:
        """A worker looks for something to do."""
        self.owners += 1
        ready = {run.id for run in self.model.runs.values() if self.model.claimable(run)}
        told = self.world.ask(Claim(f"d{self.owners}", tasks=("t", "u"), ttl_s=10.0))
        if isinstance(told, Nothing):
            assert not ready
        else:
            assert isinstance(told, Lease) and told.run in ready
            assert plain(told) == self.model.claimed(told.run, f"d{self.owners}", 10 * S)

    @precondition(lambda self: self.model.runs)
    @rule(data=st.data(), back=BACK)
    def renew(self, data: st.DataObject, back: int) -> None:
        """A driver keeps its lease."""
        run = data.draw(st.sampled_from(sorted(self.model.runs)))
        self.same(Renew(run, self.epoch(run, back), 10.0), self.model.renew(run, self.epoch(run, back), 10 * S))

    @precondition(lambda self: self.model.runs)
    @rule(data=st.data(), back=BACK, wake_s=st.sampled_from([None, 0, 5, 15]))
    def release(self, data: st.DataObject, back: int, wake_s: int | None) -> None:
        """A driver gives its run back."""
        run = data.draw(st.sampled_from(sorted(self.model.runs)))
        wake = None if wake_s is None else self.now + wake_s * S
        epoch = self.epoch(run, back)
        self.same(Release(run, epoch, wake), self.model.release(run, epoch, wake))

    @precondition(lambda self: self.model.runs)
    @rule(
        data=st.data(), back=BACK, label=st.sampled_from("xy"), branch=st.sampled_from(["m", "n"]), effect=EFFECTS,
        key=st.sampled_from(["", "k"]), binds=st.sampled_from(["", "", "B1", "B2"]), again=st.booleans(),
    )  # fmt: skip
    def begin(
        self, data: st.DataObject, back: int, label: str, branch: str, effect: str, key: str, binds: str, again: bool
    ) -> None:
        """A driver takes a step after one that it knows of, or begins its branch anew; perhaps the ask comes twice."""
        run = data.draw(st.sampled_from(sorted(self.model.runs)))
        known = [0] + [step.seq for step in self.model.runs[run].steps.values() if step.branch == branch]
        after = data.draw(st.sampled_from(known[-2:]))
        epoch = self.epoch(run, back)
        ask = beginning(
            label, "aa", run=run, epoch=epoch, branch=branch, after=after, effect=effect, key=key, binds=binds
        )
        for _ in range(1 + again):
            self.same(ask, self.model.begin(run, epoch, label, branch, after, effect, key, binds))

    @precondition(lambda self: any(run.steps for run in self.model.runs.values()))
    @rule(
        data=st.data(), back=BACK, outcome=st.sampled_from(["ok", "ok", "error"]), output=st.sampled_from([b"1", b"2"])
    )
    def finish(self, data: st.DataObject, back: int, outcome: str, output: bytes) -> None:
        """A step has a result."""
        run = data.draw(st.sampled_from(sorted(run.id for run in self.model.runs.values() if run.steps)))
        of = data.draw(st.sampled_from(sorted(self.model.runs[run].steps)[-3:]))
        epoch = self.epoch(run, back)
        ask = finishing(of, output, run, epoch, self.now, outcome=outcome)
        self.same(ask, self.model.finish(run, epoch, of, outcome, output))

    @precondition(lambda self: self.model.runs)
    @rule(data=st.data(), back=BACK)
    def set(self, data: st.DataObject, back: int) -> None:
        """A value of a run changes."""
        run = data.draw(st.sampled_from(sorted(self.model.runs)))
        self.owners += 1
        epoch = self.epoch(run, back)
        ask = Note(run, epoch, State(self.now, f"v{self.owners}", body_of(b"1")))
        self.same(ask, self.model.set(run, epoch))

    @precondition(lambda self: self.model.runs)
    @rule(data=st.data(), back=BACK, state=st.sampled_from(["completed", "failed"]), sure=st.sampled_from([0, 0, 0, 1]))
    def end(self, data: st.DataObject, back: int, state: Any, sure: int) -> None:
        """A run ends; not too often, so that there is something to look at."""
        if not sure:
            return
        run = data.draw(st.sampled_from(sorted(self.model.runs)))
        epoch = self.epoch(run, back)
        self.same(Note(run, epoch, Ended(self.now, state)), self.model.end(run, epoch, state))

    @precondition(lambda self: self.model.runs)
    @rule(data=st.data(), event=st.sampled_from("efg"))
    def tell(self, data: st.DataObject, event: str) -> None:
        """An event comes, perhaps again."""
        run = data.draw(st.sampled_from(sorted(self.model.runs)))
        self.same(Tell(run, Arrived(self.now, "paid", event)), self.model.tell(run, event))

    @precondition(lambda self: any(run.steps for run in self.model.runs.values()))
    @rule(data=st.data(), back=BACK, binds=BINDS, in_s=st.sampled_from([None, 8, 20]))
    def review(self, data: st.DataObject, back: int, binds: str, in_s: int | None) -> None:
        """A person is asked."""
        run = data.draw(st.sampled_from(sorted(run.id for run in self.model.runs.values() if run.steps)))
        of = data.draw(st.sampled_from(sorted(self.model.runs[run].steps)[-2:]))
        epoch, expires = self.epoch(run, back), None if in_s is None else self.now + in_s * S
        self.look(run, epoch, of, binds, expires)

    def look(self, run: str, epoch: int, of: int, binds: str, expires: int | None) -> None:
        """A driver asks for a review."""
        expected = self.model.review(run, epoch, of, binds, expires)
        told = self.world.ask(AskReview(run, epoch, Asked(self.now, "", of, binds), body_of(b"{}"), expires_ns=expires))
        if isinstance(told, Refused):
            assert told.error == expected
            return
        assert isinstance(told, Reviews)
        if expected == "ask":
            assert told.reviews[0].review not in self.model.reviews
            self.model.asked(run, Review(told.reviews[0].review, run, of, binds, expires))
        else:
            assert told.reviews[0].review == expected
            assert told.reviews[0].verdict == self.model.reviews[expected].verdict

    @precondition(lambda self: self.model.reviews)
    @rule(
        data=st.data(),
        verdict=st.sampled_from(["approved", "edited", "rejected"]),
        binds=BINDS,
        by=st.sampled_from("pq"),
    )
    def decide(self, data: st.DataObject, verdict: Any, binds: str, by: str) -> None:
        """A person says something, about what they were shown or about something else."""
        review = data.draw(st.sampled_from(list(self.model.reviews)))
        edited, now = (body_of(b"{}"), "B2") if verdict == "edited" else (None, "")
        ask = Decide(Decided(self.now, review, verdict, by, edited=edited, binds=now), binds)
        self.same(ask, self.model.decide(review, verdict, by, binds, now))

    @precondition(lambda self: any(run.steps for run in self.model.runs.values()))
    @rule(data=st.data(), found=st.sampled_from(["happened", "did_not_happen", "repeat"]))
    def reconcile(self, data: st.DataObject, found: Any) -> None:
        """A person says what became of an effect."""
        run = data.draw(st.sampled_from(sorted(run.id for run in self.model.runs.values() if run.steps)))
        of = data.draw(st.sampled_from(sorted(self.model.runs[run].steps)[-3:]))
        ask = Reconcile(run, Reconciled(self.now, of, found, "ann", output=body_of(b"9")))
        self.same(ask, self.model.reconcile(run, of, found, b"9"))

    @precondition(lambda self: self.model.runs)
    @rule(data=st.data(), order=st.sampled_from(["pause", "resume", "resume", "stop", "cancel"]), sure=BACK)
    def direct(self, data: st.DataObject, order: Any, sure: int) -> None:
        """A person gives an order; not too often one that ends a run."""
        if order in ("stop", "cancel") and not sure:
            return
        run = data.draw(st.sampled_from(["", *sorted(self.model.runs)]))
        self.same(Direct(order, "ann", run), self.model.direct(order, run))

    @rule()
    def sweep(self) -> None:
        """What time brings."""
        swept = self.world.sweep()
        expected = self.model.sweep()
        assert (set(swept.expired), set(swept.woken), set(swept.decided)) == expected

    @rule(seconds=st.sampled_from([1, 4, 11]))
    def pass_time(self, seconds: int) -> None:
        """Time passes."""
        self.world.clock.advance(seconds)
        self.model.now = self.world.now

    @rule()
    def restart(self) -> None:
        """The writer restarts."""
        self.world.again()

    @invariant()
    def states_are_the_same(self) -> None:
        """Runs stand as the model says."""
        for run in self.model.runs.values():
            row = self.world.row(run.id)
            assert (row.state, row.head, row.owner, row.until_ns, row.wake_ns, row.waits_for, row.steps) == (
                run.state, len(run.log), run.owner, run.until, run.wake, run.waits_for, len(run.steps),
            )  # fmt: skip

    @invariant()
    def logs_are_the_same(self) -> None:
        """Logs hold what the model says, and are whole."""
        for run in self.model.runs.values():
            assert self.world.kinds(run.id) == run.log
            self.world.whole(run.id)


TestMachine = pytest.mark.filterwarnings("ignore")(Machine.TestCase)
TestMachine.settings = settings(max_examples=50, stateful_step_count=40, deadline=None)
