"""The supervisor: starts the crew, keeps it going, puts edits in force, and ends it in order.

start     demo engine and gateways, then control; what an earlier life left behind is settled meanwhile
mind      every 250 ms: has the declaration been edited; does a signal ask for something
stop      gateways drain, control ingests the rest
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import time
from collections.abc import Callable

from trimtab.errors import StoreError
from trimtab.processes.announce import Announcer
from trimtab.processes.burial import Burial
from trimtab.processes.changes import Changes
from trimtab.processes.channel import UseSnapshot
from trimtab.processes.child import STANDARD_ERROR
from trimtab.processes.crew import Crew
from trimtab.processes.inforce import InForce
from trimtab.processes.logs import event
from trimtab.processes.watch import LOOK_EVERY_S, Watch

log = logging.getLogger("trimtab.supervisor")

BURY_EVERY_LOOKS = 20
QUICK_RENEW_S = 0.1
RENEW_REST = 9
LONGEST_REST_S = 10.0
"""When reading the declaration took more processor time than is quick, the supervisor rests 9 times what is over it,
and at most 10 s: a large data set that is being written to would keep it busy.
"""
MOST_OF_FAULT = 500
"""Characters of an unexpected fault that are logged."""


class Supervisor:
    """One `trimtab up`. SIGTERM and SIGINT stop it, a second one without waiting; SIGHUP reads the declaration again,
    or stops it when its terminal is gone; SIGUSR2 replaces the gateway workers one after another.
    """

    def __init__(self, in_force: InForce, crew: Crew, burial: Burial, watch: Watch, changes: Changes) -> None:
        self._in_force = in_force
        self._crew = crew
        self._burial = burial
        self._watch = watch
        self._changes = changes
        self._announcer = Announcer(in_force, changes)
        self._on_terminal = os.isatty(STANDARD_ERROR)
        self._stop = asyncio.Event()
        self._reload_asked = False
        self._renew_owed = False
        self._restart_asked = False
        self._restarting: asyncio.Task[None] | None = None

    async def run(self, started: Callable[[], None]) -> None:
        """Works until it is told to stop; `started` is called when the gateways answer.

        Raises `CannotStart` when they do not get there; everything is ended then too.
        """
        self._listen_to_signals()
        try:
            if await self._start():
                started()
                await self._mind()
        finally:
            await self._end()

    def stop(self) -> None:
        """Ends everything in order; asked a second time, at once."""
        if self._stop.is_set():
            event(log, logging.WARNING, "stopping_at_once")
            self._crew.kill()
        self._stop.set()

    def hang_up(self) -> None:
        """Reads the declaration again at the next look; when it was the terminal that hung up, stops."""
        if self._on_terminal and not os.isatty(STANDARD_ERROR):
            self.stop()
        self._reload_asked = True

    def restart_gateways(self) -> None:
        """Replaces the gateway workers; asked while it is being done, once more afterwards."""
        self._restart_asked = True

    async def _start(self) -> bool:
        """Whether the crew got ready before it was told to stop."""
        self._announcer.begun()
        self._crew.changed()
        start, stop = asyncio.ensure_future(self._crew.start()), asyncio.ensure_future(self._stop.wait())
        try:
            await asyncio.wait((start, stop), return_when=asyncio.FIRST_COMPLETED)
        finally:
            stop.cancel()
            start.cancel()
        if start.done() and not start.cancelled():
            start.result()
            return True
        return False

    async def _mind(self) -> None:
        looks = 0
        while not self._stop.is_set():
            rest_s = LOOK_EVERY_S
            if looks % BURY_EVERY_LOOKS == 0:
                await self._burial.work()
            looks += 1
            edited = self._watch.edited() or (self._renew_owed and looks % BURY_EVERY_LOOKS == 0)
            if edited or self._reload_asked:
                by, self._reload_asked = "SIGHUP" if self._reload_asked else "edit", False
                begun_s = time.thread_time()
                self._renew(by)
                over_s = time.thread_time() - begun_s - QUICK_RENEW_S
                rest_s = max(rest_s, min(RENEW_REST * over_s, LONGEST_REST_S))
            if self._restart_asked and (self._restarting is None or self._restarting.done()):
                self._restart_asked = False
                self._restarting = asyncio.ensure_future(self._restart())
            await self._pause(rest_s)

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._stop.wait()
        except TimeoutError:
            return

    def _renew(self, by: str) -> None:
        """Takes an edit, or says plainly why it is not taken; where the disk failed, it is tried again in a while."""
        self._renew_owed = False
        try:
            renewal = self._in_force.renew()
        except StoreError as failure:
            self._renew_owed = True
            event(log, logging.ERROR, "snapshot_not_published", error=str(failure))
            return
        except Exception as fault:  # noqa: BLE001  whatever an edit holds, what is in force serves on
            keeps, error = self._in_force.snapshot.digest, f"{type(fault).__name__}: {fault}"
            event(log, logging.ERROR, "edit_not_read", keeps=keeps, error=error[:MOST_OF_FAULT])
            return
        if renewal.kind == "switched":
            self._crew.tell(UseSnapshot(str(self._in_force.path)))
        self._announcer.renewed(renewal, by)

    async def _restart(self) -> None:
        event(log, logging.INFO, "rolling_restart")
        done = await self._crew.restart_gateways()
        detail = "" if done else "stopped: a successor did not get ready"
        self._changes.note("rolling_restart", "gateway", detail, by="SIGUSR2")
        event(log, logging.INFO if done else logging.ERROR, "rolling_restart_ended", complete=done)

    async def _end(self) -> None:
        self._stop.set()
        if self._restarting is not None:
            await self._restarting
        await self._crew.stop_gateways()
        await self._burial.work()
        self._changes.note("stopped", self._in_force.snapshot.environment)
        self._changes.close()
        await self._crew.stop_rest()

    def _listen_to_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number, act in (
            (signal.SIGTERM, self.stop),
            (signal.SIGINT, self.stop),
            (signal.SIGHUP, self.hang_up),
            (signal.SIGUSR2, self.restart_gateways),
        ):
            loop.add_signal_handler(number, act)

    def __repr__(self) -> str:
        state = "stopping" if self._stop.is_set() else "minding"
        return f"Supervisor({state}, {self._in_force!r}, {self._crew!r}, {self._burial!r})"
