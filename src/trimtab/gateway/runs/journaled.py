"""A call that is a step of a run. It takes the place of the call's attempts until the journal has its intent.

Nothing here waits, but where a recorded answer is given: each thing that can happen is a method.

    begin -> begun: go       -> (attempts) -> over -> kept (the answer is on the disk) -> finished -> the answer ends
                    recorded -> served
"""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import Callable
from hashlib import sha256
from typing import Final, Literal

from msgspec import Struct
from msgspec.structs import replace

from trimtab.errors import CallError, RunStopped
from trimtab.gateway import replies
from trimtab.gateway.attempts import Attempts
from trimtab.gateway.context.in_context import InContext
from trimtab.gateway.exchange import LATER, Exchange
from trimtab.gateway.failures import from_fault
from trimtab.gateway.runs.headers import RunHeaders
from trimtab.gateway.runs.held import HeldAnswer, told_lines
from trimtab.gateway.runs.journaling import Journaling
from trimtab.gateway.runs.refused import as_call_error, unavailable
from trimtab.gateway.runs.served import serve
from trimtab.journal.asks import Begin, Begun, Finish, Open, Told
from trimtab.journal.entries import INLINE_BYTES, Body, Outcome, Result, Started, Tried, body_of
from trimtab.journal.refusals import RunUnknown
from trimtab.journal.requests import canonical
from trimtab.record.events import CLIENT_GONE, OK
from trimtab.record.purposes import REPLAY, apart

Over = Callable[[Exchange, CallError | None], None]
MAX_DETAIL: Final = 500
REPAIRED: Final = frozenset({"output_invalid", "tool_call_invalid"})
"""How an attempt ended on which another followed as a repair."""


class Journaled(Struct, eq=False):
    """One call of run `asked.run`; `over` ends it for its client and its record.

    `inner` is what asks a replica. `state` tells what an order, or a client that leaves, has to end; `told` that the
    call is over for its client and its record.
    """

    exchange: Exchange
    asked: RunHeaders
    held: HeldAnswer
    _journaling: Journaling
    _over: Over
    inner: Attempts | InContext = LATER
    state: Literal["new", "asking", "asked", "serving", "finishing", "over"] = "new"
    told: bool = False
    _seq: int = 0
    _failure: CallError | None = None
    _serving: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        return f"Journaled({self.exchange!r} of run {self.asked.run}, {self.state})"

    def begin(self) -> None:
        """Asks the journal for the step; the rest follows by itself."""
        exchange, asked, journaling = self.exchange, self.asked, self._journaling
        try:
            step = self._step()
        except Exception as fault:  # noqa: BLE001  it is the call's end
            self._tell(from_fault(exchange.call, fault))
            return
        self.state = "asking"
        journaling.opened(asked.run, self)
        if asked.run != asked.replay and not asked.epoch and journaling.is_new(asked.run):
            journaling.ask(Open(asked.run, self._started()), self._opened)
        journaling.ask(step, self._begun)

    def _step(self) -> Begin:
        exchange, asked, admitted = self.exchange, self.asked, self.exchange.admitted
        body = exchange.request.body
        surface = exchange.surface.name
        return Begin(
            run=asked.run,
            epoch=asked.epoch,
            step="model",
            label=(admitted.step if admitted else "") or exchange.task.name,
            request=canonical("model", surface, body, exchange.task.volatile).digest,
            input=self._request_body(body),
            branch=asked.branch,
            after=asked.after,
            tool=surface,
            lock=exchange.snapshot.lock_id,
            call=exchange.call,
            served=bool(asked.replay),
            session=asked.session,
        )

    def _request_body(self, body: bytes) -> Body:
        """The request, whose longer bytes were kept when the call was admitted; of others there is the digest alone."""
        if self.exchange.task.redaction != "full":
            return Body(sha256(body).hexdigest(), len(body))
        return body_of(body)

    def _started(self) -> Started:
        exchange, admitted = self.exchange, self.exchange.admitted
        return Started(
            at_ns=exchange.at_ns,
            task=exchange.task.name,
            through="gateway",
            lock=exchange.snapshot.lock_id,
            snapshot=exchange.snapshot.digest,
            environment=exchange.snapshot.environment,
            conversation=admitted.conversation if admitted else "",
            end_user=admitted.end_user if admitted else "",
        )

    def _opened(self, told: Told | BaseException) -> None:
        if isinstance(told, BaseException):
            self._failure = self._as_error(told)
            self._journaling.forget(self.asked.run)

    def _begun(self, told: Told | BaseException) -> None:
        """The journal has answered."""
        if isinstance(told, RunUnknown) and self._failure is None:
            self._journaling.forget(self.asked.run)
        match told:
            case Begun(found="go"):
                self._seq = told.seq
                if self.told:
                    self._finish("cancelled")
                else:
                    self._go()
            case _ if self.told:
                return
            case Begun(found="recorded", result=Result() as result):
                self._seq = told.seq
                self._serve(result)
            case Begun():
                detail = f"nobody knows what became of its step {told.seq}; say it with `trimtab runs resume`"
                self._end(RunStopped(run=self.asked.run, detail=detail))
            case BaseException():
                self._end(self._failure or self._as_error(told))
            case _:
                self._end(self._as_error(TypeError(f"the journal answers a step with {type(told).__name__}")))

    def _go(self) -> None:
        bodies, redaction = self._journaling.bodies, self.exchange.task.redaction
        attempts = self.inner if isinstance(self.inner, Attempts) else self.inner.attempts
        self.state = "asked"
        self.held.seq = self._seq
        self.held.hold(bodies.capture("full" if redaction == "full" else "digest"), lambda: attempts.ending)
        self.exchange.answer.on_gone = self.inner.leave
        self.inner.begin()

    def over(self, exchange: Exchange, failure: CallError | None) -> None:
        """The attempts are over: the answer's end, or the error, waits for the journal."""
        exchange.answer.on_gone = None
        self._failure = failure
        if self.state != "asked":
            self._tell(failure)
        elif exchange.outcome == CLIENT_GONE:
            self._tell(None)
            self._finish("cancelled")
        elif failure is None:
            self._finish("ok")
        else:
            self.held.hold_all()
            self._tell(failure)
            self._finish("error")

    def leave(self) -> None:
        """The client has gone before an answer began."""
        self.exchange.outcome = CLIENT_GONE
        self._leave(None)

    def stop(self, failure: CallError) -> None:
        """Ends the call in this, unless its answer has ended."""
        if self.state == "asked":
            self.inner.stop(failure)
        elif self.state in {"asking", "serving"}:
            self._leave(failure)

    def _leave(self, failure: CallError | None) -> None:
        if self._serving is not None:
            self._serving.cancel()
        self._end(failure)

    def _end(self, failure: CallError | None) -> None:
        self._journaling.closed(self.asked.run, self)
        self._tell(failure)

    def _tell(self, failure: CallError | None) -> None:
        if not self.told:
            self.told = True
            self._over(self.exchange, failure)

    # The result

    def _finish(self, outcome: Outcome) -> None:
        """Brings the answer to the disk, then the result into the journal."""
        self.state = "finishing"
        try:
            result, kept = self._result(outcome)
        except Exception as fault:  # noqa: BLE001  it is the call's end
            self._finished(unavailable(fault))
            return
        ask = Finish(self.asked.run, self.asked.epoch, result)
        if not kept:
            self._journaling.ask(ask, self._finished)
            return

        def synced(failure: BaseException | None) -> None:
            if failure is None:
                self._journaling.ask(ask, self._finished)
            else:
                self._finished(unavailable(failure))

        self._journaling.synced(synced)

    def _result(self, outcome: Outcome) -> tuple[Result, bool]:
        """The result, and whether it names bytes that must be on the disk first."""
        exchange, held, clock = self.exchange, self.held, self._journaling.clock
        capture, failure = held.capture, self._failure
        output, kept = None, False
        if capture is not None and capture.size:
            if capture.redaction == "full" and capture.size <= INLINE_BYTES:
                output = body_of(capture.held())
            if output is None or output.inline is None:
                output = Body(self._journaling.bodies.response(capture), capture.size)
                kept = capture.redaction == "full"
        content_type, lines = told_lines(held.head_lines)
        delays, lengths = (capture.delays_us, capture.lengths) if capture else (b"", b"")
        known = [attempt.cost_pusd for attempt in exchange.attempts if attempt.cost_pusd is not None]
        used = [attempt.usage for attempt in exchange.attempts if attempt.usage is not None]
        return Result(
            at_ns=clock.wall_ns(),
            of=self._seq,
            outcome=outcome,
            output=output,
            error=failure.code if failure else "",
            detail=str(failure)[:MAX_DETAIL] if failure else "",
            took_s=round(clock.monotonic() - exchange.began_s, 6),
            cost_pusd=sum(known) if known else None,
            input_tokens=sum(one.input + one.cache_read + one.cache_write for one in used) if used else None,
            output_tokens=sum(one.output for one in used) if used else None,
            status=exchange.status,
            tried=self._tried(),
            chunk_delays_us=b64encode(delays).decode(),
            chunk_lengths=b64encode(lengths).decode() if held.streamed else "",
            content_type=content_type,
            headers=lines,
        ), kept

    def _tried(self) -> tuple[Tried, ...]:
        """The attempts as a ledger, if there was more to them than one good one."""
        attempts = self.exchange.attempts
        if len(attempts) == 1 and attempts[0].cause == OK:
            return ()
        found: list[Tried] = []
        for number, attempt in enumerate(attempts):
            before = attempts[number - 1] if number else None
            if before is not None and before.cause in REPAIRED:
                layer = "repair"
            else:
                layer = "fallback" if attempt.model != attempts[0].model else "transport"
            found.append(Tried(layer, attempt.cause, attempt.at_ns, attempt.model))  # type: ignore[arg-type]
        return tuple(found)

    def _finished(self, told: Told | BaseException) -> None:
        """The result is on the disk, or never will be; the answer's end goes to whoever still waits for it."""
        exchange, held, failed = self.exchange, self.held, self._failure
        if held.capture is not None:
            held.capture.close()
        self.state = "over"
        self._journaling.closed(self.asked.run, self)
        if self.told and failed is None:
            return
        error = self._as_error(told) if isinstance(told, BaseException) else None
        if error is None or (failed is not None and (failed.code == error.code or held.streamed)):
            held.release()
            self._tell(None)
        else:
            held.drop()
            exchange.head_sent = exchange.content_sent = held.streamed
            if failed is None:
                self._tell(error)
            else:
                replies.send_error(exchange, error, exchange.surface.error(error))

    # A recorded answer

    def _serve(self, result: Result) -> None:
        self.state = "serving"
        self.held.seq = self._seq
        mark_replayed(self.exchange)
        load = self._journaling.recorded.loader(self.asked.run)
        self._serving = self._journaling.loop.create_task(
            serve(self.exchange, result, load, self._journaling.clock, paced=self.asked.paced)
        )
        self._serving.add_done_callback(self._served)

    def _served(self, task: asyncio.Task[None]) -> None:
        if task.cancelled():
            return
        fault = task.exception()
        self._end(None if fault is None else self._as_error(fault))

    def _as_error(self, fault: BaseException) -> CallError:
        return as_call_error(self.exchange.call, self.asked.run, fault)


def mark_replayed(exchange: Exchange) -> None:
    """The call is recorded apart from those that replicas were asked for: it costs nothing and is nobody's traffic."""
    exchange.purpose = REPLAY
    if exchange.admitted is not None:
        exchange.admitted = replace(exchange.admitted, task=apart(REPLAY, exchange.task.name), cost_bound_pusd=None)
