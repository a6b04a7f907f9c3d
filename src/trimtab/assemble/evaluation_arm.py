"""An arm of an evaluation: a gateway worker of its own under one declaration and lock, in a data directory of its own.

It is started as the supervisor starts its workers, and needs neither supervisor nor control. When whoever started it is
gone, in whatever way, it reads the end of its channel and ends by itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Final

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from trimtab.assemble.up import python_in, write_operator_key
from trimtab.clock import Clock
from trimtab.declare.project import Data, Listen
from trimtab.errors import CannotStart, FormatError
from trimtab.evals.sample import Arm
from trimtab.gateway.board import Board
from trimtab.ids import IdSource
from trimtab.policy.publish import publish
from trimtab.policy.snapshot import Snapshot
from trimtab.processes import listeners
from trimtab.processes.channel import Drain, Ready
from trimtab.processes.directory import DataDirectory
from trimtab.processes.orders import GatewayOrders
from trimtab.processes.post import EPOCH_DIGITS
from trimtab.record import orphans

READY_S: Final = 30.0
LEAVE_S: Final = 15.0
LEFT_BEHIND_S: Final = 60.0
"""How long a worker of an earlier life may still hold the arm's directory."""
DRAIN_S: Final = 5.0
"""Open calls of an arm whose evaluation is over: nobody waits for them."""
LINE_BYTES: Final = 64 << 10
RESERVE_BYTES: Final = 1 << 20
SPOOL_BYTES: Final = 4 << 30
LOG: Final = "gateway.log"
TOLD: Final = 600
"""Characters of the end of a log that are told."""
ANYWHERE: Final = Listen("127.0.0.1", 0)
FSYNC_S: Final = 0.05
"""Also how long the end of a call waits before others can read it."""


class Served(Struct, frozen=True):
    """What an arm serves: the snapshot, and the folder of its declaration, in which its tokenizers lie."""

    snapshot: Snapshot
    root: str


class Door(Struct, frozen=True):
    """Where an arm is reached and read: a port of 127.0.0.1, the key that opens it, and its data directory."""

    port: int
    key: str
    directory: Path
    epoch: str


class ArmGateway:
    """One worker, from `start` to `end`."""

    def __init__(self, folder: Path, served: Served, clock: Clock, ids: IdSource) -> None:
        self._places = DataDirectory(folder)
        self._served = served
        self._clock = clock
        self._ids = ids
        self._held = contextlib.ExitStack()
        self._process: subprocess.Popen[bytes] | None = None
        self._channel: socket.socket | None = None
        self.door: Door

    def start(self) -> None:
        """Starts the worker, and returns before it is ready.

        What an earlier life left unsettled is settled first. Raises `DirectoryInUse` while another evaluation goes on
        there, `StoreError`, `CannotListen`, and `CannotStart`.
        """
        asyncio.run(self._places.vacated(LEFT_BEHIND_S))
        with contextlib.ExitStack() as held:
            lock = held.enter_context(self._places.hold())
            settle(self._places.root, self._clock)
            write_operator_key(self._places.operator_key)
            snapshot = of_an_arm(self._served.snapshot)
            Board.create(self._places.board, 1, sum(len(one.replicas) for one in snapshot.models.values()))
            listener = held.enter_context(contextlib.closing(listeners.open_listeners(ANYWHERE, 1, "nothing")[0]))
            published = publish(self._places.run, snapshot)
            epoch = f"g0-{self._ids.new(self._clock.wall_ns())[-EPOCH_DIGITS:]}"
            key = self._places.operator_key.read_text(encoding="ascii")
            self.door = Door(listener.getsockname()[1], key, self._places.root, epoch)
            log = held.enter_context(_log(self._places.root / LOG))
            self._launch(epoch, published, listener, lock, log, held)
            self._held = held.pop_all()

    def _launch(
        self,
        epoch: str,
        snapshot: Path,
        listener: socket.socket,
        lock: int,
        log: IO[bytes],
        held: contextlib.ExitStack,
    ) -> None:
        ours, theirs = socket.socketpair()
        held.enter_context(contextlib.closing(ours))
        orders = GatewayOrders(
            slot=0,
            epoch=epoch,
            listener=listener.fileno(),
            channel=theirs.fileno(),
            snapshot=str(snapshot),
            root=self._served.root,
            data=Data(str(self._places.root), 0.0, FSYNC_S, RESERVE_BYTES, SPOOL_BYTES),
        )
        with theirs:
            try:
                self._process = subprocess.Popen(
                    python_in("gateway", orders),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    pass_fds=(theirs.fileno(), lock, listener.fileno()),
                    start_new_session=True,
                )
            except OSError as failure:
                raise CannotStart(what="the gateway of an evaluation", detail=str(failure)) from failure
        self._channel = ours

    def wait(self) -> None:
        """Returns when it answers calls. Raises `CannotStart`."""
        if self._channel is None:
            raise self._not_started("it was not started")
        self._channel.settimeout(READY_S)
        said = b""
        try:
            while b"\n" not in said:
                more = self._channel.recv(LINE_BYTES)
                if not more:
                    raise self._not_started("it ended at once")
                said += more
            msgspec.json.decode(said.partition(b"\n")[0], type=Ready)
        except TimeoutError:
            raise self._not_started(f"it is not ready after {READY_S:g} s") from None
        except msgspec.DecodeError as wrong:
            raise self._not_started(str(wrong)) from wrong

    @property
    def is_alive(self) -> bool:
        """Whether the process runs."""
        return self._process is not None and self._process.poll() is None

    def end(self) -> None:
        """Lets it end what is open, 15 s at most, and then ends it."""
        try:
            if self._process is not None and self._channel is not None:
                with contextlib.suppress(OSError):
                    self._channel.sendall(msgspec.json.encode(Drain("stop")) + b"\n")
                self._leave(self._process)
        finally:
            self._held.close()

    @staticmethod
    def _leave(process: subprocess.Popen[bytes]) -> None:
        try:
            process.wait(LEAVE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        except BaseException:
            process.send_signal(signal.SIGKILL)
            process.wait()
            raise

    def _not_started(self, why: str) -> CannotStart:
        end = (self._places.root / LOG).read_text(encoding="utf-8", errors="replace")[-TOLD:].strip()
        return CannotStart(what="the gateway of an evaluation", detail=f"{why}; {self._places.root / LOG} ends: {end}")

    def __repr__(self) -> str:
        return f"ArmGateway({self._places.root}, {'alive' if self.is_alive else 'gone'})"


@contextlib.contextmanager
def arms(folder: Path, served: Mapping[Arm, Served], clock: Clock, ids: IdSource) -> Iterator[dict[Arm, ArmGateway]]:
    """The gateways of an evaluation in `folder`, started together and ended whatever happens.

    Raises what `ArmGateway.start` and `wait` do.
    """
    with contextlib.ExitStack() as held:
        found: dict[Arm, ArmGateway] = {}
        for arm, one in served.items():
            found[arm] = ArmGateway(folder / arm, one, clock, ids)
            held.callback(found[arm].end)
            found[arm].start()
        for gateway in found.values():
            gateway.wait()
        yield found


def of_an_arm(snapshot: Snapshot) -> Snapshot:
    """A snapshot as an arm serves it: on a port of its own, and all bodies kept, those of judges too, since an
    evaluation keeps its answers beside its cases anyway, and goes on from them. No task pins a seed: each sample brings
    its own, and one for all would make the samples of a case one answer.

    Its digest stays that of the snapshot it is made of.
    """
    limits = replace(snapshot.gateway.limits, drain_s=min(DRAIN_S, snapshot.gateway.limits.drain_s))
    return replace(
        snapshot,
        gateway=replace(snapshot.gateway, listen=ANYWHERE, workers=1, limits=limits, keys="required"),
        defaults=replace(snapshot.defaults, undeclared_redaction="full"),
        tasks={
            name: replace(task, redaction="full", sampling=replace(task.sampling, seed=None))
            for name, task in snapshot.tasks.items()
        },
        keys_required=True,
    )


def settle(directory: Path, clock: Clock) -> None:
    """Settles what workers that are gone left open; of a damaged segment what can be read counts."""
    for epoch in orphans.epochs(directory):
        with contextlib.suppress(FormatError):
            orphans.settle_orphans(directory, epoch, clock)


@contextlib.contextmanager
def _log(path: Path) -> Iterator[IO[bytes]]:
    path.touch(mode=0o600)
    with path.open("ab") as log:
        yield log
