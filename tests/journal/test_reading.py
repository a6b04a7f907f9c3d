"""Runs read beside the journal's writer."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from tests.journal.logs import BEGAN
from trimtab.journal.asks import Begin, Claim, Find, Finish, Open
from trimtab.journal.client import BlockingLocalKeeper
from trimtab.journal.entries import Body, Result, Started, body_of
from trimtab.journal.reading import body_read, log_read, row_of, rows_of
from trimtab.journal.refusals import AskInvalid, RunUnknown
from trimtab.journal.run_counts import Verified, Verify
from trimtab.journal.runs.bodies import MemoryBodies
from trimtab.journal.runs.database import open_runs, open_runs_to_read
from trimtab.journal.runs.reader import RunReader
from trimtab.journal.runs.store import RunStore
from trimtab.testing import JumpingClock


class Held:
    """Bodies in memory, as a reader sees them."""

    def __init__(self, bodies: MemoryBodies) -> None:
        self.read = bodies.load


def test_a_reader_sees_what_is_committed(tmp_path: Path) -> None:
    """Steps, lists and bodies are read while the writer has the database open, more than a page of them too."""
    bodies, long = MemoryBodies(), b"x" * 5000
    with closing(RunStore(open_runs(tmp_path / "journal.db"), bodies, JumpingClock())) as store:
        keeper = BlockingLocalKeeper(store)
        keeper.do(Open("r1", Started(BEGAN, "refund", through="gateway")))
        keeper.do(Open("r2", Started(BEGAN + 1, "other", through="gateway")))
        for number in range(600):
            seq = keeper.do(Begin("r1", 0, "model", "chat", f"{number:064d}")).seq  # type: ignore[union-attr]
            keeper.do(Finish("r1", 0, Result(BEGAN, seq, "ok", body_of(long)), long))
        with closing(RunReader(open_runs_to_read(tmp_path / "journal.db"), Held(bodies))) as reader:
            log = log_read(reader, "r1")
            assert [step.seq for step in log.steps] == [2 + 2 * number for number in range(600)]
            assert {step.state for step in log.steps} == {"ok"}
            assert body_read(reader, "r1", body_of(long)) == long
            assert body_read(reader, "r1", Body("0" * 64, 5000)) is None
            assert body_read(reader, "r1", body_of(b"short")) == b"short"
            assert [row.run for row in rows_of(reader, Find())] == ["r2", "r1"]
            assert (row_of(reader, "r1").steps, row_of(reader, "r1").head) == (600, 1201)
            keeper.do(Begin("r2", 0, "model", "chat", "0" * 64))
            assert [step.state for step in log_read(reader, "r2").steps] == ["open"]
            with pytest.raises(RunUnknown):
                row_of(reader, "r3")
            with pytest.raises(AskInvalid, match="ask keeper"):
                reader.do(Claim("me", "r1"))


def test_a_log_that_grows_while_it_is_verified_is_whole(tmp_path: Path) -> None:
    """Verifying looks at a run as it stood at one time, though its driver goes on meanwhile."""
    bodies, long = MemoryBodies(), b"x" * 5000
    with closing(RunStore(open_runs(tmp_path / "journal.db"), bodies, JumpingClock())) as store:
        keeper = BlockingLocalKeeper(store)
        keeper.do(Open("r1", Started(BEGAN, "refund", through="gateway")))
        seq = keeper.do(Begin("r1", 0, "model", "chat", "aa")).seq  # type: ignore[union-attr]
        keeper.do(Finish("r1", 0, Result(BEGAN, seq, "ok", body_of(long)), long))

        class GoesOn:
            """Bodies that are read while the run takes another step."""

            def read(self, digest: str) -> bytes | None:
                keeper.do(Begin("r1", 0, "model", "chat", "bb"))
                return bodies.load(digest)

        with closing(RunReader(open_runs_to_read(tmp_path / "journal.db"), GoesOn())) as reader:
            assert reader.do(Verify("r1")) == Verified("r1", 3, 0, ())
            assert row_of(reader, "r1").head == 4
