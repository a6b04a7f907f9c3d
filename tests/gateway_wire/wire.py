"""A server with a scripted handler, and clients that see the very bytes."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from trimtab.clock import Clock, SystemClock
from trimtab.declare.project import Limits
from trimtab.errors import CallError
from trimtab.gateway.http.answer import Answer
from trimtab.gateway.http.connection import Handler
from trimtab.gateway.http.headers import Headers
from trimtab.gateway.http.request import Request
from trimtab.gateway.server import Server
from trimtab.gateway.upstreams.connection import UpstreamConnection
from trimtab.gateway.upstreams.sink import Failure

GUARD_S = 60.0
PLAIN = b"content-type: text/plain\r\n"
Log = list[tuple[Request, Answer]]
Script = Callable[[Request, Answer], Coroutine[Any, Any, None] | None]


def reject(error: CallError) -> tuple[int, bytes, bytes]:
    return error.status, PLAIN, error.code.encode()


def begun(script: Script) -> Handler:
    """A handler that may wait, which it then does in a task of its own."""
    tasks: set[asyncio.Task[None]] = set()

    def begin(request: Request, answer: Answer) -> None:
        waiting = script(request, answer)
        if waiting is not None:
            task = asyncio.get_running_loop().create_task(waiting)
            tasks.add(task)
            task.add_done_callback(tasks.discard)

    return begin


def echo(request: Request, answer: Answer) -> None:
    answer.whole(200, PLAIN, b"%s %s %b" % (request.method.encode(), request.path.encode(), request.body))


def post(body: bytes = b"", path: str = "/", headers: str = "") -> bytes:
    return f"POST {path} HTTP/1.1\r\nHost: h\r\n{headers}Content-Length: {len(body)}\r\n\r\n".encode() + body


@dataclass
class Serving:
    server: Server
    sock: socket.socket

    @property
    def address(self) -> tuple[str, int]:
        host, port = self.sock.getsockname()
        return host, port

    async def connect(self, tls: ssl.SSLContext | None = None) -> Client:
        name = None if tls is None else "localhost"
        return Client(*await asyncio.open_connection(*self.address, ssl=tls, server_hostname=name))

    async def ask(self, data: bytes, tls: ssl.SSLContext | None = None) -> bytes:
        """Everything that comes back until the server closes."""
        async with asyncio.timeout(GUARD_S), await self.connect(tls) as client:
            client.send(data)
            return await client.rest()


@contextlib.asynccontextmanager
async def serving(
    handler: Script = echo,
    limits: Limits = Limits(),  # noqa: B008  it is frozen
    clock: Clock | None = None,
    tls: ssl.SSLContext | None = None,
    max_buffered: int = 1 << 30,
) -> AsyncIterator[Serving]:
    server = Server(begun(handler), limits, clock or SystemClock(), reject, max_buffered=max_buffered)
    with socket.create_server(("127.0.0.1", 0)) as sock:
        await server.start(sock, tls)
        try:
            yield Serving(server, sock)
        finally:
            await server.close()
            await asyncio.sleep(0)


class Client:
    """One connection, read as answers or as bytes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def rest(self) -> bytes:
        async with asyncio.timeout(GUARD_S):
            return await self.reader.read()

    async def some(self) -> bytes:
        async with asyncio.timeout(GUARD_S):
            return await self.reader.read(65536)

    async def head(self) -> bytes:
        async with asyncio.timeout(GUARD_S):
            return await self.reader.readuntil(b"\r\n\r\n")

    async def answer(self) -> tuple[int, bytes]:
        """Status and body of the next answer, framed by length or chunks."""
        head = await self.head()
        return int(head[9:12]), await self.body(head)

    async def body(self, head: bytes) -> bytes:
        async with asyncio.timeout(GUARD_S):
            for line in head.lower().split(b"\r\n"):
                if line.startswith(b"content-length:"):
                    return await self.reader.readexactly(int(line[15:]))
            whole = b""
            while size := int(await self.reader.readuntil(b"\r\n"), 16):
                whole += await self.reader.readexactly(size)
                await self.reader.readexactly(2)
            await self.reader.readexactly(2)
            return whole

    def reset(self) -> None:
        self.writer.transport.abort()

    async def __aenter__(self) -> Client:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.writer.close()
        with contextlib.suppress(OSError):
            await self.writer.wait_closed()


class SlowClient:
    """One connection that takes bytes only when told to, with as little room in the kernel as it gets."""

    def __init__(self, address: tuple[str, int]) -> None:
        self.sock = socket.socket()
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.sock.connect(address)
        self.sock.setblocking(False)

    async def send(self, data: bytes) -> None:
        await asyncio.get_running_loop().sock_sendall(self.sock, data)

    async def take(self, size: int) -> bytes:
        """The next bytes; b"" at the end."""
        async with asyncio.timeout(GUARD_S):
            return await asyncio.get_running_loop().sock_recv(self.sock, size)

    async def rest(self) -> bytes:
        parts = []
        while data := await self.take(1 << 20):
            parts.append(data)
        return b"".join(parts)

    def __enter__(self) -> SlowClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.sock.close()


@dataclass
class Recorded:
    """A sink that remembers, and can be waited for."""

    act: Callable[[str, UpstreamConnection | None], None] | None = None
    connection: UpstreamConnection | None = None
    events: list[str] = field(default_factory=list)
    status: int = 0
    headers: Headers | None = None
    parts: list[bytes] = field(default_factory=list)
    failure: Failure | None = None
    over: asyncio.Event = field(default_factory=asyncio.Event)
    news: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def body(self) -> bytes:
        return b"".join(self.parts)

    def _note(self, event: str) -> None:
        self.events.append(event)
        self.news.set()
        if self.act is not None:
            self.act(event, self.connection)

    def on_head(self, status: int, headers: Headers) -> None:
        self.status, self.headers = status, headers
        self._note("head")

    def on_body(self, data: bytes) -> None:
        self.parts.append(data)
        self._note("body")

    def on_end(self) -> None:
        self._note("end")
        self.over.set()

    def on_broken(self, failure: Failure) -> None:
        self.failure = failure
        self._note("broken")
        self.over.set()

    async def wait(self) -> None:
        async with asyncio.timeout(GUARD_S):
            await self.over.wait()


async def turns(count: int = 100) -> None:
    """Lets the loop turn, so that whatever could happen by now has happened."""
    for _ in range(count):
        await asyncio.sleep(0)


async def until(condition: Callable[[], bool]) -> None:
    """Lets the loop turn until something holds."""
    async with asyncio.timeout(GUARD_S):
        while not condition():
            await asyncio.sleep(0.001)
