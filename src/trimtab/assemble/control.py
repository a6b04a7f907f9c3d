"""Control, joined from its parts."""

from __future__ import annotations

import asyncio
import gc
import logging
import random
import signal
import socket
import sqlite3
from collections.abc import Callable, Coroutine
from dataclasses import replace
from pathlib import Path

import msgspec

from trimtab.access.keys import KeyDirectory, KeyStore
from trimtab.access.sessions import SessionStore
from trimtab.assemble import loop
from trimtab.assemble.changes import changes, kept_bodies
from trimtab.assemble.erasure import with_erasure
from trimtab.assemble.judgements import JudgementWorks, KnownWatch, judgement_works
from trimtab.assemble.live_evaluations import Live, online, scheduled
from trimtab.assemble.reviews import background_watch, linker, review_book, review_links, review_watch
from trimtab.assemble.runs import run_retention, run_room
from trimtab.assemble.stores import open_stores
from trimtab.clock import SystemClock
from trimtab.database.migrate import open_state
from trimtab.gateway.board import Board
from trimtab.gateway.upstreams.pool import Pool
from trimtab.gateway.upstreams.signers import Signers
from trimtab.ids import IdSource
from trimtab.journal.alerts import AlertStore
from trimtab.journal.client import KeeperClient
from trimtab.journal.evaluations import LiveEvaluations
from trimtab.journal.judgements import Judgements
from trimtab.journal.labels import LabelStore
from trimtab.journal.outbox import Outbox
from trimtab.journal.saved_views import SavedViews
from trimtab.policy.secrets import Secrets
from trimtab.policy.snapshot import Snapshot, decode
from trimtab.policy.watch import Watch
from trimtab.processes.alert_api import alert_endpoints
from trimtab.processes.alert_pages import AlertPages
from trimtab.processes.alert_sight import Sight
from trimtab.processes.alert_watch import AlertWatch
from trimtab.processes.changes import Changes
from trimtab.processes.channel import Drained, child_end
from trimtab.processes.control import LOOPBACK, ControlParts, ControlSettings, serve_control
from trimtab.processes.dead import whole_tasks
from trimtab.processes.deliver import Delivery, revealed
from trimtab.processes.desk import Desk, Stores
from trimtab.processes.directory import DataDirectory
from trimtab.processes.evaluation_pages import EvaluationPages
from trimtab.processes.evaluation_watch import EvaluationWatch
from trimtab.processes.feedback_api import FeedbackParts, Taking
from trimtab.processes.identity import IdentityWatch, Locked
from trimtab.processes.identity_ask import Interview
from trimtab.processes.identity_record import ProbeCalls
from trimtab.processes.judge import Judge
from trimtab.processes.keeper_watch import KeeperView, KeeperWatch
from trimtab.processes.label_book import LabelBook
from trimtab.processes.locked import LockInForce
from trimtab.processes.obeying import LastTold, obey, tell_ready
from trimtab.processes.orders import ControlOrders
from trimtab.processes.pages import shown_alerts
from trimtab.processes.probe import ReplicaClient
from trimtab.processes.project_history import ProjectHistory
from trimtab.processes.resend import Ask, gateway_asker, gateway_sender
from trimtab.processes.rollout_desk import RolloutDesk
from trimtab.processes.run_room import RunRoom
from trimtab.processes.scrape import EngineWatch
from trimtab.processes.scrape_client import MetricsClient
from trimtab.processes.standings import Standings
from trimtab.processes.tool_servers import McpServers
from trimtab.processes.tool_shapes import ToolShapes
from trimtab.processes.tool_watch import ToolWatch
from trimtab.processes.watched import WatchInForce
from trimtab.record.index import BodyIndex
from trimtab.signals.notify.post import Post
from trimtab.store.ingest import Observer
from trimtab.store.telemetry import Telemetry

GC_THRESHOLD = (200_000, 20, 20)
"""Rows have no reference cycles; looking for some at every batch costs a sixth of the CPU."""

KEEPER_PATIENCE_S = 1.0

LIBRARIES = {"uvicorn": logging.WARNING, "urllib3": logging.ERROR, "clickhouse_connect": logging.CRITICAL}
"""From which level on libraries are heard: their other news we tell ourselves (`ready`, `telemetry_down`)."""


def run(orders: bytes) -> None:
    """Does control's work until it is told to end."""
    for name, level in LIBRARIES.items():
        logging.getLogger(name).setLevel(level)
    ordered = msgspec.json.decode(orders, type=ControlOrders)
    gc.set_threshold(*GC_THRESHOLD)
    loop.run(control(ordered, LastTold(decode(Path(ordered.snapshot).read_bytes()))))


async def control(orders: ControlOrders, in_force: LastTold) -> None:
    """Makes control's parts and lets it work."""
    clock = SystemClock()
    directory = DataDirectory(Path(orders.data.directory))
    channel = await child_end(socket.socket(fileno=orders.channel))
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    board, state = Board.watch(directory.board), open_state(directory.state)
    noted = changes(directory, orders.epoch, clock)
    corrections = kept_bodies(directory, orders.epoch, clock)
    key = directory.operator_key.read_text
    settings = _settings(orders, directory, in_force.snapshot)
    gateway = msgspec.structs.replace(in_force.snapshot.gateway.listen, port=orders.gateway_port)
    pool, signers, lock = Pool(clock), Signers(Secrets().read, clock), LockInForce(directory.run, Path(orders.root))
    watch = _identity_watch(orders, in_force, directory, ReplicaClient(pool, signers), noted)
    tools = _tool_watch(orders, in_force, directory, lock, noted)
    watched = WatchInForce(directory.run).read
    known = KnownWatch(watched)
    engines = _engine_watch(in_force, watched, MetricsClient(pool, signers), noted)
    live = Live(Path(orders.root), directory, gateway, key, lambda: in_force.snapshot, known, noted)
    evaluations = scheduled(live, lambda: alerts)
    alerts = _alert_watch(directory, watched, board, watch, tools, evaluations)
    judge = _judging(gateway_asker(gateway, key), known, noted)
    standings = Standings(lambda: in_force.snapshot.tasks, alerts, clock)
    parts = ControlParts(
        clock=clock,
        open_stores=_opening(orders, in_force, directory, lock, noted, known),
        snapshot=lambda: in_force.snapshot,
        board=lambda: board.view(clock.monotonic()),
        keys=KeyStore(state, clock, IdSource()),
        key_finder=KeyDirectory(directory.state),
        sessions=SessionStore(state, clock),
        send=gateway_sender(gateway, key),
        works=(watch.run, tools.run, _delivery(directory, watched).run),
        desk_works=(engines.run, judge, alerts.run, standings.run, evaluations.run, online(live).run),
        desk_rows=(lambda desk: alert_endpoints(alerts, clock),),
        identity=lambda: watch.figures,
        tools=lambda: tools.drifting,
        engines=lambda: engines.views,
        watched=lambda: standings.watched,
        watch=watched,
        alerts=shown_alerts(alerts),
        alert_pages=AlertPages(alerts, Outbox(open_state(directory.state))),
        feedback=lambda desk: Taking(desk, clock, FeedbackParts(noted, corrections, IdSource())),
    )
    parts = _with_rollouts(_with_keeper(parts, directory), in_force, directory, noted)
    runs = run_room(directory, orders.data.journal, clock, Path(orders.root))
    obeying = asyncio.ensure_future(obey(channel, in_force, stop))
    try:
        with_pages = _with_pages(parts, orders, directory, state, runs)
        with_pages = with_erasure(with_pages, orders, directory, runs, noted, corrections)
        await serve_control(settings, with_pages, stop, lambda: tell_ready(channel, in_force))
    finally:
        obeying.cancel()
        await runs.close()
        await pool.close()
        for held in (signers, noted, corrections, state, board):
            held.close()
    channel.send(Drained())
    await channel.close()


def _with_keeper(parts: ControlParts, directory: DataDirectory) -> ControlParts:
    """The parts with what looks how the journal of runs is doing, and tells of what waits and ends in it."""
    watch = KeeperWatch(KeeperClient(directory.keeper_socket, patience_s=KEEPER_PATIENCE_S), parts.clock)
    reviews = review_watch(directory, parts.watch, parts.clock)
    retention = run_retention(directory, parts.watch, parts.clock)
    calls = background_watch(directory, parts.watch, parts.clock)

    def view() -> KeeperView | None:
        return None if watch.view is None else msgspec.structs.replace(watch.view, background=calls.counts)

    works = (*parts.works, watch.run, reviews.run, retention.run, calls.run)
    return replace(parts, works=works, keeper=view)


def _with_rollouts(parts: ControlParts, in_force: LastTold, directory: DataDirectory, noted: Changes) -> ControlParts:
    """The parts with what watches a candidate beside the snapshot in force."""
    rollouts = RolloutDesk(directory.run, lambda: in_force.snapshot, noted, parts.clock)
    return replace(parts, works=(*parts.works, rollouts.run), rollouts=rollouts)


def _with_pages(
    parts: ControlParts, orders: ControlOrders, directory: DataDirectory, state: sqlite3.Connection, runs: RunRoom
) -> ControlParts:
    """The parts with what pages and their routes ask."""
    root = Path(orders.root)
    reviews = review_book(runs, parts.snapshot, parts.clock)
    return replace(
        parts,
        views=SavedViews(state),
        history=ProjectHistory(root, directory.run, parts.clock),
        evaluations=EvaluationPages(directory.root, root),
        runs=runs,
        reviews=reviews,
        links=review_links(directory, reviews, parts.watch, parts.clock),
        labels=LabelBook(LabelStore(state), directory.root, root, parts.clock),
    )


def _judging(ask: Ask, watch: KnownWatch, noted: Changes) -> Callable[[Desk], Coroutine[object, object, None]]:
    """What has calls judged by a model."""
    return lambda desk: Judge(desk, ask, watch, noted, SystemClock()).run()


def _settings(orders: ControlOrders, directory: DataDirectory, snapshot: Snapshot) -> ControlSettings:
    listen = orders.control.listen
    is_open = not snapshot.keys_required and listen.host in LOOPBACK
    return ControlSettings(listen, directory.control_socket, directory.run, snapshot.environment, is_open)


def _opening(
    orders: ControlOrders,
    in_force: LastTold,
    directory: DataDirectory,
    lock: LockInForce,
    noted: Changes,
    watch: KnownWatch,
) -> Callable[[Observer], Stores]:
    """What opens the stores, in the thread that will use them."""
    clock = SystemClock()

    def judge(kept: Judgements, telemetry: Telemetry, bodies: BodyIndex) -> JudgementWorks:
        chosen = LiveEvaluations(open_state(directory.state))
        return judgement_works(kept, telemetry, bodies, lambda: in_force.snapshot, watch, noted, clock, chosen)

    def opened(observer: Observer) -> Stores:
        return open_stores(
            directory,
            orders.data,
            clock,
            lambda: whole_tasks(in_force.snapshot),
            (observer,),
            lambda store: ToolShapes(store, lock.read, noted),
            judge,
        )

    return opened


def _identity_watch(
    orders: ControlOrders, in_force: LastTold, directory: DataDirectory, client: ReplicaClient, noted: Changes
) -> IdentityWatch:
    """What tests that models are still those that were locked."""
    clock = SystemClock()
    calls = ProbeCalls(noted, lambda: in_force.snapshot, orders.epoch, IdSource())
    return IdentityWatch(
        lambda: in_force.snapshot,
        Locked(directory.run, Path(orders.root)),
        Interview(client, clock, calls),
        noted,
        directory.identity,
        clock,
        random.Random(),  # noqa: S311 - statistics, not secrecy
    )


def _engine_watch(
    in_force: LastTold, watched: Callable[[], Watch], client: MetricsClient, noted: Changes
) -> EngineWatch:
    """What reads the replicas' own metrics."""
    draw = random.Random()  # noqa: S311 - when to ask, not secrecy
    return EngineWatch(lambda: in_force.snapshot, watched, client, noted, SystemClock(), draw)


def _alert_watch(
    directory: DataDirectory,
    watched: Callable[[], Watch],
    board: Board,
    watch: IdentityWatch,
    tools: ToolWatch,
    evaluations: EvaluationWatch,
) -> AlertWatch:
    """What holds all that comes against the rules on alerts."""
    clock = SystemClock()
    sight = Sight(
        lambda: board.view(clock.monotonic()), lambda: watch.figures, lambda: tools.drifting, evaluations.fallen
    )
    return AlertWatch(lambda: AlertStore(open_state(directory.state)), watched, sight, clock, IdSource())


def _delivery(directory: DataDirectory, watched: Callable[[], Watch]) -> Delivery:
    """What brings alerts to their receivers."""
    clock = SystemClock()
    secrets = Secrets()
    carrier = Post(lambda address: revealed(address, secrets), lambda: clock.wall_ns() / 1e9)
    outbox = Outbox(open_state(directory.state))
    draw = random.Random()  # noqa: S311 - when to try again, not secrecy
    return Delivery(outbox, carrier, watched, clock, draw, linker=linker(directory, watched))


def _tool_watch(
    orders: ControlOrders, in_force: LastTold, directory: DataDirectory, lock: LockInForce, noted: Changes
) -> ToolWatch:
    """What looks at tools at their MCP servers."""
    return ToolWatch(
        lambda: in_force.snapshot,
        lock.read,
        McpServers(Path(orders.root)),
        noted,
        directory.tools,
        SystemClock(),
        random.Random(),  # noqa: S311 - when to look, not secrecy
    )
