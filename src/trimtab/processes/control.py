"""Control: owns telemetry and nothing on a call's path.

It must be a process of its own that was spawned and forks no more: chDB does not survive a fork.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp

from trimtab.clock import Clock
from trimtab.console.endpoint import Endpoint
from trimtab.console.evaluation_desk import EvaluationDesk
from trimtab.console.gate import KeyFinder, KeyGate, OpenGate, Sessions
from trimtab.console.history_desk import HistoryDesk
from trimtab.console.letter_desk import Redrives
from trimtab.console.live import Live
from trimtab.console.parts import Asker, Parts, Standings, Views, no_alerts
from trimtab.declare.project import Listen
from trimtab.errors import CannotListen, StoreError
from trimtab.gateway.board_view import BoardView
from trimtab.policy.snapshot import Snapshot
from trimtab.policy.watch import Watch
from trimtab.processes import roster
from trimtab.processes.adoption_api import Adopting, adoption_endpoints
from trimtab.processes.alert_pages import AlertPages
from trimtab.processes.api import KeyKeeper, Sources, api_endpoints
from trimtab.processes.data_api import data_endpoints
from trimtab.processes.dead import Undertaker
from trimtab.processes.dead_api import dead_endpoints
from trimtab.processes.desk import Desk, Stores
from trimtab.processes.feedback_api import Taking
from trimtab.processes.gauges import gauges
from trimtab.processes.identity import Figures
from trimtab.processes.keeper_watch import KeeperView, no_keeper
from trimtab.processes.label_api import label_endpoints
from trimtab.processes.label_book import LabelBook
from trimtab.processes.listeners import open_unix_listener
from trimtab.processes.logs import event
from trimtab.processes.metrics import Host, Metrics, Watched
from trimtab.processes.pages import ShownAlerts
from trimtab.processes.patience import HEAD_BYTES, PatientHttp
from trimtab.processes.recorded import Recorded
from trimtab.processes.replicas import ReplicaSources
from trimtab.processes.replicas_api import read_replicas, replica_endpoints
from trimtab.processes.resend import Send
from trimtab.processes.review_api import review_endpoints
from trimtab.processes.review_book import ReviewBook
from trimtab.processes.rollout_api import rollout_endpoints
from trimtab.processes.rollout_desk import RolloutDesk, RolloutShown
from trimtab.processes.roster import Member
from trimtab.processes.routes import Site, site
from trimtab.processes.run_api import run_endpoints
from trimtab.processes.run_room import RunRoom
from trimtab.processes.signals_api import signal_endpoints
from trimtab.processes.status import lock_differences
from trimtab.processes.tool_shapes import Drifting
from trimtab.signals.engine.view import EngineView
from trimtab.signals.figure import Gauge
from trimtab.store.ingest import Observer
from trimtab.store.telemetry import Batch

LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
BACKLOG = 128
MAX_CONNECTIONS = 256
"""Open on one listener; a request over them is answered 503."""
AGAIN_S = 60.0

log = logging.getLogger("trimtab.control")


@dataclass(frozen=True)
class ControlSettings:
    """What control must know of the declaration; the rest it takes from the snapshot in force.

    `is_open` lets TCP in without a key: only where the gateway does too, and on loopback.
    """

    listen: Listen
    socket: Path
    run: Path
    environment: str
    is_open: bool


class Listener(uvicorn.Server):
    """A server that leaves signals to the process it runs in."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Nothing is captured."""
        yield


@dataclass(frozen=True)
class ControlParts:
    """What control works with.

    `open_stores` is called in the thread that will use them, again and again while it raises `StoreError`; it makes
    the `Ingest` with the observer it is given. `snapshot` gives the one in force, `board` None before there is one,
    `send` sends dead letters through the gateway. `works` go on beside it all and are cancelled at the stop;
    `desk_works` do too, and ask telemetry. `identity` tells what one of them found of models, `tools` what another
    found of tools, `engines` what replicas say of themselves, `watched` how alerts and budgets stand; `watch` is what
    is declared of alerts, receivers, completion and scraping, and raises `StoreError` while that cannot be read;
    `alerts` gives those that are active, or were found in a range, `alert_pages` is what their pages work with.
    `feedback` makes what takes judgements in, `views` keeps filters that somebody named,
    `history` tells the project's past, `evaluations` what its suites came to, `labels` what people label, `rollouts`
    watches a candidate that is served beside what is in force, `keeper` tells how the journal of runs is doing, `runs`
    is that journal, `reviews` what waits in it for persons.
    """

    clock: Clock
    open_stores: Callable[[Observer], Stores]
    snapshot: Callable[[], Snapshot]
    board: Callable[[], BoardView | None]
    keys: KeyKeeper
    key_finder: KeyFinder
    sessions: Sessions
    send: Send
    works: Sequence[Callable[[], Coroutine[object, object, None]]] = ()
    desk_works: Sequence[Callable[[Desk], Coroutine[object, object, None]]] = ()
    identity: Callable[[], Figures] = Figures
    tools: Callable[[], Sequence[Drifting]] = tuple
    engines: Callable[[], Sequence[EngineView]] = tuple
    watched: Callable[[], Watched] = Watched
    watch: Callable[[], Watch] = Watch
    desk_rows: Sequence[Callable[[Desk], tuple[Endpoint, ...]]] = ()
    alerts: ShownAlerts = no_alerts
    alert_pages: AlertPages | None = None
    feedback: Callable[[Desk], Taking] | None = None
    views: Views | None = None
    history: HistoryDesk | None = None
    evaluations: EvaluationDesk | None = None
    labels: LabelBook | None = None
    rollouts: RolloutDesk | None = None
    keeper: Callable[[], KeeperView | None] = no_keeper
    runs: RunRoom | None = None
    reviews: ReviewBook | None = None

    def rollout(self) -> RolloutShown | None:
        """The latest rollout."""
        return self.rollouts.shown if self.rollouts is not None else None

    def kept_endpoints(self) -> tuple[Endpoint, ...]:
        """The routes of labels, runs, reviews and rollouts."""
        return (
            *(label_endpoints(self.labels) if self.labels is not None else ()),
            *(run_endpoints(self.runs, self.clock) if self.runs is not None else ()),
            *(review_endpoints(self.reviews) if self.reviews is not None else ()),
            *self.rollout_endpoints(),
        )

    def rollout_endpoints(self) -> tuple[Endpoint, ...]:
        """The routes of rollouts."""
        return rollout_endpoints(self.rollouts) if self.rollouts is not None else ()

    def observe(self, batch: Batch) -> None:
        """What was ingested, for whoever watches it."""
        if self.rollouts is not None:
            self.rollouts.observe(batch)


async def serve_control(
    settings: ControlSettings, parts: ControlParts, stop: asyncio.Event, ready: Callable[[], None]
) -> None:
    """Serves until `stop`; then lets requests end, ingests what the spool still holds, and closes the stores.

    `ready` is called once control listens and has tried to open telemetry. Raises `CannotListen`.
    """
    recorded = Recorded(lambda: parts.snapshot().tasks)
    live = Live()

    def observe(batch: Batch) -> None:
        recorded.observe(batch)
        parts.observe(batch)
        live.changed()

    desk = Desk(lambda: parts.open_stores(observe), parts.clock)
    metrics = Metrics(recorded, _host(settings, parts, desk))
    again = parts.alert_pages.again if parts.alert_pages is not None else None
    undertaker = Undertaker(desk, parts.send, again)
    redrives = Redrives(undertaker, parts.clock, live.changed)
    taking = parts.feedback(desk) if parts.feedback is not None else None
    further = [row for rows in parts.desk_rows for row in rows(desk)]
    further += taking.endpoints() if taking is not None else ()

    def said() -> tuple[Gauge, ...]:
        return gauges(desk.dead, parts.board(), parts.identity(), desk.lag, parts.engines())

    own = (
        *dead_endpoints(undertaker, parts.clock),
        *data_endpoints(desk, parts.clock),
        *signal_endpoints(desk, parts.clock, lambda: parts.snapshot().tasks, said),
        *replica_endpoints(desk, parts.clock, _replica_sources(parts)),
        *adoption_endpoints(Adopting(desk, parts.snapshot), parts.clock),
        *parts.kept_endpoints(),
    )
    api = (*api_endpoints(_sources(settings, parts, desk, metrics)), *own, *further)
    shown = replace(_pages(parts, desk, said, taking), letters=undertaker, redrives=redrives)
    served = _site(settings, parts, live, api, shown)
    with _tcp(settings.listen) as tcp, _unix(settings.socket) as unix:
        servers = [(_listener(served.network, settings.listen), tcp), (_listener(served.socket), unix)]
        tried = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            for server, sock in servers:
                group.create_task(server.serve(sockets=[sock]))
            group.create_task(desk.run(stop, tried.set))
            await tried.wait()
            event(log, logging.INFO, "ready", host=settings.listen.host, port=tcp.getsockname()[1])
            works = [group.create_task(kept_up(work)) for work in (*parts.works, live.run)]
            works += [group.create_task(kept_up(partial(work, desk))) for work in parts.desk_works]
            ready()
            await stop.wait()
            for work in works:
                work.cancel()
            live.close()
            redrives.close()
            undertaker.close()
            for server, _ in servers:
                server.should_exit = True


async def kept_up(work: Callable[[], Coroutine[object, object, None]]) -> None:
    """Does a work. One that breaks is told in the log and begun again a minute later: it ends nothing beside it."""
    while True:
        try:
            return await work()
        except Exception:
            log.exception("work_broke", extra={"fields": {"again_in_s": AGAIN_S}})
        await asyncio.sleep(AGAIN_S)


def _host(settings: ControlSettings, parts: ControlParts, desk: Desk) -> Host:
    """What is read when metrics are asked for."""
    return Host(
        board=parts.board,
        lag=lambda: (desk.lag, desk.state.up),
        dead=lambda: desk.dead,
        identity=parts.identity,
        drifting=lambda: (*desk.drifting, *parts.tools()),
        lock_differences=lambda: lock_differences(settings.run),
        engines=parts.engines,
        watched=parts.watched,
        keeper=parts.keeper,
        processes=lambda: _crew(settings.run),
    )


def _crew(run: Path) -> Sequence[Member]:
    """The processes of this host; none while that cannot be read, so that a scrape tells the rest."""
    try:
        return roster.read(run / "processes.json")
    except StoreError:
        return ()


def _sources(settings: ControlSettings, parts: ControlParts, desk: Desk, metrics: Metrics) -> Sources:
    return Sources(
        parts.clock,
        settings.environment,
        settings.run,
        desk,
        metrics,
        parts.snapshot,
        parts.board,
        parts.keys,
        parts.identity,
        parts.engines,
        parts.rollout,
        parts.keeper,
    )


def _site(settings: ControlSettings, parts: ControlParts, live: Live, api: Sequence[Endpoint], pages: Parts) -> Site:
    """All that is served. Without keys only our own names are answered to, so that no page in a browser reaches it
    under another one.
    """
    hosts = tuple(LOOPBACK | {settings.listen.host}) if settings.is_open else ()
    cookie = f"trimtab_session_{settings.listen.port}"
    keyed = KeyGate(parts.key_finder, parts.sessions, parts.clock, cookie)
    gate = OpenGate() if settings.is_open else keyed
    return site(api, pages, gate, live, secure=settings.listen.tls is not None, hosts=hosts)


def _pages(parts: ControlParts, desk: Desk, said: Callable[[], Sequence[Gauge]], taking: Taking | None) -> Parts:
    """What pages are made of, but for dead letters."""
    return Parts(
        parts.clock,
        Asker(desk, parts.clock),
        parts.snapshot,
        dead=lambda: desk.dead,
        alerts=parts.alerts,
        gauges=said,
        replicas=partial(_standings, parts, desk),
        views=parts.views,
        feedback=taking.take if taking is not None else None,
        alert_desk=parts.alert_pages,
        history=parts.history,
        evaluations=parts.evaluations,
        labels=parts.labels,
        runs=parts.runs,
        reviews=parts.reviews,
        drifting=lambda: (*desk.drifting, *parts.tools()),
        undeclared=Adopting(desk, parts.snapshot),
        rollout=lambda: shown.words if (shown := parts.rollout()) is not None else "",
    )


async def _standings(parts: ControlParts, desk: Desk) -> Standings:
    """How replicas stand, for a page."""
    found = await read_replicas(desk, parts.clock, _replica_sources(parts))
    return Standings(found.replicas, found.detail)


def _replica_sources(parts: ControlParts) -> ReplicaSources:
    return ReplicaSources(parts.snapshot, parts.board, parts.engines, parts.identity)


def _listener(app: ASGIApp, listen: Listen | None = None) -> Listener:
    """A server whose requests come from their socket's peer, whatever their headers say."""
    tls = listen.tls if listen is not None else None
    config = uvicorn.Config(
        app,
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        ws="none",
        http=PatientHttp,
        h11_max_incomplete_event_size=HEAD_BYTES,
        limit_concurrency=MAX_CONNECTIONS,
        timeout_graceful_shutdown=5,
        ssl_certfile=tls.cert if tls else None,
        ssl_keyfile=tls.key if tls else None,
    )
    return Listener(config)


@contextmanager
def _tcp(listen: Listen) -> Iterator[socket.socket]:
    family = socket.AF_INET6 if ":" in listen.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind((listen.host, listen.port))
            sock.listen(BACKLOG)
        except OSError as failure:
            address = f"{listen.host}:{listen.port}"
            detail = failure.strerror or str(failure)
            raise CannotListen(address=address, detail=detail, setting="[control] listen") from failure
        yield sock


@contextmanager
def _unix(path: Path) -> Iterator[socket.socket]:
    """The socket of the command line."""
    try:
        with open_unix_listener(path) as sock:
            yield sock
    finally:
        path.unlink(missing_ok=True)
