"""Keeper in a real `trimtab up`: there before calls are answered, replaced when it dies, the last to end."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest

from tests.processes.upping import Up, write_project
from trimtab.clock import SystemClock
from trimtab.errors import JournalUnavailable
from trimtab.journal.asks import Begin, Begun, Entries, Finish, Lease, Note, Open, Read
from trimtab.journal.client import BlockingKeeper, KeeperClient
from trimtab.journal.entries import Ended, Result, Started, body_of
from trimtab.testing import ScriptedUpstream, chat_json

LONG = b"x" * 5000


async def begun(client: KeeperClient, run: str) -> Lease:
    told = await client.do(Open(run, Started(SystemClock().wall_ns(), task="chat"), owner=f"test-{run}"))
    assert isinstance(told, Lease)
    return told


async def step(client: KeeperClient, lease: Lease, number: int, after: int) -> int:
    """One step with an answer that does not lie beside its entry; its seq."""
    ask = Begin(lease.run, lease.epoch, "tool", f"step-{number}", f"{number:064x}", branch="main", after=after)
    told = await client.do(ask)
    assert isinstance(told, Begun)
    content = b"%d:%s" % (number, LONG)
    await client.do(Finish(lease.run, lease.epoch, Result(0, told.seq, "ok", body_of(content)), content))
    return told.seq


async def test_keeper_is_there_and_ends_last(tmp_path: Path) -> None:
    """A run is kept while `trimtab up` runs; when that stops, keeper ends in order and without trouble."""
    async with ScriptedUpstream() as upstream:
        upstream.always(chat_json())
        write_project(tmp_path, upstream.url)
        async with Up(tmp_path) as up:
            keeper = await up.member("keeper")
            assert keeper.epoch.startswith("k0-")
            client = KeeperClient(up.run / "keeper.sock")
            lease = await begun(client, "r-1")
            await step(client, lease, 1, 0)
            await client.do(Note("r-1", lease.epoch, Ended(0, "completed")))
            assert (await client.health()).trouble == ""
            await client.close()
        assert up.process.returncode == 0
        assert not [line for line in up.log if line.get("level") in {"ERROR", "WARNING"} and "keeper" in str(line)]
        assert not (tmp_path / ".trimtab" / "run" / "keeper.sock").exists()


async def test_a_killed_keeper_is_replaced_and_has_lost_nothing(tmp_path: Path) -> None:
    """SIGKILL of keeper after each of four steps: drivers wait for its successor and go on; every result is there."""
    async with ScriptedUpstream() as upstream:
        upstream.always(chat_json())
        write_project(tmp_path, upstream.url)
        async with Up(tmp_path) as up:
            client = KeeperClient(up.run / "keeper.sock", patience_s=60)
            lease = await begun(client, "r-1")
            seq, keeper = 0, None
            for number in range(4):
                seq = await step(client, lease, number, seq)
                keeper = await up.member("keeper", after=keeper)
                os.kill(keeper.pid, signal.SIGKILL)
            seq = await step(client, lease, 4, seq)
            told = await client.do(Read("r-1"))
            assert isinstance(told, Entries)
            results = [logged.entry for logged in told.entries if isinstance(logged.entry, Result)]
            assert [one.output for one in results] == [body_of(b"%d:%s" % (number, LONG)) for number in range(5)]
            await client.close()


async def test_a_keeper_that_stands_still_is_not_waited_for(tmp_path: Path) -> None:
    """SIGSTOP of keeper: whoever asks has `journal_unavailable` within their patience, and goes on when it does."""
    async with ScriptedUpstream() as upstream:
        upstream.always(chat_json())
        write_project(tmp_path, upstream.url)
        async with Up(tmp_path) as up:
            client = BlockingKeeper(up.run / "keeper.sock", patience_s=0.5)
            patient = BlockingKeeper(up.run / "keeper.sock", patience_s=30)
            await asyncio.to_thread(patient.health)
            keeper = await up.member("keeper")
            os.kill(keeper.pid, signal.SIGSTOP)
            with pytest.raises(JournalUnavailable, match="no answer"):
                await asyncio.to_thread(client.health)
            os.kill(keeper.pid, signal.SIGCONT)
            await asyncio.to_thread(patient.health)
            for one in (client, patient):
                one.close()


async def test_keeper_outlives_its_supervisor_until_the_gateways_are_gone(tmp_path: Path) -> None:
    """When the supervisor is killed, keeper ends too, and a new `trimtab up` finds what it kept."""
    async with ScriptedUpstream() as upstream:
        upstream.always(chat_json())
        write_project(tmp_path, upstream.url)
        async with Up(tmp_path) as up:
            client = KeeperClient(up.run / "keeper.sock")
            await begun(client, "r-1")
            await client.close()
            up.process.kill()
            await up.process.wait()
        async with Up(tmp_path) as again:
            client = KeeperClient(again.run / "keeper.sock", patience_s=30)
            told = await client.do(Read("r-1"))
            assert isinstance(told, Entries)
            assert told.last == 2
            await client.close()
