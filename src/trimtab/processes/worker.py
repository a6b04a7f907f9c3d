"""A gateway worker's life: serve on the supervisor's socket, follow its directives, drain, end.

beat      every 250 ms: the board learns what is open here, keys and the rollout are read again if they changed
sync      every fsync interval: what waits is written, then brought to the disk in a thread
obey      directives of the supervisor; the end of the channel means that it died, and is a drain
health    checks of replicas (one worker of the host does them)
hear      orders about runs, from keeper
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import ssl
from dataclasses import dataclass
from pathlib import Path

import msgspec

from trimtab.access.keys import KeyDirectory
from trimtab.clock import Clock
from trimtab.declare.project import Tls
from trimtab.errors import StoreError
from trimtab.gateway.board import Board
from trimtab.gateway.enforcement import Enforcement
from trimtab.gateway.health import Health
from trimtab.gateway.pipeline import Pipeline
from trimtab.gateway.server import Server
from trimtab.gateway.upstreams.pool import Pool
from trimtab.journal.client import KeeperClient
from trimtab.policy.snapshot import Snapshot, decode
from trimtab.processes.channel import (
    Channel,
    Directive,
    Drain,
    Drained,
    DrainReason,
    Ready,
    Refused,
    Report,
    UseSnapshot,
    Using,
)
from trimtab.processes.logs import event
from trimtab.processes.rollout_follower import RolloutFollower
from trimtab.record.recorder import Recorder

log = logging.getLogger("trimtab.gateway")

BEAT_S = 0.25
ALONE_MARGIN_S = 15
"""Beyond the drain, how long a worker may go on after the supervisor died; then SIGALRM ends it."""


@dataclass(frozen=True)
class WorkerParts:
    """What a worker minds."""

    clock: Clock
    server: Server
    pipeline: Pipeline
    board: Board
    recorder: Recorder
    keys: KeyDirectory
    pool: Pool
    health: Health
    enforcement: Enforcement
    rollouts: RolloutFollower
    keeper: KeeperClient | None = None


class GatewayWorker:
    """One worker; `run` returns when it has drained. `snapshot` is the one in force."""

    def __init__(
        self,
        parts: WorkerParts,
        snapshot: Snapshot,
        listener: socket.socket,
        channel: Channel[Report, Directive],
        fsync_interval_s: float,
    ) -> None:
        self.snapshot = snapshot
        self._parts = parts
        self._listener = listener
        self._channel = channel
        self._fsync_interval_s = fsync_interval_s
        self._leaving: asyncio.Future[DrainReason] = asyncio.get_running_loop().create_future()
        self._trouble = ""

    async def run(self) -> None:
        """Serves until told to drain, by the supervisor, by its death or by SIGTERM."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self.leave, "stop")
        self._refresh_keys()
        self._parts.rollouts.look(self._parts.pipeline, self.snapshot.digest)
        self._parts.board.heartbeat(self._parts.clock.monotonic(), 0, 0, draining=False)
        tls = self.snapshot.gateway.listen.tls
        await self._parts.server.start(self._listener, None if tls is None else server_tls(tls))
        self._channel.send(Ready())
        self._channel.send(Using(self.snapshot.digest))
        event(log, logging.INFO, "serving", digest=self.snapshot.digest, pid=os.getpid())
        async with asyncio.TaskGroup() as tasks:
            minding = [
                tasks.create_task(work)
                for work in (
                    self._beat(),
                    self._sync(),
                    self._obey(),
                    self._parts.health.run(),
                    self._parts.enforcement.run(),
                    self._hear(),
                )
            ]
            await self._drain(await self._leaving)
            for task in minding:
                task.cancel()
        await self._close()

    def leave(self, reason: DrainReason) -> None:
        """Begins to drain."""
        if not self._leaving.done():
            self._leaving.set_result(reason)

    async def _drain(self, reason: DrainReason) -> None:
        """On a restart, calls on kept connections are still answered: the successor has the listener already."""
        parts = self._parts
        event(log, logging.INFO, "draining", reason=reason, open_calls=parts.server.open_calls)
        parts.pipeline.draining = reason == "stop"
        parts.server.stop_accepting()
        self._listener.close()
        cut = await parts.server.drain(self.snapshot.gateway.limits.drain_s)
        event(log, logging.WARNING if cut else logging.INFO, "drained", reason=reason, calls_cut=cut)
        self._channel.send(Drained(cut))

    async def _hear(self) -> None:
        """Stays connected to keeper, so that orders about runs are heard."""
        if self._parts.keeper is not None:
            await self._parts.keeper.watch()

    async def _close(self) -> None:
        parts = self._parts
        if parts.keeper is not None:
            await parts.keeper.close()
        await parts.pool.close()
        parts.recorder.close()
        parts.board.close()
        parts.keys.close()
        await self._channel.close()

    async def _beat(self) -> None:
        parts = self._parts
        while True:
            await asyncio.sleep(BEAT_S)
            server = parts.server
            parts.board.heartbeat(
                parts.clock.monotonic(), server.open_calls, server.open_connections, draining=server.draining
            )
            self._refresh_keys()
            parts.rollouts.look(parts.pipeline, self.snapshot.digest)

    def _refresh_keys(self) -> None:
        try:
            self._parts.keys.refresh()
        except StoreError as failure:
            self._say_once(str(failure))

    async def _sync(self) -> None:
        recorder = self._parts.recorder
        while True:
            await asyncio.sleep(self._fsync_interval_s)
            try:
                recorder.flush()
                if recorder.sync_due():
                    await asyncio.to_thread(recorder.sync)
            except StoreError as failure:
                self._say_once(str(failure))

    def _say_once(self, trouble: str) -> None:
        """Logs what keeps going wrong once, not at every turn."""
        if trouble != self._trouble:
            self._trouble = trouble
            event(log, logging.ERROR, "store_trouble", error=trouble)

    async def _obey(self) -> None:
        while True:
            match await self._channel.receive():
                case UseSnapshot(path):
                    self._use(Path(path))
                case Drain(reason):
                    self.leave(reason)
                case None:
                    event(log, logging.WARNING, "supervisor_gone")
                    signal.alarm(int(self.snapshot.gateway.limits.drain_s) + ALONE_MARGIN_S)
                    self.leave("stop")
                    return

    def _use(self, path: Path) -> None:
        """Puts a published snapshot in force between two calls, or says why not and keeps the one it has."""
        try:
            snapshot = decode(path.read_bytes())
            self._parts.pipeline.switch(snapshot)
        except (OSError, msgspec.DecodeError, StoreError) as failure:
            event(log, logging.ERROR, "snapshot_refused", path=str(path), error=str(failure))
            self._channel.send(Refused(str(path), str(failure)))
            return
        self._parts.server.set_limits(snapshot.gateway.limits)
        self.snapshot = snapshot
        self._channel.send(Using(snapshot.digest))

    def __repr__(self) -> str:
        parts = self._parts
        return f"GatewayWorker({parts.server!r}, {parts.pipeline!r}, {parts.recorder!r})"


def server_tls(tls: Tls) -> ssl.SSLContext:
    """The context of a TLS listener; raises `OSError` when certificate or key cannot be read."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(tls.cert, tls.key)
    context.set_alpn_protocols(["http/1.1"])
    return context
