"""A real `trimtab up` on a project written for the test, and a client's and an operator's side of it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import ssl
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.gateway.harness import Response, read_response
from trimtab.processes import roster
from trimtab.processes.roster import Member
from trimtab.record import tail
from trimtab.record.events import Change, Event

LIMIT_S = 60.0
LOOK_S = 0.02
UP = [sys.executable, "-m", "trimtab", "up", "--json"]

PROJECT = """\
environment = "test"
[gateway]
listen = "127.0.0.1:0"
workers = {workers}
keys = "open"
drain = "10s"
[control]
listen = "127.0.0.1:0"
[data]
directory = ".trimtab"
telemetry = "http://127.0.0.1:9/none"
reserve = "1MiB"
[models.small]
wire = "openai"
model = "scripted"
replicas = ["{url}"]
"""
TASK = """\
owner = "team"
model = "small"
deadline = {{ connect = "5s", first_token = "{first_token}", gap = "20s" }}
retry = {{ attempts = 1 }}
"""


def write_project(root: Path, url: str, *, workers: int = 1) -> None:
    """A project with the task `chat` on one model; its telemetry is down, so that no analytical store is loaded."""
    (root / "tasks" / "chat").mkdir(parents=True)
    (root / "trimtab.toml").write_text(PROJECT.format(url=url, workers=workers))
    write_task(root)


def write_task(root: Path, *, first_token: str = "20s") -> None:
    """The task `chat` with this first-token deadline, replaced in one step as an editor does."""
    fresh = root / "task.toml.new"
    fresh.write_text(TASK.format(first_token=first_token))
    fresh.rename(root / "tasks" / "chat" / "task.toml")


class Up:
    """`trimtab up` in a process of its own; stopped in order when the block ends, unless the test has done that."""

    def __init__(self, root: Path, *, path: Path | None = None) -> None:
        """On the project in `root`; supervisor and children look for modules in `path` first, if it is given."""
        self.root = root
        self.tls: ssl.SSLContext | None = None
        self.key = ""
        self.run = root / ".trimtab" / "run"
        self.started: dict[str, Any] = {}
        self.log: list[dict[str, Any]] = []
        self._environment = (
            os.environ if path is None else {**os.environ, "PYTHONPATH": f"{path}:{os.environ.get('PYTHONPATH', '')}"}
        )
        self._logged = asyncio.Event()
        self._writers: list[asyncio.StreamWriter] = []

    async def __aenter__(self) -> Up:
        await self.spawn()
        async with asyncio.timeout(LIMIT_S):
            line = await self._out.readline()
            if not line:
                await self.ended()
                raise AssertionError(f"trimtab up ended with {self.process.returncode}: {self.log}")
            self.started = json.loads(line)
        return self

    async def spawn(self) -> None:
        """Starts the process without waiting for it to answer."""
        self.process = await asyncio.create_subprocess_exec(
            *UP,
            "--project",
            str(self.root),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=-1,
            stderr=-1,
            env=self._environment,
            start_new_session=True,
        )
        assert self.process.stdout is not None
        self._out = self.process.stdout
        self._reading = asyncio.ensure_future(self._read_log())

    async def __aexit__(self, *_: object) -> None:
        for writer in self._writers:
            writer.close()
        if self.process.returncode is None:
            self.signal(signal.SIGTERM)
        try:
            await self.ended()
        except TimeoutError:
            raise AssertionError(f"trimtab up did not end: {self.log[-20:]}") from None
        finally:
            if self.process.returncode is None:
                os.killpg(self.process.pid, signal.SIGKILL)
                await self.process.wait()

    @property
    def port(self) -> int:
        """The gateway's port."""
        return int(self.started["gateway"].rpartition(":")[2])

    def signal(self, number: int) -> None:
        """Sends a signal to the supervisor alone."""
        self.process.send_signal(number)

    async def ended(self) -> int:
        """The exit status of the supervisor, once all children have let go of its standard error."""
        async with asyncio.timeout(LIMIT_S):
            await self._reading
            return await self.process.wait()

    def members(self, role: str) -> list[Member]:
        """The processes of a role that are ready."""
        return [
            each for each in roster.read(self.run / "processes.json") if each.role == role and each.state == "ready"
        ]

    async def member(self, role: str, *, after: Member | None = None) -> Member:
        """The one ready process of a role, as soon as the roster has it: a successor answers before it stands there.

        After a process was killed, `after` says which one is meant no more.
        """
        gone = 0 if after is None else after.pid
        await self.until(lambda: [one.pid != gone for one in self.members(role)] == [True])
        (found,) = self.members(role)
        return found

    def standing(self) -> dict[str, Any]:
        """What the supervisor wrote of the declaration."""
        found: dict[str, Any] = json.loads((self.run / "declaration.json").read_text())
        return found

    async def until(self, condition: Callable[[], object]) -> None:
        """Looks until a condition holds."""
        async with asyncio.timeout(LIMIT_S):
            while not condition():
                await asyncio.sleep(LOOK_S)

    async def logged(self, name: str, count: int = 1) -> dict[str, Any]:
        """Waits until an event has been logged so many times; its latest fields."""
        async with asyncio.timeout(LIMIT_S):
            while len(found := [line for line in self.log if line["event"] == name]) < count:
                self._logged.clear()
                await self._logged.wait()
        fields: dict[str, Any] = found[-1].get("fields", {})
        return fields

    async def open(self, **body: Any) -> asyncio.StreamReader:
        """Sends a call of the task `chat` on a connection of its own, open until the block ends; what comes back."""
        reader, writer = await self._send(body)
        self._writers.append(writer)
        return reader

    async def _send(self, body: dict[str, Any], headers: str = "") -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        name = None if self.tls is None else "localhost"
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, ssl=self.tls, server_hostname=name)
        data = json.dumps({"model": "chat", "messages": [{"role": "user", "content": "hi"}], **body}).encode()
        head = "POST /v1/chat/completions HTTP/1.1\r\nhost: gateway\r\nconnection: close\r\n" + headers
        head += f"authorization: Bearer {self.key}\r\n" if self.key else ""
        writer.write(f"{head}content-type: application/json\r\ncontent-length: {len(data)}\r\n\r\n".encode() + data)
        return reader, writer

    async def call(self, conversation: str = "", **body: Any) -> Response:
        """One call and its whole answer."""
        headers = f"x-trimtab-conversation: {conversation}\r\n" if conversation else ""
        async with asyncio.timeout(LIMIT_S):
            reader, writer = await self._send(body, headers)
            try:
                return await read_response(reader)
            finally:
                writer.close()

    def events(self) -> list[Event]:
        """Everything in the spool."""
        found: list[Event] = []
        for segment in tail.segments(self.root / ".trimtab" / "spool"):
            found += [event for _, event in tail.read(segment.path, 0)]
        return found

    def changes(self, kind: str) -> list[Change]:
        """The recorded changes of a kind."""
        return [event for event in self.events() if isinstance(event, Change) and event.kind == kind]

    async def _read_log(self) -> None:
        assert self.process.stderr is not None
        async for line in self.process.stderr:
            try:
                self.log.append(json.loads(line))
            except ValueError:
                self.log.append({"event": "(not JSON)", "fields": {"line": line.decode(errors="replace")}})
            self._logged.set()
