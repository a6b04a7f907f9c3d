"""Who has the journal of runs: keeper while it runs, this process while nothing else does."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from trimtab.cli.holding import held
from trimtab.clock import SystemClock
from trimtab.journal.asks import Ask, Load, Told
from trimtab.journal.client import BlockingAsking, BlockingKeeper, BlockingLocalKeeper
from trimtab.journal.runs.bodies import PackedBodies
from trimtab.journal.runs.database import open_runs, open_runs_to_read
from trimtab.journal.runs.reader import RunReader
from trimtab.journal.runs.store import RunStore
from trimtab.processes.directory import DataDirectory
from trimtab.record.bodies import PACK_AGE_S, PACK_BYTES
from trimtab.record.disk import Disk
from trimtab.record.index import BodyIndex
from trimtab.record.log import RollingLog
from trimtab.record.packs import PACK

EPOCH: Final = "k0-000000000000"
"""Bodies that a verb keeps lie under it."""


@dataclass(frozen=True)
class RunsHere:
    """The journal of a project: `reads` answers what only reads, `writes` everything."""

    reads: BlockingAsking
    writes: BlockingAsking


class Beside:
    """Reads the journal beside keeper, which is asked for bodies alone."""

    def __init__(self, reader: RunReader, keeper: BlockingAsking) -> None:
        self._reader = reader
        self._keeper = keeper

    def do(self, ask: Ask) -> Told:
        """What is told; raises `JournalRefusal`, `StoreError`, and `JournalUnavailable` for bodies."""
        return (self._keeper if isinstance(ask, Load) else self._reader).do(ask)


class NoBodies:
    """Bodies are asked of keeper."""

    def read(self, digest: str) -> bytes | None:
        """None is here."""


@contextmanager
def runs_here(root: Path) -> Iterator[RunsHere]:
    """The journal of runs of the project in `root`.

    Raises `DeclarationError` for a project that cannot be read, `StoreError` when the journal cannot be opened.
    """
    with held(root) as (places, project):
        if project is None:
            with closing(BlockingKeeper(places.keeper_socket)) as keeper:
                reader = RunReader(open_runs_to_read(places.journal), NoBodies())
                with closing(reader):
                    yield RunsHere(Beside(reader, keeper), keeper)
            return
        index = BodyIndex(places.bodies)
        index.update()
        with closing(_store(places, index)) as store:
            local = BlockingLocalKeeper(store)
            yield RunsHere(local, local)


def _store(places: DataDirectory, index: BodyIndex) -> RunStore:
    clock = SystemClock()
    kept = RollingLog(places.bodies / EPOCH, PACK, clock, Disk(), max_bytes=PACK_BYTES, max_age_s=PACK_AGE_S)
    return RunStore(open_runs(places.journal), PackedBodies(kept, index), clock)
