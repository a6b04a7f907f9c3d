"""Control as a process of its own, over chDB and over ClickHouse's HTTP interface."""

from __future__ import annotations

import http.client
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.store.conftest import ROOT
from tests.store.samples import SECOND_NS, attempt, call
from tests.store.spools import SegmentWriter
from trimtab.declare.load import load
from trimtab.declare.project import Control, Data, Listen
from trimtab.gateway.board import Board
from trimtab.policy.compile import compile as compile_policy
from trimtab.policy.publish import publish
from trimtab.processes.orders import ControlOrders
from trimtab.processes.status import Status
from trimtab.reports.report import Report
from trimtab.store.telemetry import Counts

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


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=GUARD_S)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(GUARD_S)
        self.sock.connect(str(self._path))


class Running:
    """A control that runs."""

    def __init__(self, process: subprocess.Popen[bytes], places: Path, port: int) -> None:
        self.process = process
        self.socket = places / "run" / "control.sock"
        self.port = port

    def ask(self, target: str, method: str = "GET", body: bytes = b"") -> tuple[int, Any]:
        """One request over the owner's socket."""
        return _answer(UnixConnection(self.socket), method, target, body)

    def ask_tcp(self, target: str, key: str = "") -> tuple[int, Any]:
        """One request over TCP."""
        headers = {"authorization": f"Bearer {key}"} if key else {}
        return _answer(http.client.HTTPConnection("127.0.0.1", self.port, timeout=GUARD_S), "GET", target, b"", headers)

    def status(self) -> Status:
        return msgspec.convert(self.ask("/api/status")[1], Status)

    def end(self) -> int:
        """SIGTERM, and the exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(GUARD_S)


def _answer(
    connection: http.client.HTTPConnection, method: str, target: str, body: bytes, headers: dict[str, str] | None = None
) -> tuple[int, Any]:
    try:
        connection.request(method, target, body, headers or {})
        answer = connection.getresponse()
        content = answer.read()
    finally:
        connection.close()
    is_json = answer.headers["content-type"] == "application/json"
    return answer.status, msgspec.json.decode(content) if is_json else content.decode()


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


@contextmanager
def control(directory: Path, telemetry: str = "chdb") -> Iterator[Running]:
    """Starts control on a data directory as the supervisor does, and waits until it is ready."""
    project, places, port = directory / "project", directory / "data", free_port()
    (project / "tasks" / "route").mkdir(parents=True, exist_ok=True)
    (project / "trimtab.toml").write_text(PROJECT)
    (project / "tasks" / "route" / "task.toml").write_text(TASK)
    (places / "run").mkdir(parents=True, exist_ok=True)
    Board.create(places / "run" / "board", slots=1, replicas=1)
    snapshot = publish(places / "run", compile_policy(load(project)))
    data = Data(str(places), 30 * 86_400.0, 0.05, 1 << 20, 1 << 30, telemetry)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        orders = ControlOrders(theirs.fileno(), str(snapshot), Control(Listen("127.0.0.1", port)), data)
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


def write_calls(directory: Path, count: int, epoch: str = "g0-0123456789ab") -> None:
    writer = SegmentWriter(directory / "data" / "spool", epoch)
    now_ns = time.time_ns() - 10 * SECOND_NS
    for number in range(count):
        name = f"{epoch}-{number}"
        writer.write(call(name, now_ns).admitted, attempt(name, 1, now_ns), call(name, now_ns, ttft_s=0.1))


def counted(directory: Path) -> Counts:
    command = [sys.executable, "-m", "tests.store.ingest_process", str(directory / "data"), "1000", "rest"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=GUARD_S)
    return msgspec.json.decode(done.stdout.splitlines()[-1], type=Counts)


def requests(running: Running) -> int:
    status, answer = running.ask("/api/report?since=1h")
    return sum(one.requests for one in msgspec.convert(answer, Report).tasks) if status == 200 else -1


def test_both_doors_and_a_last_look_at_the_spool(tmp_path: Path) -> None:
    """The owner's socket is the owner's, TCP wants a key made there, and SIGTERM leaves no record in the spool."""
    write_calls(tmp_path, 120)
    with control(tmp_path) as running:
        assert stat.S_IMODE(running.socket.stat().st_mode) == 0o600
        assert until(lambda: requests(running), 120) == 120
        assert running.ask_tcp("/health") == (200, {"status": "ok"})
        assert running.ask_tcp("/metrics")[0] == 401
        made = running.ask("/api/keys", "POST", b'{"name": "prometheus"}')[1]
        status, metrics = running.ask_tcp("/metrics", made["secret"])
        assert status == 200
        assert 'trimtab_calls_total{model="small",outcome="ok",task="route"} 120.0' in metrics
        (goal,) = msgspec.convert(running.ask("/api/report?since=1h")[1], Report).tasks[0].objective
        assert (goal.name, goal.standing) == ("ttft_p95", "met")
        detail = running.ask("/api/calls/g0-0123456789ab-7")[1]
        assert [tried["cause"] for tried in detail["attempts"]] == ["ok"]
        write_calls(tmp_path, 80, "g1-0123456789ab")
        assert running.end() == 0
        assert not running.socket.exists()
    assert counted(tmp_path) == Counts(calls=200, attempts=200, rolled_up=200)


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, Any]]:
    """A port, and what starts a ClickHouse there."""
    port, started = free_port(), []

    def start() -> None:
        store = str(tmp_path_factory.mktemp("clickhouse"))
        command = [sys.executable, "-m", "tests.store.clickhouse_http", store, str(port)]
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE)
        assert process.stdout is not None
        started.append(process)
        process.stdout.readline()

    yield port, start
    for process in started:
        process.kill()
        process.communicate()


def test_telemetry_that_is_down_for_a_while_loses_nothing(tmp_path: Path, server: tuple[int, Any]) -> None:
    """Records are written while the server is not there; control says so, answers on, and catches up."""
    port, start = server
    with control(tmp_path, f"http://127.0.0.1:{port}/trimtab") as running:
        for worker in range(3):
            write_calls(tmp_path, 50, f"g{worker}-0123456789ab")
            state = running.status().telemetry
            assert (state.up, str(port) in state.detail) == (False, True)
            assert running.ask("/api/calls")[0] == 503
        start()
        assert until(lambda: requests(running), 150) == 150
        assert running.status().telemetry.up is True
        assert running.end() == 0
