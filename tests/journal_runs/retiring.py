"""A journal that makes runs with long bodies and removes them again, as a process of its own that can be killed.

`python -m tests.journal_runs.retiring DIRECTORY LIFE` says a line after each thing that it has done.
"""

from __future__ import annotations

import sys
from hashlib import sha256
from pathlib import Path

from tests.journal_runs.world import finishing
from trimtab.clock import SystemClock
from trimtab.journal.asks import Begin, Begun, Note, Open
from trimtab.journal.entries import Ended, Started
from trimtab.journal.keeping import Hold, Retire, Retired
from trimtab.journal.runs.bodies import PackedBodies
from trimtab.journal.runs.database import open_runs, open_runs_to_read
from trimtab.journal.runs.named import named_of
from trimtab.journal.runs.store import RunStore
from trimtab.record.disk import Disk
from trimtab.record.index import BodyIndex
from trimtab.record.log import RollingLog
from trimtab.record.packs import PACK
from trimtab.record.retention import retain

FOR_EVER = 1 << 62


def store_of(root: Path, epoch: str) -> RunStore:
    """A journal whose packs hold a few bodies each."""
    log = RollingLog(root / "bodies" / epoch, PACK, SystemClock(), Disk(), max_bytes=4096, max_age_s=3600.0)
    return RunStore(open_runs(root / "journal.db"), PackedBodies(log, BodyIndex(root / "bodies")), SystemClock())


def begin(store: RunStore, run: str, fork_of: str = "") -> None:
    """A run of two steps with bodies that no other run has; a fork has those of its origin."""
    started = Started(SystemClock().wall_ns(), "t", fork_of=fork_of, fork_seq=5 if fork_of else 0)
    store.do([Open(run, started, f"d-{run}")])
    for number in range(2):
        (begun,) = store.do([Begin(run, 1, "tool", "look", f"{run}{number}", branch="main", after=0)])
        if isinstance(begun, Begun) and begun.found == "go":
            output = b"".join(sha256(f"{run}{number}{place}".encode()).digest() for place in range(60))
            store.do([finishing(begun.seq, output, run, 1, SystemClock().wall_ns())])


def main(root: Path, life: str) -> None:
    """Makes runs and removes them until it is killed."""
    store = store_of(root, f"k0-{life:0>12}")
    for number in range(10_000):
        run = f"{life}-{number}"
        begin(store, run)
        if number % 5 == 1:
            begin(store, f"{run}-fork", fork_of=run)
        if number % 7 == 3:
            store.do([Hold(run, "pinned", "ann")])
        if number % 3:
            store.do([Note(run, 1, Ended(1, "completed"))])
        print("made", flush=True)
        told = store.do([Retire(3600.0)])
        print(sum(isinstance(one, Retired) and len(one.runs) for one in told), flush=True)
        reader = open_runs_to_read(root / "journal.db")
        retain(root / "bodies", FOR_EVER, lambda held, before_ns, reader=reader: named_of(reader, held, before_ns))
        reader.close()
        print("kept", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
