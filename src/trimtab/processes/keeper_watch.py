"""How keeper is doing, as control finds when it asks: for `trimtab status` and metrics."""

from __future__ import annotations

import asyncio
from typing import Final, Protocol

from msgspec import Struct

from trimtab.clock import Clock
from trimtab.errors import JournalUnavailable
from trimtab.journal.frames import Healthy

LOOK_S: Final = 2.0


class KeeperView(Struct, frozen=True):
    """Whether keeper answered at `at_ns`, why not, and what it said of itself then or before."""

    up: bool
    at_ns: int
    detail: str = ""
    health: Healthy | None = None


def no_keeper() -> KeeperView | None:
    """Where no keeper is."""
    return None


class AsksHealth(Protocol):
    """Keeper's client."""

    async def health(self) -> Healthy:
        """How keeper is doing; raises `JournalUnavailable`."""
        ...


class KeeperWatch:
    """Asks keeper every two seconds; `view` is None until it was asked once."""

    def __init__(self, keeper: AsksHealth, clock: Clock) -> None:
        self.view: KeeperView | None = None
        self._keeper = keeper
        self._clock = clock

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
        except JournalUnavailable as gone:
            self.view = KeeperView(False, self._clock.wall_ns(), str(gone), before)
        else:
            self.view = KeeperView(True, self._clock.wall_ns(), health.trouble, health)

    def __repr__(self) -> str:
        return f"KeeperWatch({self.view!r})"
