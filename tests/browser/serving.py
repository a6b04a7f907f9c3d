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
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from tests.browser import engines
from tests.console import agents, alarms, evaluated
from tests.console.past import project
from tests.console.saying import Bodies, chunked, talk
from tests.console.seeding import day, hostile, labels
from tests.console.straying import stray, straying
from tests.store.samples import call
from trimtab.access.keys import ROLES, KeyDirectory, KeyStore
from trimtab.access.sessions import SessionStore
from trimtab.clock import Clock, SystemClock
from trimtab.database.migrate import open_state
from trimtab.declare.project import Listen
from trimtab.ids import IdSource
from trimtab.journal.dead_letters import DeadLetters
from trimtab.journal.saved_views import SavedViews
from trimtab.policy.watch import Watch
from trimtab.processes.alert_api import alert_endpoints
from trimtab.processes.alert_pages import AlertPages
from trimtab.processes.contents import ContentReader
from trimtab.processes.control import ControlParts, ControlSettings, serve_control
from trimtab.processes.dead import burying
from trimtab.processes.desk import Chore, Desk, Stores
from trimtab.processes.evaluation_pages import EvaluationPages
from trimtab.processes.feedback import Judging
from trimtab.processes.feedback_api import FeedbackParts, Taking
from trimtab.processes.pages import shown_alerts
from trimtab.processes.project_history import ProjectHistory
from trimtab.processes.resend import Sent
from trimtab.processes.review_book import ReviewBook
from trimtab.record.events import Event
from trimtab.store.ingest import Ingest, Observer
from trimtab.store.memory import MemoryTelemetry
from trimtab.store.telemetry import Batch


async def serve(directory: Path, clock: Clock | None = None, *, is_hostile: bool = True) -> None:
    """Serves until `stop` comes in. `is_hostile` says whether somebody sends texts that mean harm and chunks by the
    thousand; if not, what is told agrees with what is drawn, for pictures.
    """
    clock = clock or SystemClock()
    telemetry, today = MemoryTelemetry(), day(clock.wall_ns())
    telemetry.insert(today, "day")
    bodies = Bodies()
    if is_hostile:
        telemetry.insert(Batch.of(hostile(clock.wall_ns())), "hostile")
        telemetry.insert(Batch.of([chunked(clock.wall_ns() - 3 * 10**11, bodies)]), "chunked")
    telemetry.insert(Batch.of(labels(clock.wall_ns())), "labels")
    telemetry.insert(talk(clock.wall_ns(), bodies), "talk")
    telemetry.insert(Batch.of(stray(clock.wall_ns(), bodies)), "stray")
    if not is_hostile:
        telemetry.insert_engine_samples(tuple(engines.samples(clock.wall_ns())))
    evaluated.evaluations(directory, clock.wall_ns(), is_hostile=is_hostile)
    evaluated.cases_file(directory / "suites")
    spool = directory / "spool"
    port = free_port()
    observers: list[Observer] = []
    at_work, outbox = alarms.alarms(directory, alarms.watched(directory / "project"), clock)

    def open_stores(observer: Observer) -> Stores:
        observers.append(observer)
        letters = DeadLetters(open_state(directory / "state.db"), most=100)
        letters.take("seed", [one for one in today.calls if one.outcome != "ok"][:20], ("extract",), [])
        if is_hostile:
            letters.take("hostile", alarms.hostile_letters(clock.wall_ns(), bodies.keep), ("extract",), [])
        keepers = (burying(letters, spool, lambda: ("extract",)),)
        ingest = Ingest(spool, directory / "ingest", telemetry, clock, keepers=keepers)
        judging = Judging(ContentReader(bodies, straying), Watch)
        counting = Chore("count", 1.0, letters.refresh)
        return Stores(telemetry, ingest, bodies, (counting,), letters=letters, judging=judging)

    def put(*events: Event) -> None:
        batch = Batch.of(events)
        telemetry.insert(batch, repr(events))
        for observer in observers:
            observer(batch)

    with closing(open_state(directory / "state.db")) as state, closing(KeyDirectory(directory / "state.db")) as finder:
        keys = KeyStore(state, clock, IdSource())
        secrets = {role: keys.new(role, (), role)[1] for role in ROLES}
        secrets["narrow"] = keys.new("narrow", ("route",), "viewer")[1]
        settings = ControlSettings(
            Listen("127.0.0.1", port), directory / "run" / "control.sock", directory / "run", "test", is_open=False
        )
        stop = asyncio.Event()

        async def ready(desk: Desk) -> None:
            await alarms.learned(at_work, desk)
            now_ns = clock.wall_ns()
            more = (alarms.hostile_alert(now_ns),) if is_hostile else ()
            but = () if is_hostile else (alarms.SLOW,)
            await alarms.seed(at_work, outbox, now_ns, alarms.failing(today), more, but)
            print(json.dumps({"port": port, "keys": secrets}), flush=True)

        runs = agents.room(directory / "journal.db", clock, steps=400)
        parts = ControlParts(
            clock=clock,
            open_stores=open_stores,
            snapshot=straying,
            board=lambda: None,
            keys=keys,
            key_finder=finder,
            sessions=SessionStore(state, clock),
            send=lambda path, headers, body: Sent(False, 502, "", "nothing listens"),
            feedback=lambda desk: Taking(desk, clock, FeedbackParts(Recorder(put), bodies, IdSource())),
            views=SavedViews(state),
            alerts=shown_alerts(at_work),
            alert_pages=AlertPages(at_work, outbox),
            desk_works=(ready,),
            desk_rows=(lambda desk: alert_endpoints(at_work, clock),),
            engines=lambda: () if is_hostile else (engines.view(clock.wall_ns()),),
            history=ProjectHistory(project(directory / "past"), directory / "run", clock),
            evaluations=EvaluationPages(directory, directory / "suites"),
            labels=evaluated.labels(state, directory, clock),
            runs=runs,
            reviews=ReviewBook(runs, lambda task: {}, lambda: "", clock),
        )
        obeying = asyncio.ensure_future(obey(put, stop))
        await serve_control(settings, parts, stop, lambda: None)
        obeying.cancel()


@dataclass(frozen=True)
class Recorder:
    """Puts events at once into the store they would come to."""

    put: Callable[..., None]

    def record(self, *events: Event) -> None:
        self.put(*events)


async def obey(put: Callable[..., None], stop: asyncio.Event) -> None:
    """Does what the lines of standard input say."""
    while not stop.is_set():
        line = await asyncio.to_thread(sys.stdin.readline)
        if line.strip() in ("", "stop"):
            stop.set()
            return
        put(call(f"new-{random.random()}", SystemClock.wall_ns(), task=line.strip()))


def free_port() -> int:
    """A port that is free at the moment."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        port: int = found.getsockname()[1]
        return port


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1])))
