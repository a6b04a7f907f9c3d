"""The console over a store in memory, behind a gate, without a socket."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import pytest

from tests.control.conftest import snapshot
from trimtab.access.keys import KeyDirectory, KeyStore, Role
from trimtab.access.sessions import SessionStore
from trimtab.console.alert_desk import AlertDesk
from trimtab.console.console import Console
from trimtab.console.endpoint import Endpoint, Visitor
from trimtab.console.evaluation_desk import EvaluationDesk
from trimtab.console.gate import Gate, KeyGate, OpenGate
from trimtab.console.history_desk import HistoryDesk, ToolDrift
from trimtab.console.label_desk import LabelDesk
from trimtab.console.letter_desk import LetterDesk, Redrives
from trimtab.console.live import Live
from trimtab.console.parts import Asker, Need, Parts, Standings, no_replicas
from trimtab.console.review_desk import ReviewDesk
from trimtab.console.run_desk import RunDesk
from trimtab.console.serving import on_network, serving
from trimtab.console.signin import signin_endpoints
from trimtab.console.site import ACTIONS, DOWNLOADS, PAGES
from trimtab.console.statics import statics
from trimtab.database.migrate import open_state
from trimtab.errors import StoreError
from trimtab.ids import IdSource
from trimtab.journal.dead_letters import Tally
from trimtab.journal.saved_views import SavedViews
from trimtab.policy.snapshot import Snapshot
from trimtab.processes.adoption_api import Adopting
from trimtab.signals.alerts.shown import AlertShown
from trimtab.store.memory import MemoryTelemetry
from trimtab.store.telemetry import Batch
from trimtab.testing import JumpingClock

T = TypeVar("T")
COOKIE = "trimtab_session"


@dataclass
class Held:
    """What the stores hold."""

    telemetry: MemoryTelemetry
    bodies: Any = None
    letters: Any = None


@dataclass
class AtOnce:
    """A desk that answers at once; `asked` counts questions, `down` makes them fail."""

    held: Held
    asked: int = 0
    down: bool = False

    async def ask(self, question: Callable[[Any], T]) -> T:
        self.asked += 1
        if self.down:
            raise StoreError(store="telemetry", detail="refused")
        return question(self.held)


@dataclass
class Scene:
    """The console and all it is made of."""

    clock: JumpingClock
    telemetry: MemoryTelemetry
    desk: AtOnce
    keys: KeyStore
    gate: KeyGate
    live: Live = field(default_factory=Live)
    policy: Snapshot = field(default_factory=snapshot)
    tallies: tuple[Tally, ...] = ()
    alerts: tuple[AlertShown, ...] = ()
    needs: tuple[Need, ...] = ()
    replicas: Callable[[], Awaitable[Standings]] = no_replicas
    views: SavedViews | None = None
    alert_desk: AlertDesk | None = None
    letters: LetterDesk | None = None
    found: Callable[[int, int], Awaitable[Sequence[AlertShown]]] | None = None
    """What gives alerts, where that is not `alerts`."""
    redrives: Redrives | None = None
    history: HistoryDesk | None = None
    evaluations: EvaluationDesk | None = None
    labels: LabelDesk | None = None
    reviews: ReviewDesk | None = None
    drifting: Sequence[ToolDrift] = ()
    runs: RunDesk | None = None
    judged: list[tuple[str, Any]] = field(default_factory=list)
    """The judgements that came, each with who sent it."""

    @property
    def parts(self) -> Parts:
        async def alerts(since_ns: int, until_ns: int) -> Sequence[AlertShown]:
            return self.alerts

        async def needs() -> Sequence[Need]:
            return self.needs

        async def take(visitor: Visitor, body: bytes) -> object:
            self.judged.append((visitor.name, json.loads(body)))
            return None

        return Parts(
            clock=self.clock,
            asker=Asker(self.desk, self.clock),
            policy=lambda: self.policy,
            dead=lambda: self.tallies,
            alerts=self.found or alerts,
            needs=needs,
            replicas=self.replicas,
            views=self.views,
            feedback=take,
            alert_desk=self.alert_desk,
            letters=self.letters,
            redrives=self.redrives,
            history=self.history,
            evaluations=self.evaluations,
            labels=self.labels,
            reviews=self.reviews,
            drifting=lambda: self.drifting,
            runs=self.runs,
            undeclared=Adopting(self.desk, lambda: self.policy),  # type: ignore[arg-type]  # asks at once
        )

    def app(self, gate: Gate | None = None, more: tuple[Endpoint, ...] = ()) -> Any:
        """The app for the network, with `more` routes."""
        chosen = gate or self.gate
        console = Console(PAGES, ACTIONS, self.parts, statics(), chosen, secure=False, downloads=DOWNLOADS)
        signing = signin_endpoints(console, chosen) if isinstance(chosen, KeyGate) else ()
        return serving(on_network((*more, *signing, *console.table())), chosen, shown=console.problem)

    @property
    def open(self) -> Any:
        """The app of the demo, where everybody is an admin."""
        return self.app(OpenGate())

    def put(self, *events: Any) -> None:
        """Stores events."""
        self.telemetry.insert(Batch.of(events), repr(events))

    def secret(self, role: Role = "viewer", *tasks: str) -> str:
        """A new key's secret."""
        return self.keys.new("ana", tasks, role)[1]

    def session(self, role: Role = "viewer", *tasks: str) -> str:
        """The cookie of a new session."""
        return f"{COOKIE}={self.gate.sign_in(self.keys.new('ana', tasks, role)[0])}"


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    clock = JumpingClock()
    path = tmp_path / "state.db"
    with contextlib.closing(open_state(path)) as state, contextlib.closing(KeyDirectory(path)) as finder:
        telemetry = MemoryTelemetry()
        keys = KeyStore(state, clock, IdSource(seed=1))
        gate = KeyGate(finder, SessionStore(state, clock), clock, COOKIE)
        yield Scene(clock, telemetry, AtOnce(Held(telemetry)), keys, gate, views=SavedViews(state))
