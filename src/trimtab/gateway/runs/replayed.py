"""A call that gets a recorded answer and no other: nothing is written to the run, and no replica is asked."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from msgspec import Struct

from trimtab.errors import CallError, Forbidden
from trimtab.gateway.exchange import Exchange
from trimtab.gateway.failures import from_fault
from trimtab.gateway.runs.headers import RunHeaders
from trimtab.gateway.runs.journaling import Journaling
from trimtab.gateway.runs.refused import as_call_error
from trimtab.gateway.runs.served import serve
from trimtab.journal.recorded import RecordedSteps, Request
from trimtab.journal.requests import canonical
from trimtab.record.events import CLIENT_GONE

Over = Callable[[Exchange, CallError | None], None]


class Replayed(Struct, eq=False):
    """One call of a replay of run `asked.replay`; `over` ends it."""

    exchange: Exchange
    asked: RunHeaders
    _journaling: Journaling
    _over: Over
    _working: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        return f"Replayed({self.exchange!r} of run {self.asked.replay})"

    def begin(self) -> None:
        """Looks for the recorded answer; the rest follows by itself."""
        self._working = self._journaling.loop.create_task(self._answer())
        self._working.add_done_callback(self._answered)

    def leave(self) -> None:
        """The client has gone; a call that is over by then ends by itself."""
        if self._working is not None and not self._working.cancel():
            return
        self.exchange.outcome = CLIENT_GONE
        self._over(self.exchange, None)

    async def _answer(self) -> None:
        exchange, asked, recorded = self.exchange, self.asked, self._journaling.recorded
        admitted, volatile = exchange.admitted, exchange.task.volatile
        label = (admitted.step if admitted else "") or exchange.task.name
        form = canonical("model", exchange.surface.name, exchange.request.body, volatile)
        steps = await read(exchange, asked, self._journaling)
        found = steps.find(label, form.digest, asked.branch)
        if found is None or found.result is None:
            raise await recorded.divergence(steps, label, Request(exchange.request.body, form.shown), volatile)
        load, clock = recorded.loader(asked.replay), self._journaling.clock
        await serve(exchange, found.result, load, clock, paced=asked.paced, seq=found.seq)

    def _answered(self, task: asyncio.Task[None]) -> None:
        if task.cancelled():
            return
        fault = task.exception()
        exchange = self.exchange
        self._over(exchange, None if fault is None else as_call_error(exchange.call, self.asked.replay, fault))


async def read(exchange: Exchange, asked: RunHeaders, journaling: Journaling) -> RecordedSteps:
    """The steps of the run that is replayed; raises `Forbidden` for a key that is bound to other tasks."""
    steps = await journaling.recorded.read(asked.replay)
    if exchange.key_tasks and steps.task not in exchange.key_tasks:
        raise Forbidden(key=exchange.key, what=f"run {asked.replay}, which is of another task")
    return steps


async def meant(exchange: Exchange, asked: RunHeaders, journaling: Journaling, fault: CallError) -> CallError:
    """How a call of a replay ends that is refused before its request is even read: in the step it was meant to be."""
    try:
        steps = await read(exchange, asked, journaling)
        body = exchange.request.body
        form = canonical("model", exchange.surface.name, body)
        return await journaling.recorded.divergence(steps, "", Request(body, form.shown), ())
    except Exception as broken:  # noqa: BLE001  the call has its end already
        from_fault(exchange.call, broken)
        return fault
