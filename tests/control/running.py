"""Starts control as the supervisor does, on a project with the task `route`, and writes its spool."""

from __future__ import annotations

import http.client
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from tests.store.conftest import ROOT
from tests.store.samples import SECOND_NS, attempt, call
from tests.store.spools import SegmentWriter
from trimtab.cli.control_client import ControlClient
from trimtab.declare.load import load
from trimtab.declare.project import Control, Data, Listen
from trimtab.gateway.board import Board
from trimtab.policy.compile import compile as compile_policy
from trimtab.policy.publish import publish
from trimtab.processes.orders import ControlOrders
from trimtab.processes.status import Status
from trimtab.store.telemetry import Counts

CONTROL_EPOCH = "c0-0123456789ab"
GUARD_S = 60.0
PROJECT = """
environment = "test"
[gateway]
listen = "127.0.0.1:8400"
[control]
listen = "127.0.0.1:8401"
[models.small]
wire = "openai"
model = "small"
replicas = ["http://127.0.0.1:9"]
"""
TASK = """
owner = "support"
class = "interactive"
model = "small"
objective = { ttft_p95 = "800ms" }
"""


class Running:
    """A control that runs."""

    def __init__(self, process: subprocess.Popen[bytes], places: Path, port: int) -> None:
        self.process = process
        self.socket = places / "run" / "control.sock"
        self.port = port

    def ask(self, target: str, method: str = "GET", body: bytes = b"") -> tuple[int, Any]:
        """One request over the owner's socket."""
        status, answer = ControlClient(self.socket, GUARD_S).ask(method, target, body or None)
        return status, msgspec.json.decode(answer)

    def ask_tcp(self, target: str, key: str = "") -> tuple[int, Any]:
        """One request over TCP; a text is given as it is."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=GUARD_S)
        try:
            connection.request("GET", target, headers={"authorization": f"Bearer {key}"} if key else {})
            answer = connection.getresponse()
            content = answer.read()
        finally:
            connection.close()
        is_json = answer.headers["content-type"] == "application/json"
        return answer.status, msgspec.json.decode(content) if is_json else content.decode()

    def status(self) -> Status:
        return msgspec.convert(self.ask("/api/status")[1], Status)

    def end(self) -> int:
        """SIGTERM, and the exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(GUARD_S)


def data_of(directory: Path) -> Path:
    """The data directory of the project in `directory`."""
    return directory / "project" / ".trimtab"


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


@contextmanager
def control(
    directory: Path, telemetry: str = "chdb", gateway_port: int = 0, declared: str = PROJECT
) -> Iterator[Running]:
    """Starts control on a data directory as the supervisor does, and waits until it is ready."""
    project, places, port = directory / "project", data_of(directory), free_port()
    (project / "tasks" / "route").mkdir(parents=True, exist_ok=True)
    (project / "trimtab.toml").write_text(declared)
    (project / "tasks" / "route" / "task.toml").write_text(TASK)
    (places / "run").mkdir(parents=True, exist_ok=True)
    Board.create(places / "run" / "board", slots=1, replicas=1)
    snapshot = publish(places / "run", compile_policy(load(project)))
    data = Data(str(places), 30 * 86_400.0, 0.05, 1 << 20, 1 << 30, telemetry)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        listen = Control(Listen("127.0.0.1", port))
        orders = ControlOrders(theirs.fileno(), CONTROL_EPOCH, str(snapshot), str(project), listen, data, gateway_port)
        command = [sys.executable, "-m", "trimtab.assemble", "control", msgspec.json.encode(orders).decode()]
        with subprocess.Popen(command, cwd=ROOT, pass_fds=[theirs.fileno()], stderr=subprocess.PIPE) as process:
            theirs.close()
            ours.settimeout(GUARD_S)
            said = ours.makefile("rb").readline()
            assert said == b'{"say":"ready"}\n', process.stderr.read() if process.stderr else said
            try:
                yield Running(process, places, port)
            finally:
                process.kill()


def until(found: Any, wanted: Any) -> Any:
    """Asks until the answer is the wanted one, for a minute at most."""
    pause, end = threading.Event(), time.monotonic() + GUARD_S
    answer = found()
    while answer != wanted and time.monotonic() < end:
        pause.wait(0.05)
        answer = found()
    return answer


def write_calls(directory: Path, count: int, epoch: str = "g0-0123456789ab", **fields: Any) -> None:
    """A spool with calls in it that ended ten seconds ago; `fields` are those of their ends."""
    writer = SegmentWriter(data_of(directory) / "spool", epoch)
    now_ns = time.time_ns() - 10 * SECOND_NS
    for number in range(count):
        name = f"{epoch}-{number}"
        writer.write(call(name, now_ns).admitted, attempt(name, 1, now_ns), call(name, now_ns, ttft_s=0.1, **fields))


def counted(directory: Path) -> Counts:
    command = [sys.executable, "-m", "tests.store.ingest_process", str(data_of(directory))]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=GUARD_S)
    return msgspec.json.decode(done.stdout.splitlines()[-1], type=Counts)
