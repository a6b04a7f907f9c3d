"""Serves HTTP/1.1 on a listening socket that belongs to someone else: accepts, sweeps for timeouts, drains.

One connection is `http.connection`, one request `http.request`, one answer `http.answer`.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Awaitable
from email.utils import formatdate
from math import inf

from trimtab.clock import Clock
from trimtab.declare.project import Limits
from trimtab.gateway.http.connection import LAST_REQUEST_S, Connection, Handler, Reject, Shared

_BACKLOG = 2048
_SWEEP_AT_MOST_S = 0.5
_SWEEP_AT_LEAST_S = 0.01
_CLOSE_S = 1.0
_PROBE_AFTER_S = 30


class Server:
    """One worker's HTTP server.

    `handler` begins to answer each request. `reject` gives an error its shape: status, header block and
    body. All timeouts are found by one sweep, which runs ten times within the shortest of them but at least every
    0.5 s: a timeout fires up to that much late. `max_buffered` bounds the bytes of requests that are not whole yet,
    over all connections; a connection that would exceed it is answered `overloaded`.
    """

    def __init__(
        self, handler: Handler, limits: Limits, clock: Clock, reject: Reject, *, max_buffered: int = 1 << 30
    ) -> None:
        self._handler = handler
        self._limits = limits
        self._clock = clock
        self._reject = reject
        self._max_buffered = max_buffered
        self._shared: Shared | None = None
        self._listening: asyncio.AbstractServer | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._draining_since = inf

    async def start(self, sock: socket.socket, ssl_context: ssl.SSLContext | None = None) -> None:
        """Accepts on a duplicate of `sock`, which stays open and the caller's; with `ssl_context`, over TLS."""
        shared = Shared(self._handler, self._limits, self._clock, self._reject, self._max_buffered)
        self._shared = shared
        self._sweep_again()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)  # accepted sockets inherit it
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, _PROBE_AFTER_S)
        self._listening = await shared.loop.create_server(
            lambda: Connection(shared),
            sock=sock.dup(),
            backlog=_BACKLOG,
            ssl=ssl_context,
            ssl_handshake_timeout=None if ssl_context is None else self._limits.header_timeout_s,
        )

    @property
    def open_connections(self) -> int:
        """Connections of clients, idle ones and closing ones included."""
        return 0 if self._shared is None else len(self._shared.connections)

    @property
    def open_calls(self) -> int:
        """Requests whose answer has not ended."""
        return 0 if self._shared is None else self._shared.open_calls

    @property
    def draining(self) -> bool:
        """Whether the server is going away."""
        return self._shared is not None and self._shared.draining

    def set_limits(self, limits: Limits) -> None:
        """Puts other limits in force for requests that begin from now on."""
        self._limits = limits
        if self._shared is not None:
            self._shared.limits = limits

    def stop_accepting(self) -> None:
        """Leaves the listening socket to whoever else holds it; open connections go on."""
        if self._listening is not None:
            self._listening.close()
            self._listening = None

    async def drain(self, timeout_s: float) -> int:
        """Lets calls end and connections close; returns how many calls had to be cut after `timeout_s` seconds.

        Every answer says `connection: close`; an idle connection is closed a second later, because a request may be
        under way on it. Calls that are cut see `on_gone`.
        """
        self.stop_accepting()
        shared = self._shared
        if shared is None:
            return 0
        shared.draining = True
        now = self._draining_since = self._clock.monotonic()
        for connection in shared.connections:
            connection.drain(now)
        shared.left()
        await _within(timeout_s, shared.empty.wait())
        cut = shared.open_calls
        await self.close()
        return cut

    async def close(self) -> None:
        """Closes everything at once; calls that are open see `on_gone`."""
        self.stop_accepting()
        shared = self._shared
        if shared is None:
            return
        shared.draining = True
        for connection in (*shared.connections, *shared.turned_away):
            connection.abort()
        shared.left()
        await _within(_CLOSE_S, shared.empty.wait())
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def sweep(self) -> None:
        """Finds what has timed out; also runs by its own timer."""
        shared = self._shared
        if shared is None:
            return
        now = self._clock.monotonic()
        date = formatdate(self._clock.wall_ns() // 1_000_000_000, usegmt=True)
        shared.date_line = date_line = b"date: %b\r\n" % date.encode("ascii")
        for connection in (*shared.connections, *shared.turned_away):
            connection.date_line = date_line
            if connection.deadline <= now:
                connection.expired(now)
        if shared.draining and now >= self._draining_since + LAST_REQUEST_S:
            shared.opening.clear()
        shared.left()

    def _sweep_again(self) -> None:
        self.sweep()
        self._timer = asyncio.get_running_loop().call_later(self._sweep_interval_s(), self._sweep_again)

    def _sweep_interval_s(self) -> float:
        limits = self._limits
        shortest = min(limits.header_timeout_s, limits.body_timeout_s, limits.idle_timeout_s, limits.slow_reader_s)
        return min(_SWEEP_AT_MOST_S, max(_SWEEP_AT_LEAST_S, shortest / 10))

    def __repr__(self) -> str:
        state = "draining" if self.draining else "accepting" if self._listening else "not accepting"
        return f"Server({state}, {self.open_connections} connections, {self.open_calls} calls)"


async def _within(seconds: float, wait: Awaitable[object]) -> None:
    try:
        async with asyncio.timeout(seconds):
            await wait
    except TimeoutError:
        return
