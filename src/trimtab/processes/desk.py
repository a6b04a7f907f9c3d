"""The one thread that touches telemetry: it ingests, answers questions and does the chores, one after another."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol, TypeVar

from trimtab.clock import Clock
from trimtab.errors import StoreError
from trimtab.journal.dead_letters import DeadLetters, Tally
from trimtab.journal.judgements import Judgements
from trimtab.processes.feedback import Judging
from trimtab.processes.logs import event
from trimtab.processes.status import TelemetryState
from trimtab.processes.tool_shapes import Drifting, ToolShapes
from trimtab.store.ingest import Ingest, Lag
from trimtab.store.telemetry import Telemetry

CADENCE_S = 1.0
"""Between two inserts while less than a full batch waits."""
FIRST_DELAY_S = 0.5
LONGEST_DELAY_S = 30.0
LAST_STEPS_S = 20.0
"""How long stopping may go on ingesting; what is left waits in the spool."""

log = logging.getLogger("trimtab.control")

T = TypeVar("T")


class BodyReader(Protocol):
    """Where the bodies of calls are found."""

    def read(self, digest: str) -> bytes | None:
        """The bytes a digest stands for; None if they are not kept."""


@dataclass(frozen=True)
class Chore:
    """Something done off every call's path, at most once in `every_s` seconds."""

    name: str
    every_s: float
    do: Callable[[], object]


@dataclass(frozen=True)
class Stores:
    """What control holds open, all of it used from the one thread that opened it."""

    telemetry: Telemetry
    ingest: Ingest
    bodies: BodyReader | None = None
    chores: Sequence[Chore] = ()
    letters: DeadLetters | None = None
    shapes: ToolShapes | None = None
    judging: Judging | None = None
    judgements: Judgements | None = None

    def close(self) -> None:
        """Lets go of all of it."""
        self.telemetry.close()
        if self.letters is not None:
            self.letters.close()
        if self.shapes is not None:
            self.shapes.close()
        if self.judgements is not None:
            self.judgements.close()


class Desk:
    """Owns the thread and what is open in it. `ask` may be used by many; answers come in the order of questions."""

    def __init__(self, open_stores: Callable[[], Stores], clock: Clock) -> None:
        self._open_stores = open_stores
        self._clock = clock
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="telemetry")
        self._stores: Stores | None = None
        self._failures = 0
        self._due: dict[str, float] = {}
        self._up = False
        self._since_ns = clock.wall_ns()
        self._detail = "it is not open yet"

    def __repr__(self) -> str:
        return f"Desk({self.state})"

    @property
    def lag(self) -> Lag:
        """How far telemetry is behind the spool."""
        return self._stores.ingest.lag if self._stores else Lag()

    @property
    def dead(self) -> tuple[Tally, ...]:
        """How many dead letters wait, by kind, task and cause; none while they are not open."""
        stores = self._stores
        return stores.letters.waiting if stores is not None and stores.letters is not None else ()

    @property
    def drifting(self) -> tuple[Drifting, ...]:
        """The tools whose answers drift; none while that is not open."""
        stores = self._stores
        return stores.shapes.drifting if stores is not None and stores.shapes is not None else ()

    @property
    def state(self) -> TelemetryState:
        """Whether telemetry takes what it is sent, and how far it is behind."""
        lag = self.lag
        return TelemetryState(
            self._up, self._since_ns, self._detail, lag.size_bytes, lag.age_s, lag.segments, lag.set_aside
        )

    async def ask(self, question: Callable[[Stores], T]) -> T:
        """The answer of the stores; raises `StoreError` when telemetry is not open or fails."""
        stores = self._stores
        if stores is None:
            raise StoreError(store="telemetry", detail=self._detail)
        return await self._in_thread(lambda: question(stores))

    async def run(self, stop: asyncio.Event, tried: Callable[[], None]) -> None:
        """Ingests until `stop`, then what is left of the spool, then closes.

        Calls `tried` once the first pass is over, whether or not telemetry took it, or at `stop` if that comes first.
        """
        try:
            while not stop.is_set():
                delay_s = await self._turn()
                tried()
                await _wait(stop, delay_s)
            tried()
            await self._finish()
        finally:
            stores, self._stores, self._detail = self._stores, None, "it is closed"
            if stores is not None:
                await self._in_thread(stores.close)
            self._thread.shutdown()

    async def _turn(self) -> float:
        """One pass; how long to wait before the next."""
        began = self._clock.monotonic()
        try:
            if self._stores is None:
                self._stores = await self._in_thread(self._open_stores)
            more = await self._in_thread(self._stores.ingest.step)
        except StoreError as failure:
            return self._failed(failure)
        self._succeeded()
        await self._do_chores(self._stores)
        return 0.0 if more else max(0.0, began + CADENCE_S - self._clock.monotonic())

    def _failed(self, failure: StoreError) -> float:
        self._failures += 1
        if self._failures == 1:
            event(log, logging.ERROR, "telemetry_down", detail=str(failure))
            self._since_ns = self._clock.wall_ns()
        self._up, self._detail = False, str(failure)
        return min(LONGEST_DELAY_S, FIRST_DELAY_S * 2.0 ** min(self._failures - 1, 16))

    def _succeeded(self) -> None:
        self._failures = 0
        if not self._up:
            event(log, logging.INFO, "telemetry_up")
            self._up, self._since_ns, self._detail = True, self._clock.wall_ns(), ""

    async def _do_chores(self, stores: Stores) -> None:
        for chore in stores.chores:
            now = self._clock.monotonic()
            if now < self._due.get(chore.name, 0.0):
                continue
            self._due[chore.name] = now + chore.every_s
            try:
                await self._in_thread(chore.do)
            except StoreError as failure:
                event(log, logging.ERROR, "chore_failed", chore=chore.name, detail=str(failure))
            except Exception:
                log.exception("chore_failed", extra={"fields": {"chore": chore.name}})

    async def _finish(self) -> None:
        """Stores what the spool still holds, for as long as stopping may take."""
        until = self._clock.monotonic() + LAST_STEPS_S
        try:
            while self._stores is not None and self._clock.monotonic() < until:
                if not await self._in_thread(self._stores.ingest.step):
                    return
        except StoreError as failure:
            event(log, logging.ERROR, "left_in_spool", detail=str(failure), lag_bytes=self.lag.size_bytes)

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)


async def _wait(stop: asyncio.Event, delay_s: float) -> None:
    try:
        async with asyncio.timeout(delay_s):
            await stop.wait()
    except TimeoutError:
        return
