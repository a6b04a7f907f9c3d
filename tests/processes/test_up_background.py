"""Background calls through a real `trimtab up`: whoever is killed, and whenever, each is made and answered once."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest

from tests.processes.upping import LIMIT_S, Up, write_project
from trimtab.journal.asks import Find, Runs
from trimtab.journal.client import KeeperClient
from trimtab.journal.runs.database import open_runs_to_read
from trimtab.journal.runs.verify import verify_run
from trimtab.testing import Hang, Received, Script, ScriptedUpstream, json_answer
from trimtab.testing.faults import slow_body

HEADER = {"x-trimtab-background": "true"}
RECEIVER = """
[receivers.ops]
kind = "webhook"
url = "{url}/told"
secret = "env:OPS_SECRET"
"""
KILLS = 6
CALLS = 12


class Client:
    """A client that submits and polls, and asks again where a connection breaks."""

    def __init__(self, up: Up) -> None:
        self._http = httpx.AsyncClient(base_url=f"http://127.0.0.1:{up.port}", timeout=LIMIT_S)

    async def submit(self, text: str, **headers: str) -> str:
        """The id of a call that is on the disk; the same for the same text."""
        body = {"model": "chat", "messages": [{"role": "user", "content": text}]}
        named = {**HEADER, "idempotency-key": text, **headers}
        told = await self._asked("POST", "/v1/chat/completions", json=body, headers=named)
        return str(told.json()["id"])

    async def over(self, run: str) -> httpx.Response:
        """The answer, when it is there."""
        async with asyncio.timeout(LIMIT_S):
            while (told := await self._asked("GET", f"/v1/background/{run}")).status_code == 202:
                await asyncio.sleep(0.05)
        return told

    async def status(self, run: str) -> dict[str, Any]:
        """How it stands."""
        told: dict[str, Any] = (await self._asked("GET", f"/v1/background/{run}/status")).json()
        return told

    async def cancel(self, run: str) -> None:
        await self._asked("POST", f"/v1/background/{run}/cancel")

    async def _asked(self, method: str, path: str, **more: Any) -> httpx.Response:
        async with asyncio.timeout(LIMIT_S):
            while True:
                try:
                    told = await self._http.request(method, path, **more)
                except httpx.TransportError:
                    await asyncio.sleep(0.05)
                    continue
                if told.status_code != 503:
                    return told
                await asyncio.sleep(0.1)

    async def close(self) -> None:
        await self._http.aclose()


def kill(up: Up, role: str, pick: random.Random) -> None:
    """SIGKILL for one process of a role, if one is there."""
    members = up.members(role)
    if members:
        os.kill(pick.choice(members).pid, signal.SIGKILL)


def asked_for(request: Received) -> str:
    """What a request asked."""
    return str(json.loads(request.body)["messages"][0]["content"])


async def test_whoever_is_killed_each_call_is_answered_once(tmp_path: Path) -> None:
    """Workers, keeper and control are killed at seeded moments of twelve calls' lives: each submission is one call, has
    one answer, and every log is whole.
    """
    pick = random.Random(7)
    async with ScriptedUpstream() as upstream:
        upstream.always(slow_body(0.2))
        write_project(tmp_path, upstream.url, workers=2)
        async with Up(tmp_path) as up:
            client = Client(up)

            async def one(number: int) -> tuple[str, str, httpx.Response]:
                await asyncio.sleep(pick.random())
                first = await client.submit(f"call {number}")
                again = await client.submit(f"call {number}")
                return first, again, await client.over(first)

            async def killer() -> None:
                for _ in range(KILLS):
                    await asyncio.sleep(0.1 + 0.3 * pick.random())
                    kill(up, pick.choice(["gateway", "gateway", "keeper"]), pick)

            killing = asyncio.create_task(killer())
            answers = await asyncio.gather(*(one(number) for number in range(CALLS)))
            await killing
            statuses = [await client.status(first) for first, _, _ in answers]
            await client.close()
        times = Counter(asked_for(one) for one in upstream.requests if one.method == "POST")
    assert all(first == again for first, again, _ in answers)
    assert len({first for first, _, _ in answers}) == CALLS
    assert [answer.status_code for _, _, answer in answers] == [200] * CALLS
    assert {answer.json()["choices"][0]["message"]["content"] for _, _, answer in answers} == {"Hello, world!"}
    assert {status["status"] for status in statuses} == {"completed"}
    assert all(times[f"call {number}"] >= 1 for number in range(CALLS))
    assert sum(times.values()) <= CALLS + 8 * KILLS
    database = open_runs_to_read(tmp_path / ".trimtab" / "journal.db")
    assert [verify_run(database, first) for first, _, _ in answers] == [None] * CALLS
    database.close()


async def test_all_of_it_may_be_stopped_between_submission_and_poll(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The official client submits and goes; the host is killed at once with all its processes, and answers after the
    next start, which also tells the declared receiver, once.
    """
    monkeypatch.setenv("OPS_SECRET", "abc")
    response = {"id": "resp_0", "object": "response", "status": "completed", "model": "scripted", "output": []}
    async with ScriptedUpstream() as upstream:
        upstream.always(Script((Hang(),)), path="/v1/responses")
        upstream.always(json_answer({}), path="/told")
        write_project(tmp_path, upstream.url)
        with (tmp_path / "trimtab.toml").open("a") as file:
            file.write(RECEIVER.format(url=upstream.url))
        async with Up(tmp_path) as up:
            client = openai.AsyncOpenAI(api_key="none", base_url=f"http://127.0.0.1:{up.port}/v1")
            told = {"x-trimtab-receiver": "ops"}
            first = await client.responses.create(model="chat", input="hi", background=True, extra_headers=told)
            await client.close()
            await up.until(lambda: any(one.method == "POST" for one in upstream.requests))
            os.killpg(up.process.pid, signal.SIGKILL)
            for member in [*up.members("gateway"), *up.members("keeper"), *up.members("control")]:
                os.kill(member.pid, signal.SIGKILL)
            await up.process.wait()
        upstream.always(json_answer(response), path="/v1/responses")
        async with Up(tmp_path) as up:
            client = openai.AsyncOpenAI(api_key="none", base_url=f"http://127.0.0.1:{up.port}/v1")
            async with asyncio.timeout(LIMIT_S):
                while (done := await client.responses.retrieve(first.id)).status != "completed":
                    await asyncio.sleep(0.1)
                while not (posts := [one for one in upstream.requests if one.target == "/told"]):
                    await asyncio.sleep(0.1)
            await client.close()
    [message] = [json.loads(post.body) for post in posts]
    assert (first.status, done.id, done.status) == ("queued", first.id, "completed")
    assert (message["group"], message["kind"], message["signal"]) == (first.id, "completed", "background")
    assert "scripted" not in json.dumps(message)
    assert dict(posts[0].headers)[b"webhook-signature"].startswith(b"v1,")


async def test_a_cancelled_call_ends_in_whichever_worker_it_is(tmp_path: Path) -> None:
    """The replica's connection is closed, and the run has ended."""
    async with ScriptedUpstream() as upstream:
        upstream.always(Script((Hang(),)), path="/v1/chat/completions")
        write_project(tmp_path, upstream.url, workers=2)
        async with Up(tmp_path) as up:
            client = Client(up)
            run = await client.submit("hang")
            await up.until(lambda: any(one.method == "POST" for one in upstream.requests))
            await client.cancel(run)
            await up.until(lambda: upstream.open_connections == 0)
            answer = await client.over(run)
            keeper = KeeperClient(up.run / "keeper.sock", patience_s=30)

            async def ended() -> bool:
                told = await keeper.do(Find(run=run))
                return isinstance(told, Runs) and told.runs[0].state == "cancelled"

            async with asyncio.timeout(LIMIT_S):
                while not await ended():
                    await asyncio.sleep(0.05)
            await keeper.close()
            await client.close()
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "run_stopped")


async def test_a_restart_of_the_workers_loses_no_call(tmp_path: Path) -> None:
    """Workers that are replaced let open calls end or give them back."""
    async with ScriptedUpstream() as upstream:
        upstream.always(slow_body(0.3))
        write_project(tmp_path, upstream.url, workers=2)
        async with Up(tmp_path) as up:
            client = Client(up)
            runs = [await client.submit(f"call {number}") for number in range(8)]
            up.signal(signal.SIGUSR2)
            answers = [await client.over(run) for run in runs]
            statuses = [await client.status(run) for run in runs]
            await client.close()
        asked = sum(one.method == "POST" for one in upstream.requests)
    assert [answer.status_code for answer in answers] == [200] * 8
    assert {status["attempts"] for status in statuses} == {1}
    assert asked == 8
