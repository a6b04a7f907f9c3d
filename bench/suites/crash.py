"""Killed workers, killed control, SIGTERM and rolling restarts under load: no record lost, no connection reset.

Each part has a project of its own. When it is over, `trimtab up` is stopped and telemetry is counted from outside: rows
of calls, and apart from them what the roll-up has seen, against what the load client saw.
"""

from __future__ import annotations

import contextlib
import random
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench import children, native, stored
from bench.arm import STUB_MODEL
from bench.gateway import Gateway, Task, gateway
from bench.options import Options
from bench.report import Result

OPEN_STREAMS = 1_000
SOCKETS_A_STREAM = 2
CONTROL_KILLS = 200
RESTARTS = 50
RESTART_LIMIT_S = 60.0
UNDER_LOAD_S = 3.0
MORE_THAN_ENOUGH = 5_000_000


def run(options: Options, result: Result) -> None:
    """The four parts, each on a project of its own."""
    if not options.wants("trimtab"):
        result.remarks.append("Only Trimtab keeps records.")
        return
    with native.stub() as port:
        for part in (kill_worker, kill_control, terminate, restart):
            options.tell(f"crash: {part.__name__}")
            part(port, options, result)


@contextlib.contextmanager
def project(name: str, port: int, workers: int = 1) -> Iterator[Gateway]:
    """A gateway on the stub with one task."""
    with gateway(f"crash-{name}", {STUB_MODEL: port}, {"bench": Task()}, workers=workers) as opened:
        yield opened


def body(chunks: int, pace_ms: int) -> Path:
    """A paced stream."""
    return native.chat_body("bench", size_bytes=1024, chunks=chunks, pace_us=pace_ms * 1000)


def count(opened: Gateway) -> stored.Stored:
    """Stop the project and count what telemetry holds."""
    children.stop(opened.supervisor, limit_s=120)
    return stored.read(opened.data)


def kill_worker(port: int, options: Options, result: Result) -> None:
    """SIGKILL of the only worker while all streams are open: each must have exactly one settled row."""
    streams = options.size(OPEN_STREAMS, 100)
    with project("worker", port) as opened:
        target = opened.target("bench")
        with native.start_load(target, body(120, 1000), connections=streams, requests=streams, ramp_ms=1000) as load:
            children.await_true(lambda: sockets(opened) >= SOCKETS_A_STREAM * streams, 60, "all streams open")
            time.sleep(UNDER_LOAD_S)
            opened.kill("gateway")
            seen = native.finish_load(load)
        found = count(opened)
    result.raw["kill_worker"] = {"load": seen, "outcomes": found.outcomes}
    what = f"SIGKILL of a worker with {streams:,} open streams"
    result.equal(f"{what}: streams the client saw broken", sum(seen["errors"].values()), streams)
    result.equal(f"{what}: settled rows", found.calls, streams)
    result.equal(f"{what}: rolled up", found.rolled_up, streams)


def sockets(opened: Gateway) -> int:
    """Sockets that the workers hold."""
    total = 0
    for pid in opened.pids("gateway"):
        for file in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(FileNotFoundError):
                total += str(file.readlink()).startswith("socket:")
    return total


def kill_control(port: int, options: Options, result: Result) -> None:
    """SIGKILL of control at random moments while calls go on: each call once in the base table and in the roll-up."""
    kills = options.size(CONTROL_KILLS, 3)
    chance = random.Random(options.seed)
    with project("control", port) as opened:
        with steady_load(opened) as load:
            for number in range(kills):
                time.sleep(chance.uniform(0.1, 1.5))
                killed = opened.kill("control")
                children.await_true(lambda: new_process(opened, "control", killed), RESTART_LIMIT_S, "control again")  # noqa: B023
                if (number + 1) % 20 == 0:
                    options.tell(f"killed control {number + 1} of {kills} times")
            seen = end_load(load)
        found = count(opened)
    result.raw["kill_control"] = {"load": seen, "outcomes": found.outcomes}
    what = f"SIGKILL of control {kills} times"
    result.equal(f"{what}: calls that failed", native.failures(seen), 0, n=seen["requests"])
    result.equal(f"{what}: calls missing in (or doubled by) the base table", found.calls - seen["answered"], 0)
    result.equal(f"{what}: calls missing in (or doubled by) the roll-up", found.rolled_up - seen["answered"], 0)


def terminate(port: int, options: Options, result: Result) -> None:
    """SIGTERM under load: every answer that a client got has its record."""
    with project("terminate", port) as opened:
        with steady_load(opened) as load:
            time.sleep(UNDER_LOAD_S)
            children.stop(opened.supervisor, limit_s=120)
            seen = end_load(load)
        found = count(opened)
    ok = seen["statuses"].get("200", 0)
    result.raw["terminate"] = {"load": seen, "outcomes": found.outcomes}
    result.equal("SIGTERM under load: answered calls without a record", max(0, ok - found.calls), 0, n=ok)
    result.equal("SIGTERM under load: answers broken off", seen["errors"]["cut"] + seen["errors"]["framing"], 0, n=ok)
    result.equal("SIGTERM under load: roll-up less base table", found.rolled_up - found.calls, 0)


def restart(port: int, options: Options, result: Result) -> None:
    """Rolling restarts of two workers while every call comes on a connection of its own: none may be reset."""
    restarts = options.size(RESTARTS, 3)
    with project("restart", port, workers=2) as opened:
        with steady_load(opened, connection_each=True) as load:
            for _ in range(restarts):
                before = opened.pids("gateway")
                opened.restart_workers()
                children.await_true(lambda: new_process(opened, "gateway", before), RESTART_LIMIT_S, "new workers")  # noqa: B023
            seen = end_load(load)
        found = count(opened)
    result.raw["restart"] = {"load": seen, "outcomes": found.outcomes}
    what = f"{restarts} rolling restarts"
    result.equal(f"{what}: connections refused or reset, answers broken", native.failures(seen), 0, n=seen["requests"])
    result.equal(f"{what}: calls missing in (or doubled by) the base table", found.calls - seen["answered"], 0)


@contextlib.contextmanager
def steady_load(opened: Gateway, *, connection_each: bool = False) -> Iterator[subprocess.Popen[str]]:
    """About 250 short streams a second until `end_load`."""
    options: dict[str, Any] = {"connections": 100, "requests": MORE_THAN_ENOUGH, "ramp_ms": 400, "limit_s": 3600}
    with native.start_load(opened.target("bench"), body(20, 20), connection_each=connection_each, **options) as load:
        yield load


def end_load(load: subprocess.Popen[str]) -> dict[str, Any]:
    """Let what is under way finish, and read the result."""
    load.terminate()
    return native.finish_load(load)


def new_process(opened: Gateway, role: str, before: list[int]) -> bool:
    """Whether a role is filled again, by none of the processes that filled it before."""
    now = opened.pids(role)
    return len(now) >= len(before) and not set(now) & set(before)
