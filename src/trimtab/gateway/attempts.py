"""The attempts of a call: a replica is chosen and asked, until an answer is delivered or nothing may follow.

The first attempt's failure before content may be followed by another inside the same call; the total deadline and
the number of attempts are shared by all. One alarm holds every clock; when it rings it cancels the call's task, and
the cancellation becomes the deadline's error here.
"""

from __future__ import annotations

import asyncio
from functools import partial

from trimtab.errors import (
    CallError,
    ConnectFailed,
    ConnectTimeout,
    DeadlineConnect,
    DeadlineTotal,
    Internal,
    UpstreamError,
)
from trimtab.gateway import enforce, settlement
from trimtab.gateway.exchange import Exchange
from trimtab.gateway.relay import StreamedRelay, WholeRelay
from trimtab.gateway.routing import Choice, estimate_tokens
from trimtab.gateway.serving import Parts, Serving
from trimtab.gateway.settlement import OpenAttempt
from trimtab.gateway.upstreams.connection import UpstreamConnection
from trimtab.guard.alarm import Alarm
from trimtab.guard.outcome import Outcome
from trimtab.guard.retry import decide
from trimtab.record.events import CLIENT_GONE, OK


class Attempts:
    """Makes the attempts of calls."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._clock = parts.clock

    async def deliver(self, exchange: Exchange, serving: Serving) -> None:
        """Attempts until an answer is delivered; raises the error of the last attempt."""
        alarm = Alarm(exchange.clocks, self._clock.monotonic, exchange.runner.get_loop().call_at, exchange.expire)
        try:
            while True:
                choice = serving.router.choose(exchange.task.models, exchange.tried, self._clock.monotonic())
                exchange.choice = choice
                exchange.tried.append(choice)
                failure = await self._attempt(exchange, serving, choice, alarm)
                if failure is None:
                    exchange.outcome = OK
                    return
                exchange.relay = None
                await self._before_next(exchange, serving, failure)
        except asyncio.CancelledError:
            raise self._expiry_error(exchange) from None
        finally:
            alarm.stop()
            exchange.relay = None

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
        attempt.tokens = estimate_tokens(len(exchange.request.body), output_limit(exchange))
        exchange.upstream_status = 0
        serving.router.started(choice, attempt.tokens)
        attempt.in_flight = serving.router.in_flight(choice)
        alarm.attempt()
        failure: CallError | None = None
        outcome = Outcome(Internal.code)
        try:
            failure = await self._ask(exchange, serving, attempt, alarm)
            outcome = outcome_of(exchange, failure)
        except asyncio.CancelledError:
            outcome = Outcome(CLIENT_GONE, client_gone=True)
            failure = self._expiry_error(exchange)
            outcome = outcome_of(exchange, failure)
        finally:
            alarm.rest()
            self._close(exchange, serving, attempt, outcome, failure)
        return failure

    async def _ask(self, exchange: Exchange, serving: Serving, attempt: OpenAttempt, alarm: Alarm) -> CallError | None:
        """Sends the request and waits for the end of the answer.

        A pooled connection that turns out to be stale is replaced by a fresh one within the attempt, if nothing of the
        request went out or the call may be sent twice.
        """
        target = serving.target(attempt.choice)
        body = enforce.body_for(exchange, target)
        while True:
            try:
                connection = await self._connection(exchange, attempt, target)
            except ConnectTimeout as late:
                return DeadlineConnect(replica=f"model {target.model.name}", limit_s=late.facts["limit_s"])
            except ConnectFailed as failed:
                return UpstreamError(replica=f"model {target.model.name}", detail=failed.facts["detail"])
            alarm.connected()
            kind = StreamedRelay if exchange.asked.stream else WholeRelay
            if exchange.capture is not None:
                exchange.capture.close()
            exchange.capture = self._parts.bodies.capture(exchange.task.redaction)
            attempt.relay = exchange.relay = relay = kind(exchange, target.model.name, self._clock, alarm)
            if attempt.choice.trial:
                relay.answered = partial(serving.router.answered, attempt.choice)
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
        self._parts.recorder.attempt(event)

    def _expiry_error(self, exchange: Exchange) -> CallError:
        """The error of the deadline that cancelled the call's task; a cancellation without one goes on."""
        expiry = exchange.expiry
        if expiry is None or exchange.answer.gone:
            raise asyncio.CancelledError
        exchange.expiry = None
        exchange.runner.uncancel()
        model = exchange.choice.model if exchange.choice else exchange.task.models[0]
        return expiry.error(f"model {model}", exchange.task.name)


def output_limit(exchange: Exchange) -> int | None:
    """The output tokens an attempt may make, where client or task set a limit."""
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
        shortened=exchange.shortened and failure.code == DeadlineTotal.code,
    )
