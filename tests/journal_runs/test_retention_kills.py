"""A journal and its bodies stay of one mind, wherever the process that thins them out is killed."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

from tests.journal_runs.retiring import FOR_EVER, store_of
from trimtab.journal.asks import Find
from trimtab.journal.client import BlockingAsking, BlockingLocalKeeper
from trimtab.journal.reading import rows_of
from trimtab.journal.run_counts import Verified, Verify
from trimtab.journal.runs.bodies import PackedBodies
from trimtab.journal.runs.database import open_runs
from trimtab.journal.runs.named import named_of
from trimtab.journal.runs.store import RunStore
from trimtab.record.index import BodyIndex
from trimtab.record.orphans import epochs, settle_orphans
from trimtab.record.retention import retain
from trimtab.testing import JumpingClock

LIVES = 8


def test_no_run_names_a_body_that_is_gone_after_any_kill(tmp_path: Path) -> None:
    """Eight lives end by SIGKILL amid what they do; every run that is left is whole with all its bodies, and what no
    run names is gone when the next one has looked.
    """
    draw = random.Random(7)
    for life in range(LIVES):
        command = [sys.executable, "-m", "tests.journal_runs.retiring", str(tmp_path), f"{life}"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]) as process:
            assert process.stdout is not None
            for _ in range(draw.randrange(12, 60)):
                process.stdout.readline()
            process.kill()
        for epoch in epochs(tmp_path):
            settle_orphans(tmp_path, epoch, JumpingClock())
        journal = BlockingLocalKeeper(reopened(tmp_path))
        rows = rows_of(journal, Find(limit=1000))
        assert len(rows) >= 3
        assert {found(journal, row.run) for row in rows} == {(0, ())}
    database = open_runs(tmp_path / "journal.db")
    retain(tmp_path / "bodies", FOR_EVER, lambda held, before_ns: named_of(database, held, before_ns))
    kept: set[bytes] = set()
    retain(tmp_path / "bodies", FOR_EVER, lambda held, before_ns: kept.update(held) or set(held))
    assert kept == named_of(database, kept | {b"x"}, FOR_EVER)


def found(journal: BlockingAsking, run: str) -> tuple[int, tuple[str, ...]]:
    """How many bodies of a run are gone, and what is wrong with its log."""
    told = journal.do(Verify(run))
    assert isinstance(told, Verified)
    return told.gone, told.faults


def reopened(root: Path) -> RunStore:
    """The journal as the next life finds it."""
    index = BodyIndex(root / "bodies")
    index.update()
    made = store_of(root, "k0-reader")
    return RunStore(open_runs(root / "journal.db"), PackedBodies(made._bodies._log, index), JumpingClock())
