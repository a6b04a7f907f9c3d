"""Both sides of the wire together: a bare proxy between a client and a replica."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.gateway_wire.test_strictness import REFUSED, TAKEN
from tests.gateway_wire.wire import GUARD_S, PLAIN, Serving, SlowClient, post, serving, turns, until
from trimtab.clock import SystemClock
from trimtab.gateway.http.answer import Answer
from trimtab.gateway.http.headers import Headers
from trimtab.gateway.http.request import Request
from trimtab.gateway.upstreams.origin import Origin
from trimtab.gateway.upstreams.pool import Pool
from trimtab.gateway.upstreams.sink import Failure
from trimtab.testing import Hang, Repeat, Reset, Script, ScriptedUpstream, Send, WaitFor

CHUNKED = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
CHUNK = b"%x\r\n%b\r\n" % (60_000, b"x" * 60_000)


class Relay:
    """Passes an answer on as it comes."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.over = asyncio.Event()

    def on_head(self, status: int, headers: Headers) -> None:
        self.answer.head(status, b"content-type: %b\r\n" % (headers.get(b"content-type") or b""))

    def on_body(self, data: bytes) -> None:
        self.answer.chunk(data)

    def on_end(self) -> None:
        self.answer.end()
        self.over.set()

    def on_broken(self, failure: Failure) -> None:
        self.answer.cut()
        self.over.set()


@asynccontextmanager
async def proxying(replica: ScriptedUpstream) -> AsyncIterator[tuple[Serving, Pool]]:
    pool = Pool(SystemClock())
    origin = Origin.parse(replica.url)

    async def handle(request: Request, answer: Answer) -> None:
        connection = pool.idle(origin) or await pool.connect(origin, 5.0)
        relay = Relay(answer)
        answer.on_pause, answer.on_resume = connection.pause, connection.resume
        answer.on_gone = lambda: (connection.abort(), relay.over.set())
        head = b"POST %b HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % (request.target, len(request.body))
        connection.send(head, request.body, relay)
        await relay.over.wait()

    async with serving(handle) as running:
        yield running, pool
        await pool.close()


async def test_bytes_arrive_as_they_were_sent_either_way() -> None:
    """Bodies of up to a megabyte, all byte values, one connection to the replica for all of them."""
    bodies = [bytes(range(256)) * size for size in (1, 300, 4096)]
    async with ScriptedUpstream() as replica, proxying(replica) as (running, _):
        replica.always(lambda got: Script((Send(CHUNKED + b"%x\r\n%b\r\n0\r\n\r\n" % (len(got.body), got.body)),)))
        async with await running.connect() as client:
            for body in bodies:
                client.send(post(body, "/v1?a=%20b"))
                assert await client.answer() == (200, body)
        assert [request.body for request in replica.requests] == bodies
        assert {request.target for request in replica.requests} == {"/v1?a=%20b"}
        assert replica.connections == 1


async def test_a_client_that_leaves_cancels_the_replica() -> None:
    """From the client's reset to the replica seeing its own connection go, amid a stream."""
    async with ScriptedUpstream() as replica, proxying(replica) as (running, pool):
        replica.add(Script((Send(CHUNKED + b"1\r\na\r\n"), Hang())))
        client = await running.connect()
        client.send(post())
        await client.head()
        client.reset()
        async with asyncio.timeout(GUARD_S):
            await replica.requests[0].over()
        assert replica.requests[0].gone_at is not None
        assert pool.open == 0


async def test_a_reader_that_does_not_read_holds_the_replica_back() -> None:
    """An endless stream to a client that takes nothing stops at its source, with bounded bytes in our buffers."""
    sent = 0

    def more(request: object) -> Script:
        return Script((Send(CHUNKED), Repeat((Send(CHUNK),))))

    async with ScriptedUpstream() as replica, proxying(replica) as (running, _):
        replica.add(more)
        with SlowClient(running.address) as client:
            await client.send(post())
            await until(lambda: any(one._write_paused for one in running.server._shared.connections))
            (connection,) = running.server._shared.connections
            await turns()
            waiting = connection._transport.get_write_buffer_size()
            assert 0 < waiting <= 1 << 20
            await turns()
            assert connection._transport.get_write_buffer_size() == waiting
            for _ in range(200):
                sent += len(await client.take(1 << 20))
            assert sent > 200 * 1024


async def test_a_replica_that_breaks_off_cuts_the_client_off() -> None:
    """A stream that breaks at its source never looks whole to the client."""
    async with ScriptedUpstream() as replica, proxying(replica) as (running, _):
        go = asyncio.Event()
        replica.add(Script((Send(CHUNKED + b"3\r\nabc\r\n"), WaitFor(go), Reset())))
        async with await running.connect() as client:
            client.send(post())
            assert await client.some()
            go.set()
            assert not (await client.rest()).endswith(b"0\r\n\r\n")


@pytest.mark.parametrize("seed", range(4))
async def test_noise_never_hangs_or_stays(seed: int) -> None:
    """Good requests with bytes changed, dropped and doubled, in random pieces: answers are well formed, then an end."""
    luck = random.Random(seed)
    samples = [data for data, _ in (*REFUSED.values(), *TAKEN.values())]

    async def answering(request: Request, answer: Answer) -> None:
        answer.whole(200, PLAIN, b"")

    async with serving(answering) as running:
        for _ in range(50):
            data = bytearray(luck.choice(samples) + luck.choice(samples))[:20_000]
            for _ in range(luck.randrange(3)):
                at = luck.randrange(len(data))
                data[at : at + luck.randrange(2)] = luck.randbytes(luck.randrange(3))
            async with await running.connect() as client:
                cut = luck.randrange(len(data))
                client.send(data[:cut])
                await asyncio.sleep(0)
                client.send(data[cut:])
                client.writer.write_eof()
                raw = await client.rest()
            answers = raw.split(b"HTTP/1.1 ")
            assert answers[0] == b""
            assert {one[:3] for one in answers[1:]} <= {b"100", b"200", b"400", b"413", b"431"}
        await until(lambda: running.server.open_connections == 0)
        assert running.server._shared.buffered == 0
