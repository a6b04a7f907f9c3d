"""Who takes too long is told so or dropped, by one sweep; who is merely waiting for us is left alone.

The server's clock is moved by hand, and each move is followed by a sweep.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.gateway_wire.wire import PLAIN, Client, Serving, SlowClient, echo, serving, until
from trimtab.clock import SystemClock
from trimtab.declare.project import Limits
from trimtab.gateway.http.answer import Answer
from trimtab.gateway.http.connection import Handler
from trimtab.gateway.http.request import Request
from trimtab.testing import JumpingClock

LIMITS = Limits(header_timeout_s=10.0, body_timeout_s=60.0, idle_timeout_s=120.0, slow_reader_s=30.0)
GET = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"


class Swept:
    """A server whose clock the test moves."""

    def __init__(self, running: Serving, clock: JumpingClock) -> None:
        self.running = running
        self.clock = clock

    def after(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.running.server.sweep()

    async def connect(self) -> Client:
        open_before = self.running.server.open_connections
        client = await self.running.connect()
        await until(lambda: self.running.server.open_connections > open_before)
        return client

    async def part(self, client: Client, data: bytes) -> None:
        """Sends part of a request, and waits until the server has read it."""
        size = self.running.server._shared.buffered
        client.send(data)
        await until(lambda: self.running.server._shared.buffered > size)

    def gone(self) -> bool:
        return self.running.server.open_connections == 0


@asynccontextmanager
async def swept(handler: Handler = echo, tls: ssl.SSLContext | None = None) -> AsyncIterator[Swept]:
    clock = JumpingClock()
    async with serving(handler, LIMITS, clock, tls) as running:
        yield Swept(running, clock)


async def test_a_head_that_does_not_end_is_answered_408() -> None:
    """From its first byte a head has header_timeout_s in all, however often a byte more of it comes."""
    async with swept() as it, await it.connect() as client:
        await it.part(client, GET[:5])
        for byte in GET[5:13]:
            it.after(1.1)
            await it.part(client, bytes((byte,)))
        it.after(1.1)
        assert not client.reader.at_eof()
        it.after(0.2)
        assert await client.answer() == (408, b"request_timeout")
        assert await client.rest() == b""


@pytest.mark.parametrize("framing", [b"Content-Length: 9", b"Transfer-Encoding: chunked"])
async def test_a_body_that_does_not_end_is_answered_408(framing: bytes) -> None:
    """From the end of its head a body has body_timeout_s in all, and the head's time is over."""
    async with swept() as it, await it.connect() as client:
        await it.part(client, b"POST / HTTP/1.1\r\nHost: h\r\n" + framing + b"\r\n")
        it.after(9.0)
        client.send(b"\r\n5\r\nabc")
        await until(lambda: next(iter(it.running.server._shared.connections))._reader.head is not None)
        it.after(59.0)
        client.send(b"d")
        it.after(1.5)
        assert await client.answer() == (408, b"request_timeout")


async def test_an_idle_connection_is_closed_without_a_word() -> None:
    """After idle_timeout_s between requests, and before the first, the client reads an end and no status."""
    async with swept() as it, await it.connect() as used, await it.connect() as fresh:
        it.after(119.0)
        used.send(GET)
        await used.answer()
        it.after(1.5)
        assert await fresh.rest() == b""
        it.after(117.0)
        used.send(GET)
        await used.answer()
        it.after(120.5)
        assert await used.rest() == b""


async def test_an_open_call_has_no_timeout_of_ours() -> None:
    """A call may take for ever: its clocks are not the server's."""
    release = asyncio.Event()

    async def slow(request: Request, answer: Answer) -> None:
        answer.head(200, PLAIN)
        answer.chunk(b"a")
        await release.wait()
        answer.end(b"b")

    async with swept(slow) as it, await it.connect() as client:
        client.send(GET)
        head = await client.head()
        it.after(100_000.0)
        release.set()
        assert await client.body(head) == b"ab"


async def test_the_clock_of_a_pipelined_head_starts_when_its_turn_comes() -> None:
    """What waits behind an open call is not late."""
    release = asyncio.Event()

    async def slow(request: Request, answer: Answer) -> None:
        await release.wait()
        answer.whole(200, PLAIN, b"")

    async with swept(slow) as it, await it.connect() as client:
        client.send(GET)
        await until(lambda: it.running.server.open_calls == 1)
        await it.part(client, GET[:10])
        it.after(1000.0)
        release.set()
        await client.answer()
        it.after(9.0)
        client.send(GET[10:])
        assert (await client.answer())[0] == 200


async def test_a_reader_that_stops_is_cut_after_its_time() -> None:
    """The handler is paused at high water and told that the client is gone slow_reader_s after the last progress."""
    told: list[str] = []
    over = asyncio.Event()

    async def endless(request: Request, answer: Answer) -> None:
        answer.on_pause = lambda: told.append("pause")
        answer.on_gone = lambda: (told.append("gone"), over.set())
        answer.head(200, PLAIN)
        while not answer.paused:
            answer.chunk(b"x" * 65536)
            await asyncio.sleep(0)
        await over.wait()

    async with swept(endless) as it:
        with SlowClient(it.running.address) as client:
            await client.send(GET)
            await until(lambda: told == ["pause"])
            it.after(29.0)
            assert told == ["pause"]
            it.after(1.5)
            assert told == ["pause", "gone"]
            await until(it.gone)


async def test_a_reader_that_makes_progress_is_not_cut() -> None:
    """Taking a little within each slow_reader_s is enough, and resuming is told."""
    told: list[str] = []
    size = 0

    async def large(request: Request, answer: Answer) -> None:
        nonlocal size
        resumed = asyncio.Event()
        answer.on_pause = lambda: told.append("pause")
        answer.on_resume = lambda: (told.append("resume"), resumed.set())
        answer.head(200, PLAIN)
        while not answer.paused:
            answer.chunk(b"x" * (1 << 20))
            size += 1 << 20
            await asyncio.sleep(0)
        await resumed.wait()
        answer.end()

    async with swept(large) as it:
        with SlowClient(it.running.address) as client:
            await client.send(GET)
            await until(lambda: told == ["pause"])
            (connection,) = it.running.server._shared.connections
            waiting = connection._transport.get_write_buffer_size
            taken = []
            while told == ["pause"]:
                before = waiting()
                while waiting() >= before and told == ["pause"]:
                    taken.append(await client.take(1 << 16))
                it.after(8.0)
                it.after(20.0)
            while not b"".join(taken[-2:]).endswith(b"0\r\n\r\n"):
                taken.append(await client.take(1 << 20))
        assert b"".join(taken).count(b"x") == size + 1  # text/plain has one too
        assert told == ["pause", "resume"]


async def test_a_whole_answer_nobody_reads_is_given_up() -> None:
    """A client that takes nothing of its answer does not hold the connection; pipelined requests wait meanwhile."""
    calls = 0

    async def large(request: Request, answer: Answer) -> None:
        nonlocal calls
        calls += 1
        answer.whole(200, PLAIN, b"x" * (32 << 20))

    async with swept(large) as it:
        with SlowClient(it.running.address) as client:
            await client.send(GET * 3)
            await until(lambda: calls == 1 and it.running.server.open_calls == 0)
            it.after(20.0)
            assert it.running.server.open_connections == 1
            it.after(20.0)
            await until(it.gone)
            assert calls == 1


async def test_pipelined_requests_go_on_when_the_reader_does() -> None:
    """A large answer that is read slowly holds the next request back, and lets it go when it is out."""
    body = b"y" * (8 << 20)
    calls = 0

    async def large(request: Request, answer: Answer) -> None:
        nonlocal calls
        calls += 1
        answer.whole(200, b"", body)

    async with swept(large) as it:
        with SlowClient(it.running.address) as client:
            await client.send(GET + GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
            await until(lambda: calls == 1)
            assert await client.take(10) == b"HTTP/1.1 2"
            assert calls == 1
            assert (await client.rest()).count(b"y") == 2 * len(body)
            assert calls == 2


async def test_a_client_that_does_not_close_after_the_last_answer_is_dropped() -> None:
    """The linger of a closing connection ends 2 s after the last byte, 30 s after the end at most."""
    async with swept() as it, await it.connect() as client:
        client.send(GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        await client.answer()
        it.after(1.9)
        assert it.running.server.open_connections == 1
        it.after(0.2)
        await until(it.gone)


async def test_the_server_sweeps_by_itself() -> None:
    """Without anybody's help a silent connection is closed once its time is over."""
    limits = Limits(idle_timeout_s=0.1)
    async with serving(limits=limits) as running, await running.connect() as client:
        began = SystemClock().monotonic()
        assert await client.rest() == b""
        assert SystemClock().monotonic() - began >= 0.09


async def test_dates_follow_the_clock() -> None:
    """The Date of an answer is the server's, in GMT (RFC 9110, section 5.6.7)."""
    async with swept() as it, await it.connect() as client:
        client.send(GET)
        assert b"date: Thu, 01 Jan 2026 00:00:00 GMT\r\n" in await client.head()
        await client.reader.readexactly(6)
        it.after(61.0)
        client.send(GET)
        assert b"date: Thu, 01 Jan 2026 00:01:01 GMT\r\n" in await client.head()
