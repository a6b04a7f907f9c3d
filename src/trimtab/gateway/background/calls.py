"""Submissions and polls of one worker: what the pipeline hands over, and ends again when it is answered."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

from trimtab.errors import CallError, Draining
from trimtab.gateway import replies
from trimtab.gateway.admission import Admission
from trimtab.gateway.background import polling
from trimtab.gateway.background.asking import Wanted, kind_of, wanted
from trimtab.gateway.background.parts import BackgroundParts
from trimtab.gateway.background.polling import Keeper, Polling
from trimtab.gateway.background.refused import as_call_error
from trimtab.gateway.background.shown import response_object, status_lines, status_object
from trimtab.gateway.exchange import Exchange
from trimtab.journal.background import Polled, Submitted
from trimtab.record.bodies import NOT_KEPT

Over = Callable[[Exchange, CallError | None], None]


class BackgroundCalls:
    """`over` ends a request for its client. `nudge` is called when a call is on the disk that can be made."""

    def __init__(self, keeper: Keeper, parts: BackgroundParts, loop: asyncio.AbstractEventLoop, over: Over) -> None:
        self.nudge: Callable[[], None] = _nobody
        self._keeper = keeper
        self._parts = parts
        self._loop = loop
        self._over = over
        self._open: set[asyncio.Task[None]] = set()

    def __repr__(self) -> str:
        return f"BackgroundCalls({len(self._open)} open)"

    def poll(self, exchange: Exchange, asked: Polling, *, anybody: bool) -> None:
        """Answers a poll; raises what its request is refused for at once."""
        polling.check(exchange, asked)
        self._do(exchange, polling.answer(exchange, asked, self._keeper, anybody=anybody))

    def takes(self, exchange: Exchange, admission: Admission, *, draining: bool) -> bool:
        """Whether a call whose task is known is to be made later, and is taken in for that. Raises `CallError`, too
        for what no record of it could hold.
        """
        kind = kind_of(exchange)
        if kind is None:
            return False
        if draining:
            raise Draining
        admission.admitted(exchange, NOT_KEPT)
        exchange.run = ""
        self._do(
            exchange, self._submit(exchange, wanted(exchange, kind, self._parts.settings, self._parts.receivers()))
        )
        return True

    async def _submit(self, exchange: Exchange, asked: Wanted) -> None:
        told = await self._keeper.do(asked.submit)
        if not isinstance(told, Submitted):
            raise TypeError(f"the journal answers a submission with {type(told).__name__}")
        call = told.call
        exchange.run = call.run
        if call.kind == "response":
            status, body = 200, response_object(Polled(call))
        else:
            status, body = 202, status_object(call)
        block = replies.headers(exchange, replies.JSON) + status_lines(call)
        block += b"location: /v1/background/%b\r\n" % call.run.encode()
        exchange.status = status
        exchange.answer.whole(status, block, body)
        self.nudge()

    def _do(self, exchange: Exchange, work: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(work)
        self._open.add(task)
        task.add_done_callback(partial(self._done, exchange))

    def _done(self, exchange: Exchange, task: asyncio.Task[None]) -> None:
        self._open.discard(task)
        fault = Draining() if task.cancelled() else task.exception()
        self._over(exchange, None if fault is None else as_call_error(exchange.call, fault))


def _nobody() -> None:
    """Nobody makes calls here."""
