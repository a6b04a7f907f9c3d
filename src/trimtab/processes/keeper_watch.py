"""How keeper and its runs are doing, as control finds when it asks: for `trimtab status`, metrics and signals."""

from __future__ import annotations

import asyncio
from typing import Final, Protocol

from msgspec import Struct

from trimtab.clock import Clock
from trimtab.errors import JournalUnavailable
from trimtab.journal.asks import Ask, Told
from trimtab.journal.background import BackgroundCounts
from trimtab.journal.frames import Healthy
from trimtab.journal.run_counts import CountRuns, RunsCounted

LOOK_S: Final = 2.0
COUNT_S: Final = 30.0
COUNTED_S: Final = 86_400
"""Runs that began within so long are those whose sums are told."""


class KeeperView(Struct, frozen=True):
    """Whether keeper answered at `at_ns`, why not, and what it said of itself and counted of runs then or before;
    `background` counts background calls.
    """

    up: bool
    at_ns: int
    detail: str = ""
    health: Healthy | None = None
    runs: RunsCounted | None = None
    background: BackgroundCounts | None = None


def no_keeper() -> KeeperView | None:
    """Where no keeper is."""
    return None


class AsksHealth(Protocol):
    """Keeper's client."""

    async def health(self) -> Healthy:
        """How keeper is doing; raises `JournalUnavailable`."""
        ...

    async def do(self, ask: Ask) -> Told:
        """What was told; raises `JournalRefusal` and `JournalUnavailable`."""
        ...


class KeeperWatch:
    """Asks keeper every two seconds; `view` is None until it was asked once."""

    def __init__(self, keeper: AsksHealth, clock: Clock) -> None:
        self.view: KeeperView | None = None
        self._keeper = keeper
        self._clock = clock
        self._runs: RunsCounted | None = None
        self._counted_s = -COUNT_S

    async def run(self) -> None:
        """Works until it is cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(LOOK_S)

    async def look(self) -> None:
        """Asks once."""
        before = self.view.health if self.view is not None else None
        try:
            health = await self._keeper.health()
            await self._count()
        except JournalUnavailable as gone:
            self.view = KeeperView(False, self._clock.wall_ns(), str(gone), before, self._runs)
        else:
            self.view = KeeperView(True, self._clock.wall_ns(), health.trouble, health, self._runs)

    async def _count(self) -> None:
        """Has runs counted, now and then."""
        if self._clock.monotonic() - self._counted_s < COUNT_S:
            return
        told = await self._keeper.do(CountRuns(max(1, self._clock.wall_ns() - COUNTED_S * 10**9)))
        if isinstance(told, RunsCounted):
            self._runs, self._counted_s = told, self._clock.monotonic()

    def __repr__(self) -> str:
        return f"KeeperWatch({self.view!r})"
