"""Control over a store of the benchmark: `python -m bench.console.serving STORE DIRECTORY`.

Prints one line of JSON when it serves: its port and process. Whatever comes on standard input ends it. Its clock goes
on from seven minutes before the end of the day that was made, so that no range ends with a quarter of an hour.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from contextlib import closing
from pathlib import Path

from msgspec import structs

from bench.console.stored import ENDED_NS
from tests.browser.serving import free_port
from tests.console.saying import Bodies, chunked
from tests.console.seeding import policy
from trimtab.access.keys import KeyDirectory, KeyStore
from trimtab.access.sessions import SessionStore
from trimtab.database.migrate import open_state
from trimtab.declare.project import Listen
from trimtab.ids import IdSource
from trimtab.policy.snapshot import Snapshot
from trimtab.processes.control import ControlParts, ControlSettings, serve_control
from trimtab.processes.desk import Stores
from trimtab.processes.resend import Sent
from trimtab.store.clickhouse import open_embedded
from trimtab.store.ingest import Ingest, Observer
from trimtab.store.telemetry import Batch, Telemetry

BEFORE_END_NS = 7 * 60 * 10**9
LONG = "chunked"
"""The call with 10,000 chunks."""
TASKS = 50


class DayClock:
    """A clock that goes on from the end of the day that was made."""

    monotonic = staticmethod(time.monotonic)

    def __init__(self) -> None:
        self._began = time.monotonic()

    def wall_ns(self) -> int:
        """Nanoseconds since 1970-01-01 UTC."""
        return ENDED_NS - BEFORE_END_NS + int((time.monotonic() - self._began) * 1e9)


async def serve(path: Path, directory: Path) -> None:
    """Serves until something comes in."""
    clock, stop, port = DayClock(), asyncio.Event(), free_port()

    def open_stores(observer: Observer) -> Stores:
        telemetry = open_embedded(path)
        telemetry.migrate()
        bodies = with_long_call(telemetry)
        return Stores(telemetry, Ingest(directory / "spool", directory / "ingest", telemetry, clock), bodies)

    with closing(open_state(directory / "state.db")) as state, closing(KeyDirectory(directory / "state.db")) as finder:
        run = directory / "run"
        settings = ControlSettings(Listen("127.0.0.1", port), run / "control.sock", run, "bench", is_open=True)
        declared = declaration()
        parts = ControlParts(
            clock=clock,
            open_stores=open_stores,
            snapshot=lambda: declared,
            board=lambda: None,
            keys=KeyStore(state, clock, IdSource()),
            key_finder=finder,
            sessions=SessionStore(state, clock),
            send=lambda path, headers, body: Sent(False, 502, "", "nothing listens"),
        )
        ended = asyncio.ensure_future(asyncio.to_thread(sys.stdin.readline))
        ended.add_done_callback(lambda _: stop.set())
        told = json.dumps({"port": port, "pid": os.getpid()})
        await serve_control(settings, parts, stop, lambda: print(told, flush=True))


def with_long_call(telemetry: Telemetry) -> Bodies:
    """Puts the call with 10,000 chunks into the store unless it is there; its bodies."""
    bodies = Bodies()
    long = chunked(ENDED_NS - BEFORE_END_NS, bodies)
    if telemetry.call(LONG) is None:
        telemetry.insert(Batch.of([long]), LONG)
    return bodies


def declaration() -> Snapshot:
    """The policy in force: the fifty tasks that calls are of, with objectives."""
    made = policy()
    route = made.tasks["route"]
    names = [f"task-{number:02}" for number in range(TASKS)]
    return structs.replace(made, tasks={name: structs.replace(route, name=name) for name in names})


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1]), Path(sys.argv[2])))
