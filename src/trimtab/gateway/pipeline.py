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
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from trimtab.clock import Clock
from trimtab.declare.project import Deadlines
from trimtab.errors import (
    CallError,
    DeadlineConnect,
    Draining,
    Internal,
    MethodNotAllowed,
    NotFound,
    UpstreamError,
)
from trimtab.gateway import enforce, replies, settlement
from trimtab.gateway.admission import Admission, FindKey
from trimtab.gateway.exchange import Exchange
from trimtab.gateway.failures import Rejected
from trimtab.gateway.relay import Relay, StreamedRelay, WholeRelay, total_error
from trimtab.gateway.settlement import OpenAttempt
from trimtab.gateway.surfaces.chat import ChatCompletions
from trimtab.gateway.surfaces.completions import Completions
from trimtab.gateway.surfaces.embeddings import Embeddings
from trimtab.gateway.surfaces.passthrough import Passthrough
from trimtab.gateway.surfaces.surface import Surface
from trimtab.gateway.upstreams.connection import ConnectFailed, ConnectTimeout
from trimtab.guard.deadlines import Clocks
from trimtab.guard.retry import Outcome, decide
from trimtab.ids import IdSource
from trimtab.policy.snapshot import Snapshot
from trimtab.record.events import CLIENT_GONE, OK

if TYPE_CHECKING:
    from trimtab.gateway.http.request import Request
    from trimtab.gateway.routing import Choice, Router
    from trimtab.gateway.server import Answer
    from trimtab.gateway.upstreams.pool import Pool
    from trimtab.record.bodies import Bodies
    from trimtab.record.recorder import Recorder

log = logging.getLogger("trimtab.gateway")

SURFACES: tuple[Surface, ...] = (ChatCompletions(), Completions(), Embeddings())
PASSTHROUGH = Passthrough()


@dataclass(frozen=True)
class Parts:
    """What a pipeline is built from; `router` makes one for a snapshot over the shared board."""

    clock: Clock
    ids: IdSource
    random: Callable[[], float]
    recorder: Recorder
    bodies: Bodies
    pool: Pool
    router: Callable[[Snapshot], Router]
    find_key: FindKey
    read_secret: enforce.ReadSecret
    worker: str


class Serving:
    """One snapshot made ready to serve under; a call keeps the one it began with."""

    def __init__(self, snapshot: Snapshot, parts: Parts) -> None:
        self.snapshot = snapshot
        self.admission = Admission(snapshot, parts.find_key, parts.worker)
        self.router = parts.router(snapshot)
        self.models_list = replies.models_list(snapshot)
        self.targets = {
            (model.name, url): enforce.Target(model, url)
            for model in snapshot.models.values()
            for url in model.replicas
        }


class Pipeline:
    """Answers requests under the snapshot in force; `switch` changes it between calls."""

    def __init__(self, parts: Parts, snapshot: Snapshot) -> None:
        self._parts = parts
        self._clock = parts.clock
        self._recorder = parts.recorder
        self._bodies = parts.bodies
        self._surfaces = {surface.path: surface for surface in SURFACES}
        self._serving = Serving(snapshot, parts)
        self.draining = False
        self.open_calls = 0

    def switch(self, snapshot: Snapshot) -> None:
        """Puts another snapshot in force; calls that are under way end under the one they began with."""
        self._serving = Serving(snapshot, self._parts)

    def __repr__(self) -> str:
        state = "draining" if self.draining else "serving"
        return f"Pipeline({state}, snapshot {self._serving.snapshot.digest[:12]}, {self.open_calls} calls open)"

    async def handle(self, request: Request, answer: Answer) -> None:
        """Answers one request; whatever happens, an admitted call is settled."""
        at_ns = self._clock.wall_ns()
        serving = self._serving
        exchange = Exchange(request, answer, serving.snapshot, self._parts.ids.new(at_ns), at_ns)
        task = asyncio.current_task()
        if task is not None:
            answer.on_gone = task.cancel
        self.open_calls += 1
        try:
            if self._route(exchange, serving):
                await self._serve(exchange, serving)
        except CallError as failure:
            self._fail(exchange, failure)
        except asyncio.CancelledError:
            self._left(exchange)
        except Exception:
            log.exception("internal error", extra={"call": exchange.call})
            self._fail(exchange, Internal(call=exchange.call))
        finally:
            answer.on_gone = None
            self.open_calls -= 1
            self._settle(exchange)

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
        task, asked, body = exchange.task, exchange.asked, exchange.request.body
        admitted = serving.admission.admitted(exchange)
        refs = self._bodies.request(body, asked.messages, task.redaction)
        admitted = msgspec.structs.replace(admitted, request_body=refs.body, messages=refs.messages)
        self._recorder.admit(admitted)
        exchange.admitted = admitted
        exchange.capture = self._bodies.capture(task.redaction, exchange.call)

    async def _serve(self, exchange: Exchange, serving: Serving) -> None:
        """Attempts until an answer is delivered; raises the error of the last attempt."""
        while True:
            choice = serving.router.choose(exchange.task.models, exchange.tried, self._clock.monotonic())
            exchange.choice = choice
            exchange.tried.append(choice)
            failure = await self._attempt(exchange, serving, choice)
            if failure is None:
                exchange.outcome = OK
                return
            if exchange.head_sent or isinstance(failure, Rejected):
                raise failure
            await self._before_next(exchange, serving, failure)

    async def _before_next(self, exchange: Exchange, serving: Serving, failure: CallError) -> None:
        """Waits until another attempt may begin; raises `failure` when none may."""
        now_s = self._clock.monotonic()
        left_s = exchange.total.left_s(now_s)
        outcome = Outcome(failure.code, failure.retry_after_s, exchange.head_sent, exchange.answer.gone)
        verdict = decide(
            outcome,
            attempt=len(exchange.tried),
            attempts_allowed=exchange.task.retry.attempts,
            left_s=left_s,
            random=self._parts.random(),
            more_replicas=serving.router.more(exchange.task.models, exchange.tried, now_s),
        )
        if not verdict.again:
            raise failure
        if verdict.wait_s > 0:
            await asyncio.sleep(verdict.wait_s)

    async def _attempt(self, exchange: Exchange, serving: Serving, choice: Choice) -> CallError | None:
        """Asks one replica; None when its answer was delivered. Recorded whichever way it ends."""
        attempt = OpenAttempt(choice, len(exchange.tried), self._clock.monotonic(), self._clock.wall_ns())
        target = serving.targets[choice.model, choice.replica]
        body = enforce.body_for(exchange, target)
        admitted = exchange.admitted
        attempt.tokens = len(body) // 4 + ((admitted.max_output_tokens if admitted else None) or 0)
        attempt.in_flight = serving.router.started(choice, attempt.tokens)
        cause, detail = CLIENT_GONE, ""
        try:
            failure = await self._ask(exchange, attempt, target, body)
            cause, detail = (OK, "") if failure is None else (failure.code, str(failure))
        finally:
            if attempt.relay is not None:
                attempt.relay.abandon()
                exchange.facts = attempt.relay.facts
            serving.router.ended(choice, attempt.tokens, cause)
            event = settlement.close_attempt(exchange, attempt, self._clock.monotonic(), cause, detail)
            exchange.attempts.append(event)
            self._recorder.attempt(event)
        return failure

    async def _ask(
        self, exchange: Exchange, attempt: OpenAttempt, target: enforce.Target, body: bytes
    ) -> CallError | None:
        limits, model = exchange.task.deadline, attempt.choice.model
        now_s = self._clock.monotonic()
        left_s = exchange.total.left_s(now_s)
        if left_s == 0.0:
            return total_error(exchange)
        connection = self._parts.pool.idle(target.origin)
        attempt.reused = connection is not None
        if connection is None:
            timeout_s = limits.connect_s if left_s is None else min(limits.connect_s, left_s)
            try:
                connection = await self._parts.pool.connect(target.origin, timeout_s)
            except ConnectTimeout:
                if left_s is not None and left_s <= limits.connect_s:
                    return total_error(exchange)
                return DeadlineConnect(replica=f"model {model}", limit_s=limits.connect_s)
            except ConnectFailed as failed:
                return UpstreamError(replica=f"model {model}", detail=f"no connection: {failed}")
            now_s = self._clock.monotonic()
            left_s = exchange.total.left_s(now_s)
            attempt.connect_s = now_s - attempt.began_s
        relay = self._relay(exchange, model, limits)
        attempt.relay = relay
        relay.send(connection, target.head(exchange, len(body), left_s, self._parts.read_secret), body)
        return await relay.outcome()

    def _relay(self, exchange: Exchange, model: str, limits: Deadlines) -> Relay:
        streamed = exchange.asked.stream
        clocks = Clocks(limits, total_at=exchange.total.at, streamed=streamed)
        kind = StreamedRelay if streamed else WholeRelay
        return kind(exchange, model, self._clock, clocks)

    def _fail(self, exchange: Exchange, failure: CallError) -> None:
        """Tells the client: as a real HTTP error, or after the head as an event and a cut connection."""
        exchange.failure, exchange.outcome = failure, failure.code
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

    def _left(self, exchange: Exchange) -> None:
        """The task was cancelled: the client has gone, or the worker's drain has run out."""
        if exchange.answer.gone:
            exchange.outcome = CLIENT_GONE
        else:
            self._fail(exchange, Draining())

    def _settle(self, exchange: Exchange) -> None:
        admitted, capture = exchange.admitted, exchange.capture
        if admitted is None:
            return
        response_body = ""
        if capture is not None:
            response_body = self._bodies.response(capture, exchange.task.redaction)
        ended_s, at_ns = self._clock.monotonic(), self._clock.wall_ns()
        self._recorder.settle(settlement.settle(exchange, admitted, ended_s, at_ns, response_body))
        if capture is not None:
            capture.close()
