"""A whole gateway in this process: real server, pipeline, pool, board and spool, on a loopback port."""

from __future__ import annotations

import asyncio
import json
import random
import socket
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from trimtab.clock import Clock, SystemClock
from trimtab.cost.prices import Rate
from trimtab.declare.project import Deadlines, Defaults, Gateway, Listen, Model, Objective, Retry, Route, Sampling
from trimtab.gateway import replies
from trimtab.gateway.background.parts import BackgroundParts
from trimtab.gateway.board import Board
from trimtab.gateway.context.tokens import Tokenizers
from trimtab.gateway.context.windows import ContextMemory
from trimtab.gateway.pipeline import Pipeline
from trimtab.gateway.routing import Router
from trimtab.gateway.server import Server
from trimtab.gateway.serving import Parts
from trimtab.gateway.upstreams.pool import Pool
from trimtab.gateway.upstreams.signers import Signers
from trimtab.ids import IdSource
from trimtab.policy.snapshot import Snapshot, TaskPolicy
from trimtab.record import tail
from trimtab.record.bodies import Bodies
from trimtab.record.disk import Disk
from trimtab.record.events import Admitted, Attempt, Change, Event, Settled
from trimtab.record.frames import SEGMENT
from trimtab.record.log import RollingLog
from trimtab.record.packs import PACK
from trimtab.record.recorder import Recorder
from trimtab.record.room import Room
from trimtab.record.spool import Spool
from trimtab.testing import JumpingLoop

EventT = TypeVar("EventT", Admitted, Attempt, Settled, Change)
KEY = b"tt_test"
GENEROUS = Deadlines(connect_s=30.0, first_token_s=30.0, gap_s=30.0)


@dataclass(frozen=True)
class ClientKey:
    name: str = "tester"
    tasks: tuple[str, ...] = ()
    role: str = "client"


def task(name: str, *models: str, **policy: Any) -> TaskPolicy:
    values: dict[str, Any] = {
        "owner": "team",
        "task_class": "interactive",
        "sampling": Sampling(),
        "deadline": GENEROUS,
        "objective": Objective(),
        "retry": Retry(attempts=3),
        "redaction": "full",
        "prompt": None,
    }
    return TaskPolicy(name=name, models=models, **{**values, **policy})


def snapshot(models: Mapping[str, str | list[str]], *tasks: TaskPolicy, **more: Any) -> Snapshot:
    """A snapshot of models by name and replica URL, and tasks."""
    declared = {
        name: Model(name=name, served_name=f"served-{name}", replicas=(urls,) if isinstance(urls, str) else tuple(urls))
        for name, urls in models.items()
    }
    values: dict[str, Any] = {
        "digest": "d" * 64,
        "environment": "test",
        "lock_id": "",
        "gateway": Gateway(listen=Listen("127.0.0.1", 0), workers=1),
        "defaults": Defaults(deadline=GENEROUS),
        "models": declared,
        "rates": {name: (Rate(input=150_000, output=600_000, cache_read=75_000),) for name in declared},
        "gpu_pusd_per_s": {},
        "tasks": {one.name: one for one in tasks},
        "task_of_key": {},
        "task_of_system_prompt": {},
        "keys_required": True,
    }
    return Snapshot(**{**values, **more})


def passing(model: Model, *routes: tuple[str, str]) -> Model:
    """The model with routes that pass through."""
    return Model(
        name=model.name,
        served_name=model.served_name,
        replicas=model.replicas,
        passthrough=tuple(Route(method, path) for method, path in routes),
    )


@dataclass
class Response:
    """An answer as its bytes tell it."""

    status: int
    headers: dict[str, str]
    body: bytes
    whole: bool

    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def events(self) -> list[str]:
        return [part.removeprefix("data: ") for part in self.body.decode().split("\n\n") if part]


class RunningGateway:
    """The gateway under test and the client's side of it; on a loop that jumps its time is the loop's."""

    def __init__(self, directory: Path, policy: Snapshot, clock: Clock | None = None, disk: Disk | None = None) -> None:
        self.directory = directory
        loop = asyncio.get_running_loop()
        self.clock = clock or (loop.clock if isinstance(loop, JumpingLoop) else SystemClock())
        self.disk = disk or Disk()
        self.policy = policy
        self.keys: dict[bytes, ClientKey] = {KEY: ClientKey()}
        self.operator_key = b""
        self.journal: Any = None
        self.background = BackgroundParts()
        self.tokenizers = Tokenizers(directory, partial(ThreadPoolExecutor, 1))

    async def __aenter__(self) -> RunningGateway:
        clock, disk, epoch = self.clock, self.disk, "g0-000000000001"
        room = Room(self.directory, epoch, clock, disk, reserve_bytes=1 << 20, spool_limit_bytes=1 << 30)
        segments = RollingLog(self.directory / "spool" / epoch, SEGMENT, clock, disk, max_bytes=1 << 26, max_age_s=60.0)
        packs = RollingLog(self.directory / "bodies" / epoch, PACK, clock, disk, max_bytes=1 << 26, max_age_s=600.0)
        self.bodies = Bodies(packs, room, clock)
        self.recorder = Recorder(Spool(segments), self.bodies, room)
        board_path = self.directory / "board"
        Board.create(board_path, slots=1, replicas=8)
        self.board = Board.open(board_path, 0, epoch)
        self.pool = Pool(clock)
        source = random.Random(7)
        parts = Parts(
            clock=clock,
            ids=IdSource(7),
            random=source.random,
            recorder=self.recorder,
            bodies=self.bodies,
            pool=self.pool,
            router=lambda policy: Router(self.board, policy.models, source.random),
            find_key=self.keys.get,
            signers=Signers(lambda secret: f"secret-of-{secret.place}", clock),
            worker=epoch,
            context=ContextMemory(self.tokenizers),
            operator_key=self.operator_key,
            journal=self.journal,
            key_named=lambda name: next((key for key in self.keys.values() if key.name == name), None),
            background=self.background,
        )
        self.pipeline = Pipeline(parts, self.policy)
        self.server = Server(self.pipeline.handle, self.policy.gateway.limits, clock, replies.protocol_error)
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        await self.server.start(self.socket)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.server.close()
        await self.pool.close()
        self.socket.close()
        self.recorder.close()
        self.board.close()

    async def post(self, body: object, path: str = "/v1/chat/completions", **headers: str) -> Response:
        """Sends one request on a connection of its own and reads the answer to its end."""
        reader, writer = await self.send(body, path, **headers)
        try:
            return await read_response(reader)
        finally:
            writer.close()

    async def send(
        self, body: object, path: str = "/v1/chat/completions", method: str = "POST", **headers: str
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Sends one request and leaves the answer to be read."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        fields = {
            "host": "gateway",
            "content-type": "application/json",
            "content-length": str(len(data)),
            "authorization": f"Bearer {KEY.decode()}",
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        head = "".join(f"{name}: {value}\r\n" for name, value in fields.items() if value)
        writer.write(f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode() + data)
        return reader, writer

    async def events(self) -> Events:
        """All events in the spool, after what is open has ended."""
        while self.pipeline.open_calls:
            await asyncio.sleep(0)
        return Events(self.recorded(Admitted), self.recorded(Attempt), self.recorded(Settled))

    def recorded(self, kind: type[EventT]) -> list[EventT]:
        """The events of a kind that were recorded so far."""
        self.recorder.flush()
        found: list[Event] = []
        for segment in tail.segments(self.directory / "spool"):
            found += [event for _, event in tail.read(segment.path, 0)]
        return [event for event in found if isinstance(event, kind)]


@dataclass
class Events:
    """The events of a spool by kind."""

    admitted: list[Admitted] = field(default_factory=list)
    attempts: list[Attempt] = field(default_factory=list)
    settled: list[Settled] = field(default_factory=list)


async def read_response(reader: asyncio.StreamReader) -> Response:
    """Reads one answer; `whole` is whether its framing says that nothing is missing."""
    head = await reader.readuntil(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:]) if name}
    status, body, whole = int(lines[0].split()[1]), b"", True
    try:
        if headers.get("transfer-encoding") == "chunked":
            while size := int((await reader.readline()).split(b";")[0] or b"x", 16):
                body += await reader.readexactly(size)
                await reader.readexactly(2)
            await reader.readline()
        else:
            body = await reader.readexactly(int(headers.get("content-length", "0")))
    except (asyncio.IncompleteReadError, ConnectionResetError, ValueError) as cut:
        body += cut.partial if isinstance(cut, asyncio.IncompleteReadError) else b""
        whole = False
    return Response(status, headers, body, whole)
