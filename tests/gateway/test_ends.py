"""Every way out of a call settles it once, also with a client that leaves before any answer, or a disk that fails."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.gateway.harness import RunningGateway, snapshot, task
from trimtab.declare.project import Deadlines, Retry
from trimtab.record.disk import Disk
from trimtab.record.events import Attempt
from trimtab.record.log import Buffer
from trimtab.testing import Script, ScriptedUpstream, WaitFor, chat_json, error_answer, unanswered_port

HELLO: dict[str, Any] = {"model": "triage", "messages": [{"role": "user", "content": "hi"}]}
PATIENT = Deadlines(connect_s=30.0, first_token_s=30.0, gap_s=30.0)


async def leave(writer: asyncio.StreamWriter, gateway: RunningGateway) -> None:
    """The client goes, and the gateway has noticed."""
    writer.close()
    async with asyncio.timeout(60):
        while gateway.pipeline.open_calls:
            await asyncio.sleep(0)


async def test_a_client_that_leaves_while_a_connection_is_made(tmp_path: Path) -> None:
    """The call ends at once, not with the connect deadline, and the attempt is recorded."""
    with unanswered_port() as port:
        policy = snapshot({"small": f"http://127.0.0.1:{port}"}, task("triage", "small", deadline=PATIENT))
        async with RunningGateway(tmp_path, policy) as gateway:
            _, writer = await gateway.send(HELLO)
            async with asyncio.timeout(60):
                while not gateway.pipeline.open_calls:
                    await asyncio.sleep(0)
            await leave(writer, gateway)
            events = await gateway.events()
            assert gateway.pool.open == 0
    assert [attempt.cause for attempt in events.attempts] == ["client_gone"]
    assert [(end.outcome, end.attempts) for end in events.settled] == [("client_gone", 1)]


async def test_a_client_that_leaves_between_two_attempts(tmp_path: Path) -> None:
    """Nothing is tried for a client that is not there any more."""
    async with ScriptedUpstream() as upstream:
        upstream.add(error_answer(503, "busy", [("retry-after", "20")]), chat_json())
        policy = snapshot({"small": upstream.url}, task("triage", "small", deadline=PATIENT, retry=Retry(attempts=3)))
        async with RunningGateway(tmp_path, policy) as gateway:
            _, writer = await gateway.send(HELLO)
            await upstream.received(1)
            async with asyncio.timeout(60):
                while not gateway.recorded(Attempt):
                    await asyncio.sleep(0)
            await leave(writer, gateway)
            events = await gateway.events()
        assert len(upstream.requests) == 1
    assert [attempt.cause for attempt in events.attempts] == ["upstream_error"]
    assert [(end.outcome, end.attempts) for end in events.settled] == [("client_gone", 1)]


class FailingDisk(Disk):
    """A disk that fails every write while `failing`."""

    failing = False

    def writev(self, fd: int, buffers: Sequence[Buffer]) -> int:
        if self.failing:
            raise OSError(errno.EIO, "Input/output error")
        return Disk.writev(fd, buffers)


async def test_a_disk_that_fails_before_the_call_is_an_internal_error(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """What cannot be written down is not asked: the replica hears nothing, and the next call goes through."""
    disk = FailingDisk()
    async with ScriptedUpstream() as upstream:
        upstream.always(chat_json())
        policy = snapshot({"small": upstream.url}, task("triage", "small", redaction="digest"))
        async with RunningGateway(tmp_path, policy, disk=disk) as gateway:
            disk.failing = True
            failed = await gateway.post(HELLO)
            disk.failing = False
            again = await gateway.post(HELLO)
            events = await gateway.events()
    assert (failed.status, failed.json()["error"]["code"]) == (500, "internal")
    assert again.status == 200
    assert len(upstream.requests) == 1
    assert [event.call for event in events.admitted] == [again.headers["x-trimtab-call"]]
    assert "internal_error" in caplog.text


async def test_a_disk_that_fails_amid_a_call_costs_the_client_nothing(tmp_path: Path) -> None:
    """The answer is delivered; the end of the call waits in memory and is written when the disk works again."""
    disk = FailingDisk()
    async with ScriptedUpstream() as upstream:
        go = asyncio.Event()
        upstream.always(Script((WaitFor(go), *chat_json().steps)))
        policy = snapshot({"small": upstream.url}, task("triage", "small", redaction="digest"))
        async with RunningGateway(tmp_path, policy, disk=disk) as gateway:
            asking = asyncio.create_task(gateway.post(HELLO))
            await upstream.received(1)
            disk.failing = True
            go.set()
            answered = await asking
            disk.failing = False
            events = await gateway.events()
    assert answered.status == 200
    assert [end.outcome for end in events.settled] == ["ok"]
