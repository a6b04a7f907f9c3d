"""The path of a call: admit -> reserve -> dispatch -> stream -> settle, one state machine with one exit.

route     which surface, or an answer of our own
identify  the key
read      what the request asks for
resolve   the task, its policy and the total deadline
admit     `Admitted` leaves the process before the first upstream byte
attempt   a replica is chosen and asked; failures before the first content-bearing event may be tried again
settle    every way out ends here, once
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from trimtab.errors import (
    CallError,
    Draining,
    Internal,
    MethodNotAllowed,
    NotFound,
)
from trimtab.gateway import enforce, replies, settlement
from trimtab.gateway.attempts import Attempts
from trimtab.gateway.exchange import Exchange
from trimtab.gateway.failures import Rejected
from trimtab.gateway.serving import Parts, Serving
from trimtab.gateway.surfaces.chat import ChatCompletions
from trimtab.gateway.surfaces.completions import Completions
from trimtab.gateway.surfaces.embeddings import Embeddings
from trimtab.gateway.surfaces.passthrough import Passthrough
from trimtab.gateway.surfaces.surface import Surface
from trimtab.guard.timers import Timers
from trimtab.policy.snapshot import Snapshot

if TYPE_CHECKING:
    from trimtab.gateway.http.answer import Answer
    from trimtab.gateway.http.request import Request

log = logging.getLogger("trimtab.gateway")


def _clock_failed(fault: Exception) -> None:
    log.error("internal_error", exc_info=fault)


SURFACES: tuple[Surface, ...] = (ChatCompletions(), Completions(), Embeddings())
PASSTHROUGH = Passthrough()


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
        self._serving = Serving(snapshot, parts)
        self.draining = False
        self.open_calls = 0
        self._flush_waits = False

    def switch(self, snapshot: Snapshot) -> None:
        """Puts another snapshot in force; calls that are under way end under the one they began with."""
        self._serving = Serving(snapshot, self._parts)

    def __repr__(self) -> str:
        state = "draining" if self.draining else "serving"
        return f"Pipeline({state}, snapshot {self._serving.snapshot.digest[:12]}, {self.open_calls} calls open)"

    def handle(self, request: Request, answer: Answer) -> None:
        """Begins to answer one request; whatever happens, an admitted call is settled."""
        at_ns = self._clock.wall_ns()
        serving = self._serving
        exchange = Exchange(request, answer, serving.snapshot, self._parts.ids.new(at_ns), at_ns, request.received_at)
        self.open_calls += 1
        try:
            admitted = self._route(exchange, serving)
        except CallError as failure:
            self._end(exchange, failure)
        except Exception as fault:  # noqa: BLE001  it is the call's end
            self._end(exchange, self._internal(exchange, fault))
        else:
            if admitted:
                attempts = Attempts(exchange, serving, self._parts, self._loop, self._timers, self._end)
                answer.on_gone = attempts.leave
                attempts.begin()
            else:
                self._end(exchange, None)

    def _internal(self, exchange: Exchange, fault: Exception) -> Internal:
        log.error("internal_error", exc_info=fault, extra={"fields": {"call": exchange.call}})
        return Internal(call=exchange.call)

    def _route(self, exchange: Exchange, serving: Serving) -> bool:
        """Finds the surface and lets the call in; False when the request has been answered here."""
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
        self._admit(exchange, serving)
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
        self._admit(exchange, serving)
        return True

    def _answer_own(self, exchange: Exchange, serving: Serving) -> None:
        request, answer = exchange.request, exchange.answer
        if request.method not in {"GET", "HEAD"}:
            raise MethodNotAllowed(path=request.path, method=request.method, allowed="GET")
        if request.path == "/v1/models":
            serving.admission.identify(exchange)
            answer.whole(200, replies.headers(exchange, replies.JSON), serving.models_list)
        elif request.path == "/ready" and self.draining:
            raise Draining
        else:
            answer.whole(200, b"content-type: application/json\r\n", b'{"status":"ok"}')

    def _admit(self, exchange: Exchange, serving: Serving) -> None:
        if self.draining:
            raise Draining
        asked, body = exchange.asked, exchange.request.body
        refs = self._bodies.request(body, asked.messages, exchange.task.redaction)
        admitted = serving.admission.admitted(exchange, refs)
        self._recorder.admit(admitted)
        exchange.admitted = admitted

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
            internal = self._internal(exchange, fault)
            if answer.started:
                answer.cut()
            else:
                replies.send_error(exchange, internal, exchange.surface.error(internal))

    def _settle(self, exchange: Exchange) -> None:
        admitted, capture = exchange.admitted, exchange.capture
        if admitted is None:
            return
        response_body = ""
        if capture is not None:
            response_body = self._bodies.response(capture)
        ended_s, at_ns = self._clock.monotonic(), self._clock.wall_ns()
        self._recorder.settle(settlement.settle(exchange, admitted, ended_s, at_ns, response_body))
        self._flush_soon()
        if capture is not None:
            capture.close()

    def _flush_soon(self) -> None:
        """Writes what was recorded in this turn of the loop, all at once, at its end."""
        if not self._flush_waits:
            self._flush_waits = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._flush_waits = False
        self._recorder.flush()
