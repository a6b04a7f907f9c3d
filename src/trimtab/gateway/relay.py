"""One attempt's answer, from the replica's socket to the client's: bytes go from callback to callback.

A `Relay` is the sink of an upstream connection, and tells once how the attempt ended. Until the first content-bearing
event nothing has gone to the client, so a failure before it can be tried again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from msgspec import Struct

from trimtab.clock import Clock
from trimtab.errors import CallError, UpstreamError, UpstreamTruncated
from trimtab.gateway import failures, replies
from trimtab.gateway.exchange import LATER, Exchange
from trimtab.gateway.surfaces.surface import Facts, Reader, Shape, UpstreamSaidError
from trimtab.guard.retry import retry_after_s
from trimtab.record.capture import BATCH_CHUNKS

if TYPE_CHECKING:
    from trimtab.gateway.enforce import Asking
    from trimtab.gateway.http.headers import Headers
    from trimtab.gateway.upstreams.connection import UpstreamConnection
    from trimtab.gateway.upstreams.sink import Failure
    from trimtab.guard.alarm import Alarm
    from trimtab.record.capture import Capture

Loop = asyncio.AbstractEventLoop
Tell = Callable[[CallError | None], None]
MAX_ERROR_BODY = 1 << 20
MAX_WHOLE_BODY = 64 << 20
MAX_WITHHELD = 1 << 20
LINGER_S = 5.0


class Relay(Struct, eq=False):
    """What every attempt has: its connection, its clocks, a copy of its answer, and its end.

    `tell` is called once, with None when the answer was delivered whole, else with the error the attempt ended in; not
    at all after `abandon`. `answered`, if given, hears when the client is about to see the answer. `stale` says that
    nothing came on a connection that had rested, so that the same request may go out again on another. `stopped` says
    that we ended the answer before its server did, `made_before` how many tokens the interrupted answer had that this
    one goes on with, None if that is not known.
    """

    exchange: Exchange
    capture: Capture
    model: str
    asking: Asking
    _alarm: Alarm
    _clock: Clock
    _loop: Loop
    _tell: Tell
    answered: Callable[[float], None] | None = None
    connection: UpstreamConnection | None = None
    status: int = 0
    first_byte_s: float | None = None
    retry_after_s: float | None = None
    facts: Facts | None = None
    started: bool = False
    stale: bool = False
    stopped: bool = False
    made_before: int | None = 0
    _refused: bool = True
    _ended: bool = False
    _linger: asyncio.TimerHandle | None = None
    _head: Headers | None = None
    _parts: list[bytes] = []
    _size: int = 0

    def send(self, connection: UpstreamConnection, head: bytes, body: bytes) -> None:
        """Sends the request on a connection that is ready."""
        self.connection = connection
        answer = self.exchange.answer
        answer.on_pause, answer.on_resume = self._pause, self._resume
        connection.send(head, body, self)
        if answer.paused:
            self._pause()

    def abandon(self) -> None:
        """Ends the attempt from our side: nobody waits for the answer any more."""
        if not self._ended:
            self._close(abort=True)

    def on_head(self, status: int, headers: Headers) -> None:
        """The status and headers of the answer have come."""
        self.status = self.exchange.upstream_status = status
        self._refused = not 200 <= status < 300
        self._head = headers
        self.first_byte_s = self._clock.monotonic()
        wait = headers.get(b"retry-after") if status >= 400 else None
        if wait is not None:
            self.retry_after_s = retry_after_s(wait, self._clock.wall_ns() / 1e9)

    def on_body(self, data: bytes) -> None:
        """More of the body has come."""
        if self._ended:
            return
        if self._refused:
            if self._size < MAX_ERROR_BODY:
                self._parts.append(data)
                self._size += len(data)
            return
        try:
            self._take(data)
        except Exception as fault:  # noqa: BLE001  it is the end of the attempt
            self._broke(fault)

    def on_end(self) -> None:
        """The body is whole; the connection is the pool's again."""
        self._part_from_connection()
        if self._ended:
            return
        try:
            if self._refused:
                self._reject()
            else:
                self._finish()
        except Exception as fault:  # noqa: BLE001  it is the end of the attempt
            self._broke(fault)

    def _reject(self) -> None:
        content_type = self._header(b"content-type") or replies.JSON
        told = self.asking.wire.rejected(self.status, b"".join(self._parts))
        self._settle(failures.from_status(self.model, self.status, told, content_type, self.retry_after_s))

    def _broke(self, fault: Exception) -> None:
        """Something of ours failed amid the answer: the attempt ends in that."""
        self._settle(failures.from_fault(self.exchange.call, fault), abort=True)

    def on_broken(self, failure: Failure) -> None:
        """The connection failed before the body was whole."""
        self._part_from_connection()
        repeatable = self.exchange.surface.repeatable or self.exchange.request.method == "GET"
        self.stale = failure.reused and not failure.received and (repeatable or not failure.sent)
        if self.first_byte_s is None:
            self._settle(UpstreamError(replica=f"model {self.model}", detail=failure.detail))
        else:
            self._settle(UpstreamTruncated(replica=f"model {self.model}"))

    def _part_from_connection(self) -> None:
        self.connection = None
        if self._linger is not None:
            self._linger.cancel()

    def _start(self) -> None:
        """The client is about to see the answer: from here on nothing is tried again."""
        exchange = self.exchange
        self.started = exchange.head_sent = exchange.content_sent = True
        exchange.status = self.status
        if self.answered is not None:
            self.answered(self._clock.monotonic())

    def _headers(self, content_type: bytes) -> bytes:
        """The header block for the client; `content_type` is used where the replica gave none."""
        given = self._header(b"content-type") or content_type
        block = replies.headers(self.exchange, given, self._header(b"x-request-id") or b"")
        if self._head is not None and self.exchange.surface.forwards_headers:
            block += replies.forwarded(self._head.items())
        return block

    def _header(self, name: bytes) -> bytes | None:
        return None if self._head is None else self._head.get(name)

    def _take(self, data: bytes) -> None:
        raise NotImplementedError

    def _finish(self) -> None:
        raise NotImplementedError

    def _settle(self, failure: CallError | None, *, abort: bool = False) -> None:
        if not self._ended:
            self._close(abort=abort or failure is not None)
            self._tell(failure)

    def _close(self, *, abort: bool) -> None:
        self._ended = True
        answer = self.exchange.answer
        answer.on_pause = answer.on_resume = None
        if abort and self.connection is not None:
            self.connection.abort()

    def _pause(self) -> None:
        self._alarm.pause(self._clock.monotonic())
        if self.connection is not None:
            self.connection.pause()

    def _resume(self) -> None:
        self._alarm.resume(self._clock.monotonic())
        if self.connection is not None:
            self.connection.resume()


class WholeRelay(Relay):
    """An answer that comes in one piece and is judged before the client sees any of it."""

    def _take(self, data: bytes) -> None:
        self._parts.append(data)
        self._size += len(data)
        if self._size > MAX_WHOLE_BODY:
            detail = f"its answer is over {MAX_WHOLE_BODY} bytes"
            self._settle(UpstreamError(replica=f"model {self.model}", detail=detail), abort=True)

    def _finish(self) -> None:
        exchange, parts = self.exchange, self._parts
        body = parts[0] if len(parts) == 1 else b"".join(parts)
        asking = self.asking
        try:
            whole = asking.wire.whole(exchange.asked, body, asking.keep)
        except UpstreamSaidError as wrong:
            self.capture.add(body, self._clock.monotonic())
            self._settle(UpstreamError(replica=f"model {self.model}", detail=str(wrong)))
            return
        self.capture.add(body if not asking.wire.path else whole.body, self._clock.monotonic())
        self.facts = whole.facts
        checks = exchange.checks
        if checks is not None:
            checks.whole(whole.facts.replies)
            unfit = checks.judge(whole.facts.replies, whole.facts.unread)
            if unfit is not None:
                self._settle(unfit.failure)
                return
        self._start()
        exchange.answer.whole(self.status, self._headers(replies.JSON), whole.body)
        self._settle(None)


class StreamedRelay(Relay):
    """An answer that is relayed event by event; its head is withheld until the first content-bearing event."""

    reader: Reader = LATER
    _shape: Shape | None = None
    _alike: list[bytes] = []
    _alike_s: list[float] = []

    def on_body(self, data: bytes) -> None:
        """More of the body has come; most often an event that differs from the one before in its text alone."""
        shape = self._shape
        if shape is None or not shape.fits(data) or self._ended:
            self._take_alike()
            Relay.on_body(self, data)
            return
        now_s = self._clock.monotonic()
        self._alike.append(data)
        self._alike_s.append(now_s)
        try:
            self.exchange.answer.chunk(data)
        except Exception as fault:  # noqa: BLE001  it is the end of the attempt
            self._broke(fault)
            return
        self._alarm.clocks.progress(now_s)
        if len(self._alike) == BATCH_CHUNKS:
            self._take_alike()

    def _take_alike(self) -> None:
        """Takes in the events that have been passed on by their shape."""
        shape, events, times_s = self._shape, self._alike, self._alike_s
        if not events or shape is None:
            return
        self._alike, self._alike_s = [], []
        self.exchange.last_s = times_s[-1]
        try:
            self.capture.add_all(events, times_s)
            shape.take(events)
            if self.reader.added and self.exchange.checks is not None:
                self.exchange.checks.watch(self.reader.added)
        except Exception as fault:  # noqa: BLE001  it is the end of the attempt
            self._broke(fault)
        if self.reader.failure:
            self._fail_stream(UpstreamError(replica=f"model {self.model}", detail=self.reader.failure))

    def _take(self, data: bytes) -> None:
        now_s = self._clock.monotonic()
        reader = self.reader
        reader.feed(data)
        self._copy(data, now_s)
        if reader.failure:
            self._fail_stream(UpstreamError(replica=f"model {self.model}", detail=reader.failure))
            return
        if self.started:
            if reader.forward:
                self.exchange.answer.chunk(reader.forward)
        elif reader.content or reader.done:
            self._begin(reader.forward)
        elif reader.forward:
            self._withhold(reader.forward)
        if reader.content:
            self._content_came(now_s)
        if reader.added and self.exchange.checks is not None:
            self.exchange.checks.watch(reader.added)
        self._shape = reader.shape
        if reader.done and self.connection is not None and not self._ended:
            self._linger = self._loop.call_later(LINGER_S, self.connection.abort)
            self._deliver()

    def _copy(self, data: bytes, now_s: float) -> None:
        """Keeps the answer in the format of the client's surface: what came, or what was made of it."""
        if not self.asking.wire.path:
            self.capture.add(data, now_s)
        elif self.reader.forward:
            self.capture.add(self.reader.forward, now_s)

    def _content_came(self, now_s: float) -> None:
        exchange = self.exchange
        if exchange.first_s is None:
            exchange.first_s = now_s = self._clock.monotonic()  # it is written by now
        exchange.last_s = now_s
        self._alarm.progress(now_s)

    def _withhold(self, events: bytes) -> None:
        self._parts.append(events)
        self._size += len(events)
        if self._size > MAX_WITHHELD:
            detail = f"it sent {MAX_WITHHELD} bytes of events without content"
            self._fail_stream(UpstreamError(replica=f"model {self.model}", detail=detail))

    def _begin(self, forward: bytes) -> None:
        exchange = self.exchange
        head_sent = exchange.head_sent
        self._start()
        if not head_sent:
            exchange.answer.head(self.status, self._headers(replies.EVENT_STREAM))
        if self._parts:
            forward = b"".join((*self._parts, forward))
            self._parts.clear()
        if forward:
            exchange.answer.chunk(forward)

    def _finish(self) -> None:
        self._take_alike()
        if self._ended:
            return
        if not self.reader.finish():
            self._fail_stream(UpstreamTruncated(replica=f"model {self.model}"))
            return
        if not self.started:
            self._begin(b"")
        self._deliver()

    def _deliver(self) -> None:
        self.facts = self.reader.facts
        self.exchange.answer.end()
        self._settle(None)

    def _fail_stream(self, failure: CallError) -> None:
        self._settle(failure, abort=True)

    def _close(self, *, abort: bool) -> None:
        super()._close(abort=abort)
        self._take_alike()
        if self.facts is None:
            self.facts = self.reader.facts
