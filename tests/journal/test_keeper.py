"""Keeper behind its socket: answers come when the commit is done, together, and in spite of restarts."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest

from tests.journal.shelves import Shelf, Stepped, event, keeping, row
from trimtab.clock import SystemClock
from trimtab.errors import JournalUnavailable, StoreError
from trimtab.journal.asks import (
    Ask,
    Begin,
    Claim,
    Direct,
    Directed,
    Find,
    Open,
    Renew,
    Runs,
    Told,
    Written,
)
from trimtab.journal.client import (
    BlockingLocalKeeper,
    KeeperClient,
    LocalKeeper,
    address,
)
from trimtab.journal.entries import Started
from trimtab.journal.frames import FRAME_LIMIT, Frames, FrameTooLong, Given, frame, read_told
from trimtab.journal.keeper import Keeper
from trimtab.journal.refusals import LeaseHeld, LeaseLost, RunUnknown
from trimtab.journal.runs.bodies import MemoryBodies
from trimtab.journal.runs.database import open_runs
from trimtab.journal.runs.store import RunStore


async def test_answers_find_their_asks(path: Path, listener: socket.socket) -> None:
    """A hundred asks that are open at once on one connection each get their own answer."""
    async with keeping(Shelf(), listener):
        client = KeeperClient(path)
        told = await asyncio.gather(*(client.do(event(number)) for number in range(100)))
        await client.close()
    assert told == [Written(number) for number in range(1, 101)]


async def test_asks_that_wait_share_a_commit(path: Path, listener: socket.socket) -> None:
    """What comes while a commit is on its way to the disk is committed together."""
    shelf = Shelf()
    async with keeping(shelf, listener) as keeper:
        client = KeeperClient(path)
        await client.do(event(0))
        shelf.gate.clear()
        doing = [asyncio.ensure_future(client.do(event(number))) for number in range(1, 33)]
        while keeper.health().waiting < 31:
            await asyncio.sleep(0)
        shelf.gate.set()
        await asyncio.gather(*doing)
        await client.close()
    assert sum(shelf.batches) == 33
    assert max(shelf.batches) >= 31


async def test_a_refusal_is_raised_as_itself(path: Path, listener: socket.socket) -> None:
    """What the journal refuses arrives as the same error with the same words."""
    async with keeping(Shelf(), listener):
        client = KeeperClient(path)
        with pytest.raises(LeaseLost) as lost:
            await client.do(Renew("r-7", 3))
        await client.close()
    assert str(lost.value) == str(LeaseLost(run="r-7", epoch=3, current=4))


async def test_a_failing_disk_is_said_and_passes(path: Path, listener: socket.socket) -> None:
    """While the store fails, asks are refused as `journal_unavailable`; it is said once, and that it is well again."""
    shelf, said = Shelf(), list[str]()
    async with keeping(shelf, listener, said.append) as keeper:
        client = KeeperClient(path)
        shelf.broken = "database or disk is full"
        for number in range(2):
            with pytest.raises(JournalUnavailable, match="disk is full"):
                await client.do(event(number))
        assert keeper.health().unavailable == 2
        shelf.broken = ""
        assert await client.do(event(2)) == Written(1)
        await client.close()
    assert len(said) == 2
    assert "disk is full" in said[0]
    assert said[1] == ""


async def test_an_ask_that_breaks_the_store_breaks_no_other(path: Path, listener: socket.socket) -> None:
    """An unexpected fault of one ask is told to whoever asked; what was asked beside it is done."""
    shelf = Shelf()
    async with keeping(shelf, listener):
        client = KeeperClient(path)
        shelf.gate.clear()
        asks: list[Ask] = [event(0), event(1), Open("r-9", Started(0)), event(2)]
        doing = [asyncio.ensure_future(client.do(ask)) for ask in asks]
        await client.health()
        shelf.gate.set()
        done = await asyncio.gather(*doing, return_exceptions=True)
        await client.close()
    assert isinstance(done[2], JournalUnavailable)
    assert "no shelf opens runs" in str(done[2])
    assert [type(told) for told in done] == [Written, Written, JournalUnavailable, Written]


async def test_readings_do_not_wait_for_commits(path: Path, listener: socket.socket) -> None:
    """With a reader, what only reads is answered while a commit hangs; what it refuses or cannot read is told."""

    class Shown:
        def do(self, ask: Ask) -> Told:
            match ask:
                case Find(run="gone"):
                    raise RunUnknown(run="gone")
                case Find(run="broken"):
                    raise StoreError(store="journal.db", detail="malformed")
            return Runs((row("r-1"),))

    shelf = Shelf()
    keeper = Keeper(shelf, SystemClock(), reader=Shown())
    await keeper.start(listener.dup())
    client = KeeperClient(path)
    shelf.gate.clear()
    writing = asyncio.ensure_future(client.do(event(0)))
    assert await client.do(Find()) == Runs((row("r-1"),))
    with pytest.raises(RunUnknown):
        await client.do(Find(run="gone"))
    with pytest.raises(JournalUnavailable, match="malformed"):
        await client.do(Find(run="broken"))
    assert not writing.done()
    shelf.gate.set()
    assert await writing == Written(1)
    await client.close()
    await keeper.stop()


async def test_orders_are_heard(path: Path, listener: socket.socket) -> None:
    """Whoever wants to hear of orders is told by keeper itself; others are not."""
    heard: asyncio.Queue[Given] = asyncio.Queue()
    async with keeping(Shelf(), listener):
        listening, other = KeeperClient(path, hears=heard.put_nowait), KeeperClient(path)
        await listening.health()
        assert await other.do(Direct("stop", "ada", reason="enough")) == Directed(("r-1", "r-2"))
        assert await asyncio.wait_for(heard.get(), 60) == Given(("r-1", "r-2"), "stop", "ada", "enough")
        await listening.close()
        await other.close()


async def test_who_hears_of_orders_connects_again(path: Path, listener: socket.socket) -> None:
    """A client that watches hears of orders after a restart too, though it asks nothing."""
    heard: asyncio.Queue[Given] = asyncio.Queue()
    listening = KeeperClient(path, hears=heard.put_nowait)
    watching = asyncio.ensure_future(listening.watch())
    for _ in range(2):
        async with keeping(Shelf(), listener) as keeper:
            while keeper.health().connections == 0:
                await asyncio.sleep(0)
            await listening.health()
            other = KeeperClient(path)
            await other.do(Direct("pause", "ada"))
            assert (await asyncio.wait_for(heard.get(), 60)).order == "pause"
            await other.close()
    watching.cancel()
    await listening.close()


async def test_a_stop_answers_what_was_asked(path: Path, listener: socket.socket) -> None:
    """Keeper ends when everything that it took is done and answered."""
    shelf = Shelf()
    client = KeeperClient(path)
    keeper = Keeper(shelf, SystemClock())
    await keeper.start(listener.dup())
    await client.do(event(0))
    shelf.gate.clear()
    doing = [asyncio.ensure_future(client.do(event(number))) for number in range(1, 9)]
    await client.health()
    stopping = asyncio.ensure_future(keeper.stop())
    await asyncio.sleep(0)
    shelf.gate.set()
    assert await asyncio.gather(*doing) == [Written(number) for number in range(2, 10)]
    await stopping
    await client.close()


async def test_it_sweeps_by_itself(path: Path, listener: socket.socket) -> None:
    """What time alone brings is looked for without being asked, and is no ask in the figures."""
    shelf = Shelf()
    keeper = Keeper(shelf, SystemClock(), sweep_every_s=0.0)
    await keeper.start(listener.dup())
    while len(shelf.sweeps) < 3:
        await asyncio.sleep(0)
    assert keeper.health().asks == 0
    await keeper.stop()


async def test_it_sweeps_while_it_is_busy(path: Path, listener: socket.socket) -> None:
    """What time brings is looked for, too, while there is always another ask that waits for the next commit."""
    shelf = Stepped()
    keeper = Keeper(shelf, SystemClock(), sweep_every_s=0.0)
    await keeper.start(listener.dup())
    client, doing = KeeperClient(path, patience_s=60), list[asyncio.Future[Told]]()
    await asyncio.to_thread(shelf.begun.acquire, timeout=60)
    for number in range(20):
        doing.append(asyncio.ensure_future(client.do(event(number))))
        await client.health()  # it is answered behind the ask, which waits now
        shelf.go.release()
        await asyncio.to_thread(shelf.begun.acquire, timeout=60)
    assert len(shelf.sweeps) >= 3
    shelf.go.release(1000)
    await asyncio.gather(*doing)
    await client.close()
    await keeper.stop()


async def test_what_is_no_ask_is_refused(path: Path, listener: socket.socket) -> None:
    """A frame that says something else is answered with why; a length over the limit ends the connection."""
    async with keeping(Shelf(), listener):
        reader, writer = await asyncio.open_unix_connection(str(path))
        writer.write(b"\x00\x00\x00\x05\x92\x07\xa3abc"[:4] + b"")
        writer.write(b"\x92\x07\xa2ab")
        length = int.from_bytes(await reader.readexactly(4), "big")
        number, told = read_told(await reader.readexactly(length))
        assert (number, getattr(told, "error", "")) == (7, "AskInvalid")
        writer.write((FRAME_LIMIT + 1).to_bytes(4, "big"))
        length = int.from_bytes(await reader.readexactly(4), "big")
        number, told = read_told(await reader.readexactly(length))
        assert (number, getattr(told, "error", "")) == (0, "AskInvalid")
        assert await reader.read() == b""
        writer.close()


async def test_a_large_ask_that_comes_in_pieces(path: Path, listener: socket.socket) -> None:
    """Contents of many megabytes go through, more of them at once than a connection may have open."""
    shelf = Shelf()
    async with keeping(shelf, listener):
        client = KeeperClient(path, patience_s=30)
        told = await asyncio.gather(*(client.do(event(number, 20 << 20)) for number in range(5)))
        await client.close()
    assert told == [Written(number) for number in range(1, 6)]
    assert {len(one.content) for one in shelf.told} == {20 << 20}


def test_a_message_over_the_limit_is_not_sent() -> None:
    """A client says what is too long instead of having its connection ended."""
    with pytest.raises(FrameTooLong, match="keep large values outside"):
        frame(1, event(0, FRAME_LIMIT))


def test_frames_are_cut_wherever_they_break() -> None:
    """Frames come out whole whatever the pieces they came in."""
    whole = b"".join(frame(number, Written(number)) for number in range(1, 4))
    for size in (1, 3, 7, len(whole)):
        frames = Frames()
        found = [content for at in range(0, len(whole), size) for content in frames.feed(whole[at : at + size])]
        assert [read_told(content) for content in found] == [(number, Written(number)) for number in range(1, 4)]


def test_a_long_path_is_reached(tmp_path: Path) -> None:
    """A socket whose path does not fit into an address is reached by way of its folder."""
    folder = tmp_path / ("d" * 100)
    folder.mkdir()
    with socket.socket(socket.AF_UNIX) as listening, socket.socket(socket.AF_UNIX) as connecting:
        with address(folder / "keeper.sock") as place:
            listening.bind(place)
        listening.listen()
        with address(folder / "keeper.sock") as place:
            connecting.connect(place)
    assert (folder / "keeper.sock").is_socket()


async def test_a_journal_in_process() -> None:
    """Both faces of a journal in the same process tell, refuse and pass orders on as keeper does."""
    shelf = Shelf()
    keeper, heard = LocalKeeper(shelf), list[Given]()
    keeper.blocking.hears.append(heard.append)
    assert await keeper.do(event(0)) == Written(1)
    with pytest.raises(LeaseLost):
        await keeper.do(Renew("r-1", 1))
    BlockingLocalKeeper(shelf).do(event(1))
    await keeper.do(Direct("stop", "ada"))
    assert heard == [Given(("r-1", "r-2"), "stop", "ada")]
    shelf.broken = "gone"
    with pytest.raises(JournalUnavailable, match="gone"):
        keeper.blocking.do(event(2))


async def test_orders_that_were_missed_are_heard(path: Path, listener: socket.socket, tmp_path: Path) -> None:
    """Whoever connects hears which orders hold for its runs, also of one that has ended by one, and of no other run."""
    heard: asyncio.Queue[Given] = asyncio.Queue()
    store = RunStore(open_runs(tmp_path / "journal.db"), MemoryBodies(), SystemClock())
    for run in ("paused", "stopped", "free", "another"):
        store.do([Open(run, Started(1, "t", through="gateway"))])
    keeper = Keeper(store, SystemClock(), coming_s=0.0)
    await keeper.start(listener.dup())
    operator = KeeperClient(path)
    for order, run in (("pause", "paused"), ("stop", "stopped"), ("stop", "another")):
        await operator.do(Direct(order, "ada", run, reason="prices"))  # type: ignore[arg-type]
    listening = KeeperClient(path, hears=heard.put_nowait)
    watching = asyncio.ensure_future(listening.watch(lambda: ("paused", "stopped", "free", "unknown")))
    found = [await asyncio.wait_for(heard.get(), 60) for _ in range(2)]
    assert found == [Given(("paused",), "pause", "ada", "prices"), Given(("stopped",), "stop", "ada", "prices")]
    assert heard.empty()
    watching.cancel()
    await operator.close()
    await listening.close()
    await keeper.stop()
    store.close()


async def test_what_a_lost_worker_had_under_way_is_closed(path: Path, listener: socket.socket, tmp_path: Path) -> None:
    """A worker that hangs up is gone: its call is closed at once; that of one who is connected stays open."""
    store = RunStore(open_runs(tmp_path / "journal.db"), MemoryBodies(), SystemClock())
    keeper = Keeper(store, SystemClock(), sweep_every_s=60.0)
    await keeper.start(listener.dup())
    workers = [KeeperClient(path, holder=name) for name in ("g0-1", "g1-1")]
    for number, worker in enumerate(workers):
        await worker.do(Open(f"r{number}", Started(1, "t", through="gateway")))
        await worker.do(Begin(f"r{number}", 0, "model", "a", "aa", call=f"c{number}", holder=f"g{number}-1"))
    await workers[0].close()
    async with asyncio.timeout(60):
        while (await workers[1].do(Find(run="r0"))).runs[0].open:  # type: ignore[union-attr]
            await asyncio.sleep(0)
    assert (await workers[1].do(Find(run="r1"))).runs[0].open == 1  # type: ignore[union-attr]
    await workers[1].close()
    await keeper.stop()
    store.close()


async def test_the_run_of_a_driver_that_died_is_free(path: Path, listener: socket.socket, tmp_path: Path) -> None:
    """The connection over which it kept its leases breaks off as it dies, and nobody waits for them to run out; other
    connections of a driver say nothing, also where they renewed one.
    """
    store = RunStore(open_runs(tmp_path / "journal.db"), MemoryBodies(), SystemClock())
    keeper = Keeper(store, SystemClock(), sweep_every_s=60.0)
    await keeper.start(listener.dup())
    keeps, asks, other = KeeperClient(path, hears=lambda given: None), KeeperClient(path), KeeperClient(path)
    for run in ("r", "s"):
        await asks.do(Open(run, Started(1, "t"), "d1"))
        await asks.do(Renew(run, 1))
    await keeps.do(Renew("r", 1))
    await asks.close()
    await other.do(Find())
    for run in ("r", "s"):
        with pytest.raises(LeaseHeld):
            await other.do(Claim("d2", run))
    await keeps.close()
    async with asyncio.timeout(60):
        while (await other.do(Find(run="r"))).runs[0].until_ns:  # type: ignore[union-attr]
            await asyncio.sleep(0)
    assert (await other.do(Claim("d2", "r"))).epoch == 2  # type: ignore[union-attr]
    with pytest.raises(LeaseHeld):
        await other.do(Claim("d2", "s"))
    await other.close()
    await keeper.stop()
    store.close()


async def test_a_lease_that_had_run_out_is_not_dropped_later(path: Path, listener: socket.socket) -> None:
    """Keeper remembers of a connection what was renewed within its lease, and no more."""
    shelf = Shelf()
    keeper = Keeper(shelf, SystemClock(), sweep_every_s=60.0)
    await keeper.start(listener.dup())
    keeps, other = KeeperClient(path, hears=lambda given: None), KeeperClient(path)
    for ask in (Renew("old", 1, ttl_s=-1.0), Renew("one", 3, ttl_s=60.0), Renew("two", 1, ttl_s=60.0)):
        with pytest.raises(LeaseLost):
            await keeps.do(ask)
    await keeps.close()
    async with asyncio.timeout(60):
        while not any(ask.dropped for ask in shelf.sweeps):
            await other.do(event(0))
    assert [ask.dropped for ask in shelf.sweeps if ask.dropped] == [(("one", 3), ("two", 1))]
    await other.close()
    await keeper.stop()
