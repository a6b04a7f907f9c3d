"""One connection to a replica: a request out, its answer in, read strictly (RFC 9112)."""

from __future__ import annotations

import asyncio
import os
import select
import socket
from typing import Protocol, cast

from trimtab.gateway.upstreams.origin import Origin
from trimtab.gateway.upstreams.response import ResponseReader
from trimtab.gateway.upstreams.sink import Failure, Sink

_JOIN_BELOW = 64 << 10
_PIECE = 256 << 10
_PROBE_AFTER_S = 30
_SURELY_FRESH_S = 0.5
"""A connection that rested less is not asked whether its peer closed: the loop would have told."""


class Home(Protocol):
    """What a connection needs of its pool."""

    max_head: int

    def rest(self, connection: UpstreamConnection) -> None:
        """Keeps an unused connection for later."""

    def forget(self, connection: UpstreamConnection) -> None:
        """The connection is closed."""


class UpstreamConnection(asyncio.Protocol):
    """One connection to a replica, lent by the pool to one exchange at a time.

    `reused` tells whether it has served an exchange before. `rested_at` and `born_at` are monotonic seconds.
    """

    __slots__ = (
        "_home",
        "_paused",
        "_reader",
        "_received",
        "_sent",
        "_sink",
        "_transport",
        "_unsent",
        "_write_paused",
        "born_at",
        "closed",
        "origin",
        "rested_at",
        "resting",
        "reused",
    )

    def __init__(self, origin: Origin, home: Home, now: float) -> None:
        self.origin = origin
        self.reused = self.resting = self.closed = False
        self.born_at = self.rested_at = now
        self._home = home
        self._reader = ResponseReader(home.max_head)
        self._sink: Sink | None = None
        self._unsent: memoryview | None = None
        self._paused = self._received = self._sent = self._write_paused = False

    # What an exchange calls

    def send(self, head: bytes, body: bytes, sink: Sink) -> None:
        """Sends a request; `head` runs from the request line through the blank line. `sink` takes the answer.

        A large body is handed to the kernel piece by piece, as it takes them.
        """
        self._sink = sink
        self.resting = self._received = self._sent = False
        self._reader.expect(bodiless=head.startswith(b"HEAD "))
        transport = self._transport
        if transport.is_closing():
            asyncio.get_running_loop().call_soon(self._break, "closed the connection before the request was sent")
            return
        if len(body) <= _JOIN_BELOW:
            transport.write(head + body)
        else:
            transport.write(head + body[:_JOIN_BELOW])
            self._unsent = memoryview(body)[_JOIN_BELOW:]
            self._push()
        self._sent = not transport.is_closing()

    def pause(self) -> None:
        """Stops reading; what is being read already still comes."""
        if self._sink is not None and not self._paused:
            self._paused = True
            self._transport.pause_reading()

    def resume(self) -> None:
        """Reads again."""
        if self._paused:
            self._paused = False
            self._transport.resume_reading()

    def abort(self) -> None:
        """Closes at once, so that the replica notices; the sink hears no more. Nothing if the pool has it back."""
        if not self.resting:
            self.close()

    def give_back(self) -> None:
        """Back to the pool without having been used."""
        if self._sink is None and not self._transport.is_closing():
            self._home.rest(self)

    # What the pool calls

    def fit(self, now: float, idle_s: float, lifetime_s: float) -> bool:
        """Whether a resting connection may be used again."""
        rested_s = now - self.rested_at
        if self.closed or rested_s >= idle_s or now - self.born_at >= lifetime_s:
            return False
        return rested_s < _SURELY_FRESH_S or not self._readable()

    def close(self) -> None:
        """Closes at once."""
        self._sink = None
        self._unsent = None
        if not self.closed:
            self.closed = True
            self._transport.abort()
            self._home.forget(self)

    # What the loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection stands. Keep-alive probes find out when a silent replica's host is gone."""
        self._transport = cast(asyncio.Transport, transport)
        peer = transport.get_extra_info("socket")
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, _PROBE_AFTER_S)

    def pause_writing(self) -> None:
        """The kernel takes no more for now."""
        self._write_paused = True

    def resume_writing(self) -> None:
        """The kernel takes more."""
        self._write_paused = False
        self._push()

    def data_received(self, data: bytes) -> None:
        """Bytes from the replica; the sink hears of them after all of them are read."""
        sink = self._sink
        if sink is None:
            self.close()
            return
        self._received = True
        reader = self._reader
        reader.feed(data)
        headers = reader.headers
        if headers is not None:
            reader.headers = None
            sink.on_head(reader.status, headers)
        if reader.body and self._sink is not None:
            sink.on_body(reader.body)
        if reader.done:
            self._end()
        elif reader.fault:
            self._break(reader.fault)

    def eof_received(self) -> bool:
        """The replica closed its side."""
        if self.resting:
            self.close()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is no more."""
        self.closed = True
        self._home.forget(self)
        if exc is None and self._reader.finish():
            self._end()
        else:
            when = "amid its answer" if self._received else "without an answer"
            self._break(f"closed the connection {when}{_reason(exc)}")

    # Within

    def _push(self) -> None:
        while self._unsent is not None and not self._write_paused:
            piece = self._unsent[:_PIECE]
            self._unsent = self._unsent[_PIECE:] if len(self._unsent) > _PIECE else None
            self._transport.write(piece)

    def _end(self) -> None:
        sink, self._sink = self._sink, None
        if sink is None:
            return
        if self._reader.keep_alive and self._unsent is None:
            self.reused = True
            if self._paused:
                self.resume()
            self._home.rest(self)
        else:
            self.close()
        sink.on_end()

    def _break(self, detail: str) -> None:
        sink, reused = self._sink, self.reused
        self.close()
        if sink is not None:
            sink.on_broken(Failure(detail, self._sent, self._received, reused))

    def _readable(self) -> bool:
        """Whether a resting connection has something to read: the end, or bytes nobody asked for."""
        look = select.poll()
        look.register(self._transport.get_extra_info("socket").fileno(), select.POLLIN | select.POLLRDHUP)
        return bool(look.poll(0))

    def __repr__(self) -> str:
        state = "closed" if self.closed else "resting" if self.resting else "paused" if self._paused else "in use"
        return f"UpstreamConnection({self.origin}, {state})"


def _reason(exc: Exception | None) -> str:
    if exc is None:
        return ""
    number = getattr(exc, "errno", None)
    return f" ({os.strerror(number) if isinstance(number, int) else type(exc).__name__})"
