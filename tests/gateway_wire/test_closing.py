"""How connections end: without a reset where the client is owed an answer, and in good order when the server goes."""

from __future__ import annotations

import asyncio
import socket
import ssl

import pytest

from tests.gateway_wire.wire import GUARD_S, PLAIN, Client, SlowClient, echo, post, serving, until
from trimtab.clock import SystemClock
from trimtab.declare.project import Limits
from trimtab.gateway.http.answer import Answer
from trimtab.gateway.http.request import Request
from trimtab.gateway.server import Server

GET = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"
CLOSE = b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"


@pytest.mark.parametrize(
    ("start", "status"),
    [
        (b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 99999999\r\n\r\n", b"413"),
        (b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5f5e0ff\r\n", b"413"),
        (b"GET / HTTP/1.1\r\n\r\n", b"400"),
        (CLOSE, b"200"),
    ],
)
async def test_an_early_answer_survives_what_the_client_still_sends(start: bytes, status: bytes) -> None:
    """A client that goes on sending reads the answer and an end, never a reset (RFC 9112, section 9.6)."""
    async with serving(limits=Limits(max_body=1000)) as running:
        with SlowClient(running.address) as client:
            await client.send(start)
            for _ in range(50):
                await client.send(b"x" * 65536)
            client.sock.shutdown(socket.SHUT_WR)
            raw = await client.rest()
        assert raw.startswith(b"HTTP/1.1 " + status)
        await until(lambda: running.server.open_connections == 0)


async def test_our_side_closes_at_once_after_the_last_answer() -> None:
    """The client reads the end without having closed its own side."""
    async with serving() as running, await running.connect() as client:
        client.send(CLOSE)
        assert (await client.rest()).endswith(b"GET / ")


async def test_stopping_to_accept_leaves_the_listening_socket_to_others() -> None:
    """A successor on the same socket takes what comes, also what had queued in between."""
    clock = SystemClock()

    def second(request: Request, answer: Answer) -> None:
        answer.whole(200, PLAIN, b"second")

    async with serving() as running, await running.connect() as old:
        old.send(GET)
        assert await old.answer() == (200, b"GET / ")
        running.server.stop_accepting()
        between = await running.connect()
        between.send(GET)
        successor = Server(second, Limits(), clock, lambda error: (500, b"", b""))
        await successor.start(running.sock)
        async with between:
            assert await between.answer() == (200, b"second")
        old.send(GET)
        assert await old.answer() == (200, b"GET / ")
        await successor.close()


async def test_a_drain_lets_calls_end_and_says_close() -> None:
    """An open call is answered, whole or streamed, and its connection ends; nothing is cut."""
    release = asyncio.Event()

    async def slow(request: Request, answer: Answer) -> None:
        if request.path == "/stream":
            answer.head(200, PLAIN)
            answer.chunk(b"a")
        await release.wait()
        if answer.started:
            answer.end(b"b")
        else:
            answer.whole(200, PLAIN, b"ab")

    async with serving(slow) as running:
        whole, streamed = await running.connect(), await running.connect()
        whole.send(post(path="/whole"))
        streamed.send(post(path="/stream"))
        head = await streamed.head()
        await until(lambda: running.server.open_calls == 2)
        draining = asyncio.create_task(running.server.drain(GUARD_S))
        await asyncio.sleep(0)
        assert running.server.draining
        release.set()
        async with whole, streamed:
            raw = await whole.rest()
            assert b"connection: close" in raw
            assert raw.endswith(b"ab")
            assert await streamed.body(head) == b"ab"
            assert await streamed.rest() == b""
        assert await draining == 0
        assert running.server.open_connections == 0


async def test_a_drain_answers_the_request_that_is_under_way_to_an_idle_connection() -> None:
    """A kept connection gets one more answer, with `connection: close`; one that stays idle reads an end."""
    async with serving() as running:
        busy, idle = await running.connect(), await running.connect()
        for client in (busy, idle):
            client.send(GET)
            await client.answer()
        draining = asyncio.create_task(running.server.drain(GUARD_S))
        await asyncio.sleep(0)
        async with busy, idle:
            busy.send(GET)
            assert b"connection: close" in await busy.rest()
            assert await idle.rest() == b""
        assert await draining == 0


async def test_a_drain_cuts_what_does_not_end_in_time() -> None:
    """After the timeout open calls see their client go, may settle, and are counted."""
    settled = []

    async def endless(request: Request, answer: Answer) -> None:
        over = asyncio.Event()
        answer.on_gone = over.set
        await over.wait()
        settled.append(answer.gone)

    async with serving(endless) as running, await running.connect() as one, await running.connect() as two:
        one.send(GET)
        two.send(GET)
        await until(lambda: running.server.open_calls == 2)
        assert await running.server.drain(0.05) == 2
        assert settled == [True, True]
        assert running.server.open_calls == running.server.open_connections == 0


async def test_closing_ends_whatever_handlers_do() -> None:
    """An answer that nobody ends counts as open until the server closes, and no longer."""
    gone = []

    def stubborn(request: Request, answer: Answer) -> None:
        answer.on_gone = lambda: gone.append(request.path)

    async with serving(stubborn) as running, await running.connect() as client:
        client.send(GET)
        await until(lambda: running.server.open_calls == 1)
        await running.server.close()
        assert gone == ["/"]
        assert running.server.open_calls == 0


async def ask_on(client: Client, answers: list[bool], stop: asyncio.Event) -> None:
    """Requests one after the other on a kept connection, until told that it closes."""
    closing = False
    while not (closing or stop.is_set()):
        client.send(GET)
        head = await client.head()
        await client.body(head)
        closing = b"connection: close" in head
        answers.append(True)


async def test_restarts_under_load_reset_nobody() -> None:
    """Servers succeed one another on one socket while clients ask without pause: every request is answered."""
    clock = SystemClock()
    with socket.create_server(("127.0.0.1", 0), backlog=128) as sock:
        server = Server(echo, Limits(), clock, lambda error: (500, b"", b""))
        await server.start(sock)
        answers: list[bool] = []
        stop = asyncio.Event()

        async def ask_for_ever() -> None:
            while not stop.is_set():
                async with Client(*await asyncio.open_connection(*sock.getsockname())) as client:
                    await ask_on(client, answers, stop)

        async with asyncio.timeout(GUARD_S), asyncio.TaskGroup() as group:
            for _ in range(4):
                group.create_task(ask_for_ever())
            for _ in range(50):
                seen = len(answers)
                await until(lambda: len(answers) > seen + 20)  # noqa: B023
                successor = Server(echo, Limits(), clock, lambda error: (500, b"", b""))
                await successor.start(sock)
                assert await server.drain(GUARD_S) == 0
                server = successor
            stop.set()
        await server.close()


async def test_tls_is_served(certificates) -> None:
    """Requests, streams, pipelining and an early refusal over TLS, and the end is a clean one."""
    async with serving(limits=Limits(max_body=1000), tls=certificates.server) as running:
        async with await running.connect(certificates.client) as client:
            client.send(post(b"a") + post(b"b"))
            assert await client.answer() == (200, b"POST / a")
            assert await client.answer() == (200, b"POST / b")
            client.send(CLOSE)
            assert await client.answer() == (200, b"GET / ")
        async with await running.connect(certificates.client) as client:
            client.send(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 99999999\r\n\r\n" + b"x" * 200_000)
            assert (await client.answer())[0] == 413
        assert (await running.ask(b"GET / HTTP/1.0\r\n\r\n", certificates.client)).endswith(b"GET / ")
        await until(lambda: running.server.open_connections == 0)


async def test_a_client_that_vanishes_over_tls_is_noticed(certificates) -> None:
    """The same promise as without TLS."""
    gone = asyncio.Event()

    async def held(request: Request, answer: Answer) -> None:
        answer.on_gone = gone.set
        await gone.wait()

    async with serving(held, tls=certificates.server) as running:
        client = await running.connect(certificates.client)
        client.send(GET)
        await until(lambda: running.server.open_calls == 1)
        client.reset()
        async with asyncio.timeout(30):
            await gone.wait()


async def test_what_is_no_tls_on_a_tls_port_is_closed(certificates) -> None:
    """A plain request to a TLS port gets no answer in the clear, and the server goes on."""
    async with serving(tls=certificates.server) as running:
        with SlowClient(running.address) as client:
            await client.send(GET)
            try:
                raw = await client.rest()
            except ConnectionResetError:
                raw = b""
            assert b"HTTP" not in raw
        assert (await running.ask(b"GET / HTTP/1.0\r\n\r\n", certificates.client)).endswith(b"GET / ")


async def test_a_client_that_does_not_trust_us_is_forgotten(certificates) -> None:
    """A failed handshake leaves nothing behind, and a drain does not wait for it."""
    async with serving(tls=certificates.server) as running:
        with pytest.raises(ssl.SSLCertVerificationError):
            await running.connect(ssl.create_default_context())
        assert await running.server.drain(GUARD_S) == 0
