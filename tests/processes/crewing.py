"""Posts over light children, for tests of the crew."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from pathlib import Path

from trimtab.clock import SystemClock
from trimtab.declare.project import Listen
from trimtab.ids import IdSource
from trimtab.processes.child import Child, Launch, Role
from trimtab.processes.listeners import open_listeners
from trimtab.processes.post import Post, Surroundings

LIGHT = Path(__file__).with_name("light_child.py")
LIMIT_S = 60.0


def role(mode: str = "works", *, patience_s: float = 10.0, name: str = "gateway") -> Role:
    """A role whose children do what `light_child.py` says of the mode."""

    def command(launch: Launch) -> list[str]:
        return [sys.executable, "-S", "-E", str(LIGHT), mode, str(launch.channel), str(launch.listener)]

    return Role(name, command, lambda: patience_s, records=name == "gateway")  # type: ignore[arg-type]


@dataclass
class Bench:
    """The surroundings of posts under test, and what they told."""

    lock: int
    tasks: list[asyncio.Task[None]] = field(default_factory=list)
    listeners: list[socket.socket] = field(default_factory=list)
    buried: list[str] = field(default_factory=list)
    notes: list[tuple[str, str, str]] = field(default_factory=list)
    changes: int = 0
    moved: asyncio.Event = field(default_factory=asyncio.Event)

    def surroundings(self) -> Surroundings:
        return Surroundings(
            clock=SystemClock(),
            ids=IdSource(1),
            lock=self.lock,
            snapshot=lambda: Path("snapshot-1.mp"),
            spawn=self._spawn,
            changed=self._changed,
            bury=self._bury,
            note=self._note,
        )

    def post(self, made: Role, slot: int = 0, *, listening: bool = False) -> Post:
        if not listening:
            return Post(made, slot, None, self.surroundings())
        self.listeners += open_listeners(Listen("127.0.0.1", 0), 1, "[gateway] listen")
        return Post(made, slot, self.listeners[-1], self.surroundings())

    async def end(self) -> None:
        """Closes the sockets; raises what a task of a post raised."""
        for listener in self.listeners:
            listener.close()
        async with asyncio.timeout(LIMIT_S):
            await asyncio.gather(*self.tasks)

    def _spawn(self, work: Coroutine[object, object, None]) -> asyncio.Task[None]:
        self.tasks.append(asyncio.ensure_future(work))
        return self.tasks[-1]

    def _changed(self) -> None:
        self.changes += 1
        self.moved.set()

    def _note(self, kind: str, subject: str, detail: str) -> None:
        self.notes.append((kind, subject, detail))
        self.moved.set()

    async def _bury(self, child: Child) -> None:
        self.buried.append(child.launch.epoch)
        self.moved.set()

    async def until(self, condition: Callable[[], object]) -> None:
        """Waits for a condition that a change, a note or a burial makes true."""
        async with asyncio.timeout(LIMIT_S):
            while not condition():
                self.moved.clear()
                await self.moved.wait()
