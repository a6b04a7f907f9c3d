"""Keep-alive, pipelining, 100-continue, clients that vanish, and the cap on connections."""

from __future__ import annotations

import asyncio
import time

import pytest

from tests.gateway_wire.wire import GUARD_S, PLAIN, Client, Log, echo, post, serving, until
from trimtab.declare.project import Limits
from trimtab.gateway.http.answer import Answer
from trimtab.gateway.http.connection import MAX_PIPELINED
from trimtab.gateway.http.request import Request

GET = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"


class Held:
    """A handler that leaves its answers open."""

    def __init__(self) -> None:
        self.calls: Log = []
        self.gone: list[float] = []
        self.release = asyncio.Event()

    async def __call__(self, request: Request, answer: Answer) -> None:
        self.calls.append((request, answer))
        answer.on_gone = lambda: self.gone.append(time.monotonic())
        await self.release.wait()
        answer.whole(200, PLAIN, request.path.encode())

    async def open(self, count: int = 1) -> None:
        await until(lambda: len(self.calls) >= count)


async def test_pipelined_requests_are_answered_in_order_one_at_a_time() -> None:
    """Three requests in one write; each handler begins when the answer before it has ended."""
    open_now, most = 0, 0

    async def careful(request: Request, answer: Answer) -> None:
        nonlocal open_now, most
        open_now += 1
        most = max(most, open_now)
        await asyncio.sleep(0)
        open_now -= 1
        answer.whole(200, PLAIN, request.path.encode() + request.body)

    chunked = b"POST /b HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n"
    async with serving(careful) as running, await running.connect() as client:
        client.send(post(b"1", "/a") + chunked + post(b"3", "/c") + post(b"", "/d")[:20])
        for expected in (b"/a1", b"/bx", b"/c3"):
            assert await client.answer() == (200, expected)
        client.send(post(b"", "/d")[20:])
        assert await client.answer() == (200, b"/d")
    assert most == 1


async def test_a_thousand_pipelined_requests_are_all_answered() -> None:
    """Neither the stack nor the order gives way."""
    async with serving() as running, await running.connect() as client:
        client.send(b"".join(post(b"", f"/{number}") for number in range(1000)))
        for number in range(1000):
            assert await client.answer() == (200, b"POST /%d " % number)


async def test_too_much_pipelined_closes_after_the_answer_under_way() -> None:
    """Beyond the cap nothing is kept: the open call is answered with `connection: close`, the rest is not."""
    held = Held()
    async with serving(held) as running, await running.connect() as client:
        client.send(post(b"", "/first"))
        await held.open()
        reading = asyncio.create_task(client.rest())
        for _ in range(8):
            client.send(b"x" * (MAX_PIPELINED // 4))
            await client.writer.drain()
        await until(lambda: not connection_of(held).keep)
        assert len(connection_of(held)._pending) <= MAX_PIPELINED
        held.release.set()
        head, _, body = (await reading).partition(b"\r\n\r\n")
    assert b"connection: close" in head.split(b"\r\n")
    assert body == b"/first"
    assert len(held.calls) == 1


def connection_of(held: Held):
    return held.calls[0][1]._way


async def test_nothing_is_read_from_a_client_that_said_close() -> None:
    """What follows a request with `Connection: close` is dropped."""
    async with serving() as running:
        raw = await running.ask(b"GET /a HTTP/1.1\r\nHost: h\r\nConnection: Close\r\n\r\n" + GET)
    assert raw.endswith(b"GET /a ")
    assert raw.count(b"HTTP/1.1 200") == 1


@pytest.mark.parametrize("split", [True, False])
async def test_continue_is_said_once_the_head_is_found_good(split: bool) -> None:
    """A client that waits with its body hears 100; one that sends it along does not (RFC 9110, section 10.1.1)."""
    async with serving() as running, await running.connect() as client:
        data = post(b"body", headers="Expect: 100-continue\r\n")
        if split:
            client.send(data[:-4])
            assert await client.head() == b"HTTP/1.1 100 Continue\r\n\r\n"
            client.send(data[-4:-2])
            await asyncio.sleep(0)
            client.send(data[-2:])
        else:
            client.send(data)
        assert await client.answer() == (200, b"POST / body")


async def test_a_refused_head_never_hears_continue() -> None:
    """The final status is the first thing such a client reads."""
    async with serving(limits=Limits(max_body=3)) as running, await running.connect() as client:
        client.send(post(b"body", headers="Expect: 100-continue\r\n")[:-4])
        assert (await client.answer())[0] == 413


async def leave_by_reset(client: Client) -> None:
    client.reset()


async def leave_by_close(client: Client) -> None:
    client.writer.close()


async def leave_by_half(client: Client) -> None:
    client.writer.write_eof()


@pytest.mark.parametrize("leave", [leave_by_reset, leave_by_close, leave_by_half])
async def test_a_client_that_leaves_is_noticed(leave) -> None:
    """`on_gone` comes once, even with pipelined bytes waiting; the answer then does nothing."""
    held = Held()
    async with serving(held) as running, await running.connect() as client:
        client.send(post() + b"GET /more HTT")
        await held.open()
        await leave(client)
        await until(lambda: bool(held.gone))
        answer = held.calls[0][1]
        assert answer.gone
        held.release.set()
        await until(lambda: running.server.open_calls == 0)
        assert len(held.gone) == 1
        answer.chunk(b"nobody")
        answer.end()
        await until(lambda: running.server.open_connections == 0)


async def test_gone_is_not_said_after_the_answer() -> None:
    """A client that leaves after its answer has left nothing behind."""
    held = Held()
    held.release.set()
    async with serving(held) as running:
        async with await running.connect() as client:
            client.send(post())
            await client.answer()
        await until(lambda: running.server.open_connections == 0)
    assert held.gone == []


async def test_a_client_that_leaves_amid_its_request_is_forgotten() -> None:
    """No handler runs for half a request, and nothing stays behind."""
    async with serving() as running:
        chunked = b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5"
        for data in (GET[:10], post(b"body")[:-2], chunked):
            async with await running.connect() as client:
                client.send(data)
                client.writer.write_eof()
                assert await client.rest() == b""
        await until(lambda: running.server.open_connections == 0)


async def test_connections_beyond_the_cap_are_turned_away_politely() -> None:
    """The one too many reads 503 and an end, without having sent a byte; a place that becomes free is given."""
    async with serving(limits=Limits(max_connections=2)) as running:
        async with await running.connect() as first, await running.connect() as second:
            first.send(GET)
            second.send(GET)
            assert (await first.answer())[0] == (await second.answer())[0] == 200
            assert running.server.open_connections == 2
            raw = await running.ask(b"")
            assert raw.startswith(b"HTTP/1.1 503 ")
            assert raw.endswith(b"\r\n\r\noverloaded")
        await until(lambda: running.server.open_connections == 0)
        assert (await running.ask(GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))).endswith(b"GET / ")


async def test_a_crowd_beyond_the_cap_costs_bounded_work() -> None:
    """Hundreds too many at once are answered or dropped, and none stays."""
    async with serving(limits=Limits(max_connections=1)) as running, await running.connect() as first:
        first.send(GET)
        await first.answer()
        crowd = [await running.connect() for _ in range(300)]
        async with asyncio.timeout(GUARD_S):
            told = await asyncio.gather(*(other.reader.read() for other in crowd), return_exceptions=True)
        assert sum(b"503" in one for one in told if isinstance(one, bytes)) >= 200
        for other in crowd:
            other.writer.close()
        first.send(GET)
        assert (await first.answer())[0] == 200
        assert running.server.open_connections == 1


async def test_requests_under_way_share_one_bound() -> None:
    """When all half-sent bodies together exceed what the server may buffer, the one that exceeds it is refused."""
    async with serving(max_buffered=1000) as running, await running.connect() as one, await running.connect() as two:
        one.send(post(b"a" * 800)[:-10])
        await until(lambda: running.server._shared.buffered > 0)
        two.send(post(b"b" * 800)[:-10])
        assert await two.answer() == (503, b"overloaded")
        one.send(b"a" * 10)
        assert await one.answer() == (200, b"POST / " + b"a" * 800)
        assert running.server._shared.buffered == 0


async def test_a_body_in_many_small_reads_is_one_body() -> None:
    """A megabyte in small writes arrives as one `bytes`."""
    body = bytes(range(256)) * 4096
    async with serving() as running, await running.connect() as client:
        data = post(body)
        for at in range(0, len(data), 50_000):
            client.send(data[at : at + 50_000])
            await client.writer.drain()
        assert await client.answer() == (200, b"POST / " + body)


async def test_received_at_is_the_last_byte_or_the_end_of_the_answer_before() -> None:
    """A request that waited in line has not waited for its own answer."""
    held = Held()
    async with serving(held) as running, await running.connect() as client:
        client.send(post() + post())
        await held.open()
        before = time.monotonic()
        held.release.set()
        await client.answer()
        await client.answer()
    first, second = (request.received_at for request, _ in held.calls)
    assert first <= before <= second


async def test_limits_can_change_while_serving() -> None:
    """New limits hold for requests that begin after them."""
    async with serving(echo, Limits(max_body=10)) as running, await running.connect() as client:
        client.send(post(b"a" * 10))
        assert (await client.answer())[0] == 200
        running.server.set_limits(Limits(max_body=5))
        client.send(post(b"a" * 10))
        assert (await client.answer())[0] == 413
