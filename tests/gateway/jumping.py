"""Calls through a whole gateway on a loop whose time jumps: deadlines cost nothing, so hypothesis can play hundreds."""

from __future__ import annotations

import asyncio
import logging
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from tests.gateway.harness import Events, Response, RunningGateway
from trimtab.policy.snapshot import Snapshot
from trimtab.record.events import Settled
from trimtab.testing import JumpingClock, JumpingLoop, Script, ScriptedUpstream

P = ParamSpec("P")
T = TypeVar("T")
QUIET_S = 0.002
"""Real seconds in which nothing came, before time jumps: bytes on loopback are faster."""


@dataclass
class Played:
    """What came of one call: the answer, the record, what the upstream was asked, and what was logged as an error."""

    response: Response
    events: Events
    sent: list[Any]
    logged: list[logging.LogRecord] = field(default_factory=list)

    @property
    def settled(self) -> Settled:
        [settled] = self.events.settled
        return settled


class Log(logging.Handler):
    """Keeps what is logged as an error while it is open."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)

    def __enter__(self) -> Log:
        logging.getLogger().addHandler(self)
        return self

    def __exit__(self, *_: object) -> None:
        logging.getLogger().removeHandler(self)


def jump(main: Callable[[JumpingClock], Awaitable[T]]) -> T:
    """Runs a coroutine on a jumping loop of its own."""
    clock = JumpingClock()

    async def inner() -> T:
        return await main(clock)

    with asyncio.Runner(loop_factory=lambda: JumpingLoop(clock, QUIET_S)) as runner:
        return runner.run(inner())


def jumped(test: Callable[P, Awaitable[None]]) -> Callable[P, None]:
    """The test on a jumping loop of its own."""

    @wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        jump(lambda _: test(*args, **kwargs))

    return run


def play(
    policy: Callable[[str], Snapshot], scripts: Sequence[Script], body: object, path: str = "/v1/chat/completions"
) -> Played:
    """One call; the upstream plays the scripts one after the other, and the last of them ever after."""

    async def main(clock: JumpingClock) -> Played:
        with tempfile.TemporaryDirectory() as directory, Log() as log:
            async with ScriptedUpstream() as upstream:
                upstream.add(*scripts[:-1])
                upstream.always(scripts[-1])
                async with RunningGateway(Path(directory), policy(upstream.url), clock=clock) as gateway:
                    response = await gateway.post(body, path)
                    events = await gateway.events()
            return Played(response, events, [request.body for request in upstream.requests], log.records)

    return jump(main)
