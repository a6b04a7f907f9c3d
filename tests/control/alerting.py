"""Alerts on laid-down traffic: a watch with its desk and database, on a clock that jumps."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from trimtab.database.migrate import open_state
from trimtab.declare.load import load
from trimtab.ids import IdSource
from trimtab.journal.alerts import AlertsAsked, AlertStore
from trimtab.journal.outbox import Letter, Outbox
from trimtab.policy.watch import Watch, watch_of
from trimtab.processes.alert_sight import Sight
from trimtab.processes.alert_watch import AlertWatch
from trimtab.processes.desk import Desk, Stores
from trimtab.processes.tool_shapes import ToolShapes
from trimtab.signals.alerts.shown import AlertShown
from trimtab.store.ingest import Ingest
from trimtab.store.telemetry import Telemetry
from trimtab.testing.clock import JumpingClock

MODEL = '[models.small]\nmodel = "m"\nreplicas = ["http://127.0.0.1:9000"]\n'
ONCALL = '[receivers.oncall]\nkind = "webhook"\nurl = "https://hooks.example.com/a"\n[alerts]\nreceivers = ["oncall"]\n'


def declared(root: Path, toml: str = MODEL + ONCALL, **tasks: str) -> Watch:
    """What is watched in a project of these files."""
    root.mkdir(parents=True, exist_ok=True)
    (root / "trimtab.toml").write_text(toml)
    for name, text in tasks.items():
        (root / "tasks" / name).mkdir(parents=True, exist_ok=True)
        (root / "tasks" / name / "task.toml").write_text(text)
    return watch_of(load(root))


@dataclass
class Alerts:
    """A watch at work, and what it needs."""

    clock: JumpingClock
    desk: Desk
    state: Path
    watch: Watch
    ids: IdSource
    sight: Sight
    at_work: AlertWatch

    async def minutes(self, count: int, at_once: int = 1) -> None:
        """Lets minutes pass, and looks after each, or after each few."""
        for _ in range(count // at_once):
            self.clock.advance(60.0 * at_once)
            while await self.at_work.round(self.desk):
                pass

    async def take_in(self) -> None:
        """Ingests all that lies in the spool."""
        while await self.desk.ask(lambda stores: stores.ingest.step()):
            pass

    def restart(self) -> None:
        """Another process takes over, as after a kill: nothing is said to the one before."""
        self.at_work = AlertWatch(
            lambda: AlertStore(open_state(self.state)), lambda: self.watch, self.sight, self.clock, self.ids
        )

    async def list(self, **asked: Any) -> tuple[AlertShown, ...]:
        """The alerts asked for, newest first."""
        wanted = AlertsAsked(**{"limit": 1000, **asked})
        return await self.at_work.ask(lambda book, watch, now_ns: book.list(wanted, watch, now_ns))

    def outbox(self) -> tuple[Letter, ...]:
        """Everything that waits to be delivered, the oldest first."""
        with contextlib.closing(open_state(self.state)) as connection:
            return Outbox(connection).due(2**62, 1000)


@contextlib.asynccontextmanager
async def alerting(
    folder: Path,
    telemetry: object,
    watch: Watch,
    clock: JumpingClock,
    sight: Sight | None = None,
    learning: Callable[[], ToolShapes] | None = None,
) -> AsyncIterator[Alerts]:
    """A watch over laid-down telemetry; `learning` opens what learns of tools from the records in its spool."""
    (folder / "spool").mkdir(parents=True, exist_ok=True)
    stored = cast(Telemetry, telemetry)

    def stores() -> Stores:
        shapes = learning() if learning is not None else None
        keepers = (shapes.keep,) if shapes is not None else ()
        ingest = Ingest(folder / "spool", folder / "ingest", stored, clock, keepers=keepers)
        return Stores(stored, ingest, shapes=shapes)

    desk = Desk(stores, clock)
    stop, tried = asyncio.Event(), asyncio.Event()
    working = asyncio.create_task(desk.run(stop, tried.set))
    await asyncio.wait_for(tried.wait(), 60)
    sight = sight or Sight()
    state = folder / "state.db"
    ids = IdSource(seed=1)
    at_work = AlertWatch(lambda: AlertStore(open_state(state)), lambda: watch, sight, clock, ids)
    made = Alerts(clock, desk, state, watch, ids, sight, at_work)
    made.restart()
    yield made
    stop.set()
    await asyncio.wait_for(working, 60)
