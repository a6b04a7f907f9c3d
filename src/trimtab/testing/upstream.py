"""An HTTP/1.1 server on loopback that does exactly what its scripts say, and remembers what it was asked."""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
from collections import defaultdict, deque
from collections.abc import Callable
from typing import Final, Self, cast

from trimtab.testing.scripts import Close, Cut, Hang, Repeat, Reset, Script, Send, Step, Wait, WaitFor, error_answer

HOST: Final = "127.0.0.1"
NO_LINGER: Final = struct.pack("ii", 1, 0)

Play = Script | Callable[["Received"], Script]


class Received:
    """One request as it came in.

    `headers` keeps order and letters of what was sent. `at` is when the head had been read, `ended_at` when the last
    step of its script was done, `gone_at` when the peer went away before that; all by the loop's time, None until then.
    `connection` counts the server's connections from 0.
    """

    def __init__(self, method: str, target: str, headers: tuple[tuple[bytes, bytes], ...], connection: int) -> None:
        self.method = method
        self.target = target
        self.headers = headers
        self.connection = connection
        self.body = b""
        self.at = asyncio.get_running_loop().time()
        self.ended_at: float | None = None
        self.gone_at: float | None = None
        self._over = asyncio.Event()

    def header(self, name: str) -> bytes | None:
        """The first value of a header, whatever its letters."""
        wanted = name.lower().encode()
        return next((value for key, value in self.headers if key.lower() == wanted), None)

    async def over(self) -> None:
        """Waits until the script has ended or the peer has gone; give it a timeout of your own."""
        await self._over.wait()

    def end(self, *, gone: bool) -> None:
        """The script ended, or the peer went away first; whichever was told first stays."""
        if not self._over.is_set():
            now = asyncio.get_running_loop().time()
            self.gone_at, self.ended_at = (now, None) if gone else (None, now)
            self._over.set()

    def __repr__(self) -> str:
        return f"Received({self.method} {self.target}, {len(self.body)} bytes, connection {self.connection})"


class ScriptedUpstream:
    """A server that plays one script a request.

        async with ScriptedUpstream() as upstream:
            upstream.add(failing(503), chat_stream())       # the first request, the second
            ...                                             # send them to upstream.url
            assert upstream.requests[0].method == "POST"

    A request takes the next script that was added for its path, else the next that was added for any, else what is
    `always` played for its path or for any, else a 500 that says so. In place of a script there may be a function of
    the request that makes one.
    """

    def __init__(self, *, port: int = 0, tls: ssl.SSLContext | None = None) -> None:
        self._wanted_port = port
        self._tls = tls
        self._queues: dict[str | None, deque[Play]] = defaultdict(deque)
        self._always: dict[str | None, Play] = {}
        self._connections: set[_Connection] = set()
        self._arrived = asyncio.Condition()
        self._server: asyncio.Server | None = None
        self.requests: list[Received] = []
        self.connections = 0
        self.port = 0

    @property
    def url(self) -> str:
        """Where it listens, without a trailing slash."""
        return f"{'http' if self._tls is None else 'https'}://{HOST}:{self.port}"

    @property
    def open_connections(self) -> int:
        """How many connections are open now."""
        return len(self._connections)

    def add(self, *plays: Play, path: str | None = None) -> None:
        """Queues scripts, one a request, for a path or for any."""
        self._queues[path].extend(plays)

    def always(self, play: Play, path: str | None = None) -> None:
        """What is played when no script is queued, for a path or for any."""
        self._always[path] = play

    async def received(self, count: int) -> list[Received]:
        """Waits until so many requests have been read, bodies included; give it a timeout of your own."""
        async with self._arrived:
            await self._arrived.wait_for(lambda: len(self.requests) >= count)
        return self.requests

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: _Connection(self), HOST, self._wanted_port, ssl=self._tls, backlog=1024
        )
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._server is not None:
            self._server.close()
        for connection in tuple(self._connections):
            connection.abort()
        await asyncio.sleep(0)

    def take(self, request: Received) -> Play:
        """What is to be played for a request; takes it from its queue."""
        path = request.target.partition("?")[0]
        for queue in (self._queues.get(path), self._queues.get(None)):
            if queue:
                return queue.popleft()
        missing = error_answer(500, f"no script is left for {request.method} {path}")
        return self._always.get(path, self._always.get(None, missing))

    async def arrived(self, request: Received) -> None:
        """Notes a request that has been read."""
        self.requests.append(request)
        async with self._arrived:
            self._arrived.notify_all()

    def __repr__(self) -> str:
        return f"ScriptedUpstream({self.url}, {len(self.requests)} requests, {self.open_connections} connections open)"


class _Connection(asyncio.Protocol):
    """One connection: reads requests, plays their scripts one after the other."""

    def __init__(self, upstream: ScriptedUpstream) -> None:
        self._upstream = upstream
        self._number = upstream.connections
        upstream.connections += 1
        self._reader = asyncio.StreamReader(limit=1 << 30)
        self._writable = asyncio.Event()
        self._writable.set()
        self._request: Received | None = None
        self._transport: asyncio.Transport
        self._task: asyncio.Task[None]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by its class
        self._transport.set_write_buffer_limits(0)
        self._upstream._connections.add(self)
        self._task = asyncio.get_running_loop().create_task(self._serve())

    def data_received(self, data: bytes) -> None:
        self._reader.feed_data(data)

    def eof_received(self) -> bool:
        self._peer_gone()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._peer_gone()
        self._upstream._connections.discard(self)

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def abort(self) -> None:
        """Ends the connection, whatever is being played."""
        self._task.cancel()
        self._transport.abort()

    def _peer_gone(self) -> None:
        if self._request is not None:
            self._request.end(gone=True)
        self._reader.feed_eof()
        self._task.cancel()

    async def _serve(self) -> None:
        while not self._transport.is_closing():
            try:
                request = await _read_head(self._reader, self._number)
            except ValueError:
                await self._play((*error_answer(400, "this is no HTTP request").steps, Close()))
                return
            self._request = request
            play = self._upstream.take(request)
            if not isinstance(play, Script) or play.reads_body:
                request.body = await _read_body(self._reader, request)
            await self._upstream.arrived(request)
            await self._play((play if isinstance(play, Script) else play(request)).steps)
            request.end(gone=False)

    async def _play(self, steps: tuple[Step, ...]) -> None:
        for step in steps:
            if self._transport.is_closing():
                return
            match step:
                case Send(data):
                    self._transport.write(data)
                    await self._writable.wait()
                case Wait(seconds):
                    await asyncio.sleep(seconds)
                case WaitFor(event):
                    await event.wait()
                case Hang():
                    await asyncio.get_running_loop().create_future()
                case Repeat(again, times):
                    await self._repeat(again, times)
                case _:
                    self._finish(step)

    async def _repeat(self, steps: tuple[Step, ...], times: int | None) -> None:
        played = 0
        while times is None or played < times:
            await self._play(steps)
            await asyncio.sleep(0)
            played += 1

    def _finish(self, step: Close | Cut | Reset) -> None:
        if self._request is not None:
            self._request.end(gone=False)
        if isinstance(step, Close):
            self._transport.close()
            return
        if isinstance(step, Reset):
            raw = self._transport.get_extra_info("socket")
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
        self._transport.abort()


async def _read_head(reader: asyncio.StreamReader, connection: int) -> Received:
    """The next request's head; raises `ValueError` for what is none."""
    head = await reader.readuntil(b"\r\n\r\n")
    first, *lines = head[:-4].split(b"\r\n")
    method, target, _ = first.decode("latin-1").split(" ", 2)
    fields = (line.partition(b":") for line in lines)
    return Received(method, target, tuple((name, value.strip()) for name, _, value in fields), connection)


async def _read_body(reader: asyncio.StreamReader, request: Received) -> bytes:
    """The request's body, by its Content-Length or its chunks."""
    if (request.header("transfer-encoding") or b"").lower() != b"chunked":
        return await reader.readexactly(int(request.header("content-length") or 0))
    parts = []
    while size := int((await reader.readuntil(b"\r\n")).partition(b";")[0], 16):
        parts.append(await reader.readexactly(size))
        await reader.readexactly(2)
    while await reader.readuntil(b"\r\n") != b"\r\n":
        continue
    return b"".join(parts)
