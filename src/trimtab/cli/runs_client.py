"""Who has the journal of runs: keeper while it runs, this process while nothing else does."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from trimtab.assemble.journal import open_journal
from trimtab.assemble.keeper import FoundBodies
from trimtab.assemble.runs import run_reader
from trimtab.cli.holding import held
from trimtab.clock import SystemClock
from trimtab.declare.project import Secret
from trimtab.journal.client import BlockingAsking, BlockingKeeper, BlockingLocalKeeper
from trimtab.journal.runs.bodies import PackedBodies
from trimtab.journal.runs.divided import Divided
from trimtab.journal.runs.store import RunStore
from trimtab.processes.directory import DataDirectory
from trimtab.record.bodies import PACK_AGE_S, PACK_BYTES
from trimtab.record.disk import Disk
from trimtab.record.log import RollingLog
from trimtab.record.packs import PACK

EPOCH: Final = "k0-000000000000"
"""Bodies that a verb keeps lie under it."""


@dataclass(frozen=True)
class RunsHere:
    """The journal of a project: `reads` answers what only reads, `writes` everything."""

    reads: BlockingAsking
    writes: BlockingAsking


@contextmanager
def runs_here(root: Path) -> Iterator[RunsHere]:
    """The journal of runs of the project in `root`.

    Raises `DeclarationError` for a project that cannot be read, `StoreError` when the journal cannot be opened.
    """
    with held(root) as (places, project):
        if project is None:
            with closing(BlockingKeeper(places.keeper_socket)) as keeper:
                if not places.journal.exists():  # it lies in another database, or keeper has not made it yet
                    yield RunsHere(keeper, keeper)
                    return
                with closing(run_reader(places, None)) as reader:
                    yield RunsHere(reader, Divided(reader, keeper))
            return
        with closing(_store(places, project.data.journal)) as store:
            local = BlockingLocalKeeper(store)
            yield RunsHere(local, local)


def _store(places: DataDirectory, url: Secret | None) -> RunStore:
    clock = SystemClock()
    kept = RollingLog(places.bodies / EPOCH, PACK, clock, Disk(), max_bytes=PACK_BYTES, max_age_s=PACK_AGE_S)
    return RunStore(open_journal(places, url), PackedBodies(kept, FoundBodies(places.bodies)), clock)
