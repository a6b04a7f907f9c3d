"""What makes background calls in a worker: takes one when there is room, keeps its lease, settles what became of it.

Calls of clients who wait go first: while a model's replicas have as many calls as `background.busy` says, none of its
background calls is taken.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from typing import Final

from msgspec import Struct

from trimtab.clock import Clock
from trimtab.declare.background import Background
from trimtab.errors import JournalUnavailable
from trimtab.gateway.background.making import Made, MadeAnswer, request_of
from trimtab.gateway.background.polling import Keeper
from trimtab.gateway.http.answer import Answer
from trimtab.gateway.http.request import Request
from trimtab.journal.asks import Lease, Renew
from trimtab.journal.background import Settle, Take, Taken
from trimtab.journal.refusals import JournalRefusal

LEASE_S: Final = 15.0
LOOK_S: Final = 1.0
"""How often a worker looks for calls that another one took in, or that are due again."""
FIRST_DELAY_S: Final = 5.0
LONGEST_DELAY_S: Final = 600.0
SETTLING_S: Final = 120.0
"""How long a worker goes on to tell the journal what became of a call; then the next one finds it there."""
ENDS: Final = ("stop", "cancel")
STOPPED: Final = "run_stopped"
log = logging.getLogger("trimtab.gateway")


class Making(Struct, frozen=True):
    """What a worker makes calls with. `handle` takes a request like one of a client; `busy` names models that have too
    much to do already; `paths` are those of surfaces by name; `random` draws from 0 to 1.
    """

    keeper: Keeper
    handle: Callable[[Request, Answer], None]
    busy: Callable[[int], Sequence[str]]
    paths: Mapping[str, str]
    settings: Background
    clock: Clock
    random: Callable[[], float]
    worker: str
    pause: Callable[[float], Awaitable[None]] = asyncio.sleep


class BackgroundWork:
    """One of a worker's works."""

    def __init__(self, making: Making) -> None:
        self._making = making
        self._loop = asyncio.get_running_loop()
        self._open: dict[asyncio.Task[None], MadeAnswer] = {}
        self._nudged = asyncio.Event()
        self._taking = asyncio.Lock()
        self._leaving = False

    def __repr__(self) -> str:
        return f"BackgroundWork({len(self._open)} under way)"

    @property
    def under_way(self) -> int:
        """How many calls are being made."""
        return len(self._open)

    def nudge(self) -> None:
        """Something can be taken."""
        self._nudged.set()

    async def run(self) -> None:
        """Works until it is cancelled; a journal that does not answer is waited for."""
        while True:
            async with self._taking:
                taken = await self._take() if self._has_room else None
                if taken is not None:
                    self._begin(taken)
            if taken is None:
                await self._wait()

    @property
    def _has_room(self) -> bool:
        return len(self._open) < self._making.settings.concurrency and not self._leaving

    async def drain(self, limit_s: float) -> int:
        """Takes no more, waits for what is open, and gives back what is not done by then; how many those were.

        A call that keeper is just giving out is open too.
        """
        self._leaving = True
        with suppress(TimeoutError):
            async with asyncio.timeout(LEASE_S / 3), self._taking:
                pass
        if self._open:
            await asyncio.wait(list(self._open), timeout=limit_s)
        left = dict(self._open)
        for answer in left.values():
            answer.lose()
        if left:
            await asyncio.wait(list(left), timeout=LEASE_S)
        return len(left)

    async def _take(self) -> Taken | None:
        making = self._making
        busy = tuple(making.busy(making.settings.busy))
        try:
            told = await making.keeper.do(Take(making.worker, LEASE_S, busy))
        except (JournalUnavailable, JournalRefusal):
            return None
        return told if isinstance(told, Taken) else None

    async def _wait(self) -> None:
        """Until something was submitted here or has ended, but not for long."""
        self._nudged.clear()
        try:
            async with asyncio.timeout(LOOK_S):
                await self._nudged.wait()
        except TimeoutError:
            return

    def _begin(self, taken: Taken) -> None:
        answer = MadeAnswer(self._loop)
        task = self._loop.create_task(self._make(taken, answer))
        self._open[task] = answer
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._open.pop(task, None)
        self.nudge()
        fault = None if task.cancelled() else task.exception()
        if fault is not None:
            log.error("background_call_failed", exc_info=fault)

    async def _make(self, taken: Taken, answer: MadeAnswer) -> None:
        """Makes one call and settles it."""
        making, call = self._making, taken.call
        path = making.paths.get(call.surface)
        if taken.content is None or path is None:
            why = "its request is not kept any more" if path else f"no {call.surface} are served here"
            await self._settle(Settle(call.run, taken.epoch, "dead", status=400, error="invalid_request", detail=why))
            return
        keeping = self._loop.create_task(self._keep(taken, answer))
        try:
            request = request_of(taken, path, making.clock.wall_ns(), making.clock.monotonic())
            making.handle(request, answer)
            made = await answer.made
            await self._settle(self._end_of(taken, made, gone=answer.gone))
        finally:
            keeping.cancel()

    def _end_of(self, taken: Taken, made: Made, *, gone: bool) -> Settle:
        """What a try came to. A step that the journal may have ended without saying so is looked at by the next one."""
        call, epoch = taken.call, taken.epoch
        if gone:
            return Settle(call.run, epoch, "back")
        if made.is_good:
            incomplete = call.kind == "response" and made.is_incomplete
            return Settle(call.run, epoch, "done", made.seq, incomplete=incomplete, status=made.status)
        code, message = made.error
        return Settle(
            run=call.run,
            epoch=epoch,
            how="dead" if made.is_for_good and code != STOPPED else "again",
            of=0 if code == JournalUnavailable.code else made.seq,
            counted=not (made.retries or code == STOPPED),
            delay_s=self._delay_s(call.tries, made),
            status=made.status,
            error=code,
            detail=message,
            told=made.body[:8192].decode("utf-8", "replace"),
        )

    def _delay_s(self, tries: int, made: Made) -> float:
        """Doubling from 5 s to ten minutes, with a jitter of half; at least as long as was asked for."""
        longest = FIRST_DELAY_S if made.retries else min(LONGEST_DELAY_S, FIRST_DELAY_S * 2.0 ** (tries - 1))
        return max(longest * (0.5 + 0.5 * self._making.random()), made.retry_after_s)

    async def _settle(self, ask: Settle) -> None:
        """Tells the journal what became of a call, which may take a while to answer."""
        making = self._making
        until_s = making.clock.monotonic() + SETTLING_S
        while True:
            try:
                await making.keeper.do(ask)
            except JournalRefusal as refused:
                log.warning("background_call_lost", extra={"fields": {"run": ask.run, "detail": str(refused)}})
            except JournalUnavailable:
                if making.clock.monotonic() < until_s:
                    await making.pause(LOOK_S)
                    continue
            return

    async def _keep(self, taken: Taken, answer: MadeAnswer) -> None:
        """Renews the lease; ends a call whose lease is lost, or whose end was ordered without this worker hearing."""
        making = self._making
        while True:
            await making.pause(LEASE_S / 3)
            try:
                told = await making.keeper.do(Renew(taken.call.run, taken.epoch, LEASE_S))
            except JournalUnavailable:
                continue
            except JournalRefusal:
                answer.lose()
                return
            if isinstance(told, Lease) and told.order in ENDS:
                answer.lose()
                return
