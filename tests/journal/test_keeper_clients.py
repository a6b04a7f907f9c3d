"""Keeper's clients: they wait for a keeper that is away, as long as they have patience, and besiege none."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from pathlib import Path

import pytest

from tests.journal.shelves import Shelf, event, keeping
from trimtab.errors import JournalUnavailable
from trimtab.journal.asks import Ask, Find, Release, Renew, Written
from trimtab.journal.client import FIRST_REST_S, BlockingKeeper, KeeperClient
from trimtab.journal.refusals import AskInvalid, LeaseLost
from trimtab.testing import JumpingClock


async def test_a_restart_is_waited_for(path: Path, listener: socket.socket) -> None:
    """A client asks again by itself when keeper went away, on the connection that its successor accepts."""
    shelf = Shelf()
    client = KeeperClient(path)
    async with keeping(shelf, listener):
        await client.do(event(0))
    asking = asyncio.ensure_future(client.do(event(1)))
    async with keeping(shelf, listener):
        assert await asking == Written(2)
        await client.close()


async def test_a_blocking_client_outlives_a_restart(path: Path, listener: socket.socket) -> None:
    """A connection that was kept and is dead is replaced."""
    shelf = Shelf()
    client = BlockingKeeper(path)
    async with keeping(shelf, listener):
        await asyncio.to_thread(client.do, event(0))
    async with keeping(shelf, listener):
        assert await asyncio.to_thread(client.do, event(1)) == Written(2)
        with pytest.raises(LeaseLost):
            await asyncio.to_thread(client.do, Renew("r-7", 3))
    client.close()


async def test_nobody_there(path: Path) -> None:
    """Where no keeper listens, both clients say so within their patience, and what has to run where."""
    told = r"keeper\.sock: No such file or directory, nothing runs there; `trimtab up` has to, and TRIMTAB_DIR"
    with pytest.raises(JournalUnavailable, match=told):
        await KeeperClient(path, patience_s=0.05).do(event(0))
    with pytest.raises(JournalUnavailable, match=told):
        BlockingKeeper(path, patience_s=0.05).do(event(0))


async def test_each_waits_as_long_as_it_has_patience(path: Path) -> None:
    """Whoever asks while another one's patience for a connection ends waits on, and is answered."""
    clock = JumpingClock()
    client = KeeperClient(path, clock=clock)
    first = asyncio.ensure_future(client.do(event(0)))
    await asyncio.sleep(0)
    clock.advance(4.9)
    second = asyncio.ensure_future(client.do(event(1)))
    with pytest.raises(JournalUnavailable):
        await first
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listening:
        listening.bind(str(path))
        listening.listen()
        listening.setblocking(False)
        async with keeping(Shelf(), listening):
            assert await second == Written(1)
            await client.close()


async def test_a_keeper_that_hangs(path: Path, listener: socket.socket) -> None:
    """A keeper that takes connections and does not answer is not waited for longer than the client's patience."""
    client = KeeperClient(path, patience_s=0.05)
    with pytest.raises(JournalUnavailable, match="no answer"):
        await client.do(event(0))
    await client.close()
    with pytest.raises(JournalUnavailable, match="no answer"):
        await asyncio.to_thread(BlockingKeeper(path, patience_s=0.05).do, event(0))


async def test_a_client_that_is_closed_lets_nobody_wait(path: Path, listener: socket.socket) -> None:
    """Whoever waits for an answer is told so, does not ask again, and leaves no connection behind."""
    shelf = Shelf()
    async with keeping(shelf, listener):
        client, other = KeeperClient(path, patience_s=3600), KeeperClient(path)
        shelf.gate.clear()
        doing = asyncio.ensure_future(client.do(event(0)))
        await client.health()
        await client.close()
        with pytest.raises(JournalUnavailable, match="closed"):
            await asyncio.wait_for(doing, 60)
        with pytest.raises(JournalUnavailable, match="closed"):
            await client.do(event(1))
        while (await other.health()).connections > 1:
            await asyncio.sleep(0)
        shelf.gate.set()
        await other.close()


async def test_a_client_that_is_closed_while_it_connects(path: Path) -> None:
    """Whoever waits is told of it, and is not cancelled, which nobody did."""
    client = KeeperClient(path, patience_s=3600)
    doing = asyncio.ensure_future(client.do(event(0)))
    await asyncio.sleep(0)
    await client.close()
    with pytest.raises(JournalUnavailable, match="closed"):
        await asyncio.wait_for(doing, 60)


async def test_a_keeper_that_hangs_up_at_once_is_not_besieged(path: Path, listener: socket.socket) -> None:
    """Who asks and who watches rest before they connect again."""
    met = 0
    hung_up: list[asyncio.StreamWriter] = []

    def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal met
        met += 1
        writer.close()
        hung_up.append(writer)

    server = await asyncio.start_unix_server(hang_up, sock=listener)
    asking, watching = KeeperClient(path, patience_s=0.2), KeeperClient(path, hears=print)
    began = time.monotonic()
    with pytest.raises(JournalUnavailable):
        await asking.do(event(0))
    assert met <= (time.monotonic() - began) / FIRST_REST_S + 1
    met, began = 0, time.monotonic()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(watching.watch(), 0.2)
    assert met <= (time.monotonic() - began) / FIRST_REST_S + 1
    await asking.close()
    await watching.close()
    server.close()
    if accepting := asyncio.all_tasks() - {asyncio.current_task()}:
        await asyncio.wait(accepting)
    for one in hung_up:
        with contextlib.suppress(OSError):
            await one.wait_closed()


@pytest.mark.parametrize("ask", [Release("r-1", 1, 1 << 70), Find(task="caf\ud8ff")])
async def test_what_no_message_holds_is_refused(path: Path, ask: Ask) -> None:
    """A number or a text that cannot be sent is told as any other mistake in an ask."""
    with pytest.raises(AskInvalid, match="mend the request"):
        await KeeperClient(path).do(ask)
    with pytest.raises(AskInvalid, match="mend the request"):
        BlockingKeeper(path).do(ask)
