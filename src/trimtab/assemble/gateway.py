"""A gateway worker, joined from its parts."""

from __future__ import annotations

import gc
import os
import random
import socket
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import msgspec

from trimtab.access.keys import FreshKeys, KeyDirectory
from trimtab.assemble import loop
from trimtab.clock import Clock, SystemClock
from trimtab.gateway import replies
from trimtab.gateway.board import Board
from trimtab.gateway.context.tokens import Tokenizers
from trimtab.gateway.context.windows import ContextMemory
from trimtab.gateway.enforcement import Enforcement
from trimtab.gateway.health import Health
from trimtab.gateway.pipeline import Pipeline
from trimtab.gateway.routing import Router
from trimtab.gateway.server import Server
from trimtab.gateway.serving import Parts
from trimtab.gateway.upstreams.pool import Pool
from trimtab.gateway.upstreams.signers import Signers
from trimtab.ids import IdSource
from trimtab.journal.client import KeeperClient
from trimtab.journal.frames import Given
from trimtab.policy.secrets import Secrets
from trimtab.policy.snapshot import Snapshot, decode
from trimtab.processes.channel import child_end
from trimtab.processes.directory import DataDirectory
from trimtab.processes.orders import GatewayOrders
from trimtab.processes.probe import Probe
from trimtab.processes.rollout_follower import RolloutFollower
from trimtab.processes.worker import GatewayWorker, WorkerParts
from trimtab.record.bodies import PACK_AGE_S, PACK_BYTES, Bodies
from trimtab.record.disk import Disk
from trimtab.record.frames import SEGMENT
from trimtab.record.log import RollingLog
from trimtab.record.packs import PACK
from trimtab.record.recorder import Recorder
from trimtab.record.room import Room
from trimtab.record.spool import SEGMENT_AGE_S, SEGMENT_BYTES, Spool

GC_THRESHOLD = (100_000, 20, 20)
"""Calls leave no reference cycles behind, so the collector may look rarely; it costs a seventh of the CPU otherwise."""


def run(orders: bytes) -> None:
    """Serves as the orders say until it has drained."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")  # counting is to take one core, not all
    ordered = msgspec.json.decode(orders, type=GatewayOrders)
    loop.run(gateway_worker(ordered, decode(Path(ordered.snapshot).read_bytes())))


async def gateway_worker(orders: GatewayOrders, snapshot: Snapshot) -> None:
    """Makes the parts of one worker and lets it work."""
    clock = SystemClock()
    directory = DataDirectory(Path(orders.data.directory))
    recorder, bodies = records(directory, orders, clock)
    board = Board.open(directory.board, orders.slot, orders.epoch)
    pool = Pool(clock)
    keys = KeyDirectory(directory.state)
    routers = Routers(board)
    signers = Signers(Secrets().read, clock)
    keeper = KeeperClient(directory.keeper_socket, hears=lambda given: heard(pipeline, given), clock=clock)
    tokenizers = Tokenizers(Path(orders.root), partial(ThreadPoolExecutor, 1, "tokens"))
    parts = Parts(
        clock=clock,
        ids=IdSource(),
        random=random.random,
        recorder=recorder,
        bodies=bodies,
        pool=pool,
        router=routers.make,
        find_key=FreshKeys(keys, clock).find,
        signers=signers,
        worker=orders.epoch,
        context=ContextMemory(tokenizers),
        operator_key=operator_key(directory.operator_key),
        beside=routers.beside,
        journal=keeper if orders.journaled else None,
    )
    pipeline = Pipeline(parts, snapshot)
    await signers.ready()
    await tokenizers.ready()
    server = Server(pipeline.handle, snapshot.gateway.limits, clock, replies.protocol_error)
    probe = Probe(pool, signers, lambda: routers.snapshot)
    health = Health(board, lambda: routers.latest, probe, clock, random.random)
    enforcement = Enforcement(
        board, lambda: routers.latest, lambda: routers.snapshot, probe.ask, clock, recorder.change
    )
    worker = GatewayWorker(
        WorkerParts(
            clock,
            server,
            pipeline,
            board,
            recorder,
            keys,
            pool,
            health,
            enforcement,
            RolloutFollower(directory.run),
            keeper if orders.journaled else None,
        ),
        snapshot,
        socket.socket(fileno=orders.listener),
        await child_end(socket.socket(fileno=orders.channel)),
        orders.data.fsync_interval_s,
    )
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLD)
    await worker.run()


def heard(pipeline: Pipeline, given: Given) -> None:
    """An order about runs reaches the calls that are open."""
    pipeline.ordered(given.runs, given.order, given.by)


def operator_key(path: Path) -> bytes:
    """The key dead letters are sent with; empty, so that no call bears it, where there is none."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""


def records(directory: DataDirectory, orders: GatewayOrders, clock: Clock) -> tuple[Recorder, Bodies]:
    """The worker's recorder and body store, under its epoch."""
    disk, data, epoch = Disk(), orders.data, orders.epoch
    room = Room(
        directory.root,
        epoch,
        clock,
        disk,
        reserve_bytes=data.reserve_bytes,
        spool_limit_bytes=data.spool_limit_bytes,
    )
    segments = RollingLog(
        directory.spool / epoch, SEGMENT, clock, disk, max_bytes=SEGMENT_BYTES, max_age_s=SEGMENT_AGE_S
    )
    packs = RollingLog(directory.bodies / epoch, PACK, clock, disk, max_bytes=PACK_BYTES, max_age_s=PACK_AGE_S)
    bodies = Bodies(packs, room, clock)
    return Recorder(Spool(segments), bodies, room), bodies


class Routers:
    """Makes a router for each snapshot over the worker's board, and remembers the latest for the health checks."""

    latest: Router
    snapshot: Snapshot

    def __init__(self, board: Board) -> None:
        self._board = board

    def make(self, snapshot: Snapshot) -> Router:
        """A router for this snapshot; raises `StoreError` when the board is full."""
        self.latest = self.beside(snapshot)
        self.snapshot = snapshot
        return self.latest

    def beside(self, snapshot: Snapshot) -> Router:
        """A router for a snapshot that is served beside the latest."""
        return Router(self._board, snapshot.models, random.random)
