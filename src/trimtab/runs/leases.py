"""Keeps the leases of the runs that this process drives, and hears of orders, in a thread of its own.

So a run stays held, and is stopped when somebody says so, whatever its own loop or thread is doing. Keeper takes the
leases that are renewed over one connection for over when that breaks off: then this process died.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterable
from typing import Final, Protocol

from trimtab.errors import JournalUnavailable, TrimtabError
from trimtab.journal.asks import Ask, Lease, Renew, Told
from trimtab.journal.client import Hears
from trimtab.journal.entries import Order
from trimtab.journal.frames import Given
from trimtab.journal.refusals import JournalRefusal

LINGERS_S: Final = 1.0
"""How long the thread stays when nothing is held, since another run may begin."""


class Held(Protocol):
    """A run that is driven here."""

    run: str
    epoch: int

    def renewed(self, lease: Lease) -> None:
        """Its lease was renewed; says what was ordered meanwhile."""

    def heard(self, order: Order, by: str, reason: str) -> None:
        """An order was given to it."""

    def halt(self, why: TrimtabError) -> None:
        """It is not held here any more."""


class Watching(Protocol):
    """The journal, for a loop that hears of orders."""

    async def do(self, ask: Ask) -> Told:
        """What was told; raises `JournalRefusal` and `JournalUnavailable`."""
        ...

    async def watch(self, runs: Callable[[], Iterable[str]]) -> None:
        """Hears of orders until it is cancelled, those of `runs` that were given before too."""
        ...

    async def close(self) -> None:
        """Hangs up."""
        ...


class Leases:
    """The leases of one runtime. The thread runs while there are any; it renews each three times before it runs out."""

    def __init__(self, keeper: Callable[[Hears], Watching], lease_s: float) -> None:
        self._keeper = keeper
        self._lease_s = lease_s
        self._held: dict[str, Held] = {}
        self._guard = threading.Lock()
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stirred = asyncio.Event()
        self._fresh: list[Held] = []
        self._closing = False

    def __repr__(self) -> str:
        return f"Leases({len(self._held)} held for {self._lease_s:g} s)"

    def hold(self, session: Held) -> None:
        """Keeps its lease from here on."""
        with self._guard:
            self._held[session.run] = session
            if self._thread is None:
                self._closing = False
                self._thread = threading.Thread(target=self._run, name="leases", daemon=True)
                self._thread.start()
            elif self._loop is not None:
                self._fresh.append(session)
                self._loop.call_soon_threadsafe(self._stirred.set)

    def let_go(self, session: Held) -> None:
        """Keeps it no longer."""
        with self._guard:
            if self._held.get(session.run) is session:
                del self._held[session.run]

    def close(self) -> None:
        """Ends the thread."""
        with self._guard:
            thread, self._closing = self._thread, True
            if self._loop is not None:
                self._loop.call_soon_threadsafe(self._stirred.set)
        if thread is not None and thread is not threading.current_thread():
            thread.join()

    def _run(self) -> None:
        asyncio.run(self._keep())

    async def _keep(self) -> None:
        with self._guard:
            self._stirred, self._loop = asyncio.Event(), asyncio.get_running_loop()
            self._fresh = []
            if self._closing:
                self._stirred.set()
        keeper = self._keeper(self._hear)
        watching = asyncio.create_task(keeper.watch(self._runs))
        try:
            await self._renew_all(keeper)  # what was ordered before anybody listened
            while await self._rests(keeper):
                await self._renew_all(keeper)
        finally:
            watching.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await watching
            await keeper.close()

    async def _rests(self, keeper: Watching) -> bool:
        """Waits until leases are to be renewed, and renews new ones at once; False once the thread is to end."""
        time_s = asyncio.get_running_loop().time
        until_s = time_s() + self._lease_s / 3
        while (left_s := until_s - time_s()) > 0:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stirred.wait(), min(LINGERS_S, left_s))
            with self._guard:
                is_idle = not self._held and not self._stirred.is_set()
                if self._closing or is_idle:
                    self._thread = self._loop = None
                    return False
                self._stirred.clear()
                fresh, self._fresh = self._fresh, []
            for session in fresh:
                if self._holds(session, session.epoch):
                    await self._renew(keeper, session)
        return True

    def _runs(self) -> tuple[str, ...]:
        with self._guard:
            return tuple(self._held)

    async def _renew_all(self, keeper: Watching) -> None:
        with self._guard:
            held = list(self._held.values())
        for session in held:
            await self._renew(keeper, session)

    def _hear(self, given: Given) -> None:
        with self._guard:
            reached = [self._held[run] for run in given.runs if run in self._held]
        for session in reached:
            session.heard(given.order, given.by, given.reason)

    async def _renew(self, keeper: Watching, session: Held) -> None:
        epoch = session.epoch
        try:
            told = await keeper.do(Renew(session.run, epoch, self._lease_s))
        except JournalUnavailable:
            return  # the next step finds out, and the lease may last until keeper is back
        except JournalRefusal as refusal:
            if self._holds(session, epoch):
                session.halt(refusal)
            return
        if isinstance(told, Lease) and self._holds(session, epoch):
            session.renewed(told)

    def _holds(self, session: Held, epoch: int) -> bool:
        """Whether what is said of that lease of a run still matters to it."""
        with self._guard:
            return self._held.get(session.run) is session and session.epoch == epoch
