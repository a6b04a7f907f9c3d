"""One client's connection: bytes in by callback, one request at a time, answers out in order.

    data_received -> RequestReader -> handler -> Answer -> write -> the next request

The handler begins the call and returns; the answer comes whenever it comes. While a call is open the socket is still
read, because nothing else shows that the client has left; bytes of pipelined requests wait up to a cap.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import struct
from collections.abc import Callable
from enum import Enum, auto
from math import inf
from typing import cast
from weakref import WeakSet

from trimtab.clock import Clock
from trimtab.declare.project import Limits
from trimtab.errors import CallError, Internal, Overloaded, RequestTimeout
from trimtab.gateway.http.answer import CLOSE, Answer, message
from trimtab.gateway.http.head import Head
from trimtab.gateway.http.request import Request, RequestReader

Handler = Callable[[Request, Answer], None]
"""Begins to answer a request and returns; an answer that is never ended stays open until its client leaves."""
Reject = Callable[[CallError], tuple[int, bytes, bytes]]

MAX_PIPELINED = 256 << 10
"""Bytes of further requests that wait while one is answered; with more, the connection closes after that answer."""
LINGER_QUIET_S = 2.0
LINGER_TOTAL_S = 30.0
LAST_REQUEST_S = 1.0
"""How long a draining server leaves an idle connection open, for a request that may already be under way."""
_MAX_TURNED_AWAY = 256
_HIGH_WATER = 64 << 10
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)

log = logging.getLogger(__name__)


class _Awaits(Enum):
    REQUEST = auto()
    HEAD = auto()
    BODY = auto()


class Shared:
    """What the connections of one server share.

    `opening` are accepted and not made yet, some for good (a TLS handshake that failed). `open_calls` counts answers
    that have not ended, `buffered` the bytes of requests that are not whole yet.
    """

    def __init__(self, handler: Handler, limits: Limits, clock: Clock, reject: Reject, max_buffered: int) -> None:
        self.handler = handler
        self.limits = limits
        self.clock = clock
        self.reject = reject
        self.max_buffered = max_buffered
        self.loop = asyncio.get_running_loop()
        self.opening: WeakSet[Connection] = WeakSet()
        self.connections: set[Connection] = set()
        self.turned_away: set[Connection] = set()
        self.open_calls = 0
        self.buffered = 0
        self.draining = False
        self.empty = asyncio.Event()
        self.date_line = b""

    def left(self) -> None:
        """Something ended: notes whether anything is still open."""
        if self.draining and not (self.connections or self.turned_away or self.open_calls or self.opening):
            self.empty.set()


class Connection(asyncio.Protocol):
    """The state of one connection.

    `busy` from a request's last byte until its answer is written; `closing` once the last answer is. `deadline` is the
    monotonic time at which the server's sweep has to call `expired`; that sweep also keeps `date_line` true.
    """

    __slots__ = (
        "__weakref__",
        "_answer",
        "_awaits",
        "_busy",
        "_closing",
        "_counted",
        "_linger_until",
        "_peer",
        "_pending",
        "_progress_at",
        "_reader",
        "_shared",
        "_transport",
        "_unflushed",
        "_write_paused",
        "date_line",
        "deadline",
        "keep",
        "write",
    )

    def __init__(self, shared: Shared) -> None:
        shared.opening.add(self)
        self._shared = shared
        self._reader = RequestReader()
        self._answer: Answer | None = None
        self._pending = bytearray()
        self._busy = self._closing = self._write_paused = False
        self._awaits = _Awaits.REQUEST
        self.keep = True
        self._counted = self._unflushed = 0
        self._progress_at = self._linger_until = 0.0
        self.deadline = inf
        self.date_line = shared.date_line

    # What the loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Takes the connection in, or turns it away when there are too many."""
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(_HIGH_WATER)
        self.write = self._transport.write
        peer = transport.get_extra_info("peername")
        self._peer = peer[0] if isinstance(peer, tuple) else ""
        shared = self._shared
        shared.opening.discard(self)
        if len(shared.connections) < shared.limits.max_connections:
            shared.connections.add(self)
            self.deadline = shared.clock.monotonic() + shared.limits.idle_timeout_s
        elif len(shared.turned_away) < _MAX_TURNED_AWAY:
            shared.turned_away.add(self)
            self._refuse(Overloaded(limit=shared.limits.max_connections, what="connections", retry_after_s=1.0))
        else:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        """Bytes from the client."""
        if self._busy:
            self._hold(data)
            return
        reader = self._reader
        try:
            end = reader.feed(data, 0, self._shared.limits)
        except CallError as fault:
            self._refuse(fault)
            return
        if end < 0:
            self._await_rest(reader)
            return
        head, body = reader.head, reader.body
        reader.clear()
        self._busy = True
        if self._awaits is not _Awaits.REQUEST:
            self._awaits = _Awaits.REQUEST
            self._count(0)
        if end < len(data):
            self._hold(data[end:])
        if head is not None:
            self._start(head, body)

    def eof_received(self) -> bool:
        """The client has closed its side: to an open call that is a client that left, as nginx and uvicorn have it."""
        if self._answer is not None:
            self._drop()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is no more."""
        shared = self._shared
        shared.connections.discard(self)
        shared.turned_away.discard(self)
        self.deadline = inf
        self._busy = self._closing = True
        self._pending.clear()
        self._count(0)
        self._lose()
        shared.left()

    def pause_writing(self) -> None:
        """More is waiting to be written than should."""
        self._write_paused = True
        self._watch(self._shared.clock.monotonic())
        if self._answer is not None and not self._answer.ended:
            self._answer.pause()

    def resume_writing(self) -> None:
        """Most of it is written."""
        self._write_paused = False
        if self._answer is not None:
            self.deadline = inf
            if not self._answer.ended:
                self._answer.resume()
        elif self._closing:
            self.deadline = self._shared.clock.monotonic() + LINGER_QUIET_S
        else:
            self._rest()

    # What the answer calls (see `Way`)

    def answered(self, keep: bool) -> None:
        """The answer has ended well."""
        self._close_call()
        if not keep:
            self._finish()
        elif not self._write_paused:
            self._rest()

    def cut(self, hard: bool) -> None:
        """The answer has ended badly."""
        self._close_call()
        if hard:
            self._reset()
        else:
            self._finish()

    # What the server calls

    def expired(self, now: float) -> None:
        """The deadline has passed."""
        if self._write_paused or self._transport.get_write_buffer_size():
            self._check_reader(now)
        elif self._closing:
            self._drop()
        elif self._awaits is not _Awaits.REQUEST:
            self._refuse(self._late())
        else:
            self._finish()

    def drain(self, now: float) -> None:
        """The server is going away: an idle connection has a moment left for one more request."""
        self.keep = False
        if not self._busy and self._awaits is _Awaits.REQUEST:
            self.deadline = min(self.deadline, now + LAST_REQUEST_S)

    def abort(self) -> None:
        """Closes at once."""
        self._drop()

    # Reading

    def _await_rest(self, reader: RequestReader) -> None:
        shared = self._shared
        if reader.head is None:
            if self._awaits is not _Awaits.HEAD:
                self._awaits = _Awaits.HEAD
                self.deadline = shared.clock.monotonic() + shared.limits.header_timeout_s
        elif self._awaits is not _Awaits.BODY:
            self._awaits = _Awaits.BODY
            self.deadline = shared.clock.monotonic() + shared.limits.body_timeout_s
            if reader.head.expects_continue and not reader.buffered:
                self.write(_CONTINUE)
        if not self._count(reader.buffered):
            self._refuse(Overloaded(limit=shared.max_buffered, what="bytes of unread requests", retry_after_s=1.0))

    def _late(self) -> RequestTimeout:
        limits = self._shared.limits
        if self._awaits is _Awaits.HEAD:
            return RequestTimeout(limit_s=limits.header_timeout_s, setting="header_timeout")
        return RequestTimeout(limit_s=limits.body_timeout_s, setting="body_timeout")

    def _hold(self, data: bytes) -> None:
        """Bytes that nobody can take now: of the next request, or of a client that is told to go."""
        if self._closing:
            if self._linger_until:
                self.deadline = min(self._shared.clock.monotonic() + LINGER_QUIET_S, self._linger_until)
            return
        if not self.keep:
            return
        self._pending += data
        if len(self._pending) > MAX_PIPELINED or not self._count(len(self._pending)):
            self.keep = False
            self._pending.clear()
            self._count(0)

    def _count(self, size: int) -> bool:
        """Accounts for `size` buffered bytes; whether that is within what the server may buffer."""
        self._shared.buffered += size - self._counted
        self._counted = size
        return self._shared.buffered <= self._shared.max_buffered

    # Answering

    def _start(self, head: Head, body: bytes) -> None:
        shared = self._shared
        now = shared.clock.monotonic()
        request = Request(head.method, head.target, head.path, head.headers, body, now, self._peer, head.version)
        self.keep = head.keep_alive and not shared.draining
        self.deadline = inf
        answer = self._answer = Answer(self, head.method, head.version)
        shared.open_calls += 1
        try:
            shared.handler(request, answer)
        except CallError as failure:
            self._fail(answer, failure)
        except Exception:
            log.exception("handling %r failed", request)
            self._fail(answer, Internal(call="(unknown)"))

    def _fail(self, answer: Answer, failure: CallError) -> None:
        if answer.started:
            answer.cut()
        else:
            answer.whole(*self._shared.reject(failure))

    def _rest(self) -> None:
        """Between two requests; goes on with what has come already, in a turn of its own."""
        if self._pending:
            self._shared.loop.call_soon(self._take_pending)
            return
        self._busy = False
        now = self._shared.clock.monotonic()
        self.deadline = now + self._shared.limits.idle_timeout_s
        if self._shared.draining:
            self.drain(now)

    def _take_pending(self) -> None:
        if self._closing or self._answer is not None or not self._pending:
            return
        data = bytes(self._pending)
        self._pending.clear()
        self._count(0)
        self._rest()
        self.data_received(data)

    def _close_call(self) -> None:
        self._answer = None
        self._shared.open_calls -= 1
        if self._shared.draining:
            self._shared.left()

    def _refuse(self, fault: CallError) -> None:
        status, headers, body = self._shared.reject(fault)
        self.write(message(status, headers, len(body), body, self.date_line, CLOSE))
        self._finish(unread=True)

    # Ending

    def _finish(self, unread: bool = False) -> None:
        """Closes without a reset: our side first, then what still comes is read and dropped until the client closes.

        Without that, bytes we had not read would make the kernel reset the connection and with it the answer that the
        client has not read yet (RFC 9112, section 9.6). A TLS connection cannot be half closed: if part of the request
        is `unread`, its client is given the same time to close first; else it is closed in TLS, and has the time of a
        slow reader for it, because what lies in the socket below cannot be seen from here.
        """
        self._busy = self._closing = True
        self._pending.clear()
        self._count(0)
        transport = self._transport
        if transport.is_closing():
            return
        now = self._shared.clock.monotonic()
        self._linger_until = now + LINGER_TOTAL_S
        self.deadline = now + LINGER_QUIET_S
        if transport.can_write_eof():
            transport.write_eof()
        elif not unread:
            transport.close()
            self.deadline = now + self._shared.limits.slow_reader_s
        if transport.get_write_buffer_size():
            self._watch(now)

    def _watch(self, now: float) -> None:
        """Begins to look whether the client takes what is waiting for it."""
        self._unflushed = self._transport.get_write_buffer_size()
        self._progress_at = now
        self.deadline = now + self._shared.limits.slow_reader_s / 4

    def _check_reader(self, now: float) -> None:
        unflushed = self._transport.get_write_buffer_size()
        if unflushed < self._unflushed:
            self._progress_at = now
        self._unflushed = unflushed
        limit = self._shared.limits.slow_reader_s
        if now - self._progress_at >= limit:
            self._drop()
        else:
            self.deadline = min(now + limit / 4, self._progress_at + limit)

    def _lose(self) -> None:
        if self._answer is not None:
            answer = self._answer
            self._close_call()
            answer.lose()

    def _drop(self) -> None:
        """Closes at once; an open call learns that its client is gone."""
        self._busy = self._closing = True
        self.deadline = inf
        self._transport.abort()
        self._lose()

    def _reset(self) -> None:
        """Closes in a way that no client can take for the end of a body."""
        client = self._transport.get_extra_info("socket")
        if client is not None and not self._transport.is_closing():
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        self._drop()
