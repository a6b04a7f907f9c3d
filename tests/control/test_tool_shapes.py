"""Shapes of tools' answers as control learns them from records, and what it says when one becomes another."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from tests.store.samples import NOON_NS, SECOND_NS, call
from trimtab.clock import SystemClock
from trimtab.contracts.shapes import shape_of_value
from trimtab.database.migrate import open_state
from trimtab.errors import LockInvalid, StoreError
from trimtab.journal.tool_shapes import ToolShapeStore, read_tool_shapes
from trimtab.lock import lockfile
from trimtab.lock.lockfile import Lock
from trimtab.lock.shape_counts import MIN_ANSWERS
from trimtab.lock.shape_learning import learned_shape
from trimtab.processes.changes import Changes
from trimtab.processes.locked import LockInForce
from trimtab.processes.tool_shapes import AT_ONCE, MAX_TOOLS, ToolShapes, decode
from trimtab.record import tail
from trimtab.record.disk import Disk
from trimtab.record.events import Change, Settled, ToolResult
from trimtab.record.frames import SEGMENT
from trimtab.record.log import RollingLog
from trimtab.record.purposes import EVALUATION, SHADOW, apart
from trimtab.record.spool import Spool
from trimtab.store.telemetry import Batch


class Learning:
    """What learns, on a data directory of its own."""

    def __init__(self, root: Path, lock: Lock | None = None) -> None:
        self.root = root
        self.lock = lock
        log = RollingLog(root / "spool" / "c0-1", SEGMENT, SystemClock(), Disk(), max_bytes=1 << 20, max_age_s=60.0)
        self._changes = Changes(Spool(log), SystemClock())
        self._batches = 0
        self._calls = 0
        self.shapes = self.open()

    def open(self) -> ToolShapes:
        self.shapes = ToolShapes(ToolShapeStore(open_state(self.root / "state.db")), lambda: self.lock, self._changes)
        return self.shapes

    def answer(self, *values: Any, tool: str = "find", run: str = "", error: bool = False) -> str:
        """One batch with a call for each value; gives its token."""
        self._batches += 1
        self.shapes.keep(self.batch(*values, tool=tool, run=run, error=error), str(self._batches))
        return str(self._batches)

    def batch(self, *values: Any, tool: str = "find", run: str = "", error: bool = False) -> Batch:
        calls: list[Settled] = []
        for value in values:
            self._calls += 1
            result = ToolResult(tool, shape_of_value(value), 10, error)
            at_ns = NOON_NS + self._calls * SECOND_NS
            settled = call(f"c{self._calls}", at_ns, tool_results=(result,))
            calls.append(replace(settled, admitted=replace(settled.admitted, run=run or f"r{self._calls}")))
        return Batch(tuple(calls))

    def changes(self) -> list[Change]:
        found = [event for segment in tail.segments(self.root / "spool") for _, event in tail.read(segment.path, 0)]
        return [event for event in found if isinstance(event, Change)]

    def paths(self, tool: str = "find") -> dict[str, str]:
        kept = decode(read_tool_shapes(self.root / "state.db")[tool])
        assert kept is not None
        return {path: str(known) for path, known in learned_shape(kept).paths.items()}


@pytest.fixture
def learning(tmp_path: Path) -> Learning:
    return Learning(tmp_path)


GOOD = {"id": 1, "note": "x"}
BAD = {"id": "1", "note": "x"}


def locked(shape: dict[str, Any] | None) -> Lock:
    return lockfile.lock([lockfile.entry("tools", "find", {"learned": {"shape": shape}})])


def test_another_type_is_told_once_while_it_lasts_and_again_when_it_is_over(learning: Learning) -> None:
    """A change says the tool, both sides, the class and the evidence; it does not come again with every answer."""
    learning.answer(*[GOOD] * 40)
    assert learning.changes() == []
    learning.answer(*[BAD] * 50)
    [change] = learning.changes()
    assert (change.kind, change.subject, change.by) == ("tool_shape", "find", "control")
    assert (change.before, change.after) == ("$.id: number", "$.id: string")
    assert change.detail.startswith("major: $.id is string now, it was number; string in ")
    [drift] = learning.shapes.drifting
    assert (drift.tool, drift.kind, drift.class_, drift.path) == ("find", "tool_shape", "major", "$.id")
    learning.answer(*[GOOD] * 10)
    [_, over] = learning.changes()
    assert (over.before, over.after) == ("$.id: string", "$.id: number")
    assert over.detail == "over: $.id is again what it was (number)"
    assert learning.shapes.drifting == ()


def test_major_and_minor_are_told_apart(learning: Learning) -> None:
    """A renamed field is one that is lost, which is major, and one that is new, which is minor."""
    learning.answer(*[GOOD] * 60)
    learning.answer(*[{"id": 1, "remark": "x"}] * 20)
    told = {change.detail.partition(":")[0]: (change.before, change.after) for change in learning.changes()}
    assert told == {
        "major": ("$.note: string", "$.note: absent"),
        "minor": ("$.remark: absent", "$.remark: string"),
    }


def test_what_was_learned_outlives_a_restart(learning: Learning) -> None:
    """Neither what is known nor what drifts is forgotten; a drift is not told a second time."""
    learning.answer(*[GOOD] * 40)
    learning.answer(*[BAD] * 20)
    told = learning.changes()
    learning.shapes.close()
    learning.open()
    assert [drift.path for drift in learning.shapes.drifting] == ["$.id"]
    learning.answer(*[BAD] * 20)
    assert learning.changes() == told


def test_a_batch_that_comes_again_counts_once(learning: Learning) -> None:
    """After a crash control sends its last batch again under the same token."""
    batch = learning.batch(*[GOOD] * 10)
    learning.shapes.keep(batch, "t1")
    learning.shapes.close()
    learning.open().keep(batch, "t1")
    kept = decode(read_tool_shapes(learning.root / "state.db")["find"])
    assert kept is not None
    assert kept.answers == 10


def test_a_store_that_fails_loses_and_doubles_nothing(learning: Learning, tmp_path: Path) -> None:
    """Ingest tries a batch again until it is kept; what was learned of it in between does not count."""
    learning.answer(*[GOOD] * 10)
    with closing(open_state(tmp_path / "state.db")) as other:
        other.execute("ALTER TABLE tool_shapes RENAME COLUMN learned TO gone")
        batch = learning.batch(*[GOOD] * 10)
        for _ in range(3):
            with pytest.raises(StoreError):
                learning.shapes.keep(batch, "t9")
        other.execute("ALTER TABLE tool_shapes RENAME COLUMN gone TO learned")
    learning.shapes.keep(batch, "t9")
    kept = decode(read_tool_shapes(learning.root / "state.db")["find"])
    assert kept is not None
    assert kept.answers == 20


def test_errors_are_counted_and_not_learned_from(learning: Learning) -> None:
    """An error has another shape than an answer, and says nothing of it."""
    learning.answer(*[GOOD] * 40)
    learning.answer(*[{"error": "down"}] * 40, error=True)
    kept = decode(read_tool_shapes(learning.root / "state.db")["find"])
    assert kept is not None
    assert (kept.answers, kept.errors) == (40, 40)
    assert learning.changes() == []


def test_one_run_is_one_witness(learning: Learning) -> None:
    """Many odd answers within a minute of one run are no evidence that the tool has changed."""
    learning.answer(*[GOOD] * 40)
    learning.answer(*[BAD] * 30, run="the same")
    assert learning.changes() == []


def test_of_many_answers_at_once_some_are_looked_at(learning: Learning) -> None:
    """A flood of tool calls does not hold up the records of calls."""
    learning.answer(*[GOOD] * 1000)
    kept = decode(read_tool_shapes(learning.root / "state.db")["find"])
    assert kept is not None
    assert kept.answers == AT_ONCE


def test_the_tools_that_answered_longest_ago_are_let_go(learning: Learning) -> None:
    """Names that clients make up cannot fill the store."""
    for number in range(MAX_TOOLS + 5):
        learning.answer(GOOD, tool=f"tool{number}")
    kept = read_tool_shapes(learning.root / "state.db")
    assert len(kept) == MAX_TOOLS
    assert {f"tool{number}" for number in range(5)}.isdisjoint(kept)


def test_a_locked_shape_is_what_answers_are_held_against(learning: Learning) -> None:
    """A host that has learned nothing yet knows from the lock what a tool answers."""
    learning.lock = locked({"answers": 100, "paths": {"$": "object", "$.id": "number", "$.note": "string"}})
    learning.answer(*[BAD] * 10)
    [change] = learning.changes()
    assert (change.before, change.after) == ("$.id: number", "$.id: string")


def test_locking_what_was_learned_ends_a_drift(learning: Learning) -> None:
    """The lock is written with the shape as it is now, and from then on that is the truth."""
    learning.answer(*[GOOD] * 40)
    learning.answer(*[BAD] * 20)
    assert learning.paths() == {"$": "object", "$.id": "string", "$.note": "string"}
    learning.lock = locked({"answers": 60, "paths": learning.paths()})
    learning.answer(*[BAD] * 10)
    assert learning.shapes.drifting == ()
    learning.answer(*[GOOD] * 20)
    assert learning.changes()[-1].after == "$.id: number"


def test_a_lock_that_cannot_be_used_pins_nothing(learning: Learning) -> None:
    """Learning goes on by itself."""
    learning.lock = locked({"answers": "many"})
    learning.answer(*[GOOD] * MIN_ANSWERS)
    assert learning.paths() == {"$": "object", "$.id": "number", "$.note": "string"}


def test_the_lock_in_force_goes_before_that_of_the_project(tmp_path: Path) -> None:
    """It is read again when it has changed, and told when it cannot be read."""
    run, root = tmp_path / "run", tmp_path / "project"
    run.mkdir()
    root.mkdir()
    held = LockInForce(run, root)
    assert held.read() is None
    (root / lockfile.FILE).write_bytes(lockfile.encode(locked(None)))
    assert held.read() == locked(None)
    (run / lockfile.FILE).write_bytes(lockfile.encode(locked({"answers": 1, "paths": {}})))
    assert held.read() == locked({"answers": 1, "paths": {}})
    (run / lockfile.FILE).write_text("{}")
    with pytest.raises(LockInvalid):
        held.read()


@pytest.mark.parametrize("purpose", [EVALUATION, SHADOW])
def test_calls_of_ours_teach_nothing(tmp_path: Path, purpose: str) -> None:
    """A case brings an answer that some tool gave once, a copy one that was learned from the call it is of."""
    learning = Learning(tmp_path)
    for token, batch in enumerate((learning.batch(*[{"id": 1}] * 5), learning.batch("broken", error=True))):
        ours = tuple(_made_for(purpose, call) for call in batch.calls)
        learning.shapes.keep(Batch(ours), str(token))
    assert ToolShapeStore(open_state(tmp_path / "state.db")).all() == {}


def _made_for(purpose: str, call: Settled) -> Settled:
    return replace(call, admitted=replace(call.admitted, task=apart(purpose, "triage")))
