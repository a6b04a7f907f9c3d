"""Puts in order what dead workers leave behind: their open calls are settled, their rows on the board cleared."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable

from trimtab.errors import FormatError, StoreError
from trimtab.processes.logs import event

log = logging.getLogger("trimtab.supervisor")


class Burial:
    """Settles the orphans of epochs, one at a time and in a thread, and again later when the disk was full.

    `settle` is handed an epoch and returns how many calls it settled; `reap` clears rows of dead workers.
    """

    def __init__(self, settle: Callable[[str], int], reap: Callable[[], object]) -> None:
        self._settle = settle
        self._reap = reap
        self._waiting: dict[str, None] = {}
        self._one_at_a_time = asyncio.Lock()

    def add(self, epochs: Iterable[str]) -> None:
        """Takes epochs whose processes are gone; `work` settles them."""
        self._waiting.update(dict.fromkeys(epochs))

    async def work(self) -> None:
        """Settles what waits; an epoch that found no room on the disk waits for the next time."""
        async with self._one_at_a_time:
            self._reap()
            for epoch in list(self._waiting):
                await self._bury(epoch)

    async def _bury(self, epoch: str) -> None:
        try:
            settled = await asyncio.to_thread(self._settle, epoch)
        except FormatError as damage:
            event(log, logging.ERROR, "records_damaged", epoch=epoch, error=str(damage))
        except StoreError as failure:
            event(log, logging.ERROR, "orphans_wait", epoch=epoch, error=str(failure))
            return
        else:
            if settled:
                event(log, logging.WARNING, "orphans_settled", epoch=epoch, calls=settled)
        del self._waiting[epoch]

    def __repr__(self) -> str:
        return f"Burial({len(self._waiting)} epochs wait)"
