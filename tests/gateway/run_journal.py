"""A journal of runs in this process that reads the bodies a gateway keeps in its own packs."""

from __future__ import annotations

from pathlib import Path

from trimtab.clock import Clock, SystemClock
from trimtab.journal.asks import Ask, Entries, Read, Told
from trimtab.journal.client import LocalKeeper
from trimtab.journal.runs.bodies import PackedBodies
from trimtab.journal.runs.database import open_runs
from trimtab.journal.runs.store import RunStore
from trimtab.journal.steps import Log, log_of
from trimtab.record.disk import Disk
from trimtab.record.index import BodyIndex
from trimtab.record.log import RollingLog
from trimtab.record.packs import PACK


class FreshIndex:
    """The body store of a directory, as it is at each reading."""

    def __init__(self, directory: Path) -> None:
        self._index = BodyIndex(directory)

    def read(self, digest: str) -> bytes | None:
        self._index.update()
        return self._index.read(digest)


class RunJournal:
    """Asked like keeper; `broken` is raised instead of an answer, `asked` are all asks in order."""

    def __init__(self, directory: Path, clock: Clock | None = None) -> None:
        clock = clock or SystemClock()
        packs = RollingLog(directory / "bodies" / "k0", PACK, clock, Disk(), max_bytes=1 << 26, max_age_s=600.0)
        bodies = PackedBodies(packs, FreshIndex(directory / "bodies"))
        self.store = RunStore(open_runs(directory / "journal.db"), bodies, clock)
        self.keeper = LocalKeeper(self.store)
        self.asked: list[Ask] = []
        self.broken: Exception | None = None

    async def do(self, ask: Ask) -> Told:
        self.asked.append(ask)
        if self.broken is not None:
            raise self.broken
        return await self.keeper.do(ask)

    def log(self, run: str) -> Log:
        """What the journal has of a run."""
        told = self.keeper.blocking.do(Read(run))
        assert isinstance(told, Entries)
        return log_of(run, told.entries)
