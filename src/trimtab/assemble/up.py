"""The supervisor of a project, joined from its parts."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import secrets
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from trimtab.assemble.changes import changes
from trimtab.clock import Clock, SystemClock
from trimtab.database.migrate import open_state
from trimtab.declare.load import load
from trimtab.declare.project import Listen, Project
from trimtab.errors import CannotStart, StoreError, TrimtabError
from trimtab.gateway.admission import OPERATOR_KEY
from trimtab.gateway.board import Board
from trimtab.ids import IdSource
from trimtab.processes import files, listeners, logs
from trimtab.processes.burial import Burial
from trimtab.processes.child import Child, Launch, Role
from trimtab.processes.crew import Crew
from trimtab.processes.directory import DataDirectory
from trimtab.processes.inforce import InForce
from trimtab.processes.orders import ControlOrders, DemoOrders, GatewayOrders, KeeperOrders
from trimtab.processes.post import EPOCH_DIGITS, Post, Surroundings
from trimtab.processes.roster import Member
from trimtab.processes.supervisor import Supervisor
from trimtab.processes.watch import Watch, look
from trimtab.record import orphans

log = logging.getLogger("trimtab.supervisor")

CONTROL_NEEDS = ("clickhouse_connect", "prometheus_client", "starlette", "uvicorn")
DEMO_MODELS = Path(__file__).parents[1] / "demo" / "models"
LEFT_BEHIND_S = 60.0
DRAIN_MARGIN_S = 10.0
OWNER_ONLY = 0o600
CONTROL_PATIENCE_S = 60.0
DEMO_PATIENCE_S = 15.0
KEEPER_PATIENCE_S = 30.0


@dataclass(frozen=True)
class Started:
    """What `trimtab up` tells once calls are answered; `control` is None where it is not installed."""

    gateway: str
    control: str | None
    workers: int
    keys_required: bool
    snapshot: str
    lock: str = ""


async def supervisor(root: Path, *, demo: bool, started: Callable[[Started], None]) -> None:
    """Runs the project in `root` until a signal ends it; `started` is called when its gateways answer.

    Raises `DirectoryInUse`, `CannotListen`, `CannotStart`, `DeclarationError`, `NotLocked` and `StoreError`.
    """
    named: Callable[[], frozenset[str]] = frozenset
    watch = Watch(lambda: look(root, named()))  # before the declaration is read, so that no edit is missed
    project = load(root)
    directory = DataDirectory.of(project)
    await directory.vacated(LEFT_BEHIND_S)
    try:
        with contextlib.ExitStack() as held:
            lock = held.enter_context(directory.hold())
            async with asyncio.TaskGroup() as tasks:
                house = House(project, directory, lock, tasks, held)
                named = house.named_files
                await house.run(watch, demo=demo, started=started)
    except ExceptionGroup as failures:
        expected, unexpected = failures.split(TrimtabError)
        if unexpected is not None or expected is None:
            raise
        raise expected.exceptions[0] from None


class House:
    """The parts of one `trimtab up` as they are joined; what must be closed at its end is put on `held`."""

    def __init__(
        self,
        project: Project,
        directory: DataDirectory,
        lock: int,
        tasks: asyncio.TaskGroup,
        held: contextlib.ExitStack,
    ) -> None:
        clock, ids = SystemClock(), IdSource()
        self.project = project
        self.directory = directory
        self.held = held
        self.clock: Clock = clock
        write_operator_key(directory.operator_key)
        bring_state_forward(directory.state)
        self.in_force = InForce(project, directory.run, directory.declaration, clock)
        self.epoch = f"s-{ids.new(clock.wall_ns())[-EPOCH_DIGITS:]}"
        self.changes = changes(directory, self.epoch, clock)
        self.burial = Burial(self._settle, self._board().reap)
        self.burial.add(orphans.epochs(directory.root))
        self.crew = Crew(directory.processes, self._me(clock.wall_ns() / 1e9))
        self.around = Surroundings(
            clock=clock,
            ids=ids,
            lock=lock,
            snapshot=lambda: self.in_force.path,
            spawn=tasks.create_task,
            changed=self.crew.changed,
            bury=self._bury,
            note=self.changes.note,
        )

    def named_files(self) -> frozenset[str]:
        """The files that the declaration names, to be watched besides its own."""
        return self.in_force.files

    async def run(self, watch: Watch, *, demo: bool, started: Callable[[Started], None]) -> None:
        """Opens the listeners, fills the crew and supervises it."""
        gateway = self.project.gateway
        allow_files(gateway.limits.max_connections)
        self._add_keeper()
        opened = listeners.open_listeners(gateway.listen, gateway.workers, "[gateway] listen")
        for slot, listener in enumerate(opened):
            self.held.callback(listener.close)
            self.crew.add(Post(self._gateway_role(), slot, listener, self.around))
        if demo:
            self._add_demo()
        control = self._add_control(opened[0].getsockname()[1])
        facts = Started(
            gateway=listeners.url(gateway.listen, opened[0]),
            control=control,
            workers=gateway.workers,
            keys_required=self.in_force.snapshot.keys_required,
            snapshot=self.in_force.snapshot.digest,
            lock=self.in_force.snapshot.lock_id,
        )
        supervising = Supervisor(self.in_force, self.crew, self.burial, watch, self.changes)
        await supervising.run(lambda: started(facts))

    def _add_keeper(self) -> None:
        listener = listeners.open_unix_listener(self.directory.keeper_socket)
        self.held.callback(self.directory.keeper_socket.unlink, missing_ok=True)
        self.held.callback(listener.close)
        self.crew.add(Post(keeper_role(self.project), 0, listener, self.around))

    def _add_demo(self) -> None:
        models, listen = demo_engine_of(self.project)
        listener = listeners.open_listeners(listen, 1, "the replicas of the demo's models")[0]
        self.held.callback(listener.close)
        self.crew.add(Post(demo_role(models), 0, listener, self.around))

    def _add_control(self, gateway_port: int) -> str | None:
        missing = control_missing(self.project)
        if missing:
            facts = {"missing": missing, "install": "trimtab[control]", "meanwhile": "records wait in the spool"}
            logs.event(log, logging.WARNING, "control_not_installed", **facts)
            return None
        self.crew.add(Post(control_role(self.project, gateway_port), 0, None, self.around))
        listen = self.project.control.listen
        return f"{'https' if listen.tls else 'http'}://{listen.host}:{listen.port}"

    def _gateway_role(self) -> Role:
        root, data = self.project.root, self.project.data

        def command(launch: Launch) -> Sequence[str]:
            orders = GatewayOrders(
                launch.slot, launch.epoch, launch.listener, launch.channel, str(launch.snapshot), root, data,
                journaled=True,
            )  # fmt: skip
            return python_in("gateway", orders)

        def patience_s() -> float:
            return self.in_force.snapshot.gateway.limits.drain_s + DRAIN_MARGIN_S

        return Role("gateway", command, patience_s, records=True)

    def _board(self) -> Board:
        replicas = sum(len(model.replicas) for model in self.project.models.values())
        Board.create(self.directory.board, self.project.gateway.workers, replicas)
        board = Board.watch(self.directory.board)
        self.held.callback(board.close)
        return board

    def _settle(self, epoch: str) -> int:
        return orphans.settle_orphans(self.directory.root, epoch, self.clock)

    async def _bury(self, child: Child) -> None:
        if child.role.records:
            self.burial.add([child.launch.epoch])
        await self.burial.work()

    def _me(self, started_at: float) -> Callable[[], Member]:
        def me() -> Member:
            digest = self.in_force.snapshot.digest
            return Member("supervisor", 0, os.getpid(), self.epoch, started_at, 0, "ready", digest)

        return me


def write_operator_key(path: Path) -> None:
    """Makes the key of this life of the gateway with which control sends dead letters; only the owner can read it."""
    path.unlink(missing_ok=True)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, OWNER_ONLY), "w") as file:  # noqa: PTH123  the mode must hold from the first moment
        file.write(f"{OPERATOR_KEY.decode()}{secrets.token_urlsafe(32)}")


def bring_state_forward(path: Path) -> None:
    """Makes the state database and brings it to its newest schema before a child reads it: a reader would find it
    locked for a moment. Where that fails it is said, and calls are answered all the same.
    """
    try:
        open_state(path).close()
    except StoreError as failure:
        logs.event(log, logging.ERROR, "state_not_opened", error=str(failure))


def allow_files(max_connections: int) -> None:
    """Lets the workers open what their connections need, or says what they will have to do with."""
    wanted = files.wanted(max_connections)
    allowed = files.allow(wanted)
    if allowed < wanted:
        facts = {"allowed": allowed, "wanted": wanted, "remedy": "raise the hard limit (ulimit -Hn), or lower"}
        logs.event(log, logging.WARNING, "few_open_files", **facts, setting="[gateway] max_connections")


def control_role(project: Project, gateway_port: int) -> Role:
    """Control, with the `[control]` and `[data]` that are fixed at the start."""

    def command(launch: Launch) -> Sequence[str]:
        orders = ControlOrders(
            channel=launch.channel,
            epoch=launch.epoch,
            snapshot=str(launch.snapshot),
            root=project.root,
            control=project.control,
            data=project.data,
            gateway_port=gateway_port,
        )
        return python_in("control", orders)

    return Role("control", command, lambda: CONTROL_PATIENCE_S, records=True)


def keeper_role(project: Project) -> Role:
    """Keeper, with the `[data]` that is fixed at the start."""

    def command(launch: Launch) -> Sequence[str]:
        return python_in("keeper", KeeperOrders(launch.epoch, launch.listener, launch.channel, project.data))

    return Role("keeper", command, lambda: KEEPER_PATIENCE_S, records=True)


def demo_role(models: tuple[str, ...]) -> Role:
    """The demo engine with these models."""

    def command(launch: Launch) -> Sequence[str]:
        return python_in("demo", DemoOrders(launch.listener, launch.channel, models))

    return Role("demo", command, lambda: DEMO_PATIENCE_S)


def control_missing(project: Project) -> tuple[str, ...]:
    """The modules that control needs and that are not installed."""
    needed = (*CONTROL_NEEDS, "chdb") if project.data.telemetry == "chdb" else CONTROL_NEEDS
    return tuple(name for name in needed if find_spec(name) is None)


def demo_engine_of(project: Project) -> tuple[tuple[str, ...], Listen]:
    """The demo models that a project names, and where it expects them.

    Raises `CannotStart` for a project that names none, or expects them elsewhere than on one port of this machine.
    """
    held = {path.name for path in DEMO_MODELS.iterdir() if path.is_dir()}
    ours = [model for model in project.models.values() if model.served_name in held]
    places = {urlsplit(url).netloc for model in ours for url in model.replicas}
    if len(places) != 1:
        detail = f"this project does not expect the demo's models ({', '.join(sorted(held))}) at one address"
        raise CannotStart(what="the demo engine", detail=detail)
    place = urlsplit(f"http://{places.pop()}")
    return tuple(model.served_name for model in ours), Listen(place.hostname or "127.0.0.1", place.port or 80)


def python_in(role: str, orders: Struct) -> Sequence[str]:
    """This interpreter in a role, without the working directory on its path (-P)."""
    return sys.executable, "-P", "-m", "trimtab.assemble", role, msgspec.json.encode(orders).decode()
