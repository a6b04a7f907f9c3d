"""Through an HTTP proxy that is asked to CONNECT (RFC 9110, section 9.3.6)."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.gateway_wire.test_pool import ANSWER
from tests.gateway_wire.test_upstream import ask
from tests.gateway_wire.wire import GUARD_S
from trimtab.clock import SystemClock
from trimtab.errors import ConnectFailed, ConnectTimeout
from trimtab.gateway.upstreams.origin import Origin
from trimtab.gateway.upstreams.pool import Pool
from trimtab.testing import ScriptedUpstream

ESTABLISHED = b"HTTP/1.1 200 Connection established\r\n\r\n"


class Proxy:
    """Connects whomever it is asked to, or gives the answer it was made with; remembers what it was asked."""

    def __init__(self, answer: bytes | None) -> None:
        self.answer = answer
        self.heads: list[bytes] = []
        self.url = ""
        self.writers: list[asyncio.StreamWriter] = []
        self.over: list[asyncio.Event] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        over = asyncio.Event()
        self.over.append(over)
        self.writers.append(writer)
        head = await reader.readuntil(b"\r\n\r\n")
        self.heads.append(head)
        if self.answer is None:
            await self.connect(head.split(b" ")[1].decode(), reader, writer)
        else:
            writer.write(self.answer)
            if self.answer:
                writer.close()
        over.set()

    async def connect(self, target: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        host, _, port = target.rpartition(":")
        from_there, to_there = await asyncio.open_connection(host, int(port))
        self.writers.append(to_there)
        writer.write(ESTABLISHED)
        await asyncio.gather(relay(reader, to_there), relay(from_there, writer))

    async def end(self) -> None:
        async with asyncio.timeout(GUARD_S):
            for writer in self.writers:
                writer.close()
                with contextlib.suppress(OSError):
                    await writer.wait_closed()
            for over in self.over:
                await over.wait()


async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
    writer.close()


@asynccontextmanager
async def proxying(answer: bytes | None = None) -> AsyncIterator[Proxy]:
    proxy = Proxy(answer)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    proxy.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield proxy
    finally:
        server.close()
        await proxy.end()


@pytest.mark.parametrize("secure", [True, False])
async def test_a_replica_is_reached_through_the_proxy(certificates, secure: bool) -> None:
    """TLS is spoken with the replica, not with the proxy; the connection is kept and used again."""
    pool = Pool(SystemClock())
    async with ScriptedUpstream(tls=certificates.server if secure else None) as replica, proxying() as proxy:
        replica.always(ANSWER)
        scheme = "https" if secure else "http"
        url = f"{scheme}://localhost:{replica.port}"
        origin = Origin.parse(url, ca=certificates.ca, proxy=proxy.url)
        for _ in range(2):
            sink = await ask(pool, origin)
            await sink.wait()
            assert (sink.body, sink.failure) == (b"ok", None)
        name = b"localhost:%d" % replica.port
        assert proxy.heads == [b"CONNECT %b HTTP/1.1\r\nHost: %b\r\n\r\n" % (name, name)]
        await pool.close()


async def test_the_proxy_is_told_who_we_are() -> None:
    """User and password of its URL go to it as Basic credentials (RFC 7617), percent-decoded, and nowhere else."""
    pool = Pool(SystemClock())
    async with ScriptedUpstream() as replica, proxying() as proxy:
        replica.always(ANSWER)
        url = proxy.url.replace("//", "//Aladdin:open%20sesame@")
        sink = await ask(pool, Origin.parse(replica.url, proxy=url))
        await sink.wait()
        assert b"\r\nProxy-Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n" in proxy.heads[0]
        assert replica.requests[0].header("proxy-authorization") is None
        await pool.close()


@pytest.mark.parametrize(
    ("answer", "detail"),
    [
        (b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n", "the proxy answered the CONNECT with 403"),
        (b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", "the proxy answered the CONNECT with 407"),
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", "the proxy's answer to the CONNECT is not HTTP/1.1"),
        (ESTABLISHED + b"more", "the proxy's answer to the CONNECT is not HTTP/1.1"),
        (b"HTTP/1.1 200", "the proxy did not answer the CONNECT"),
        (b"HTTP/1.1 200 OK\r\nA: " + b"a" * 70_000, "the proxy did not answer the CONNECT"),
    ],
)
async def test_a_proxy_that_does_not_connect_us_is_a_failed_connect(answer: bytes, detail: str) -> None:
    """The failure says that it was the proxy, and what it said."""
    async with proxying(answer) as proxy:
        origin = Origin.parse("https://replica", proxy=proxy.url)
        with pytest.raises(ConnectFailed, match=f"No connection to https://replica: {detail};"):
            await Pool(SystemClock()).connect(origin, 5.0)


async def test_a_proxy_that_is_silent_is_a_connect_timeout() -> None:
    """The time to connect includes the proxy's."""
    async with proxying(b"") as proxy:
        with pytest.raises(ConnectTimeout):
            await Pool(SystemClock()).connect(Origin.parse("http://replica", proxy=proxy.url), 0.1)


async def test_no_proxy_listening_is_a_failed_connect() -> None:
    """With the reason."""
    origin = Origin.parse("http://replica", proxy="http://127.0.0.1:1")
    with pytest.raises(ConnectFailed, match="Connection refused"):
        await Pool(SystemClock()).connect(origin, 5.0)


@pytest.mark.parametrize("proxy", ["https://proxy:1", "socks5://proxy:1", "proxy:3128", "http://"])
def test_a_proxy_of_another_kind_is_refused(proxy: str) -> None:
    """Only plain HTTP to the proxy is spoken."""
    with pytest.raises(ValueError, match="a proxy is given as http://"):
        Origin.parse("http://h", proxy=proxy)
