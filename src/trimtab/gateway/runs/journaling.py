"""What the journaled calls of a worker share: the way to the journal, what is open, and how bodies get to the disk."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from functools import partial
from typing import Final, Protocol

from trimtab.clock import Clock
from trimtab.errors import CallError, JournalUnavailable, RunStopped, StoreError
from trimtab.gateway.runs.recorded_runs import Asking, RecordedRuns
from trimtab.journal.asks import Ask, Holding, Told
from trimtab.journal.entries import Order
from trimtab.journal.refusals import JournalRefusal
from trimtab.record.bodies import Bodies

MOST_KNOWN: Final = 4096
"""Runs that this worker need not begin again; when there are more, all are forgotten once."""
ENDS: Final = frozenset({"stop", "cancel"})
"""Orders that end what is open; a paused run only takes no further step."""

Heard = Callable[[Told | BaseException], None]
Synced = Callable[[BaseException | None], None]


class Stoppable(Protocol):
    """A call that an order can end; `call` is its id."""

    @property
    def call(self) -> str:
        """Its id."""
        ...

    def stop(self, failure: CallError) -> None:
        """Ends the call in this."""


class Journaling:
    """One worker's, which the journal knows as `holder`; all methods belong to the thread of its loop."""

    def __init__(
        self, keeper: Asking, bodies: Bodies, clock: Clock, loop: asyncio.AbstractEventLoop, holder: str
    ) -> None:
        self.holder = holder
        self.keeper = keeper
        self.bodies = bodies
        self.clock = clock
        self.loop = loop
        self.recorded = RecordedRuns(keeper)
        self._begun: set[tuple[str, ...]] = set()
        self._open: dict[str, set[Stoppable]] = {}
        self._tasks: set[asyncio.Task[object]] = set()
        self._syncing: list[Synced] = []
        self._waiting: list[Synced] = []

    def __repr__(self) -> str:
        return f"Journaling({self.keeper!r}, {sum(map(len, self._open.values()))} calls open)"

    def ask(self, ask: Ask, heard: Heard) -> None:
        """Asks the journal; `heard` is called once, with what was told or with why it was not."""
        task = self.loop.create_task(self.keeper.do(ask))
        self._tasks.add(task)
        task.add_done_callback(partial(self._told, heard))

    def _told(self, heard: Heard, task: asyncio.Task[Told]) -> None:
        self._tasks.discard(task)
        if task.cancelled():
            heard(JournalUnavailable(detail="the gateway is closing"))
            return
        heard(task.exception() or task.result())

    def is_new(self, place: tuple[str, ...]) -> bool:
        """Whether this worker has not begun the run before (itself, or as the replay of another); it has then."""
        if place in self._begun:
            return False
        if len(self._begun) >= MOST_KNOWN:
            self._begun.clear()
        self._begun.add(place)
        return True

    def forget(self, place: tuple[str, ...]) -> None:
        """The run is to be begun again."""
        self._begun.discard(place)

    def opened(self, run: str, call: Stoppable) -> None:
        """A call of the run is open."""
        self._open.setdefault(run, set()).add(call)

    def closed(self, run: str, call: Stoppable) -> None:
        """It is over."""
        calls = self._open.get(run)
        if calls is not None:
            calls.discard(call)
            if not calls:
                del self._open[run]

    async def hold(self) -> None:
        """Tells the journal which calls are open here, so that none whose end was lost stays under way for ever."""
        if not self._begun:
            return
        calls = tuple(call.call for calls in self._open.values() for call in calls)
        with contextlib.suppress(JournalUnavailable, JournalRefusal):
            await self.keeper.do(Holding(self.holder, calls))

    def runs(self) -> tuple[str, ...]:
        """The runs that have calls open."""
        return tuple(self._open)

    def ordered(self, runs: tuple[str, ...], order: Order, by: str) -> None:
        """An order was given: calls of runs that are to end are ended."""
        if order not in ENDS:
            return
        for run in runs:
            for call in tuple(self._open.get(run, ())):
                call.stop(RunStopped(run=run, detail=f"it is to {order}, says {by}"))

    def synced(self, done: Synced) -> None:
        """Calls `done` when all bodies that were kept so far are on the disk; all who wait share a sync."""
        self._waiting.append(done)
        if not self._syncing:
            self._sync()

    def _sync(self) -> None:
        self._syncing, self._waiting = self._waiting, []
        try:
            self.bodies.flush()
        except StoreError as failure:
            self._synced(failure)
            return
        syncing = self.loop.run_in_executor(None, self.bodies.sync)
        syncing.add_done_callback(lambda done: self._synced(done.exception()))

    def _synced(self, failure: BaseException | None) -> None:
        told, self._syncing = self._syncing, []
        for done in told:
            done(failure)
        if self._waiting and not self._syncing:
            self._sync()
