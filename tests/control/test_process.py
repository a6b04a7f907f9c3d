"""Control as a process of its own, over chDB and over ClickHouse's HTTP interface."""

from __future__ import annotations

import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.control.running import Running, control, counted, free_port, until, write_calls
from tests.store.conftest import ROOT
from trimtab.reports.report import Report
from trimtab.store.telemetry import Counts


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
        made = running.ask("/api/keys", "POST", b'{"name": "prometheus", "role": "viewer"}')[1]
        status, metrics = running.ask_tcp("/metrics", made["secret"])
        assert status == 200
        assert 'trimtab_calls_total{outcome="ok",task="route"} 120.0' in metrics
        assert 'trimtab_attempts_total{cause="ok",model="small",replica="http://127.0.0.1:9"} 120.0' in metrics
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
