"""Keeper as a process of its own over a folder: `python -m bench.journaled.keeping FOLDER`, until SIGTERM."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from bench import children, machine
from trimtab.assemble.keeper import GC_THRESHOLD, SWITCH_S
from trimtab.clock import SystemClock
from trimtab.journal.keeper import Keeper
from trimtab.journal.runs.bodies import PackedBodies
from trimtab.journal.runs.database import open_runs
from trimtab.journal.runs.store import RunStore
from trimtab.record.disk import Disk
from trimtab.record.index import BodyIndex
from trimtab.record.log import RollingLog
from trimtab.record.packs import PACK

SOCKET = "keeper.sock"


def store_in(folder: Path) -> RunStore:
    """The journal of a folder, as keeper opens it."""
    clock = SystemClock()
    packs = RollingLog(folder / "bodies" / "k0-1", PACK, clock, Disk(), max_bytes=1 << 26, max_age_s=3600.0)
    return RunStore(open_runs(folder / "journal.db"), PackedBodies(packs, BodyIndex(folder / "bodies")), clock)


@contextlib.contextmanager
def keeper(folder: Path) -> Iterator[Path]:
    """A keeper while the block lasts; gives its socket."""
    path = folder / SOCKET
    children.LOGS.mkdir(parents=True, exist_ok=True)
    with (children.LOGS / "keeper.log").open("wb") as log, machine.on_core(machine.cores().serving):
        command = [sys.executable, "-m", "bench.journaled.keeping", str(folder)]
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
    try:
        children.await_true(path.exists, 60, f"keeper listening (see {log.name})")
        yield path
    finally:
        children.stop(child)


async def serve(folder: Path) -> None:
    """Answers until it is told to end."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(folder / SOCKET))
    listener.listen(64)
    keeping = Keeper(store_in(folder), SystemClock())
    await keeping.start(listener)
    await stop.wait()
    await keeping.stop()


if __name__ == "__main__":
    gc.set_threshold(*GC_THRESHOLD)
    sys.setswitchinterval(SWITCH_S)
    asyncio.run(serve(Path(sys.argv[1])))
