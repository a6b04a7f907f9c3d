"""Telemetry that is down and a disk that is full, under load: what was taken in is lost nowhere, the rest is refused.

Telemetry is a server of its own here (chDB behind ClickHouse's HTTP interface), so that it can go away while control
stays. The full disk is a small file system in memory that holds the project's data directory and nothing else; for want
of the right to mount one, that part is left out and says so.
"""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from bench import children, machine, native, stored
from bench.arm import STUB_MODEL
from bench.gateway import FOLDER, Data, Gateway, Task, gateway
from bench.options import Options
from bench.report import Result
from bench.suites.crash import body, end_load, steady_load

DOWN_S = 60
AROUND_S = 5
DISK = "64m"
RESERVE = 'reserve = "4MiB"'
ROOT = Path(__file__).resolve().parents[2]
BLOCK = bytes(64 << 10)


def run(options: Options, result: Result) -> None:
    """Both outages, each on a project of its own."""
    if not options.wants("trimtab"):
        result.remarks.append("Only Trimtab keeps records.")
        return
    with native.stub() as port:
        options.tell("outage: telemetry")
        telemetry_down(port, options, result)
        options.tell("outage: disk")
        full_disk(port, options, result)


@contextlib.contextmanager
def telemetry(folder: Path, port: int) -> Iterator[str]:
    """A telemetry server on `port` with what it holds in `folder`; gives its URL."""
    command = [sys.executable, "-m", "tests.store.clickhouse_http", folder, port]
    with children.running(command, "telemetry", machine.cores().load, port, cwd=ROOT):
        yield f"http://127.0.0.1:{port}/trimtab"


def emptied(name: str) -> Path:
    """A new folder for what an outage needs outside its project."""
    folder = FOLDER / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def telemetry_down(port: int, options: Options, result: Result) -> None:
    """The server goes away for a minute: no call notices, and all of them are stored once it is back."""
    down_s, store, place = options.size(DOWN_S, 3), emptied("outage-store"), children.free_port()
    with contextlib.ExitStack() as up:
        url = up.enter_context(telemetry(store, place))
        data = Data(settings=f'telemetry = "{url}"')
        with gateway("outage-telemetry", {STUB_MODEL: port}, {"bench": Task()}, data=data) as opened:
            with steady_load(opened) as load:
                time.sleep(AROUND_S)
                up.close()
                time.sleep(down_s)
                waiting = int(opened.status()["telemetry"]["lag_bytes"])
                up.enter_context(telemetry(store, place))
                time.sleep(AROUND_S)
                seen = end_load(load)
            opened.settle()
            children.stop(opened.supervisor, limit_s=120)
        found = stored.read(url)
    result.raw["telemetry"] = {"load": seen, "waiting_bytes": waiting, "outcomes": found.outcomes}
    what = f"telemetry down for {down_s} s"
    result.tell_value(f"{what}: records that waited in the spool", waiting / 1e6, "MB")
    result.equal(f"{what}: calls that failed", native.failures(seen), 0, n=seen["requests"])
    result.equal(f"{what}: calls missing in (or doubled by) the base table", found.calls - seen["answered"], 0)
    result.equal(f"{what}: calls missing in (or doubled by) the roll-up", found.rolled_up - seen["answered"], 0)


@contextlib.contextmanager
def small_disk(folder: Path) -> Iterator[bool]:
    """A file system of DISK at `folder` until the block ends; whether there is one."""
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", str(folder)]
    mounted = subprocess.run(mount, check=False, capture_output=True).returncode == 0
    try:
        yield mounted
    finally:
        if mounted:
            subprocess.run(["umount", "--lazy", str(folder)], check=False)


def full_disk(port: int, options: Options, result: Result) -> None:
    """The disk fills up under load and is emptied again: calls get 200 or `storage_full`, and each 200 is recorded."""
    disk, store, place = emptied("outage-small"), emptied("outage-small-store"), children.free_port()
    with small_disk(disk) as mounted, telemetry(store, place) as url:
        if not mounted:
            result.remarks.append("No file system could be mounted here, so none was filled.")
            return
        data = Data(str(disk / "data"), f'telemetry = "{url}"\n{RESERVE}')
        with gateway("outage-disk", {STUB_MODEL: port}, {"bench": Task()}, data=data) as opened:
            with steady_load(opened) as load:
                time.sleep(AROUND_S)
                filler = fill(disk)
                time.sleep(options.size(AROUND_S, 3))
                filler.unlink()
                time.sleep(AROUND_S)
                seen = end_load(load)
            again = call_on(opened)
            opened.settle()
            children.stop(opened.supervisor, limit_s=120)
        found = stored.read(url)
    result.raw["disk"] = {"load": seen, "again": again, "outcomes": found.outcomes}
    ok, refused = (seen["statuses"].get(status, 0) for status in ("200", "503"))
    result.tell_value("disk full: calls refused with 503 storage_full", refused)
    result.equal("disk full: calls that ended otherwise than answered or refused", seen["answered"] - ok - refused, 0)
    result.equal("disk full: answers broken off", sum(seen["errors"].values()), 0, n=ok)
    result.equal(
        "disk full: calls that failed once there was room again", native.failures(again), 0, n=again["requests"]
    )
    result.equal("disk full: answered calls without a record, or with two", found.calls - ok - again["answered"], 0)


def fill(disk: Path) -> Path:
    """Fills the file system to its last byte; gives the file that does."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(BLOCK)
    return filler


def call_on(opened: Gateway) -> dict[str, object]:
    """Some calls after the outage."""
    return native.load(opened.target("bench"), body(20, 20), connections=100, requests=1000)
