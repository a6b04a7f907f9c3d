"""The path of a call: admit -> reserve -> dispatch -> stream -> settle, one state machine with one exit.

route     which surface, or an answer of our own
identify  the key
read      what the request asks for
resolve   the task, its policy and the total deadline
let in    `Admitted` leaves the process before the first upstream byte, one write for all calls of a turn of the loop
begin     a step of a run waits for its intent in the journal, or gets its recorded answer (`gateway.runs`)
attempt   a replica is chosen and asked; failures before the first content-bearing event may be tried again
settle    every way out ends here, once
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from trimtab.errors import (
    CallError,
    Draining,
    MethodNotAllowed,
    NotFound,
    StoreError,
)
from trimtab.gateway import enforce, replies, settlement
from trimtab.gateway.attempts import Attempts
from trimtab.gateway.background.asking import without_background
from trimtab.gateway.background.calls import BackgroundCalls
from trimtab.gateway.background.polling import polling_of
from trimtab.gateway.background.working import BackgroundWork
from trimtab.gateway.candidate import Candidate
from trimtab.gateway.checks import checks_for
from trimtab.gateway.context.in_context import InContext
from trimtab.gateway.exchange import Exchange
from trimtab.gateway.exposure import Exposure
from trimtab.gateway.failures import Rejected, from_fault
from trimtab.gateway.own_calls import OwnCalls
from trimtab.gateway.runs.journaled import Journaled
from trimtab.gateway.runs.replayed import Replayed
from trimtab.gateway.runs.runs import Runs, without_journal
from trimtab.gateway.serving import Parts, Serving
from trimtab.gateway.shadows import Paths, Shadows
from trimtab.gateway.surfaces.chat import ChatCompletions
from trimtab.gateway.surfaces.completions import Completions
from trimtab.gateway.surfaces.count_tokens import CountTokens
from trimtab.gateway.surfaces.embeddings import Embeddings
from trimtab.gateway.surfaces.messages import Messages
from trimtab.gateway.surfaces.passthrough import Passthrough
from trimtab.gateway.surfaces.responses import Responses
from trimtab.gateway.surfaces.surface import Surface
from trimtab.guard.timers import Timers
from trimtab.journal.entries import Order
from trimtab.policy.rollout import Rollout
from trimtab.policy.snapshot import Snapshot
from trimtab.record.events import UNFIT, Admitted, Change

if TYPE_CHECKING:
    from trimtab.gateway.http.answer import Answer
    from trimtab.gateway.http.request import Request

log = logging.getLogger("trimtab.gateway")


def _clock_failed(fault: Exception) -> None:
    log.error("internal_error", exc_info=fault)


Call = Attempts | InContext | Journaled | Replayed
Waiting = tuple[Call, Admitted]
"""A call that can begin as soon as its event is written."""
SURFACES: tuple[Surface, ...] = (
    ChatCompletions(),
    Completions(),
    Embeddings(),
    Responses(),
    Messages(),
    CountTokens(),
)
PASSTHROUGH = Passthrough()
Handler = Callable[["Request", "Answer"], None]
Busy = Callable[[int], Sequence[str]]


class Pipeline:
    """Answers requests under the snapshot in force; `switch` changes it between calls."""

    def __init__(self, parts: Parts, snapshot: Snapshot) -> None:
        self._parts = parts
        self._clock = parts.clock
        self._recorder = parts.recorder
        self._bodies = parts.bodies
        self._loop = asyncio.get_running_loop()
        self._timers = Timers(parts.clock.monotonic, self._loop.call_at, _clock_failed)
        self._surfaces = {surface.path: surface for surface in SURFACES}
        self._own_calls = OwnCalls(parts, self._loop, self._timers, self._opened, self._end)
        self._runs = None if parts.journal is None else Runs(parts.journal, parts, self._loop, self._end)
        self._background = None
        if parts.journal is not None:
            self._background = BackgroundCalls(parts.journal, parts.background, self._loop, self._end)
        self._serving = Serving(snapshot, parts)
        self._candidate: Candidate | None = None
        self._shadows = Shadows(Paths(parts, self._loop, self._timers, self._own_calls, self._opened, self._end))
        self.draining = False
        self.open_calls = 0
        self._arrived: list[tuple[Request, Answer]] = []
        self._turn_waits = False

    def switch(self, snapshot: Snapshot) -> None:
        """Puts another snapshot in force; calls that are under way end under the one they began with.

        What was rolled out beside the last one is not beside this one. Raises `StoreError` where the board is full, and
        then nothing has changed.
        """
        serving = Serving(snapshot, self._parts)
        self.roll_out(None)
        self._serving = serving

    def roll_out(self, candidate: Candidate | None) -> None:
        """Serves a candidate beside the snapshot in force, in the place of the last one; None serves none."""
        if self._candidate is not None:
            self._candidate.close()
        self._candidate = candidate

    def candidate(self, rollout: Rollout, snapshot: Snapshot, table: Path) -> Candidate:
        """A candidate made ready; `table` is where the workers count whom it reached. Raises `StoreError`."""
        serving = Serving(snapshot, self._parts, also=self._serving.snapshot)
        return Candidate(rollout, serving, Exposure(table, rollout.exposed))

    def __repr__(self) -> str:
        state = "draining" if self.draining else "serving"
        return f"Pipeline({state}, snapshot {self._serving.snapshot.digest[:12]}, {self.open_calls} calls open)"

    def handle(self, request: Request, answer: Answer) -> None:
        """Takes a request. All that come in one turn of the loop are let in together at its end, with one write."""
        self.open_calls += 1
        self._arrived.append((request, answer))
        self._turn_soon()

    def _opened(self) -> None:
        self.open_calls += 1

    def _turn_soon(self) -> None:
        if not self._turn_waits:
            self._turn_waits = True
            self._loop.call_soon(self._turn)

    def _turn(self) -> None:
        """The end of a turn of the loop: lets in what came in it, and writes what was recorded."""
        self._turn_waits = False
        arrived, self._arrived = self._arrived, []
        waiting = [call for request, answer in arrived if (call := self._open(request, answer)) is not None]
        while waiting:
            waiting = waiting[self._let_in(waiting) :]
        self._recorder.flush()

    def _open(self, request: Request, answer: Answer) -> Waiting | None:
        """A call that may be let in; None when its request has been answered here, or its client has left already."""
        if answer.gone:
            self.open_calls -= 1
            return None
        at_ns = self._clock.wall_ns()
        serving = self._serving
        exchange = Exchange(request, answer, serving.snapshot, self._parts.ids.new(at_ns), at_ns, request.received_at)
        try:
            if self._polls(exchange, serving):
                return None
            if self._route(exchange, serving):
                if self._submits(exchange, serving):
                    return None
                if self._candidate is not None:
                    exchange, serving = self._beside(exchange, serving, self._candidate)
                return self._made(exchange, serving), self._admitted(exchange, serving)
        except Exception as fault:  # noqa: BLE001  it is the call's end
            failure = from_fault(exchange.call, fault)
            if self._runs is None or not self._runs.explains(exchange, failure):
                self._end(exchange, failure)
        else:
            self._end(exchange, None)
        return None

    def _polls(self, exchange: Exchange, serving: Serving) -> bool:
        """Whether it is a poll of a background call, which is answered when the journal has told."""
        asked = polling_of(exchange.request.path) if self._background is not None else None
        if asked is None or self._background is None:
            return False
        exchange.surface = PASSTHROUGH
        self._background.poll(exchange, asked, anybody=serving.admission.poller(exchange))
        return True

    def _submits(self, exchange: Exchange, serving: Serving) -> bool:
        """Whether the call is to be made later, and was handed on for that."""
        if exchange.surface is PASSTHROUGH:
            return False
        if self._background is None:
            without_background(exchange)
            return False
        return self._background.takes(exchange, serving.admission, draining=self.draining)

    def _beside(self, exchange: Exchange, serving: Serving, candidate: Candidate) -> tuple[Exchange, Serving]:
        """The call under the candidate, if it is one of its own; else as it was. A candidate that cannot take it is
        none any more.
        """
        instead = candidate.serving
        request, answer = exchange.request, exchange.answer
        try:
            if not candidate.takes(exchange):
                return exchange, serving
            fresh = Exchange(request, answer, instead.snapshot, exchange.call, exchange.at_ns, exchange.began_s)
            if self._route(fresh, instead) and fresh.task.name == exchange.task.name:
                return fresh, instead
            self._unfit(candidate, f"it takes a call of {exchange.task.name} for one of {fresh.task.name}")
        except Exception as fault:  # noqa: BLE001  it is the candidate's end, and not the call's
            self._unfit(candidate, str(from_fault(exchange.call, fault)))
        return exchange, serving

    def _unfit(self, candidate: Candidate, why: str) -> None:
        """The candidate cannot take a call that what is in force can: it gets no more, and control is told."""
        self.roll_out(None)
        at_ns = self._clock.wall_ns()
        try:
            self._recorder.change(Change(at_ns, UNFIT, candidate.rollout.id, detail=why, by=self._parts.worker))
        except StoreError:
            log.exception("rollout_unfit_not_recorded")

    def _copy(self, exchange: Exchange, candidate: Candidate) -> None:
        """Asks the candidate too, if it is a shadow and the call one of its share; the call is over whatever comes."""
        try:
            if not self.draining and candidate.copies(exchange):
                self._shadows.copy(exchange, candidate)
        except Exception as fault:  # noqa: BLE001  it is the candidate's end
            self._unfit(candidate, str(from_fault(exchange.call, fault)))

    def _made(self, exchange: Exchange, serving: Serving) -> Call:
        """The call, as it begins: with its attempts, or after what comes before them."""
        if self._runs is None:
            without_journal(exchange)
        step = None if self._runs is None else self._runs.step(exchange)
        if isinstance(step, Replayed):
            return step
        end = self._end if step is None else step.over
        attempts = Attempts(exchange, serving, self._parts, self._loop, self._timers, end)
        window, history = serving.windows.get(exchange.task.name), exchange.surface.history
        call: Attempts | InContext = attempts
        if window is not None and history is not None:
            call = InContext(attempts, window, history, serving, self._parts, self._own_calls, end)
        if step is None:
            return call
        step.inner = call
        return step

    def background(self, making: Callable[[Handler, Busy], BackgroundWork]) -> BackgroundWork:
        """What makes background calls here, told at once of those that are submitted here."""
        work = making(self.handle, self._busy)
        if self._background is not None:
            self._background.nudge = work.nudge
        return work

    def _busy(self, most: int) -> Sequence[str]:
        """Models with so much to do, under the snapshot in force."""
        return self._serving.router.busy(most)

    def ordered(self, runs: tuple[str, ...], order: Order, by: str) -> None:
        """Somebody ordered what becomes of runs: open calls of those that are to end are ended."""
        if self._runs is not None:
            self._runs.journaling.ordered(runs, order, by)

    def open_runs(self) -> tuple[str, ...]:
        """The runs that have calls open here."""
        return self._runs.journaling.runs() if self._runs is not None else ()

    async def hold_runs(self) -> None:
        """Tells the journal which calls of runs are open here."""
        if self._runs is not None:
            await self._runs.journaling.hold()

    def _let_in(self, waiting: Sequence[Waiting]) -> int:
        """Records calls as admitted and begins them, as many as there is room for; refuses all if there is none."""
        try:
            admitted = self._recorder.admit(*[event for _, event in waiting])
        except Exception as fault:  # noqa: BLE001  it is the end of these calls
            for attempts, _ in waiting:
                self._end(attempts.exchange, from_fault(attempts.exchange.call, fault))
            return len(waiting)
        for attempts, event in waiting[:admitted]:
            exchange = attempts.exchange
            exchange.admitted = event
            exchange.answer.on_gone = attempts.leave
            attempts.begin()
        return admitted

    def _route(self, exchange: Exchange, serving: Serving) -> bool:
        """Finds surface, key and task of a call; False when the request has been answered here."""
        request = exchange.request
        surface = self._surfaces.get(request.path)
        if surface is None:
            return self._route_elsewhere(exchange, serving)
        exchange.surface = surface
        if request.method != surface.method:
            raise MethodNotAllowed(path=request.path, method=request.method, allowed=surface.method)
        key = serving.admission.identify(exchange)
        exchange.asked = surface.read(request.body)
        serving.admission.resolve(exchange, key)
        exchange.prompt = enforce.render_prompt(exchange)
        exchange.checks = checks_for(serving.contract(exchange.task.name), surface, exchange.asked)
        return True

    def _route_elsewhere(self, exchange: Exchange, serving: Serving) -> bool:
        request = exchange.request
        exchange.surface = PASSTHROUGH
        if request.path in {"/health", "/ready", "/v1/models"}:
            self._answer_own(exchange, serving)
            return False
        key = serving.admission.identify(exchange)
        model = serving.admission.passthrough_model(request.method, request.path)
        if model is None:
            raise NotFound(path=request.path)
        exchange.asked = PASSTHROUGH.read(request.body)
        serving.admission.resolve_passthrough(exchange, key, model)
        return True

    def _answer_own(self, exchange: Exchange, serving: Serving) -> None:
        request, answer = exchange.request, exchange.answer
        if request.method not in {"GET", "HEAD"}:
            raise MethodNotAllowed(path=request.path, method=request.method, allowed="GET")
        if request.path == "/v1/models":
            serving.admission.identify(exchange)
            anthropic = request.headers.get(b"anthropic-version") is not None
            listed = serving.anthropic_models_list if anthropic else serving.models_list
            answer.whole(200, replies.headers(exchange, replies.JSON), listed)
        elif request.path == "/ready" and self.draining:
            raise Draining
        else:
            answer.whole(200, b"content-type: application/json\r\n", b'{"status":"ok"}')

    def _admitted(self, exchange: Exchange, serving: Serving) -> Admitted:
        """The call's first event, its bodies kept; raises `Draining` when no call is let in any more."""
        if self.draining:
            raise Draining
        refs = self._bodies.request(exchange.request.body, exchange.asked.messages, exchange.task.redaction)
        return serving.admission.admitted(exchange, refs)

    def _fail(self, exchange: Exchange, failure: CallError) -> None:
        """Tells the client: as a real HTTP error, or after the head as an event and a cut connection."""
        exchange.detail, exchange.outcome = str(failure), failure.code
        answer = exchange.answer
        if answer.gone:
            return
        if exchange.head_sent:
            event = exchange.surface.error_event(failure)
            if event:
                answer.chunk(event)
            answer.cut()
        elif isinstance(failure, Rejected):
            exchange.status = failure.status
            block = replies.headers(exchange, failure.content_type) + replies.error_headers(failure)
            answer.whole(failure.status, block, failure.body)
        else:
            replies.send_error(exchange, failure, exchange.surface.error(failure))

    def _end(self, exchange: Exchange, failure: CallError | None) -> None:
        """The one exit: tells the client how its call failed, if it did, and settles."""
        answer = exchange.answer
        answer.on_gone = None
        self.open_calls -= 1
        try:
            if failure is not None:
                self._fail(exchange, failure)
            self._settle(exchange)
        except Exception as fault:  # noqa: BLE001  the client is told whatever can still be told
            internal = from_fault(exchange.call, fault)
            if answer.started:
                answer.cut()
            else:
                replies.send_error(exchange, internal, exchange.surface.error(internal))
        if self._candidate is not None and exchange.admitted is not None and not answer.gone:
            self._copy(exchange, self._candidate)

    def _settle(self, exchange: Exchange) -> None:
        admitted, capture = exchange.admitted, exchange.capture
        if admitted is None:
            return
        response_body = exchange.response_body
        if capture is not None:
            response_body = self._bodies.response(capture)
        ended_s, at_ns = self._clock.monotonic(), self._clock.wall_ns()
        self._recorder.settle(settlement.settle(exchange, admitted, ended_s, at_ns, response_body))
        self._turn_soon()
        if capture is not None:
            capture.close()
