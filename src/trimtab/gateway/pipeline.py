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
from trimtab.errors import (
    CallError,
    ConnectFailed,
    ConnectTimeout,
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
from trimtab.gateway.relay import StreamedRelay, WholeRelay
from trimtab.gateway.routing import estimate_tokens
from trimtab.gateway.settlement import OpenAttempt
from trimtab.gateway.surfaces.chat import ChatCompletions
from trimtab.gateway.surfaces.completions import Completions
from trimtab.gateway.surfaces.embeddings import Embeddings
from trimtab.gateway.surfaces.passthrough import Passthrough
from trimtab.gateway.surfaces.surface import Surface
from trimtab.guard.alarm import Alarm
from trimtab.guard.outcome import Outcome
from trimtab.guard.retry import decide
from trimtab.ids import IdSource
from trimtab.policy.snapshot import Snapshot
from trimtab.record.events import CLIENT_GONE, OK

if TYPE_CHECKING:
    from trimtab.gateway.http.answer import Answer
    from trimtab.gateway.http.request import Request
    from trimtab.gateway.routing import Choice, Router
    from trimtab.gateway.upstreams.connection import UpstreamConnection
    from trimtab.gateway.upstreams.pool import Pool
    from trimtab.guard.deadlines import Expiry
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
        if task is not None and not answer.gone:
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
        loop, task = asyncio.get_running_loop(), asyncio.current_task()

        def expired(expiry: Expiry) -> None:
            exchange.expiry = expiry
            if task is not None:
                task.cancel()

        alarm = Alarm(exchange.clocks, self._clock.monotonic, loop.call_at, expired)
        try:
            while True:
                choice = serving.router.choose(exchange.task.models, exchange.tried, self._clock.monotonic())
                exchange.choice = choice
                exchange.tried.append(choice)
                failure = await self._attempt(exchange, serving, choice, alarm)
                if failure is None:
                    exchange.outcome = OK
                    return
                await self._before_next(exchange, serving, failure)
        except asyncio.CancelledError:
            raise self._expiry_error(exchange) from None
        finally:
            alarm.stop()

    async def _before_next(self, exchange: Exchange, serving: Serving, failure: CallError) -> None:
        """Waits until another attempt may begin; raises `failure` when none may."""
        now_s = self._clock.monotonic()
        verdict = decide(
            outcome_of(exchange, failure),
            attempt=len(exchange.tried),
            attempts_allowed=exchange.task.retry.attempts,
            left_s=exchange.clocks.left_s(now_s),
            random=self._parts.random(),
            more_replicas=serving.router.others(exchange.task.models, exchange.tried, now_s),
        )
        if not verdict.again:
            raise failure
        if verdict.wait_s > 0:
            await asyncio.sleep(verdict.wait_s)

    async def _attempt(self, exchange: Exchange, serving: Serving, choice: Choice, alarm: Alarm) -> CallError | None:
        """Asks one replica; None when its answer was delivered. Recorded whichever way it ends."""
        attempt = OpenAttempt(choice, len(exchange.tried), self._clock.monotonic(), self._clock.wall_ns())
        target = serving.targets[choice.model, choice.replica]
        body = enforce.body_for(exchange, target)
        attempt.tokens = estimate_tokens(len(body), attempt_limit(exchange))
        serving.router.started(choice, attempt.tokens)
        alarm.attempt()
        failure: CallError | None = None
        outcome = Outcome(CLIENT_GONE, client_gone=True)
        try:
            failure = await self._ask(exchange, attempt, target, body, alarm)
            outcome = outcome_of(exchange, failure)
        except asyncio.CancelledError:
            failure = self._expiry_error(exchange)
            outcome = outcome_of(exchange, failure)
        finally:
            alarm.rest()
            self._close(exchange, serving, attempt, outcome, failure)
        return failure

    async def _ask(
        self, exchange: Exchange, attempt: OpenAttempt, target: enforce.Target, body: bytes, alarm: Alarm
    ) -> CallError | None:
        """Sends the request and waits for the end of the answer.

        A pooled connection that turns out to be stale is replaced by a fresh one within the attempt, if nothing of the
        request went out or the call may be sent twice.
        """
        while True:
            try:
                connection = await self._connection(exchange, attempt, target)
            except ConnectTimeout as late:
                return DeadlineConnect(replica=f"model {target.model.name}", limit_s=late.facts["limit_s"])
            except ConnectFailed as failed:
                return UpstreamError(replica=f"model {target.model.name}", detail=failed.facts["detail"])
            alarm.connected()
            kind = StreamedRelay if exchange.asked.stream else WholeRelay
            attempt.relay = relay = kind(exchange, target.model.name, self._clock, alarm)
            left_s = exchange.clocks.left_s(self._clock.monotonic())
            relay.send(connection, target.head(exchange, len(body), left_s, self._parts.read_secret), body)
            failure = await relay.outcome()
            if failure is None or not relay.stale:
                return failure

    async def _connection(self, exchange: Exchange, attempt: OpenAttempt, target: enforce.Target) -> UpstreamConnection:
        """A pooled connection, or a fresh one; after a stale one always a fresh one."""
        connection = None if attempt.relay is not None else self._parts.pool.idle(target.origin)
        attempt.reused = connection is not None
        if connection is None:
            connection = await self._parts.pool.connect(target.origin, exchange.task.deadline.connect_s)
            attempt.connect_s = self._clock.monotonic() - attempt.began_s
        return connection

    def _close(
        self,
        exchange: Exchange,
        serving: Serving,
        attempt: OpenAttempt,
        outcome: Outcome,
        failure: CallError | None,
    ) -> None:
        """Ends an attempt: the connection, the replica's votes and the record."""
        if attempt.relay is not None:
            attempt.relay.abandon()
            exchange.facts = attempt.relay.facts
        ended_s = self._clock.monotonic()
        serving.router.ended(attempt.choice, attempt.tokens, outcome, ended_s)
        detail = "" if failure is None else str(failure)
        event = settlement.close_attempt(exchange, attempt, ended_s, outcome.cause, detail)
        exchange.attempts.append(event)
        self._recorder.attempt(event)

    def _expiry_error(self, exchange: Exchange) -> CallError:
        """The error of the deadline that cancelled the call's task; a cancellation without one goes on."""
        expiry, task = exchange.expiry, asyncio.current_task()
        if expiry is None or exchange.answer.gone:
            raise asyncio.CancelledError
        exchange.expiry = None
        if task is not None:
            task.uncancel()
        model = exchange.choice.model if exchange.choice else exchange.task.models[0]
        return expiry.error(f"model {model}", exchange.task.name)

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


def attempt_limit(exchange: Exchange) -> int | None:
    """Output tokens an attempt may make, where client or task set a limit."""
    return exchange.admitted.max_output_tokens if exchange.admitted else None


def outcome_of(exchange: Exchange, failure: CallError | None) -> Outcome:
    """How the attempt that just ended looks to retry and breaker."""
    gone = exchange.answer.gone
    if failure is None:
        return Outcome(OK, content_started=True, client_gone=gone)
    return Outcome(
        failure.code,
        status=exchange.upstream_status,
        retry_after_s=failure.retry_after_s,
        content_started=exchange.head_sent,
        client_gone=gone,
    )
