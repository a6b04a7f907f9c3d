"""Control's apps over a store in memory, with keys in a real database."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from trimtab.access.keys import KeyDirectory, KeyStore
from trimtab.database.migrate import open_state
from trimtab.declare.project import Defaults, Gateway, Goal, Listen, Objective
from trimtab.errors import StoreError
from trimtab.gateway.board_view import BoardView, ReplicaView, WorkerView
from trimtab.ids import IdSource
from trimtab.policy.snapshot import Snapshot, TaskPolicy
from trimtab.processes.api import Sources, socket_app, tcp_app
from trimtab.processes.desk import Desk, Stores
from trimtab.processes.metrics import Metrics, Recorded
from trimtab.store.ingest import Ingest
from trimtab.store.memory import MemoryTelemetry
from trimtab.store.telemetry import Batch
from trimtab.testing import JumpingClock

BOARD = BoardView(
    workers=(WorkerView(0, 0, 41, "g0-a", 0.1, 3, 5, False), WorkerView(1, 0, 42, "g0-b", 0.1, 1, 2, True)),
    replicas=(ReplicaView("small", "http://127.0.0.1:9", "open", 4, 900, 5, 5, 9, 2, 1.5, False),),
)


def snapshot(objective: Objective = Objective()) -> Snapshot:  # noqa: B008 - frozen
    """A snapshot with the task `route`."""
    defaults = Defaults()
    route = TaskPolicy(
        name="route",
        owner="support",
        task_class="interactive",
        models=("small",),
        sampling=None,  # type: ignore[arg-type]
        deadline=defaults.deadline,
        objective=objective,
        retry=defaults.retry,
        redaction="full",
        prompt=None,
    )
    gateway = Gateway(Listen("127.0.0.1", 8400), workers=1)
    return Snapshot("d" * 64, "test", "", gateway, defaults, {}, {}, {}, {"route": route}, {}, {}, keys_required=True)


class Bodies:
    """Bodies by digest."""

    def read(self, digest: str) -> bytes | None:
        return {"req": b'{"messages": []}', "res": b"answer \xff"}.get(digest)


@dataclass
class Scene:
    """All that control's apps are made of."""

    clock: JumpingClock
    telemetry: MemoryTelemetry
    desk: Desk
    keys: KeyStore
    recorded: Recorded
    sources: Sources
    run: Path

    @property
    def tcp(self) -> Any:
        return tcp_app(self.sources, is_open=False, hosts=("localhost",))

    @property
    def open_tcp(self) -> Any:
        return tcp_app(self.sources, is_open=True, hosts=("localhost", "127.0.0.1"))

    @property
    def socket(self) -> Any:
        return socket_app(self.sources)

    def secret(self, *tasks: str) -> str:
        """A new key's secret."""
        return self.keys.new("dashboard", tasks)[1]

    def put(self, *events: Any) -> None:
        """Stores events as if they had come through the spool."""
        batch = Batch.of(events)
        self.telemetry.insert(batch, repr(events))
        self.recorded.observe(batch)


@pytest.fixture
def clock() -> JumpingClock:
    return JumpingClock()


@pytest.fixture
def keys(tmp_path: Path, clock: JumpingClock) -> Iterator[KeyStore]:
    with contextlib.closing(open_state(tmp_path / "state.db")) as connection:
        yield KeyStore(connection, clock, IdSource(seed=1))


@pytest.fixture
async def scene(tmp_path: Path, clock: JumpingClock, keys: KeyStore) -> AsyncIterator[Scene]:
    """Control with its stores open; it ingests from an empty spool."""
    telemetry = MemoryTelemetry()
    run = tmp_path / "run"
    run.mkdir()

    def stores() -> Stores:
        return Stores(telemetry, Ingest(tmp_path / "spool", tmp_path / "ingest", telemetry, clock), Bodies())

    desk = Desk(stores, clock)
    stop, tried = asyncio.Event(), asyncio.Event()
    working = asyncio.create_task(desk.run(stop, tried.set))
    await asyncio.wait_for(tried.wait(), 10)
    recorded = Recorded()
    metrics = Metrics(recorded, lambda: BOARD, lambda: (desk.lag, desk.state.up))
    objective = Objective(goals=(Goal("ttft", 0.95, 0.8),), success=0.99)
    with contextlib.closing(KeyDirectory(tmp_path / "state.db")) as finder:
        sources = Sources(clock, "test", run, desk, metrics, lambda: snapshot(objective), lambda: BOARD, keys, finder)
        yield Scene(clock, telemetry, desk, keys, recorded, sources, run)
    stop.set()
    await asyncio.wait_for(working, 10)


@pytest.fixture
def closed_desk(clock: JumpingClock) -> Desk:
    """A desk whose telemetry has not been opened."""

    def refuse() -> Stores:
        raise StoreError(store="telemetry", detail="refused")

    return Desk(refuse, clock)
