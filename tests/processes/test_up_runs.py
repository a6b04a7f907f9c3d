"""Calls of runs through a real `trimtab up`: a worker is killed amid them, and an order reaches what is open."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from pathlib import Path

from bench.killed_workers import TOGETHER, killed_workers
from tests.gateway.harness import read_response
from tests.processes.upping import Up, write_project
from trimtab.journal.asks import Direct, Directed, Find, Read, Runs
from trimtab.journal.client import KeeperClient
from trimtab.journal.steps import log_of
from trimtab.testing import Hang, Script, ScriptedUpstream, chat_stream


async def test_a_worker_is_killed_amid_calls_of_runs(tmp_path: Path) -> None:
    """SIGKILL amid ten streams: what came whole is in the journal byte for byte, what broke off is answered when it is
    sent again, and every log is whole.
    """
    found = await killed_workers(tmp_path, 1, 7, print)
    assert found.faults == []
    assert found.calls == TOGETHER
    assert found.broken > 0


async def test_an_order_reaches_an_open_call(tmp_path: Path) -> None:
    """Stopping a run ends its stream in whichever worker that is, by keeper's word alone; the next call is refused."""
    async with ScriptedUpstream() as upstream:
        upstream.always(Script((*chat_stream().steps[:4], Hang())))
        write_project(tmp_path, upstream.url, workers=2)
        async with Up(tmp_path) as up:
            reader, writer = await up._send({"stream": True}, "x-trimtab-run: r-1\r\n")
            await reader.readuntil(b"Hello")
            operator = KeeperClient(up.run / "keeper.sock", patience_s=30)
            assert await operator.do(Direct("stop", "ana", run="r-1")) == Directed(("r-1",))
            async with asyncio.timeout(30):
                assert b"run_stopped" in await reader.read()
            writer.close()
            reader, writer = await up._send({"stream": True}, "x-trimtab-run: r-1\r\n")
            async with asyncio.timeout(30):
                refused = await read_response(reader)
            assert refused.status == 409
            writer.close()
            await operator.close()


async def test_an_order_that_was_missed_is_heard_at_the_reconnect(tmp_path: Path) -> None:
    """Keeper is killed and an order given to its successor while a worker stands still: once it goes on, its open call
    ends, and that of another run goes on.
    """
    async with ScriptedUpstream() as upstream:
        upstream.always(Script((*chat_stream().steps[:4], Hang())))
        write_project(tmp_path, upstream.url)
        async with Up(tmp_path) as up:
            reader, writer = await up._send({"stream": True}, "x-trimtab-run: r-1\r\n")
            other, its_writer = await up._send({"stream": True}, "x-trimtab-run: r-2\r\n")
            for one in (reader, other):
                await one.readuntil(b"Hello")
            worker, keeper = await up.member("gateway"), await up.member("keeper")
            os.kill(worker.pid, signal.SIGSTOP)
            try:
                os.kill(keeper.pid, signal.SIGKILL)
                operator = KeeperClient(up.run / "keeper.sock", patience_s=30)
                assert await operator.do(Direct("stop", "ana", run="r-1")) == Directed(("r-1",))
            finally:
                os.kill(worker.pid, signal.SIGCONT)
            async with asyncio.timeout(30):
                assert b"run_stopped" in await reader.read()
            assert not other.at_eof()
            writer.close()
            its_writer.close()
            await operator.close()


async def test_a_call_whose_worker_dies_is_closed_and_taken_again(tmp_path: Path) -> None:
    """SIGKILL of the worker: the call's step is closed as abandoned, and the same request is that step again."""
    async with ScriptedUpstream() as upstream:
        upstream.add(Script((*chat_stream().steps[:4], Hang())))
        upstream.always(chat_stream())
        write_project(tmp_path, upstream.url)
        async with Up(tmp_path) as up:
            reader, writer = await up._send({"stream": True}, "x-trimtab-run: r-1\r\n")
            await reader.readuntil(b"Hello")
            worker = await up.member("gateway")
            os.kill(worker.pid, signal.SIGKILL)
            with contextlib.suppress(OSError):
                await reader.read()
            writer.close()
            client = KeeperClient(up.run / "keeper.sock", patience_s=30)
            async with asyncio.timeout(30):
                while await state(client) != ("waiting", "calls"):
                    await asyncio.sleep(0.01)
                reader, writer = await up._send({"stream": True}, "x-trimtab-run: r-1\r\n")
                assert (await read_response(reader)).status == 200
            writer.close()
            log = log_of("r-1", (await client.do(Read("r-1"))).entries)  # type: ignore[union-attr]
            (step,) = log.steps
            assert step.result is not None
            assert [(one.outcome, one.error) for one in (*step.earlier, step.result)] == [
                ("cancelled", "abandoned"),
                ("ok", ""),
            ]
            assert step.result.call not in ("", step.intent.call)
            await client.close()


async def state(client: KeeperClient) -> tuple[str, str]:
    """How run r-1 stands, and what it waits for."""
    told = await client.do(Find(run="r-1"))
    assert isinstance(told, Runs)
    return told.runs[0].state, told.runs[0].waits_for
