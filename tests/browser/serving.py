"""`python -m tests.browser.serving DIRECTORY`: a control over seeded telemetry, for a browser to look at.

Prints one line of JSON when it serves: its port and a key for each role. A line on its standard input puts another call
in, `stop` ends it.
"""

from __future__ import annotations

import asyncio
import json
import random
import socket
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

from tests.console.seeding import day, hostile, policy
from tests.store.samples import call
from trimtab.access.keys import ROLES, KeyDirectory, KeyStore
from trimtab.access.sessions import SessionStore
from trimtab.clock import SystemClock
from trimtab.database.migrate import open_state
from trimtab.declare.project import Listen
from trimtab.ids import IdSource
from trimtab.journal.dead_letters import DeadLetters
from trimtab.processes.control import ControlParts, ControlSettings, serve_control
from trimtab.processes.dead import burying
from trimtab.processes.desk import Stores
from trimtab.processes.resend import Sent
from trimtab.store.ingest import Ingest, Observer
from trimtab.store.memory import MemoryTelemetry
from trimtab.store.telemetry import Batch


async def serve(directory: Path) -> None:
    """Serves until `stop` comes in."""
    clock = SystemClock()
    telemetry, today = MemoryTelemetry(), day(clock.wall_ns())
    telemetry.insert(today, "day")
    telemetry.insert(Batch.of(hostile(clock.wall_ns())), "hostile")
    spool = directory / "spool"
    port = free_port()
    observers: list[Observer] = []

    def open_stores(observer: Observer) -> Stores:
        observers.append(observer)
        letters = DeadLetters(open_state(directory / "state.db"), most=100)
        letters.take("seed", [one for one in today.calls if one.outcome != "ok"][:20], ("extract",), [])
        keepers = (burying(letters, spool, lambda: ("extract",)),)
        ingest = Ingest(spool, directory / "ingest", telemetry, clock, keepers=keepers)
        return Stores(telemetry, ingest, letters=letters)

    with closing(open_state(directory / "state.db")) as state, closing(KeyDirectory(directory / "state.db")) as finder:
        keys = KeyStore(state, clock, IdSource())
        secrets = {role: keys.new(role, (), role)[1] for role in ROLES}
        secrets["narrow"] = keys.new("narrow", ("route",), "viewer")[1]
        settings = ControlSettings(
            Listen("127.0.0.1", port), directory / "run" / "control.sock", directory / "run", "test", is_open=False
        )
        parts = ControlParts(
            clock=clock,
            open_stores=open_stores,
            snapshot=policy,
            board=lambda: None,
            keys=keys,
            key_finder=finder,
            sessions=SessionStore(state, clock),
            send=lambda path, headers, body: Sent(False, 502, "", "nothing listens"),
        )
        stop = asyncio.Event()

        def ready() -> None:
            print(json.dumps({"port": port, "keys": secrets}), flush=True)

        obeying = asyncio.ensure_future(obey(telemetry, observers, stop))
        await serve_control(settings, parts, stop, ready)
        obeying.cancel()


async def obey(telemetry: Any, observers: list[Observer], stop: asyncio.Event) -> None:
    """Does what the lines of standard input say."""
    while not stop.is_set():
        line = await asyncio.to_thread(sys.stdin.readline)
        if line.strip() in ("", "stop"):
            stop.set()
            return
        made = call(f"new-{random.random()}", SystemClock.wall_ns(), task=line.strip())
        batch = Batch.of([made])
        telemetry.insert(batch, made.admitted.call)
        for observer in observers:
            observer(batch)


def free_port() -> int:
    """A port that is free at the moment."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        port: int = found.getsockname()[1]
        return port


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1])))
