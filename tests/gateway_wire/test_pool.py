"""Which connection is used next, which are dropped and when, and how new ones come about or fail to."""

from __future__ import annotations

import asyncio
import socket

import pytest

from tests.gateway_wire.test_upstream import SHORT, ask, post, upstream
from tests.gateway_wire.wire import GUARD_S, Recorded, serving, until
from trimtab.clock import SystemClock
from trimtab.errors import ConnectFailed, ConnectTimeout
from trimtab.gateway.upstreams.connection import UpstreamConnection
from trimtab.gateway.upstreams.origin import Origin
from trimtab.gateway.upstreams.pool import Pool
from trimtab.testing import Close, Hang, JumpingClock, Script, ScriptedUpstream, Send, WaitFor

ANSWER = Script((Send(SHORT),))


async def rested(pool: Pool, origin: Origin, count: int) -> list[UpstreamConnection]:
    """So many connections that have served once, in the order in which they came to rest."""
    made = [await pool.connect(origin, 5.0) for _ in range(count)]
    for connection in made:
        sink = Recorded()
        connection.send(*post(), sink)
        await sink.wait()
    return made


async def test_the_connection_used_last_is_used_next() -> None:
    """So that the others age; a connection of another origin is not taken."""
    async with upstream() as (replica, pool, origin):
        replica.always(ANSWER)
        first, second = await rested(pool, origin, 2)
        assert pool.idle(Origin.parse("http://127.0.0.1:1")) is None
        assert pool.idle(origin) is second
        assert pool.idle(origin) is first
        assert pool.idle(origin) is None


async def test_a_connection_that_rested_too_long_is_closed() -> None:
    """By the sweep, and by whoever asks before it."""
    clock = JumpingClock()
    pool = Pool(clock, idle_s=30.0)
    async with ScriptedUpstream() as replica:
        replica.always(ANSWER)
        origin = Origin.parse(replica.url)
        old, _ = await rested(pool, origin, 2)
        clock.advance(20.0)
        assert pool.idle(origin) is not None
        await rested(pool, origin, 1)
        clock.advance(15.0)
        pool.sweep()
        assert old.closed
        assert pool.resting == 1
        clock.advance(20.0)
        assert pool.idle(origin) is None
        await pool.close()


async def test_a_connection_has_a_lifetime() -> None:
    """However often it is used, it is closed when it comes to rest too old."""
    clock = JumpingClock()
    pool = Pool(clock, idle_s=30.0, lifetime_s=100.0)
    async with ScriptedUpstream() as replica:
        replica.always(ANSWER)
        origin = Origin.parse(replica.url)
        (connection,) = await rested(pool, origin, 1)
        for _ in range(4):
            clock.advance(20.0)
            assert pool.idle(origin) is connection
            connection.give_back()
        clock.advance(20.0)
        assert pool.idle(origin) is None
        assert connection.closed
        await pool.close()


async def test_only_so_many_rest_for_an_origin() -> None:
    """The one that rested longest makes room."""
    async with upstream() as (replica, _, origin):
        replica.always(ANSWER)
        pool = Pool(SystemClock(), max_idle=2)
        first, second, third = await rested(pool, origin, 3)
        assert first.closed
        assert pool.resting == 2
        assert pool.idle(origin) is third
        assert pool.idle(origin) is second
        await pool.close()


async def test_a_connection_closed_by_its_replica_is_not_used() -> None:
    """An end that the loop has seen takes it out of the pool."""
    async with upstream() as (replica, pool, origin):
        go = asyncio.Event()
        replica.add(Script((Send(SHORT), WaitFor(go), Close())))
        await (await ask(pool, origin)).wait()
        assert pool.resting == 1
        go.set()
        await until(lambda: pool.open == 0)
        assert pool.idle(origin) is None


@pytest.mark.parametrize("farewell", [b"", b"HTTP/1.1 408 Request Timeout\r\n\r\n"])
async def test_a_connection_closed_before_the_loop_could_see_it_is_not_used(farewell: bytes) -> None:
    """After half a second of rest the socket itself is asked."""
    clock = JumpingClock()
    pool = Pool(clock)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        host, port = listening.getsockname()
        origin = Origin.parse(f"http://{host}:{port}")
        connection = await pool.connect(origin, 5.0)
        peer, _ = listening.accept()
        connection.give_back()
        clock.advance(1.0)
        assert pool.idle(origin) is connection
        connection.give_back()
        clock.advance(1.0)
        peer.sendall(farewell)
        peer.close()
        assert pool.idle(origin) is None
        assert connection.closed
    await pool.close()


async def test_bytes_nobody_asked_for_close_a_resting_connection() -> None:
    """What a replica says out of turn must not become the answer to the next request."""
    async with upstream() as (replica, pool, origin):
        go = asyncio.Event()
        replica.add(Script((Send(SHORT), WaitFor(go), Send(SHORT), Hang())))
        await (await ask(pool, origin)).wait()
        assert pool.resting == 1
        go.set()
        await until(lambda: pool.open == 0)


async def test_a_stale_connection_is_told_from_a_fresh_one() -> None:
    """The failure says `reused`, that bytes went out, and that none came back: the caller may try another."""
    async with upstream() as (replica, pool, origin):
        replica.add(ANSWER, Script((Close(),)))
        await (await ask(pool, origin)).wait()
        sink = await ask(pool, origin)
        await sink.wait()
        assert sink.failure is not None
        assert (sink.failure.sent, sink.failure.received, sink.failure.reused) == (True, False, True)


async def test_a_request_on_a_connection_already_closed_was_not_sent() -> None:
    """Then it is certain that nothing left us, and the failure says so, after `send` has returned."""
    async with upstream() as (replica, pool, origin):
        replica.add(ANSWER)
        (connection,) = await rested(pool, origin, 1)
        assert pool.idle(origin) is connection
        connection._transport.abort()
        sink = Recorded()
        connection.send(*post(), sink)
        assert sink.events == []
        await sink.wait()
        assert sink.events == ["broken"]
        assert sink.failure is not None
        assert not sink.failure.sent
        await asyncio.sleep(0)
        assert len(replica.requests) == 1


async def test_a_connection_that_was_not_needed_may_be_given_back() -> None:
    """It rests like any other, and counts as fresh."""
    async with upstream() as (replica, pool, origin):
        replica.always(ANSWER)
        connection = await pool.connect(origin, 5.0)
        connection.give_back()
        assert pool.idle(origin) is connection
        assert not connection.reused


async def test_closing_the_pool_closes_all() -> None:
    """Those that rest and those in use; what comes to rest later is closed too."""
    async with upstream() as (replica, pool, origin):
        replica.add(ANSWER, Script((Hang(),)))
        used, late = await pool.connect(origin, 5.0), await pool.connect(origin, 5.0)
        sink = Recorded()
        used.send(*post(), sink)
        await pool.close()
        assert used.closed
        assert late.closed
        assert pool.open == pool.resting == 0


async def test_nobody_listening_is_a_failed_connect() -> None:
    """With the reason, at once."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        host, port = listening.getsockname()
    pool = Pool(SystemClock())
    with pytest.raises(ConnectFailed, match=f"No connection to http://127.0.0.1:{port}: Connection refused;"):
        await pool.connect(Origin.parse(f"http://{host}:{port}"), 5.0)
    assert pool.open == 0


async def test_a_name_without_address_is_a_failed_connect() -> None:
    """`.invalid` has none by definition (RFC 6761, section 6.4)."""
    with pytest.raises(ConnectFailed, match="its name has no address"):
        await Pool(SystemClock()).connect(Origin.parse("http://nobody.invalid"), 5.0)


async def test_a_full_backlog_is_a_connect_timeout() -> None:
    """A host that does not answer is given up after the time handed in."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        host, port = listening.getsockname()
        origin = Origin.parse(f"http://{host}:{port}")
        pool = Pool(SystemClock())
        crowd = []
        with pytest.raises(ConnectTimeout, match=r"within 0\.05 s"):
            for _ in range(10):
                crowd.append(await pool.connect(origin, 0.05))
        await pool.close()


async def test_a_name_is_tried_at_each_of_its_addresses() -> None:
    """`localhost` reaches a replica on 127.0.0.1, whichever address comes first; the second time from memory."""
    async with upstream() as (replica, pool, _):
        replica.always(ANSWER)
        origin = Origin.parse(f"http://localhost:{replica.port}")
        for _ in range(2):
            connection = await pool.connect(origin, 5.0)
            sink = Recorded()
            connection.send(*post(), sink)
            await sink.wait()
            assert sink.body == b"ok"


async def test_giving_up_while_connecting_leaves_nothing_behind() -> None:
    """Cancelling the one who waits closes the half-made connection."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(16)
        host, port = listening.getsockname()
        pool = Pool(SystemClock())
        waiting = asyncio.create_task(
            pool.connect(Origin.parse(f"https://{host}:{port}"), GUARD_S),
        )
        listening.setblocking(False)
        peer, _ = await asyncio.get_running_loop().sock_accept(listening)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        peer.setblocking(False)
        async with asyncio.timeout(GUARD_S):
            while await asyncio.get_running_loop().sock_recv(peer, 65536):
                pass
        peer.close()
        assert pool.open == 0


async def test_tls_is_verified_and_spoken(certificates) -> None:
    """With the CA of the origin it works, large bodies too; without it, or under another name, it does not."""
    body = b"x" * (4 << 20)
    pool = Pool(SystemClock())
    async with ScriptedUpstream(tls=certificates.server) as replica:
        replica.always(ANSWER)
        good = Origin.parse(f"https://localhost:{replica.port}", ca=certificates.ca)
        for _ in range(2):
            sink = await ask(pool, good, body=body)
            await sink.wait()
            assert (sink.body, sink.failure) == (b"ok", None)
        assert replica.connections == 1
        assert [len(request.body) for request in replica.requests] == [len(body)] * 2
        with pytest.raises(ConnectFailed, match="its certificate does not hold"):
            await pool.connect(Origin.parse(f"https://localhost:{replica.port}"), 5.0)
        with pytest.raises(ConnectFailed, match=r"its certificate does not hold \(IP address mismatch"):
            await pool.connect(Origin.parse(f"https://127.0.0.1:{replica.port}", ca=certificates.ca), 5.0)
        with pytest.raises(ConnectFailed, match="No such file"):
            await pool.connect(Origin.parse(replica.url, ca="/nonexistent/ca.pem"), 5.0)
        await pool.close()


async def test_the_name_of_the_host_is_sent_in_tls(certificates) -> None:
    """SNI (RFC 6066, section 3): a server with many names must know which one is meant."""
    asked: list[str | None] = []
    certificates.server.sni_callback = lambda _, name, __: asked.append(name)
    pool = Pool(SystemClock())
    async with ScriptedUpstream(tls=certificates.server) as replica:
        await pool.connect(Origin.parse(f"https://localhost:{replica.port}", ca=certificates.ca), 5.0)
        await pool.close()
    certificates.server.sni_callback = None
    assert asked == ["localhost"]


async def test_tls_to_a_plain_port_is_a_failed_connect() -> None:
    """The failure says that it was TLS."""
    pool = Pool(SystemClock())
    async with serving() as plain:
        host, port = plain.address
        with pytest.raises(ConnectFailed, match=r"TLS failed \(WRONG_VERSION_NUMBER\)"):
            await pool.connect(Origin.parse(f"https://{host}:{port}"), 5.0)


async def test_abort_over_tls_is_noticed(certificates) -> None:
    """The replica sees the connection go."""
    pool = Pool(SystemClock())
    async with ScriptedUpstream(tls=certificates.server) as replica:
        replica.add(Script((Hang(),)))
        origin = Origin.parse(f"https://localhost:{replica.port}", ca=certificates.ca)
        sink = await ask(pool, origin)
        async with asyncio.timeout(GUARD_S):
            (request,) = await replica.received(1)
            sink.connection.abort()
            await request.over()
        assert request.gone_at is not None
        await pool.close()


@pytest.mark.parametrize(
    ("url", "authority", "base", "port"),
    [
        ("http://h", "h", "", 80),
        ("http://h:80/", "h", "", 80),
        ("https://h/v1/", "h", "/v1", 443),
        ("https://h:8443/a/b", "h:8443", "/a/b", 8443),
        ("http://[::1]:8000", "[::1]:8000", "", 8000),
        ("http://H.Example", "h.example", "", 80),
    ],
)
def test_an_origin_is_read_from_a_url(url: str, authority: str, base: str, port: int) -> None:
    """Host, port, what goes into Host, and the path before every path."""
    origin = Origin.parse(url)
    assert (origin.authority, origin.base_path, origin.port) == (authority, base, port)


@pytest.mark.parametrize(
    "url", ["h:8000", "ftp://h", "http://", "http://u:p@h", "http://h?a=b", "http://h#a", "http://h:x"]
)
def test_what_is_no_origin_is_refused(url: str) -> None:
    """A replica is an http or https URL with a host, a port and a path; a message never shows a password."""
    with pytest.raises(ValueError) as refused:
        Origin.parse(url)
    assert "p@" not in str(refused.value)


def test_an_origin_shows_no_password() -> None:
    """The proxy's user and password are left out wherever an origin is shown."""
    origin = Origin.parse("https://h", proxy="http://user:secret@proxy:3128")
    assert repr(origin) == "Origin(https://h, by proxy)"
    assert str(origin) == "https://h"
