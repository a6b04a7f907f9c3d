"""Connections on which a request never comes to its end are let go of."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState

from trimtab.console.serving import BoundedBody
from trimtab.processes.patience import HEAD_BYTES, PatientHttp

LONG_S = 60.0


class Hasty(PatientHttp):
    """Patience for a moment only."""

    head_s = 0.05


class Endless(PatientHttp):
    """Patience beyond that of the tests."""

    head_s = 100 * LONG_S


class HastyBody(BoundedBody):
    """The same for bodies."""

    body_s = 0.05


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Answers a path /body when its body is there, any other at once."""
    size = 0
    while scope["path"] == "/body":
        message = await receive()
        size += len(message.get("body", b""))
        if not message.get("more_body"):
            break
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"7")]})
    await send({"type": "http.response.body", "body": b"size %02d" % size})


@contextlib.asynccontextmanager
async def dialled(protocol: type[PatientHttp]) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection to a server of this protocol."""
    config = uvicorn.Config(
        echo, lifespan="off", log_config=None, http=protocol, h11_max_incomplete_event_size=HEAD_BYTES
    )
    state = ServerState()
    server = await asyncio.get_running_loop().create_server(lambda: protocol(config, state, {}), "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    try:
        yield reader, writer
    finally:
        writer.close()
        server.close()


async def ended(reader: asyncio.StreamReader) -> bytes:
    """What comes until the connection is closed."""
    async with asyncio.timeout(LONG_S):
        try:
            return await reader.read()
        except ConnectionResetError:
            return b""


@pytest.mark.parametrize("sent", [b"", b"GET / HT", b"GET / HTTP/1.1\r\nhost: a\r\nx: "])
async def test_half_a_head_is_waited_for_a_while(sent: bytes) -> None:
    """Then the connection is closed, so that a few hundred of them cannot keep everybody else out for good."""
    async with dialled(Hasty) as (reader, writer):
        writer.write(sent)
        assert await ended(reader) == b""


async def test_what_goes_on_after_the_answer_ends() -> None:
    """A body that nobody waits for holds no connection either."""
    async with dialled(Hasty) as (reader, writer):
        writer.write(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\n1")
        assert (await reader.readuntil(b"size 00")).startswith(b"HTTP/1.1 200")
        writer.write(b"2")
        assert await ended(reader) == b""


async def test_whoever_asks_in_time_is_answered() -> None:
    """Twice on one connection, and with a body that takes its time."""
    async with dialled(PatientHttp) as (reader, writer):
        for _ in range(2):
            writer.write(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
            assert (await reader.readuntil(b"size 00")).startswith(b"HTTP/1.1 200")
        writer.write(b"POST /body HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\n1")
        await writer.drain()
        writer.write(b"23")
        assert (await reader.readuntil(b"size 03")).startswith(b"HTTP/1.1 200")


async def test_a_head_has_a_bound() -> None:
    """One of many kilobytes is refused while it comes in, and not kept in memory."""
    async with dialled(Endless) as (reader, writer):
        writer.write(b"GET / HTTP/1.1\r\nhost: a\r\nx: " + b"a" * (2 * HEAD_BYTES))
        assert (await ended(reader))[:12] in (b"HTTP/1.1 400", b"")


async def test_a_body_that_does_not_come_is_refused() -> None:
    """Whoever reads it is told so within the time there is for it; what follows a whole body has no limit."""
    told: list[int] = []

    async def reading(scope: Any, receive: Any, send: Any) -> None:
        try:
            while True:
                await receive()
        except Exception as failure:  # noqa: BLE001 - it is looked at
            told.append(getattr(failure, "status_code", 0))

    async def never() -> Any:
        await asyncio.Event().wait()

    async with asyncio.timeout(LONG_S):
        await HastyBody(reading)({"type": "http"}, never, never)
    assert told == [408]
