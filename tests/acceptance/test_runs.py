"""Runs through a whole `trimtab up`: journaled by keeper, replayed with the model's server gone, stopped while open."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from pathlib import Path

from tests.gateway.harness import Response, read_response
from tests.processes.upping import Up, write_project
from trimtab.journal.asks import Direct
from trimtab.journal.client import KeeperClient
from trimtab.testing import Answer, Script, ScriptedUpstream, chat_stream
from trimtab.testing.scripts import Hang

LONG = Answer(pieces=tuple(f"word {number} " for number in range(400)))
BODY = {"model": "chat", "messages": [{"role": "user", "content": "hi"}], "stream": True}


async def posted(up: Up, body: object, **headers: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Sends a request to the gateway on a connection of its own."""
    reader, writer = await asyncio.open_connection("127.0.0.1", up.port)
    data = json.dumps(body).encode()
    fields = {"host": "x", "content-length": str(len(data)), **{k.replace("_", "-"): v for k, v in headers.items()}}
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    writer.write(f"POST /v1/chat/completions HTTP/1.1\r\n{head}\r\n".encode() + data)
    return reader, writer


async def answered(up: Up, body: object, **headers: str) -> Response:
    """Sends a request and reads its answer."""
    reader, writer = await posted(up, body, **headers)
    try:
        return await read_response(reader)
    finally:
        writer.close()


async def test_a_run_is_replayed_when_its_model_is_gone(tmp_path: Path) -> None:
    """Byte for byte, also by workers and a keeper that were started after it; another request is told apart."""
    async with ScriptedUpstream() as upstream:
        upstream.always(chat_stream(LONG))
        write_project(tmp_path, upstream.url)
        async with Up(tmp_path) as up:
            first = await answered(up, BODY, x_trimtab_run="r-1")
            asked = len([one for one in upstream.requests if one.method == "POST"])
        upstream.always(Script((Hang(),)))
        async with Up(tmp_path) as up:
            again = await answered(up, BODY, x_trimtab_replay="r-1")
            other = await answered(up, {**BODY, "temperature": 0.1}, x_trimtab_replay="r-1")
            still = len([one for one in upstream.requests if one.method == "POST"])
    assert (first.status, first.whole, asked) == (200, True, 1)
    assert (again.status, again.whole, again.body, still) == (200, True, first.body, 1)
    assert (other.status, other.json()["error"]["code"]) == (409, "replay_divergence")
    assert "request.temperature is new: 0.1" in other.json()["error"]["message"]


async def test_keeper_down_and_orders(tmp_path: Path) -> None:
    """While keeper is gone calls of runs alone are refused; an order ends an open call of its run."""
    whole = chat_stream(Answer())
    async with ScriptedUpstream() as upstream:
        upstream.add(Script((*whole.steps[:4], Hang())))
        upstream.always(whole)
        write_project(tmp_path, upstream.url)
        async with Up(tmp_path) as up:
            reader, writer = await posted(up, BODY, x_trimtab_run="r-1")
            await reader.readuntil(b"Hello")
            client = KeeperClient(up.run / "keeper.sock")
            await client.do(Direct("stop", "ana", run="r-1"))
            rest = await asyncio.wait_for(reader.read(), 30)
            writer.close()
            await client.close()
            keeper = await up.member("keeper")
            os.kill(keeper.pid, signal.SIGSTOP)
            of_run, of_none = await asyncio.gather(answered(up, BODY, x_trimtab_run="r-2"), answered(up, BODY))
            os.kill(keeper.pid, signal.SIGCONT)
            later = await answered(up, BODY, x_trimtab_run="r-2")
    assert b"run_stopped" in rest
    assert b"says ana" in rest
    assert (of_run.status, of_none.status, later.status) == (503, 200, 200)
    assert of_run.json()["error"]["code"] == "journal_unavailable"
