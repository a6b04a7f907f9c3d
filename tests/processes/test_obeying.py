"""What control does of what the supervisor tells it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.control.conftest import snapshot
from trimtab.policy.publish import publish
from trimtab.processes.channel import (
    Channel,
    Directive,
    Drain,
    Refused,
    Report,
    UseSnapshot,
    Using,
    child_end,
    supervisor_end,
)
from trimtab.processes.obeying import LastTold, obey


@dataclass
class Told:
    """The supervisor's end of the line to a control that obeys."""

    supervisor: Channel[Directive, Report]
    in_force: LastTold
    stop: asyncio.Event


@pytest.fixture
async def told() -> AsyncIterator[Told]:
    ours, theirs = socket.socketpair()
    supervisor, child = await supervisor_end(ours), await child_end(theirs)
    made = Told(supervisor, LastTold(snapshot()), asyncio.Event())
    obeying = asyncio.ensure_future(obey(child, made.in_force, made.stop))
    yield made
    assert not obeying.done()
    obeying.cancel()
    await child.close()
    await supervisor.close()


@pytest.mark.parametrize("content", [None, b"no snapshot"])
async def test_a_snapshot_that_cannot_be_read_ends_nothing(told: Told, tmp_path: Path, content: bytes | None) -> None:
    """It is refused, with the reason; the one in force stays, and the next one is taken."""
    before, bad = told.in_force.snapshot, tmp_path / "snapshot-bad.mp"
    if content is not None:
        bad.write_bytes(content)
    told.supervisor.send(UseSnapshot(str(bad)))
    refused = await told.supervisor.receive()
    assert isinstance(refused, Refused)
    assert (refused.path, bool(refused.detail), told.in_force.snapshot) == (str(bad), True, before)
    good = publish(tmp_path, replace(before, environment="later", tasks={}))
    told.supervisor.send(UseSnapshot(str(good)))
    assert await told.supervisor.receive() == Using(told.in_force.snapshot.digest)
    assert told.in_force.snapshot.environment == "later"


async def test_it_ends_when_told(told: Told) -> None:
    """A drain stops control."""
    told.supervisor.send(Drain())
    async with asyncio.timeout(60):
        await told.stop.wait()
