"""A journal of runs in this process that reads the bodies a gateway keeps in its own packs."""

from __future__ import annotations

from pathlib import Path

from trimtab.clock import SystemClock
from trimtab.errors import JournalUnavailable
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


class AheadClock(SystemClock):
    """A clock that may be ahead of the others."""

    ahead_s = 0.0

    def wall_ns(self) -> int:
        return super().wall_ns() + round(self.ahead_s * 1e9)


class RunJournal:
    """Asked like keeper; `asked` are all asks in order. `broken` is raised instead of an answer, and asks of the kind
    `broken_at` are not answered either.
    """

    def __init__(self, directory: Path) -> None:
        clock = self.clock = AheadClock()
        packs = RollingLog(directory / "bodies" / "k0", PACK, clock, Disk(), max_bytes=1 << 26, max_age_s=600.0)
        bodies = PackedBodies(packs, FreshIndex(directory / "bodies"))
        self.store = RunStore(open_runs(directory / "journal.db"), bodies, clock)
        self.keeper = LocalKeeper(self.store)
        self.asked: list[Ask] = []
        self.broken: Exception | None = None
        self.broken_at: type[Ask] | None = None

    async def do(self, ask: Ask) -> Told:
        self.asked.append(ask)
        if self.broken is not None:
            raise self.broken
        if self.broken_at is not None and isinstance(ask, self.broken_at):
            raise JournalUnavailable(detail="keeper has gone")
        return await self.keeper.do(ask)

    def expire(self) -> None:
        """All leases have run out."""
        self.clock.ahead_s += 3600.0

    def log(self, run: str) -> Log:
        """What the journal has of a run."""
        told = self.keeper.blocking.do(Read(run))
        assert isinstance(told, Entries)
        return log_of(run, told.entries)
