"""Which calls are steps of runs, and what they are made into; one of these belongs to a worker's pipeline."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

from trimtab.errors import CallError, InvalidRequest, UnknownModel
from trimtab.gateway.exchange import Exchange
from trimtab.gateway.runs.headers import REPLAY, RUN, run_headers
from trimtab.gateway.runs.held import HeldAnswer
from trimtab.gateway.runs.journaled import Journaled, mark_replayed
from trimtab.gateway.runs.journaling import Journaling
from trimtab.gateway.runs.recorded_runs import Asking
from trimtab.gateway.runs.replayed import Replayed, meant
from trimtab.gateway.serving import Parts

Over = Callable[[Exchange, CallError | None], None]


class Runs:
    """Makes calls into steps; `over` ends a call for its client and its record."""

    def __init__(self, journal: Asking, parts: Parts, loop: asyncio.AbstractEventLoop, over: Over) -> None:
        self.journaling = Journaling(journal, parts.bodies, parts.clock, loop)
        self._clock = parts.clock
        self._loop = loop
        self._over = over
        self._explaining: set[asyncio.Task[CallError]] = set()

    def __repr__(self) -> str:
        return f"Runs({self.journaling!r})"

    def step(self, exchange: Exchange) -> Journaled | Replayed | None:
        """What the call is, if it is of a run. Raises `InvalidRequest`."""
        asked = run_headers(exchange)
        if asked is None:
            return None
        if asked.run:
            held = exchange.answer = HeldAnswer(exchange.answer, self._clock)
            return Journaled(exchange, asked, held, self.journaling, self._over)
        mark_replayed(exchange)
        return Replayed(exchange, asked, self.journaling, self._over)

    def explains(self, exchange: Exchange, failure: CallError) -> bool:
        """Whether a call that is refused as it stands is one of a replay, whose client is to be told what differs from
        the step that it was meant to be.
        """
        headers = exchange.request.headers
        if REPLAY not in headers or RUN in headers or not isinstance(failure, InvalidRequest | UnknownModel):
            return False
        try:
            asked = run_headers(exchange)
        except InvalidRequest:
            return False
        if asked is None:
            return False
        task = self._loop.create_task(meant(exchange, asked, self.journaling, failure))
        self._explaining.add(task)
        task.add_done_callback(partial(self._explained, exchange, failure))
        return True

    def _explained(self, exchange: Exchange, failure: CallError, task: asyncio.Task[CallError]) -> None:
        self._explaining.discard(task)
        self._over(exchange, failure if task.cancelled() else task.result())


def without_journal(exchange: Exchange) -> None:
    """Raises `InvalidRequest` for a call that asks for a recorded answer where there is no journal."""
    if REPLAY in exchange.request.headers:
        raise InvalidRequest(detail="x-trimtab-replay needs a journal of runs and this gateway has none; leave it out")
