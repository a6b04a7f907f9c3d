"""One process of the crew, from its start to its end."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from trimtab.clock import Clock
from trimtab.errors import ChannelBroken
from trimtab.processes.channel import (
    Channel,
    Directive,
    Drain,
    Drained,
    DrainReason,
    Ready,
    Refused,
    Report,
    Using,
    supervisor_end,
)
from trimtab.processes.roster import LifeState, Member, RoleName

STANDARD_ERROR = 2
END_LIMIT_S = 10.0
"""From the end of its channel to its own end."""


class Launch(NamedTuple):
    """What a child is started with; `channel` and `listener` are descriptors that it inherits, -1 is no listener."""

    slot: int
    epoch: str
    snapshot: Path
    channel: int
    listener: int


@dataclass(frozen=True)
class Role:
    """A kind of child.

    `command` is what to run for a launch, `patience_s` how long the child may take from a drain to its end before it
    is killed, `records` whether it writes records under an epoch of its own.
    """

    name: RoleName
    command: Callable[[Launch], Sequence[str]]
    patience_s: Callable[[], float]
    records: bool = False


class Child:
    """A started process: `follow` it, `send` it directives; its state is what it last reported."""

    def __init__(self, role: Role, launch: Launch, restarts: int, clock: Clock) -> None:
        self.role = role
        self.launch = launch
        self.state: LifeState = "starting"
        self.snapshot = ""
        self.refused: Refused | None = None
        self.cut = 0
        self.ready = asyncio.Event()
        self.gone = asyncio.Event()
        self.code = 0
        self._restarts = restarts
        self._clock = clock
        self._started_at = clock.wall_ns() / 1e9
        self._ready_at: float | None = None
        self._ended_at = 0.0
        self._process: asyncio.subprocess.Process
        self._channel: Channel[Directive, Report]

    @classmethod
    async def start(
        cls,
        role: Role,
        *,
        slot: int,
        epoch: str,
        snapshot: Path,
        listener: socket.socket | None,
        lock: int,
        restarts: int,
        clock: Clock,
    ) -> Child:
        """Starts a process of the role in a session of its own, its output on our standard error.

        It inherits its end of a channel, the listener if there is one, and the lock of the data directory. Raises
        `OSError` when the system will not start it.
        """
        ours, theirs = socket.socketpair()
        with theirs:
            fds = [theirs.fileno(), lock] + ([] if listener is None else [listener.fileno()])
            launch = Launch(slot, epoch, snapshot, theirs.fileno(), -1 if listener is None else listener.fileno())
            child = cls(role, launch, restarts, clock)
            try:
                child._process = await asyncio.create_subprocess_exec(
                    *role.command(launch),
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=STANDARD_ERROR,
                    pass_fds=fds,
                    start_new_session=True,
                )
            except BaseException:
                ours.close()
                raise
        child._channel = await supervisor_end(ours)
        return child

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def worked_s(self) -> float | None:
        """Seconds it was ready before it ended; None if it never was."""
        return None if self._ready_at is None else self._ended_at - self._ready_at

    @property
    def ending(self) -> str:
        """How the process ended, in words."""
        return f"signal {signal.Signals(-self.code).name}" if self.code < 0 else f"exit code {self.code}"

    def member(self) -> Member:
        """Its line in the roster."""
        return Member(
            self.role.name,
            self.launch.slot,
            self.pid,
            self.launch.epoch,
            self._started_at,
            self._restarts,
            self.state,
            self.snapshot,
        )

    async def follow(self, changed: Callable[[Child], None]) -> None:
        """Takes in its reports until the process has ended; `changed` is called after each."""
        try:
            while (report := await self._channel.receive()) is not None:
                self._take(report)
                changed(self)
        except ChannelBroken:
            self.kill()
            raise
        finally:
            self.code = await self._end()
            self._ended_at = self._clock.monotonic()
            await self._channel.close()
            self.gone.set()

    async def _end(self) -> int:
        """Its exit status; a process that has left its channel and does not end is killed."""
        try:
            async with asyncio.timeout(END_LIMIT_S):
                return await self._process.wait()
        except TimeoutError:
            self.kill()
            return await self._process.wait()

    def _take(self, report: Report) -> None:
        match report:
            case Ready():
                self.state = "ready" if self.state == "starting" else self.state
                self._ready_at = self._clock.monotonic()
                self.ready.set()
            case Using(digest):
                self.snapshot, self.refused = digest, None
            case Refused():
                self.refused = report
            case Drained(cut):
                self.cut = cut

    def send(self, directive: Directive) -> None:
        """Tells it what to do; raises `ChannelBroken` when it has stopped reading."""
        self._channel.send(directive)

    async def leave(self, reason: DrainReason) -> bool:
        """Asks it to drain and waits for its end; False if it had to be killed because it took too long."""
        self.state = "draining"
        try:
            self.send(Drain(reason))
            async with asyncio.timeout(self.role.patience_s()):
                await self.gone.wait()
        except (TimeoutError, ChannelBroken):
            self.kill()
            await self.gone.wait()
            return False
        return True

    def kill(self) -> None:
        """Ends it at once (SIGKILL)."""
        if self._process.returncode is None:
            self._process.kill()

    def __repr__(self) -> str:
        state = self.ending if self.gone.is_set() else self.state
        return f"Child({self.role.name} {self.launch.slot}, pid {self.pid}, {state})"
