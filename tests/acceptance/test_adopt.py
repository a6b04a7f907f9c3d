"""Calls that belong to no task become one: a whole `trimtab up`, its clients unchanged."""

from __future__ import annotations

import asyncio
import http.client
import json
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.processes.upping import LIMIT_S, LOOK_S, Up
from trimtab.access.keys import KeyStore
from trimtab.cli.control_client import ControlClient
from trimtab.clock import SystemClock
from trimtab.database.migrate import open_state
from trimtab.declare.load import load
from trimtab.ids import IdSource
from trimtab.testing import Answer, ScriptedUpstream, chat_json

PROJECT = """\
environment = "test"
[gateway]
listen = "127.0.0.1:0"
workers = 1
[control]
listen = "127.0.0.1:0"
[data]
directory = ".trimtab"
telemetry = "chdb"
reserve = "1MiB"
[defaults]
undeclared_redaction = "{redaction}"
[models.small]
wire = "openai"
model = "scripted"
replicas = ["{url}"]
"""
CHAT = "/v1/chat/completions"
PROMPT = "You are an assistant that sorts support tickets. Answer in JSON."
TOOL = {
    "type": "function",
    "function": {
        "name": "look_up",
        "description": "Looks an order up.",
        "parameters": {"type": "object", "properties": {"order": {"type": "string"}}, "required": ["order"]},
    },
}
BODY = {
    "model": "small",
    "messages": [{"role": "system", "content": PROMPT}, {"role": "user", "content": "Where is parcel 17?"}],
    "tools": [TOOL],
}
CALLS = 120


class Client:
    """A project without tasks, an unchanged client of it, and an operator."""

    def __init__(self, root: Path, url: str, redaction: str) -> None:
        self.root = root
        (root / "trimtab.toml").write_text(PROJECT.format(url=url, redaction=redaction))
        with closing(open_state(root / ".trimtab" / "state.db")) as connection:
            self.secret = KeyStore(connection, SystemClock(), IdSource()).new("support")[1]

    async def call(self, up: Up, count: int) -> None:
        """So many calls over one connection."""

        def post() -> None:
            with closing(http.client.HTTPConnection("127.0.0.1", up.port, timeout=LIMIT_S)) as connection:
                for _ in range(count):
                    connection.request("POST", CHAT, json.dumps(BODY), {"authorization": f"Bearer {self.secret}"})
                    answer = connection.getresponse()
                    assert (answer.status, answer.read()[:1]) == (200, b"{")

        await asyncio.to_thread(post)

    async def trimtab(self, *verb: str) -> tuple[int, str]:
        """The exit status and output of a verb."""
        command = [sys.executable, "-m", "trimtab", *verb, "--project", str(self.root)]
        process = await asyncio.create_subprocess_exec(*command, stdout=-1, stderr=-1)
        out, err = await asyncio.wait_for(process.communicate(), LIMIT_S)
        assert b"Traceback" not in err, err.decode()
        return process.returncode or 0, out.decode() + err.decode()

    async def until(self, target: str, wanted: Callable[[Any], object]) -> Any:
        """Asks control until it gives what is wanted."""
        client = ControlClient(self.root / ".trimtab" / "run" / "control.sock")
        async with asyncio.timeout(LIMIT_S):
            while True:
                status, answer = await asyncio.to_thread(client.ask, "GET", target)
                found = json.loads(answer)
                if status == 200 and wanted(found):
                    return found
                await asyncio.sleep(LOOK_S)


@pytest.mark.parametrize("redaction", ["full", "digest"])
async def test_calls_of_no_task_are_adopted_and_the_next_ones_bear_the_task(tmp_path: Path, redaction: str) -> None:
    """The written folder passes `trimtab check`, and the same request is the task's from then on."""
    async with ScriptedUpstream() as upstream:
        client = Client(tmp_path, upstream.url, redaction)
        answers = [{"queue": ("bills", "parcels")[number % 2], "urgent": number % 3 == 0} for number in range(CALLS)]
        upstream.add(*(chat_json(Answer((json.dumps(one),))) for one in answers), path=CHAT)
        upstream.always(chat_json(Answer(('{"queue": "bills", "urgent": false}',))))
        async with Up(tmp_path) as up:
            await client.call(up, CALLS)
            shown = await client.until("/api/undeclared", lambda found: found["calls"] == CALLS)
            assert [cluster["calls"] for cluster in shown["clusters"]] == [CALLS]
            status, out = await client.trimtab("adopt", shown["clusters"][0]["id"], "--name", "sorting")
            assert status == 0, out
            assert (await client.trimtab("check"))[0] == 0
            task = load(tmp_path).tasks["sorting"]
            assert task.redaction == redaction
            assert (task.output is not None, [tool.name for tool in task.tools]) == (
                (True, ["look_up"]) if redaction == "full" else (False, [])
            )
            await up.logged("snapshot_in_force")
            async with asyncio.timeout(LIMIT_S):
                while not (await client.until("/api/calls?task=sorting", lambda found: True))["calls"]:
                    await client.call(up, 1)
