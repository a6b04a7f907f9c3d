"""A place in the crew that is kept filled: one slot of one role, its listener, and the child that works there."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path

from trimtab.clock import Clock
from trimtab.errors import CannotStart, ChannelBroken
from trimtab.ids import IdSource
from trimtab.processes.backoff import LOOP_AFTER, Backoff, Delay
from trimtab.processes.channel import Directive, DrainReason
from trimtab.processes.child import Child, Role
from trimtab.processes.logs import event

log = logging.getLogger("trimtab.supervisor")

READY_LIMIT_S = 120.0
EPOCH_DIGITS = 12


@dataclass(frozen=True)
class Surroundings:
    """What all posts share: the snapshot in force, the directory's lock, and who is told of what happens.

    `spawn` runs a coroutine beside the others, `changed` is called when a child's state has changed, `bury` when one
    has ended, `note` with the kind, subject and detail of a change worth a record.
    """

    clock: Clock
    ids: IdSource
    lock: int
    snapshot: Callable[[], Path]
    spawn: Callable[[Coroutine[object, object, None]], asyncio.Task[None]]
    changed: Callable[[], None]
    bury: Callable[[Child], Awaitable[None]]
    note: Callable[[str, str, str], None]


class Post:
    """Keeps one child at work; a child that dies is followed by another, a `replace` leaves no moment without one."""

    def __init__(self, role: Role, slot: int, listener: socket.socket | None, around: Surroundings) -> None:
        self.role = role
        self.slot = slot
        self.current: Child | None = None
        self.alive: list[Child] = []
        self.restarts = 0
        self._listener = listener
        self._around = around
        self._backoff = Backoff()
        self._tending: set[asyncio.Task[None]] = set()
        self._closing = asyncio.Event()
        self._filled = asyncio.Event()
        self._hopeless = asyncio.Event()

    @property
    def name(self) -> str:
        """What people call it."""
        return f"{self.role.name} {self.slot}"

    async def open(self) -> None:
        """Starts the first child; raises `CannotStart` when the system will not."""
        self.current = await self._start()

    async def filled(self) -> None:
        """Waits until a child is ready; raises `CannotStart` when one after another dies before it is."""
        waits = [asyncio.ensure_future(happening.wait()) for happening in (self._filled, self._hopeless)]
        try:
            await asyncio.wait(waits, timeout=READY_LIMIT_S, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        if not self._filled.is_set():
            ending = "not ready in time" if self.current is None or not self._hopeless.is_set() else self.current.ending
            raise CannotStart(what=self.name, detail=f"{self.restarts} restarts, the last with {ending}")

    async def replace(self) -> bool:
        """Starts a successor on the same listener and, once it is ready, drains the predecessor.

        False when the successor did not get ready: then the predecessor goes on.
        """
        while len(self.alive) > 1:
            await self.alive[0].gone.wait()
        successor = await self._start()
        if not await _ready_or_gone(successor):
            successor.kill()
            event(log, logging.ERROR, "successor_not_ready", post=self.name, pid=successor.pid)
            return False
        predecessor, self.current = self.current, successor
        if predecessor is not None and not predecessor.gone.is_set():
            self._spawn(self._dismiss(predecessor, "restart"))
        return True

    def tell(self, directive: Directive) -> None:
        """Passes a directive on to all children here; one that has stopped reading is killed, and restarted."""
        for child in self.alive:
            try:
                child.send(directive)
            except ChannelBroken as broken:
                event(log, logging.ERROR, "child_killed", post=self.name, pid=child.pid, error=str(broken))
                child.kill()

    async def close(self) -> None:
        """Drains every child here and starts no other; returns when all have ended and are buried."""
        self._closing.set()
        await asyncio.gather(*(self._dismiss(child, "stop") for child in self.alive))
        while self._tending:
            await asyncio.wait(self._tending)

    def kill(self) -> None:
        """Ends every child here at once and starts no other; `close` waits for that."""
        self._closing.set()
        for child in self.alive:
            child.kill()

    async def _start(self) -> Child:
        around = self._around
        epoch = ""
        if self.role.records:
            epoch = f"{self.role.name[0]}{self.slot}-{around.ids.new(around.clock.wall_ns())[-EPOCH_DIGITS:]}"
        try:
            child = await Child.start(
                self.role,
                slot=self.slot,
                epoch=epoch,
                snapshot=around.snapshot(),
                listener=self._listener,
                lock=around.lock,
                restarts=self.restarts,
                clock=around.clock,
            )
        except OSError as failure:
            raise CannotStart(what=self.name, detail=str(failure)) from failure
        self.alive.append(child)
        around.changed()
        self._spawn(self._tend(child))
        if self._closing.is_set():
            child.kill()
        return child

    def _spawn(self, work: Coroutine[object, object, None]) -> None:
        task = self._around.spawn(work)
        self._tending.add(task)
        task.add_done_callback(self._tending.discard)

    async def _tend(self, child: Child) -> None:
        """The life of one child: its reports, its burial, and who follows it."""
        try:
            await child.follow(self._reported)
        except ChannelBroken as broken:
            event(log, logging.ERROR, "child_killed", post=self.name, pid=child.pid, error=str(broken))
        self.alive.remove(child)
        self._around.changed()
        await self._around.bury(child)
        await self._follow_up(child)

    def _reported(self, child: Child) -> None:
        if child.ready.is_set():
            self._filled.set()
        self._around.changed()

    async def _follow_up(self, child: Child) -> None:
        """Starts another after a death, at once or after a while when deaths follow each other."""
        ending, worked_s = child.ending, child.worked_s
        while child is self.current and not self._closing.is_set():
            delay = self._backoff.died(worked_s)
            self._mourn(child, ending, delay)
            self.restarts += 1
            await self._pause(delay.seconds)
            if child is self.current and not self._closing.is_set():
                try:
                    self.current = await self._start()
                except CannotStart as failure:
                    ending, worked_s = str(failure), None

    async def _pause(self, seconds: float) -> None:
        """Waits, but not longer than until this post is closed."""
        try:
            async with asyncio.timeout(seconds):
                await self._closing.wait()
        except TimeoutError:
            return

    def _mourn(self, child: Child, ending: str, delay: Delay) -> None:
        looping = delay.looping
        event(
            log,
            logging.ERROR,
            "crash_loop" if looping else "child_died",
            post=self.name,
            pid=child.pid,
            ended=ending,
            deaths_in_a_row=delay.deaths,
            next_start_s=delay.seconds,
        )
        self._around.note("worker_died", self.name, ending)
        if looping:
            self._hopeless.set()
        if delay.deaths == LOOP_AFTER:
            self._around.note("crash_loop", self.name, f"{delay.deaths} deaths in a row, the last with {ending}")

    async def _dismiss(self, child: Child, reason: DrainReason) -> None:
        self._around.changed()
        if not await child.leave(reason):
            event(log, logging.ERROR, "drain_took_too_long", post=self.name, pid=child.pid, killed=True)

    def __repr__(self) -> str:
        return f"Post({self.name}: {', '.join(map(repr, self.alive)) or 'empty'}, {self._backoff!r})"


async def _ready_or_gone(child: Child) -> bool:
    waits = [asyncio.ensure_future(happening.wait()) for happening in (child.ready, child.gone)]
    try:
        await asyncio.wait(waits, timeout=READY_LIMIT_S, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
    return child.ready.is_set() and not child.gone.is_set()
