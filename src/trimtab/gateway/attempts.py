"""The attempts of a call: a replica is chosen and asked, until an answer is delivered or nothing may follow.

An attempt's failure before content may be followed by another inside the same call; so may an answer that broke its
contract (the model is asked again) and a stream that was interrupted (another replica goes on with it). The total
deadline is shared by all. Nothing here waits: a call goes on when its connection stands, its answer ends, a clock runs
out, or the time of its next attempt has come, and each of these is a method.

    begin -> next -> ask -> [dialled] -> send -> answered, or expired -> close -> repair, resume, again, or over
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

from msgspec import Struct

from trimtab.errors import (
    CallError,
    CircuitOpen,
    ConnectFailed,
    ConnectTimeout,
    DeadlineConnect,
    DeadlineTotal,
    InvalidRequest,
    UpstreamError,
    UpstreamTruncated,
)
from trimtab.gateway import enforce, settlement
from trimtab.gateway.enforce import Asking
from trimtab.gateway.exchange import LATER, Exchange
from trimtab.gateway.failures import Rejected, from_fault
from trimtab.gateway.keepalive import KeepAlive
from trimtab.gateway.kept_relay import KeptRelay, interrupted
from trimtab.gateway.relay import Relay, StreamedRelay, WholeRelay
from trimtab.gateway.routing import estimate_tokens
from trimtab.gateway.serving import Parts, Serving
from trimtab.gateway.settlement import OpenAttempt
from trimtab.gateway.surfaces.surface import ADDED_KEPT, NOTHING_KEPT
from trimtab.gateway.upstreams.connection import UpstreamConnection
from trimtab.guard.alarm import Alarm
from trimtab.guard.deadlines import Expiry
from trimtab.guard.outcome import Outcome
from trimtab.guard.retry import Verdict, decide
from trimtab.guard.timers import Timers
from trimtab.record.capture import Capture
from trimtab.record.events import CLIENT_GONE, OK

Over = Callable[[Exchange, CallError | None], None]
DELIVERED = Outcome(OK, content_started=True)
LEFT = Outcome(CLIENT_GONE, client_gone=True)


class Attempts(Struct, eq=False):
    """The attempts of one call that was admitted.

    `over` is called once, when nothing follows any more: with the error of the last attempt, or with None when an
    answer was delivered or the client has left. `waits` is what the call waits for when that is no answer: a
    connection that is being made, or the time of the next attempt. `models` are those the next attempt may ask, in
    their order; `before` is the interrupted answer it goes on with; `last` how the latest attempt failed;
    `instead` is what the client is told if a request that we wrote (a repair, a resume) is refused.
    """

    exchange: Exchange
    _serving: Serving
    _parts: Parts
    _loop: asyncio.AbstractEventLoop
    _timers: Timers
    _over: Over
    _alarm: Alarm = LATER
    _attempt: OpenAttempt | None = None
    _models: tuple[str, ...] = ()
    _before: KeptRelay | None = None
    _last: CallError | None = None
    _instead: CallError | None = None
    _keep_alive: KeepAlive | None = None
    _waits: asyncio.Task[UpstreamConnection] | asyncio.TimerHandle | None = None

    def begin(self) -> None:
        """Asks a replica; the rest follows by itself."""
        exchange = self.exchange
        self._alarm = Alarm(exchange.clocks, self._parts.clock.monotonic, self._timers.call_at, self._expired)
        self._models = exchange.task.models
        if exchange.checks is not None and exchange.checks.hold and exchange.asked.stream:
            self._keep_alive = KeepAlive(exchange, self._loop)
        self._next()

    def leave(self) -> None:
        """The client has gone, so the call ends here."""
        self._stop_waiting()
        self.exchange.outcome = CLIENT_GONE
        try:
            if self._attempt is not None:
                self._close(self._attempt, LEFT, None)
        finally:
            self._end(None)

    def stop(self, failure: CallError) -> None:
        """The call ends in this, and no attempt follows."""
        self._stop_waiting()
        if self._attempt is None:
            self._end(failure)
        else:
            self._ended(self._attempt, failure)

    @property
    def ending(self) -> bool:
        """Whether what the replica has sent so far holds the end of a streamed answer."""
        relay = None if self._attempt is None else self._attempt.relay
        return isinstance(relay, StreamedRelay) and relay.reader.done

    def _next(self) -> None:
        """Begins an attempt at the replica that is to be asked next."""
        self._waits = None
        try:
            attempt = self._attempt = self._chosen()
        except Exception as fault:  # noqa: BLE001  it ends the call, in `_broke`
            self._broke(None, fault)
        else:
            self._ask(attempt)

    def _chosen(self) -> OpenAttempt:
        """An attempt at the replica that the router chooses, its clocks running; raises `CircuitOpen`."""
        exchange, router, clock = self.exchange, self._serving.router, self._parts.clock
        now_s = clock.monotonic()
        choice = exchange.choice = router.choose(self._models, exchange.tried, now_s)
        exchange.tried.append(choice)
        exchange.upstream_status = 0
        tokens = estimate_tokens(len(exchange.request.body), output_limit(exchange))
        in_flight = router.started(choice, tokens)
        self._alarm.attempt(now_s)
        return OpenAttempt(choice, len(exchange.tried), now_s, clock.wall_ns(), tokens, in_flight)

    def _ask(self, attempt: OpenAttempt) -> None:
        """Sends the request on a pooled connection or, for want of one, on a fresh one when it stands.

        A pooled connection that turned out to be stale is replaced by a fresh one within the attempt.
        """
        origin, pool = self._serving.target(attempt.choice).origin, self._parts.pool
        connection = pool.idle(origin) if attempt.relay is None else None
        attempt.reused = connection is not None
        if connection is not None:
            self._send(attempt, connection)
        else:
            dial = self._waits = self._loop.create_task(pool.connect(origin, self.exchange.task.deadline.connect_s))
            dial.add_done_callback(partial(self._dialled, attempt))

    def _dialled(self, attempt: OpenAttempt, dial: asyncio.Task[UpstreamConnection]) -> None:
        """The connection stands, or never will."""
        if dial.cancelled():
            return
        replica, fault = f"model {attempt.choice.model}", dial.exception()
        if self._attempt is not attempt:  # it ended in the same turn of the loop
            if fault is None:
                dial.result().give_back()
            return
        self._waits = None
        match fault:
            case None:
                attempt.connect_s = self._parts.clock.monotonic() - attempt.began_s
                self._send(attempt, dial.result())
            case ConnectTimeout():
                self._ended(attempt, DeadlineConnect(replica=replica, limit_s=fault.facts["limit_s"]))
            case ConnectFailed():
                self._ended(attempt, UpstreamError(replica=replica, detail=fault.facts["detail"]))
            case _:
                self._broke(attempt, fault)

    def _send(self, attempt: OpenAttempt, connection: UpstreamConnection) -> None:
        exchange, parts, choice, serving = self.exchange, self._parts, attempt.choice, self._serving
        try:
            target = serving.target(choice)
            asking = enforce.asking(
                exchange, serving.contract(exchange.task.name), target.model, serving.schema_form(exchange.task, choice)
            )
            left_s = exchange.clocks.left_s(parts.clock.monotonic())
            head, body = target.request(exchange, asking, left_s)
        except Exception as fault:  # noqa: BLE001  it ends the call, in `_broke`
            connection.give_back()
            self._broke(attempt, fault)
            return
        self._alarm.connected()
        capture = self._capture()
        if exchange.checks is not None:
            exchange.checks.attempt(attempt.number, goes_on=self._before is not None)
        relay = self._relay(choice.model, asking, capture)
        if choice.trial:
            relay.answered = partial(serving.router.answered, choice)
        attempt.relay = relay
        relay.send(connection, head, body)

    def _capture(self) -> Capture:
        """What copies the answer: another one for each, but for one that goes on with an interrupted one."""
        exchange, capture = self.exchange, self.exchange.capture
        if capture is None or self._before is None:
            if capture is not None:
                capture.close()
            capture = exchange.capture = self._parts.bodies.capture(exchange.task.redaction)
        return capture

    def _relay(self, model: str, asking: Asking, capture: Capture) -> Relay:
        """What takes the answer that the client asked for: whole, streamed, or streamed and kept."""
        exchange, clock = self.exchange, self._parts.clock
        if not exchange.asked.stream:
            return WholeRelay(exchange, capture, model, asking, self._alarm, clock, self._loop, self._answered)
        reader = asking.wire.reader(exchange.asked, asking.keep)
        kind = StreamedRelay if asking.keep in (NOTHING_KEPT, ADDED_KEPT) else KeptRelay
        relay = kind(exchange, capture, model, asking, self._alarm, clock, self._loop, self._answered, reader=reader)
        if isinstance(relay, KeptRelay):
            relay.begin(self._before)
        return relay

    def _answered(self, failure: CallError | None) -> None:
        """The answer of the attempt under way was delivered, or the replica failed."""
        attempt = self._attempt
        if attempt is None:
            return
        if failure is not None and attempt.relay is not None and attempt.relay.stale:
            self._ask(attempt)
        else:
            self._ended(attempt, failure)

    def _expired(self, expiry: Expiry) -> None:
        """A clock has run out."""
        exchange = self.exchange
        model = exchange.choice.model if exchange.choice else exchange.task.models[0]
        self.stop(expiry.error(f"model {model}", exchange.task.name))

    def _ended(self, attempt: OpenAttempt, failure: CallError | None) -> None:
        """The attempt is over; another may follow."""
        outcome = DELIVERED if failure is None else outcome_of(self.exchange, failure)
        try:
            self._close(attempt, outcome, failure)
            if failure is None:
                self.exchange.outcome = OK
                self._end(None)
                return
            self._last = failure
            follows = self._repairs(attempt, failure) or self._resumes(attempt, outcome, failure)
        except Exception as fault:  # noqa: BLE001  it ends the call, in `_broke`
            self._broke(attempt, fault)
            return
        if not follows:
            self._again(outcome, failure)

    def _repairs(self, attempt: OpenAttempt, failure: CallError) -> bool:
        """Asks the model again if its answer broke the contract and that may be mended; whether it does."""
        exchange, checks = self.exchange, self.exchange.checks
        if checks is None or checks.unfit is None or failure is not checks.unfit.failure or exchange.content_sent:
            return False
        if not checks.may_repair():
            return False
        exchange.came = exchange.came or exchange.asked
        exchange.asked = checks.reask(exchange.surface, exchange.asked)
        self._models, self._instead = (attempt.choice.model,), failure
        self._next()
        return True

    def _resumes(self, attempt: OpenAttempt, outcome: Outcome, failure: CallError) -> bool:
        """Lets another replica go on with an interrupted answer, if one can; whether it does."""
        exchange, relay, limit = self.exchange, attempt.relay or self._before, output_limit(self.exchange)
        resume = interrupted(exchange, relay, failure, limit)
        if resume is None or not isinstance(relay, KeptRelay):
            return False
        if relay.all_made(limit):
            relay.finish_resumed()
            exchange.outcome = OK
            self._end(None)
            return True
        self._models = (attempt.choice.model,)
        again = Outcome(UpstreamTruncated.code, status=outcome.status, retry_after_s=failure.retry_after_s)
        verdict = self._verdict(again)
        if not verdict.again:
            return False
        self._instead = failure
        seam = len(resume.text.encode())
        if exchange.seams[-1:] != (seam,):
            exchange.seams = (*exchange.seams, seam)
        self._before, exchange.resume = relay, resume
        self._wait(verdict)
        return True

    def _again(self, outcome: Outcome, failure: CallError) -> None:
        """Begins another attempt, at once or after a wait, unless `failure` is the call's end."""
        exchange, instead = self.exchange, self._instead
        if self._before is None:
            self._models = exchange.task.models
        verdict = self._verdict(outcome)
        if verdict.again:
            self._wait(verdict)
        elif instead is not None and isinstance(failure, Rejected):
            if exchange.checks is not None and self._before is None:
                exchange.checks.not_asked_again()
            self._end(instead)
        else:
            self._end(failure)

    def _verdict(self, outcome: Outcome) -> Verdict:
        """Whether another attempt may follow on one that ended so; repairs are not counted as tries."""
        exchange, router, now_s = self.exchange, self._serving.router, self._parts.clock.monotonic()
        repairs = 0 if exchange.checks is None else exchange.checks.repairs
        return decide(
            outcome,
            attempt=len(exchange.tried) - repairs,
            attempts_allowed=exchange.task.retry.attempts,
            left_s=exchange.clocks.left_s(now_s),
            random=self._parts.random(),
            more_replicas=router.others(self._models, exchange.tried, now_s),
        )

    def _wait(self, verdict: Verdict) -> None:
        if verdict.wait_s > 0:
            self._waits = self._loop.call_later(verdict.wait_s, self._next)
        else:
            self._next()

    def _broke(self, attempt: OpenAttempt | None, fault: BaseException) -> None:
        """No attempt can be made, or something of ours failed amid one: the call ends in that, or an internal error.

        Where an earlier attempt failed and no further one can be made, that failure is what the client is told.
        """
        failure = from_fault(self.exchange.call, fault)
        if attempt is not None and self._attempt is attempt:
            self._close(attempt, Outcome(failure.code), failure)
        if self._last is not None and isinstance(failure, CircuitOpen | InvalidRequest):
            failure = self._last
        self._end(failure)

    def _close(self, attempt: OpenAttempt, outcome: Outcome, failure: CallError | None) -> None:
        """Ends an attempt: the connection, the replica's votes and the record."""
        self._attempt = None
        exchange, ended_s = self.exchange, self._parts.clock.monotonic()
        if attempt.relay is not None:
            attempt.relay.abandon()
            exchange.facts, exchange.made_before = attempt.relay.facts, attempt.relay.made_before
        self._alarm.rest(ended_s)
        self._serving.router.ended(attempt.choice, attempt.tokens, outcome, ended_s)
        detail = "" if failure is None else str(failure)
        event = settlement.close_attempt(exchange, attempt, ended_s, outcome.cause, detail)
        exchange.attempts.append(event)
        self._parts.recorder.attempt(event)

    def _end(self, failure: CallError | None) -> None:
        self._alarm.stop()
        self._alarm = LATER
        if self._keep_alive is not None:
            self._keep_alive.stop()
        self._before = None
        self._over(self.exchange, failure)

    def _stop_waiting(self) -> None:
        if self._waits is not None:
            self._waits.cancel()
            self._waits = None


def output_limit(exchange: Exchange) -> int | None:
    """The output tokens an attempt may make, where client or task set a limit; one below 1 is the server's to judge."""
    limit = exchange.admitted.max_output_tokens if exchange.admitted else None
    return limit if limit is None or limit > 0 else None


def outcome_of(exchange: Exchange, failure: CallError) -> Outcome:
    """How the attempt that just failed looks to retry and breaker."""
    return Outcome(
        failure.code,
        status=exchange.upstream_status,
        retry_after_s=failure.retry_after_s,
        content_started=exchange.content_sent,
        client_gone=exchange.answer.gone,
        shortened=exchange.shortened and failure.code == DeadlineTotal.code,
    )
