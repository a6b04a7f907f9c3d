"""Calls of runs through a real `trimtab up`: a worker is killed amid them, and an order reaches what is open."""

from __future__ import annotations

import asyncio
from pathlib import Path

from bench.killed_workers import TOGETHER, killed_workers
from tests.gateway.harness import read_response
from tests.processes.upping import Up, write_project
from trimtab.journal.asks import Direct, Directed
from trimtab.journal.client import KeeperClient
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
