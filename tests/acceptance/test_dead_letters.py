"""Dead letters as an operator meets them: a whole `trimtab up`, an upstream that fails for good and is mended."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import signal
import sys
from collections import Counter
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
from trimtab.ids import IdSource
from trimtab.record import tail
from trimtab.record.events import Settled
from trimtab.testing import ScriptedUpstream, chat_json, error_answer

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
[models.small]
wire = "openai"
model = "scripted"
replicas = ["{url}"]
"""
TASK = 'owner = "team"\nmodel = "small"\nretry = { attempts = 1 }\n'
CHAT = "/v1/chat/completions"
DOWN = "http://127.0.0.1:9/none"
NAMES = {
    "x-trimtab-task": "chat",
    "x-trimtab-run": "run-7",
    "x-trimtab-step": "look up",
    "x-trimtab-parent": "step-3",
    "x-trimtab-conversation": "talk-1",
    "x-trimtab-user": "ana",
    "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
}
BODY = {"model": "small", "messages": [{"role": "user", "content": "What became of parcel 17?"}], "max_tokens": 9}
OF_ITS_OWN = {"call", "at_ns", "worker", "redrive_of"}


class Operator:
    """A project with a task that keeps bodies and one that does not, and what is done to it."""

    def __init__(self, root: Path, url: str) -> None:
        self.root = root
        (root / "trimtab.toml").write_text(PROJECT.format(url=url))
        for name, redaction in (("chat", "full"), ("private", "digest")):
            (root / "tasks" / name).mkdir(parents=True)
            (root / "tasks" / name / "task.toml").write_text(f'{TASK}redaction = "{redaction}"\n')
        with closing(open_state(root / ".trimtab" / "state.db")) as connection:
            self.secret = KeyStore(connection, SystemClock(), IdSource()).new("support")[1]

    async def call(self, up: Up, **names: str) -> tuple[int, bytes]:
        """A client's call."""

        def post() -> tuple[int, bytes]:
            headers = {"authorization": f"Bearer {self.secret}", **names}
            with closing(http.client.HTTPConnection("127.0.0.1", up.port, timeout=LIMIT_S)) as connection:
                connection.request("POST", CHAT, json.dumps(BODY), headers)
                answer = connection.getresponse()
                return answer.status, answer.read()

        return await asyncio.to_thread(post)

    async def trimtab(self, *verb: str) -> tuple[int, str]:
        """The exit status and output of a verb."""
        command = [sys.executable, "-m", "trimtab", *verb, "--project", str(self.root)]
        process = await asyncio.create_subprocess_exec(*command, stdout=-1, stderr=-1)
        out, err = await asyncio.wait_for(process.communicate(), LIMIT_S)
        assert b"Traceback" not in err, err.decode()
        return process.returncode or 0, out.decode()

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

    async def outcomes(self) -> Counter[str]:
        """How the calls in telemetry ended."""
        _, out = await self.trimtab("calls", "tail", "--limit", "1000", "--json")
        calls = [json.loads(line) for line in out.splitlines()]
        assert len({call["admitted"]["call"] for call in calls}) == len(calls)
        return Counter(call["outcome"] for call in calls)


async def test_a_call_that_failed_for_good_is_sent_again_once_its_upstream_is_mended(tmp_path: Path) -> None:
    """It keeps its identity through a killed worker and a killed control, and its new record names the letter."""
    async with ScriptedUpstream() as upstream:
        operator = Operator(tmp_path, upstream.url)
        upstream.always(chat_json())
        upstream.always(error_answer(500, "out of memory"), path=CHAT)
        async with Up(tmp_path) as up:
            assert (await operator.call(up, **NAMES))[0] == 502
            assert (await operator.call(up, **{"x-trimtab-task": "private"}))[0] == 502
            listed = await operator.until("/api/dead", lambda found: len(found["letters"]) == 2)
            private, letter = listed["letters"]
            assert (letter["task"], letter["cause"], letter["attempts"]) == ("chat", "upstream_error", 1)
            assert (letter["kept"], private["kept"]) == (True, False)

            shown = json.loads((await operator.trimtab("dead", "show", letter["id"], "--json"))[1])
            assert json.loads(shown["request"]) == BODY
            status, out = await operator.trimtab("dead", "show", private["id"])
            assert "redaction of task private" in " ".join(out.split())

            status, out = await operator.trimtab("dead", "redrive", letter["id"], "--json")
            failed = json.loads(out)
            assert (status, failed["ok"], failed["status"]) == (1, False, 502)
            again = await operator.until("/api/dead?task=chat", lambda found: found["letters"][0]["redrives"])
            assert (again["letters"][0]["id"], again["letters"][0]["last_call"]) == (letter["id"], failed["call"])

            await killed(up, "gateway")
            await killed(up, "control")
            upstream.always(chat_json(), path=CHAT)
            status, out = await operator.trimtab("dead", "redrive", "--all", "--json")
            [arrived] = [json.loads(line) for line in out.splitlines()]
            assert (status, arrived["id"], arrived["ok"]) == (0, letter["id"], True)
            call = await operator.until(f"/api/calls/{arrived['call']}", bool)
            admitted = call["call"]["admitted"]
            assert (call["call"]["outcome"], admitted["redrive_of"]) == ("ok", letter["id"])
            assert admitted["key"] == "support"
            kept = {name: value for name, value in letter["admitted"].items() if name not in OF_ITS_OWN}
            assert {name: value for name, value in admitted.items() if name not in OF_ITS_OWN} == kept

            assert (await operator.trimtab("dead", "drop", private["id"]))[0] == 0
            left = json.loads((await operator.trimtab("dead", "list", "--json"))[1])
            assert left == {"letters": [], "tally": []}
            assert await operator.outcomes() == Counter({"upstream_error": 3, "ok": 1})
            secret = (tmp_path / ".trimtab" / "run" / "operator.key").read_bytes()
        sent = [json.loads(request.body) for request in upstream.requests if request.target == CHAT]
        assert sent[0] == sent[-1]
    holders = [path for path in tmp_path.rglob("*") if path.is_file() and secret in path.read_bytes()]
    assert holders == [tmp_path / ".trimtab" / "run" / "operator.key"]
    assert secret.decode() not in json.dumps(up.log)


@pytest.mark.parametrize("resting", [False, True], ids=["while it runs", "while nothing runs"])
async def test_what_can_be_read_of_a_damaged_segment_is_stored_once(tmp_path: Path, resting: bool) -> None:
    """The damaged record costs one call its end; every other call is in telemetry once, and stays so."""
    async with ScriptedUpstream() as upstream:
        operator = Operator(tmp_path, upstream.url)
        upstream.always(chat_json())
        toml = tmp_path / "trimtab.toml"
        toml.write_text(toml.read_text().replace('"chdb"', f'"{DOWN}"'))
        async with Up(tmp_path) as up:
            for _ in range(8):
                assert (await operator.call(up))[0] == 200
        segment = damage_one_end(tmp_path / ".trimtab" / "spool")
        toml.write_text(toml.read_text().replace(f'"{DOWN}"', '"chdb"'))

        if resting:
            await salvage(operator, segment)
        async with Up(tmp_path):
            if not resting:
                await operator.until("/api/dead?cause=unreadable", lambda found: found["letters"])
                await salvage(operator, segment)
            found = await operator.until("/api/status", lambda found: found["dead"])
            assert found["telemetry"]["set_aside"] == 0
            assert [(one["cause"], one["letters"]) for one in found["dead"]] == [("abandoned", 1)]
        assert await operator.outcomes() == Counter({"ok": 7, "abandoned": 1})
        async with Up(tmp_path):
            report = await operator.until("/api/report?since=1h", lambda found: found["tasks"])
            assert sum(task["requests"] for task in report["tasks"]) == 8


async def killed(up: Up, role: str) -> None:
    """Kills the one process of a role and waits for its successor."""
    member = await up.member(role)
    os.kill(member.pid, signal.SIGKILL)
    await up.member(role, after=member)


async def salvage(operator: Operator, segment: str) -> None:
    status, out = await operator.trimtab("dead", "list", "--json")
    [letter] = [one for one in json.loads(out)["letters"] if one["kind"] == "records"]
    assert (status, letter["id"], letter["cause"]) == (0, segment, "unreadable")
    status, out = await operator.trimtab("dead", "redrive", segment, "--json")
    done = json.loads(out)
    assert (status, done["ok"], done["events"] > 0) == (0, True, True)
    assert (await operator.trimtab("dead", "redrive", segment))[0] == 1


def damage_one_end(spool: Path) -> str:
    """Makes the end of the third call unreadable; the name of its segment."""
    ends = 0
    for segment in tail.segments(spool):
        start = 0
        for end, event in tail.read(segment.path, 0):
            ends += isinstance(event, Settled)
            if ends == 3:
                data = bytearray(segment.path.read_bytes())
                data[start + 40] ^= 0xFF
                segment.path.write_bytes(data)
                return f"{segment.epoch}/{segment.number:08d}"
            start = end
    raise AssertionError("no such call")
