"""One exchange with a replica: what it sends is passed on exactly, and every way of failing is told apart."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.gateway_wire.wire import GUARD_S, Recorded, turns, until
from trimtab.clock import SystemClock
from trimtab.gateway.upstreams.origin import Origin
from trimtab.gateway.upstreams.pool import Pool
from trimtab.testing import Close, Hang, Reset, Script, ScriptedUpstream, Send, WaitFor

OK = b"HTTP/1.1 200 OK\r\n"
SHORT = OK + b"Content-Length: 2\r\n\r\nok"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
SILENT = "closed the connection without an answer"
AMID = "closed the connection amid its answer"
RESET = " (Connection reset by peer)"
NOT_HTTP = "sent what is not HTTP/1.1: "
FAULTS = {
    "nothing, then the end": ((Close(),), SILENT, "", b""),
    "nothing, then a reset": (
        (Reset(),),
        "closed the connection without an answer (Connection reset by peer)",
        "",
        b"",
    ),
    "half a head": ((Send(OK + b"Content-"), Close()), AMID, "", b""),
    "half a body": ((Send(SHORT[:-1]), Close()), AMID, "head body", b"o"),
    "reset amid the body": (
        (Send(SHORT[:-1]), Send(b""), Reset()),
        AMID + RESET,
        "head body",
        b"o",
    ),
    "half a chunk": (
        (Send(CHUNKED + b"5\r\nabc"), Close()),
        AMID,
        "head body",
        b"abc",
    ),
    "no last chunk": (
        (Send(CHUNKED + b"3\r\nabc\r\n"), Close()),
        AMID,
        "head body",
        b"abc",
    ),
    "no HTTP": ((Send(b"SSH-2.0-OpenSSH_9.2\r\n"),), NOT_HTTP, "", b""),
    "HTTP/0.9": ((Send(b"HTTP/0.9 200 OK\r\n\r\n"),), "answered with a status line that is not HTTP/1.1", "", b""),
    "HTTP/2.0": ((Send(b"HTTP/2.0 200 OK\r\n\r\n"),), "answered with a status line that is not HTTP/1.1", "", b""),
    "status 999": (
        (Send(b"HTTP/1.1 999 X\r\nContent-Length: 0\r\n\r\n"),),
        "answered with a status line that is not HTTP/1.1",
        "",
        b"",
    ),
    "two lengths": (
        (Send(OK + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab"),),
        NOT_HTTP,
        "",
        b"",
    ),
    "length and coding": (
        (Send(OK + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),),
        NOT_HTTP,
        "",
        b"",
    ),
    "gzip coding": (
        (Send(OK + b"Transfer-Encoding: gzip\r\n\r\nabc"),),
        "answered with a transfer coding other than chunked",
        "",
        b"",
    ),
    "gzip, chunked": (
        (Send(OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),),
        "answered with a transfer coding other than chunked",
        "",
        b"",
    ),
    "bad chunk size": ((Send(CHUNKED + b"zz\r\n"),), NOT_HTTP, "head", b""),
    "good chunk, then a bad one": (
        (Send(CHUNKED + b"3\r\nabc\r\nzz\r\n"),),
        NOT_HTTP,
        "head body",
        b"abc",
    ),
    "bare LF": ((Send(b"HTTP/1.1 200 OK\nContent-Length: 0\n\n"),), NOT_HTTP, "", b""),
    "switching protocols": (
        (Send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\nabc"),),
        "switched to another protocol",
        "",
        b"",
    ),
    "head too large": ((Send(OK + b"A: " + b"a" * 70_000),), "sent over 65536 bytes that are not body", "", b""),
    "head too large, whole": (
        (Send(OK + b"A: " + b"a" * 70_000 + b"\r\nContent-Length: 2\r\n\r\nok"),),
        "sent over 65536 bytes that are not body",
        "",
        b"",
    ),
    "too many fields": ((Send(OK + b"A: b\r\n" * 300 + b"\r\n"),), "sent more than 256 fields", "", b""),
}


def post(body: bytes = b"", method: str = "POST") -> tuple[bytes, bytes]:
    return f"{method} /v1/x HTTP/1.1\r\nHost: h\r\nContent-Length: {len(body)}\r\n\r\n".encode(), body


@asynccontextmanager
async def upstream() -> AsyncIterator[tuple[ScriptedUpstream, Pool, Origin]]:
    pool = Pool(SystemClock())
    async with ScriptedUpstream() as replica:
        yield replica, pool, Origin.parse(replica.url)
        await pool.close()


async def ask(pool: Pool, origin: Origin, *, method: str = "POST", body: bytes = b"") -> Recorded:
    connection = pool.idle(origin) or await pool.connect(origin, 5.0)
    sink = Recorded(connection=connection)
    connection.send(*post(body, method), sink)
    return sink


@pytest.mark.parametrize("case", FAULTS)
async def test_a_broken_answer_is_told_with_what_came_before(case: str) -> None:
    """What is good is passed on, then one failure says what is wrong, and the connection is not used again."""
    steps, detail, before, body = FAULTS[case]
    async with upstream() as (replica, pool, origin):
        replica.add(Script((*steps, Hang())))
        sink = await ask(pool, origin)
        await sink.wait()
        assert sink.failure is not None
        assert sink.failure.detail.startswith(detail)
        assert " ".join(dict.fromkeys(sink.events)) == f"{before} broken".strip()
        assert sink.body == body
        assert sink.failure.sent
        assert sink.failure.received == (case not in ("nothing, then the end", "nothing, then a reset"))
        assert not sink.failure.reused
        assert pool.open == pool.resting == 0


@pytest.mark.parametrize(
    ("raw", "status", "body", "kept"),
    [
        (SHORT, 200, b"ok", True),
        (CHUNKED + b"1\r\na\r\n2;x=y\r\nbc\r\n0\r\nA: b\r\n\r\n", 200, b"abc", True),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + SHORT, 200, b"ok", True),
        (b"HTTP/1.1 204 No Content\r\n\r\n", 204, b"", True),
        (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", 304, b"", True),
        (b"HTTP/1.1 503 Busy\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n", 503, b"", True),
        (OK + b"Connection: close\r\nContent-Length: 2\r\n\r\nok", 200, b"ok", False),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", 200, b"ok", False),
        (b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok", 200, b"ok", True),
        (SHORT + b"X", 200, b"ok", False),
        (SHORT + SHORT, 200, b"ok", False),
        (SHORT + b"HTTP/1.1 2", 200, b"ok", False),
    ],
)
async def test_a_good_answer_comes_whole(raw: bytes, status: int, body: bytes, kept: bool) -> None:
    """Status, fields and body; the connection is kept exactly when the answer allows it and nothing follows it."""
    async with upstream() as (replica, pool, origin):
        replica.add(Script((Send(raw), Hang())))
        sink = await ask(pool, origin)
        await sink.wait()
        assert sink.failure is None
        assert (sink.status, sink.body) == (status, body)
        assert sink.events[0] == "head"
        assert sink.events[-1] == "end"
        assert pool.resting == pool.open == (1 if kept else 0)


@pytest.mark.parametrize("old", [True, False])
async def test_a_body_may_end_with_the_connection(old: bool) -> None:
    """Without length and chunks the end of the connection is the end of the body; it is not kept, of course."""
    async with upstream() as (replica, pool, origin):
        head = b"HTTP/1.0 200 OK\r\n\r\n" if old else OK + b"Content-Type: text/plain\r\n\r\n"
        replica.add(Script((Send(head + b"all "), Send(b"of it"), Close())))
        sink = await ask(pool, origin)
        await sink.wait()
        assert sink.failure is None
        assert sink.body == b"all of it"
        assert pool.open == 0


@pytest.mark.parametrize("more", [b"0\r\nA: " + b"b" * 140_000, b"1;" + b"b" * 140_000, b"1" * 140_000])
async def test_what_is_not_body_is_bounded(more: bytes) -> None:
    """Trailers and chunk extensions without end break the answer."""
    async with upstream() as (replica, pool, origin):
        go = asyncio.Event()
        replica.add(Script((Send(CHUNKED + b"1\r\na\r\n"), WaitFor(go), Send(more), Hang())))
        sink = await ask(pool, origin)
        await until(lambda: sink.body == b"a")
        go.set()
        await sink.wait()
        assert sink.failure is not None
        assert pool.open == 0


async def test_such_a_body_that_ends_in_a_reset_is_broken() -> None:
    """A reset is no end of a body."""
    async with upstream() as (replica, pool, origin):
        go = asyncio.Event()
        replica.add(Script((Send(OK + b"\r\nall"), WaitFor(go), Reset())))
        sink = await ask(pool, origin)
        await until(lambda: sink.body == b"all")
        go.set()
        await sink.wait()
        assert sink.failure is not None
        assert "Connection reset by peer" in sink.failure.detail


async def test_head_has_an_answer_without_body_and_keeps_the_connection() -> None:
    """The length of a HEAD answer announces nothing that comes."""
    async with upstream() as (replica, pool, origin):
        replica.add(Script((Send(OK + b"A: b\r\nContent-Length: 5\r\n\r\n"),)), Script((Send(SHORT),)))
        sink = await ask(pool, origin, method="HEAD")
        await sink.wait()
        assert (sink.status, sink.body, sink.failure) == (200, b"", None)
        again = await ask(pool, origin)
        await again.wait()
        assert (again.body, again.headers) == (b"ok", {b"content-length": b"2"})
        assert again.connection is sink.connection
        assert replica.connections == 1


async def test_a_read_brings_one_piece_of_body_at_most() -> None:
    """Chunks that came together are passed on together."""
    async with upstream() as (replica, pool, origin):
        replica.add(Script((Send(CHUNKED + b"1\r\na\r\n" * 100 + b"0\r\n\r\n"),)))
        sink = await ask(pool, origin)
        await sink.wait()
        assert sink.body == b"a" * 100
        assert sink.events == ["head", "body", "end"]


async def test_a_large_request_goes_out_piece_by_piece() -> None:
    """No more than a piece waits in our buffers while the replica does not read, and all of it arrives."""
    body = bytes(range(256)) * (32 << 12)
    async with upstream() as (replica, pool, origin):
        replica.add(Script((Send(SHORT),)))
        sink = await ask(pool, origin, body=body)
        assert sink.connection is not None
        assert sink.connection._transport.get_write_buffer_size() <= 1 << 20
        await sink.wait()
        assert sink.body == b"ok"
        assert replica.requests[0].body == body
        assert pool.resting == 1


async def test_an_answer_before_the_end_of_the_request_is_taken() -> None:
    """A replica may refuse a body early; the rest is not sent and the connection not kept."""
    async with upstream() as (replica, pool, origin):
        early = Script((Send(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n"), Hang()), reads_body=False)
        replica.add(early)
        sink = await ask(pool, origin, body=b"x" * (64 << 20))
        await sink.wait()
        assert (sink.status, sink.failure) == (413, None)
        assert pool.open == 0


async def test_abort_is_noticed_by_the_replica_at_once() -> None:
    """The replica sees the connection go; the sink hears no more."""
    async with upstream() as (replica, pool, origin):
        replica.add(Script((Send(CHUNKED + b"1\r\na\r\n"), Hang())))
        sink = await ask(pool, origin)
        await until(lambda: sink.body == b"a")
        assert sink.connection is not None
        sink.connection.abort()
        sink.connection.abort()
        async with asyncio.timeout(GUARD_S):
            await replica.requests[0].over()
        gone_at = replica.requests[0].gone_at
        assert gone_at is not None
        assert sink.events == ["head", "body"]
        assert pool.open == 0


@pytest.mark.parametrize("event", ["head", "body", "end"])
async def test_abort_may_come_from_within_a_callback(event: str) -> None:
    """After it nothing more is told, whatever the read had brought; after the end it does no harm."""
    async with upstream() as (replica, pool, origin):
        replica.add(Script((Send(SHORT),)), Script((Send(SHORT),)))
        connection = await pool.connect(origin, 5.0)
        sink = Recorded(lambda told, it: it.abort() if told == event else None, connection)
        connection.send(*post(), sink)
        await until(lambda: event in sink.events)
        await turns()
        assert sink.events == ["head", "body", "end"][: ["head", "body", "end"].index(event) + 1]
        assert pool.open == (1 if event == "end" else 0)


async def test_a_paused_connection_is_not_read_and_loses_nothing() -> None:
    """While paused nothing comes and the replica is held back; resumed, all of it comes."""
    chunk = b"%x\r\n%b\r\n" % (1 << 20, b"x" * (1 << 20))
    async with upstream() as (replica, pool, origin):
        replica.add(Script((Send(CHUNKED), *([Send(chunk)] * 32), Send(b"0\r\n\r\n"))))
        connection = await pool.connect(origin, 5.0)
        sink = Recorded(lambda told, it: it.pause() if told == "head" else None, connection)
        connection.send(*post(), sink)
        await until(lambda: sink.status == 200)
        size = len(sink.body)
        await turns()
        assert len(sink.body) == size < 1 << 20
        assert replica.requests[0].ended_at is None
        connection.resume()
        await sink.wait()
        assert len(sink.body) == 32 << 20


async def test_a_connection_given_back_while_paused_serves_the_next_request() -> None:
    """The pool never holds a connection that does not read."""
    async with upstream() as (replica, pool, origin):
        replica.add(Script((Send(SHORT),)), Script((Send(SHORT),)))
        connection = await pool.connect(origin, 5.0)
        first = Recorded(lambda told, it: it.pause() if told == "head" else None, connection)
        connection.send(*post(), first)
        await first.wait()
        assert pool.idle(origin) is connection
        second = Recorded()
        connection.send(*post(), second)
        await second.wait()
        assert second.body == b"ok"
        assert connection.reused


async def test_small_writes_are_not_held_back() -> None:
    """Nagle's algorithm is off on both sides of the gateway's sockets to replicas."""
    async with upstream() as (_, pool, origin):
        connection = await pool.connect(origin, 5.0)
        peer = connection._transport.get_extra_info("socket")
        assert peer.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert peer.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
