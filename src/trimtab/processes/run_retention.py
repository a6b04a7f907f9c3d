"""Has keeper remove runs that are past their time, a portion at a time, so that no commit waits long for it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from msgspec.structs import replace

from trimtab.clock import Clock
from trimtab.errors import JournalUnavailable, StoreError
from trimtab.journal.client import Asking
from trimtab.journal.keeping import Retire, Retired
from trimtab.journal.refusals import JournalRefusal
from trimtab.policy.watch import Watch
from trimtab.processes.logs import event

EVERY_S: Final = 3600.0
BETWEEN_S: Final = 0.05
"""Between two portions, in which the asks of others are done."""
MOST_PORTIONS: Final = 100_000

log = logging.getLogger("trimtab.control")


class RunRetention:
    """One of control's works."""

    def __init__(
        self,
        journal: Asking,
        watch: Callable[[], Watch],
        clock: Clock,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._journal = journal
        self._watch = watch
        self._clock = clock
        self._pause = pause

    def __repr__(self) -> str:
        return f"RunRetention({self._journal!r})"

    async def run(self) -> None:
        """Works until it is cancelled; a journal that does not answer is asked again an hour later."""
        while True:
            try:
                gone = await self.sweep()
                if gone:
                    event(log, logging.INFO, "runs_removed", runs=gone)
            except (JournalUnavailable, JournalRefusal, StoreError) as failure:
                event(log, logging.WARNING, "runs_not_removed", detail=str(failure))
            await self._pause(EVERY_S)

    async def sweep(self) -> int:
        """Removes all that is past its time; how many runs that was."""
        watch = self._watch()
        return await self._swept(watch) + await self._swept(watch, idle=True)

    async def _swept(self, watch: Watch, *, idle: bool = False) -> int:
        asked, gone = replace(asked_of(watch), idle=idle), 0
        for _ in range(MOST_PORTIONS):
            told = await self._journal.do(asked)
            if not isinstance(told, Retired):
                break
            gone += len(told.runs)
            if not told.more:
                break
            asked = replace(asked, after_ns=told.after_ns, after=told.after)
            await self._pause(BETWEEN_S)
        return gone


def asked_of(watch: Watch) -> Retire:
    """What is declared of how long runs are kept, as keeper is asked."""
    tasks = {name: task.keep for name, task in watch.tasks.items() if task.keep}
    return Retire(watch.kept_s, watch.keep, tasks)
