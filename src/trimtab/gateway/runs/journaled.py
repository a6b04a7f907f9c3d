"""A call that is a step of a run. It takes the place of the call's attempts until the journal has its intent.

Nothing here waits, but where a recorded answer is given: each thing that can happen is a method.

    begin -> begun: go       -> (attempts) -> over -> kept (the answer is on the disk) -> finished -> the answer ends
                    recorded -> served
                    else     -> told what differs
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from hashlib import sha256
from typing import Any, Literal

from msgspec import Struct
from msgspec.structs import replace

from trimtab.errors import CallError, InvalidRequest, ReplayDivergence, RunStopped
from trimtab.gateway import replies
from trimtab.gateway.attempts import Attempts
from trimtab.gateway.context.in_context import InContext
from trimtab.gateway.exchange import LATER, Exchange
from trimtab.gateway.failures import from_fault
from trimtab.gateway.runs.changed import Changed, change
from trimtab.gateway.runs.headers import RunHeaders
from trimtab.gateway.runs.held import HeldAnswer
from trimtab.gateway.runs.journaling import Journaling
from trimtab.gateway.runs.refused import as_call_error, unavailable
from trimtab.gateway.runs.replayed import read
from trimtab.gateway.runs.results import result_of
from trimtab.gateway.runs.served import serve
from trimtab.journal.asks import Begin, Begun, Entries, Finish, Note, Open, Read, Told
from trimtab.journal.entries import Body, Diverged, Outcome, Result, Started, body_of
from trimtab.journal.recorded import Request
from trimtab.journal.refusals import Divergence, RunUnknown
from trimtab.journal.requests import Canonical, canonical
from trimtab.record.events import CLIENT_GONE
from trimtab.record.purposes import REPLAY, apart

Over = Callable[[Exchange, CallError | None], None]


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
    state: Literal["new", "asking", "changing", "asked", "serving", "finishing", "over"] = "new"
    told: bool = False
    _seq: int = 0
    _again: bool = False
    _known: bool = False
    _failure: CallError | None = None
    _working: asyncio.Task[None] | None = None
    _changed: Changed = Changed()

    def __repr__(self) -> str:
        return f"Journaled({self.exchange!r} of run {self.asked.run}, {self.state})"

    @property
    def call(self) -> str:
        """The call's id."""
        return self.exchange.call

    def begin(self) -> None:
        """Asks the journal for the step; the rest follows by itself."""
        try:
            step = self._step()
        except Exception as fault:  # noqa: BLE001  it is the call's end
            self._tell(from_fault(self.exchange.call, fault))
            return
        self.state = "asking"
        self._journaling.opened(self.asked.run, self)
        self._ask(step)

    def _ask(self, step: Begin) -> None:
        """Asks for the step in a run that is begun first, unless this worker has begun it."""
        asked, journaling = self.asked, self._journaling
        begins = asked.run != asked.replay and not asked.epoch
        self._known = begins and not journaling.is_new(self._place)
        if self._known or not begins:
            journaling.ask(step, self._begun)
        elif asked.replay:
            self._work(self._fork(step))
        else:
            journaling.ask(Open(asked.run, self._started()), self._opened)
            journaling.ask(step, self._begun)

    async def _fork(self, step: Begin) -> None:
        """Begins a run that has all of the recorded one before it."""
        steps = await read(self.exchange, self.asked, self._journaling)
        started = replace(self._started(), fork_of=steps.run, fork_seq=steps.reached + 1)
        keeper, run = self._journaling.keeper, self.asked.run
        await keeper.do(Open(run, started))
        told = await keeper.do(Read(run, 1, 1))
        first = told.entries[0].entry if isinstance(told, Entries) and told.entries else None
        if not isinstance(first, Started) or first.fork_of != steps.run:
            raise InvalidRequest(detail=f"run {run} is no replay of run {steps.run}; choose an id that is not taken")
        self._journaling.ask(step, self._begun)

    def _step(self) -> Begin:
        exchange, asked = self.exchange, self.asked
        return Begin(
            run=asked.run,
            epoch=asked.epoch,
            step="model",
            label=self._label,
            request=self._form().digest,
            input=self._request_body(exchange.request.body),
            branch=asked.branch,
            after=asked.after,
            tool=exchange.surface.name,
            lock=exchange.snapshot.lock_id,
            call=exchange.call,
            served=asked.replay == asked.run,
            session=asked.session,
            holder="" if asked.epoch else self._journaling.holder,
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
            self._journaling.forget(self._place)

    def _begun(self, told: Told | BaseException) -> None:
        """The journal has answered."""
        if self._begins_again(told):
            return
        match told:
            case Begun(found="go"):
                self._seq, self._again = told.seq, told.again
                if self.told:
                    self._finish("cancelled")
                elif self.asked.only_recorded:
                    self._work(self._nothing_recorded())
                elif told.changes is not None:
                    self._work(self._change(told.changes))
                else:
                    self._go()
            case _ if self.told:
                return
            case Begun(found="recorded", result=Result() as result):
                self._seq = told.seq
                self._serve(result)
            case Begun():
                detail = f"nobody knows what became of its step {told.seq}; say it with `trimtab runs reconcile`"
                self._end(RunStopped(run=self.asked.run, detail=detail))
            case Divergence() if self._failure is None:
                self._work(self._diverged(told))
            case BaseException():
                self._end(self._failure or self._as_error(told))
            case _:
                self._end(self._as_error(TypeError(f"the journal answers a step with {type(told).__name__}")))

    def _begins_again(self, told: Told | BaseException) -> bool:
        """Whether the run that this worker took for begun is not there, and is begun for this call."""
        if not isinstance(told, RunUnknown) or self._failure is not None:
            return False
        self._journaling.forget(self._place)
        if not self._known or self.told:
            return False
        self._ask(self._step())
        return True

    async def _change(self, body: Body) -> None:
        """Takes the step as its fork asks for it."""
        self.state = "changing"
        failure = None
        try:
            changes = await self._journaling.recorded.changes(self.asked.run, body)
            self._changed = change(self.exchange, changes, self._label, self.asked.run)
            if self._changed.overrides and isinstance(self.inner, InContext):
                self.inner.renew()
        except Exception as fault:  # noqa: BLE001  it is the call's end
            failure = self._as_error(fault)
        if failure is None:
            self._go()
        else:
            self._hold()
            self.over(self.exchange, failure)

    def _go(self) -> None:
        self._hold()
        self.exchange.answer.on_gone = self.inner.leave
        self.inner.begin()

    def _hold(self) -> None:
        bodies, redaction = self._journaling.bodies, self.exchange.task.redaction
        attempts = self.inner if isinstance(self.inner, Attempts) else self.inner.attempts
        self.state = "asked"
        self.held.seq = self._seq
        self.held.hold(bodies.capture("full" if redaction == "full" else "digest"), lambda: attempts.ending)

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
        elif self.state in {"asking", "changing", "serving"}:
            self._leave(failure)

    def _leave(self, failure: CallError | None) -> None:
        if self._working is not None:
            self._working.cancel()
        changing = self.state == "changing"
        self._end(failure)
        if changing:
            self._finish("cancelled")

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
            result, kept = result_of(self.exchange, self.held, self._seq, outcome, self._failure, self._journaling)
            if self._changed != Changed():
                changed = self._changed
                result = replace(result, overrides=changed.overrides, passed_over=changed.passed_over)
        except Exception as fault:  # noqa: BLE001  it is the call's end
            self._finished(unavailable(fault))
            return
        if self._again:
            result = replace(result, call=self.exchange.call)
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

    # What is recorded

    def _serve(self, result: Result) -> None:
        self.state = "serving"
        self.held.seq = self._seq
        mark_replayed(self.exchange)
        load = self._journaling.recorded.loader(self.asked.run)
        self._work(self._given(serve(self.exchange, result, load, self._journaling.clock, paced=self.asked.paced)))

    async def _given(self, serving: Awaitable[None]) -> None:
        await serving
        self._end(None)

    async def _nothing_recorded(self) -> None:
        """A replay asks for what is not there: it is told which step was meant."""
        exchange, recorded = self.exchange, self._journaling.recorded
        mark_replayed(exchange)
        steps = await recorded.read(self.asked.replay)
        request = Request(exchange.request.body, self._form().shown)
        self._failure = await recorded.divergence(steps, self._label, request, exchange.task.volatile)
        self._end(self._failure)
        self._finish("refused")

    async def _diverged(self, refused: Divergence) -> None:
        """A driver asks for something else than is recorded next in its branch: that is told, and noted in the run."""
        exchange, asked, facts = self.exchange, self.asked, refused.facts
        seq, detail = int(str(facts["seq"])), str(facts["detail"])
        form = self._form()
        if facts.get("label") == self._label:
            volatile = exchange.task.volatile
            detail = await self._journaling.recorded.difference(asked.run, seq, form, volatile) or detail
        told = f"step {seq} ({facts.get('label')}): {detail}"
        self._end(ReplayDivergence(run=asked.run, detail=told))
        noted = Diverged(self._journaling.clock.wall_ns(), seq, self._label, form.digest, detail)
        self._journaling.ask(Note(asked.run, asked.epoch, noted), _nothing)

    def _work(self, work: Coroutine[Any, Any, None]) -> None:
        """Does what has to wait for the journal; its fault is the call's end."""
        self._working = self._journaling.loop.create_task(work)
        self._working.add_done_callback(self._worked)

    def _worked(self, task: asyncio.Task[None]) -> None:
        fault = None if task.cancelled() else task.exception()
        if fault is not None:
            self._journaling.forget(self._place)
            self._end(self._as_error(fault))

    def _form(self) -> Canonical:
        exchange = self.exchange
        return canonical("model", exchange.surface.name, exchange.request.body, exchange.task.volatile)

    @property
    def _place(self) -> tuple[str, ...]:
        """The run as this call begins it; a key may not replay what another one may."""
        asked = self.asked
        return (asked.run, asked.replay, self.exchange.key) if asked.replay else (asked.run,)

    @property
    def _label(self) -> str:
        admitted = self.exchange.admitted
        return (admitted.step if admitted else "") or self.exchange.task.name

    def _as_error(self, fault: BaseException) -> CallError:
        return as_call_error(self.exchange.call, self.asked.run, fault)


def _nothing(told: object) -> None:
    """What is noted may be lost."""


def mark_replayed(exchange: Exchange) -> None:
    """The call is recorded apart from those that replicas were asked for: it costs nothing and is nobody's traffic."""
    exchange.purpose = REPLAY
    if exchange.admitted is not None:
        exchange.admitted = replace(exchange.admitted, task=apart(REPLAY, exchange.task.name), cost_bound_pusd=None)
