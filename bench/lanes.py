"""Lanes: faults in number without opening a breaker.

A gateway spares a replica that keeps failing, as it should; a benchmark that injects thousands of faults must not be
spared. So faults are spread over lanes. Each lane is a replica of its own behind a model of its own, used by one client
at a time, and after each fault it answers well twice: one failure in three, never two in a row.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import urllib.request
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from bench import children, client, machine
from bench.arm import Target

LANES = 25
GOOD_ANSWERS = 2
GOOD = {"act": "answer", "chunks": 1, "id": "good"}


@dataclass(frozen=True)
class Scripted:
    """The running scripted upstream: one port for each lane, and one more for `backup`."""

    ports: tuple[int, ...]
    backup: int

    @property
    def models(self) -> dict[str, int]:
        """The models of a project that has a lane for each port."""
        return {lane(i): port for i, port in enumerate(self.ports)} | {"backup": self.backup}

    def log(self) -> dict[str, list[dict[str, Any]]]:
        """What it was asked, by the id of the script."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.backup}/log", timeout=30) as answer:
            entries: dict[str, list[dict[str, Any]]] = json.load(answer)
            return entries


def lane(number: int) -> str:
    """The model of a lane."""
    return f"lane-{number}"


@contextlib.contextmanager
def scripted_upstream() -> Iterator[Scripted]:
    """bench.scripted on the load core."""
    ports = [children.free_port() for _ in range(LANES + 1)]
    command = [sys.executable, "-m", "bench.scripted", *ports]
    with children.running(command, "scripted", machine.cores().load, ports[-1]):
        yield Scripted(tuple(ports[:-1]), ports[-1])


Fault = Callable[[Target], Awaitable[None]]


async def spread(faults: Sequence[Fault], targets: Sequence[Target], *, good_answers: int = GOOD_ANSWERS) -> None:
    """Deal the faults out to the lanes; each runs its own one at a time, with good answers after each.

    Raises RuntimeError when a good answer does not come whole: then the lane is not what it should be.
    """

    async def one_lane(target: Target, its_faults: Sequence[Fault]) -> None:
        for fault in its_faults:
            await fault(target)
            for _ in range(good_answers):
                answer = await client.ask(target, client.scripted(target, GOOD))
                if answer.status != 200 or not answer.whole:
                    raise RuntimeError(
                        f"{target.model} does not answer any more: {answer.status} {answer.body[:300]!r}"
                    )

    async with asyncio.TaskGroup() as lanes:
        for number, target in enumerate(targets):
            lanes.create_task(one_lane(target, faults[number :: len(targets)]))
