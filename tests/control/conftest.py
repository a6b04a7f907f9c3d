"""Control's apps over a store in memory, with keys in a real database."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from trimtab.access.keys import KeyDirectory, KeyStore, Role
from trimtab.access.sessions import SessionStore
from trimtab.console.gate import Gate, KeyGate, OpenGate
from trimtab.console.live import Live
from trimtab.console.parts import Asker, Parts
from trimtab.database.migrate import open_state
from trimtab.declare.project import Defaults, Gateway, Goal, Listen, Objective
from trimtab.errors import StoreError
from trimtab.gateway.board_view import BoardView, ReplicaView, WorkerView
from trimtab.ids import IdSource
from trimtab.journal.dead_letters import DeadLetters
from trimtab.policy.snapshot import Snapshot, TaskPolicy
from trimtab.processes.api import Sources, api_endpoints
from trimtab.processes.data_api import data_endpoints
from trimtab.processes.dead import Undertaker, burying
from trimtab.processes.dead_api import dead_endpoints
from trimtab.processes.desk import Desk, Stores
from trimtab.processes.metrics import Host, Metrics
from trimtab.processes.recorded import Recorded
from trimtab.processes.replicas import ReplicaSources
from trimtab.processes.replicas_api import replica_endpoints
from trimtab.processes.resend import Sent
from trimtab.processes.routes import Site, site
from trimtab.processes.signals_api import signal_endpoints
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


class FakeGateway:
    """Takes dead letters as the gateway would; `answers` are given in turn, `sent` is what came."""

    def __init__(self) -> None:
        self.answers: list[Sent | Exception] = []
        self.sent: list[tuple[str, dict[str, str], bytes]] = []
        self.may_answer = threading.Event()
        self.may_answer.set()

    def send(self, path: str, headers: dict[str, str], body: bytes) -> Sent:
        self.sent.append((path, headers, body))
        self.may_answer.wait(10)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


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
    spool: Path
    undertaker: Undertaker
    gateway: FakeGateway
    gate: KeyGate
    live: Live

    @property
    def tcp(self) -> Any:
        return self.site().network

    @property
    def open_tcp(self) -> Any:
        return self.site(OpenGate(), hosts=("localhost", "127.0.0.1")).network

    @property
    def socket(self) -> Any:
        return self.site().socket

    def site(self, gate: Gate | None = None, hosts: tuple[str, ...] = ()) -> Site:
        """All routes, behind a gate; the one for keys unless told otherwise."""
        sources = self.sources
        api = (
            *api_endpoints(sources),
            *dead_endpoints(self.undertaker, self.clock),
            *data_endpoints(sources.desk, self.clock),
            *signal_endpoints(sources.desk, self.clock, lambda: sources.snapshot().tasks, tuple),
            *replica_endpoints(sources.desk, self.clock, ReplicaSources(sources.snapshot, sources.board)),
        )
        parts = Parts(self.clock, Asker(sources.desk, self.clock), sources.snapshot, dead=lambda: self.desk.dead)
        return site(api, parts, gate or self.gate, self.live, hosts=hosts)

    def secret(self, *tasks: str, role: Role = "viewer") -> str:
        """A new key's secret."""
        return self.keys.new("dashboard", tasks, role)[1]

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
        letters = DeadLetters(open_state(tmp_path / "state.db"), most=100)
        keepers = (burying(letters, spool, lambda: ("route",)),)
        ingest = Ingest(spool, tmp_path / "ingest", telemetry, clock, keepers=keepers)
        return Stores(telemetry, ingest, Bodies(), letters=letters)

    spool = tmp_path / "spool"
    desk = Desk(stores, clock)
    stop, tried = asyncio.Event(), asyncio.Event()
    working = asyncio.create_task(desk.run(stop, tried.set))
    await asyncio.wait_for(tried.wait(), 60)
    recorded = Recorded()
    metrics = Metrics(recorded, Host(lambda: BOARD, lambda: (desk.lag, desk.state.up), lambda: desk.dead))
    gateway = FakeGateway()
    undertaker = Undertaker(desk, gateway.send)
    objective = Objective(goals=(Goal("ttft", 0.95, 0.8),), success=0.99)
    with contextlib.closing(KeyDirectory(tmp_path / "state.db")) as finder:
        sources = Sources(clock, "test", run, desk, metrics, lambda: snapshot(objective), lambda: BOARD, keys)
        with contextlib.closing(open_state(tmp_path / "state.db")) as state:
            gate = KeyGate(finder, SessionStore(state, clock), clock, "trimtab_session")
            live = Live()
            yield Scene(clock, telemetry, desk, keys, recorded, sources, run, spool, undertaker, gateway, gate, live)
    undertaker.close()
    stop.set()
    await asyncio.wait_for(working, 60)


@pytest.fixture
def closed_desk(clock: JumpingClock) -> Desk:
    """A desk whose telemetry has not been opened."""

    def refuse() -> Stores:
        raise StoreError(store="telemetry", detail="refused")

    return Desk(refuse, clock)
