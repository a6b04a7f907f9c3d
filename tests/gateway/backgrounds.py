"""A gateway that makes background calls, and clients that submit and poll them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.gateway.harness import Response, RunningGateway, read_response, snapshot, task
from tests.gateway.run_journal import RunJournal
from trimtab.declare.background import Background
from trimtab.gateway.background.parts import BackgroundParts
from trimtab.gateway.background.working import BackgroundWork, Making
from trimtab.gateway.pipeline import SURFACES

HELLO = {"model": "triage", "messages": [{"role": "user", "content": "hi"}]}
ASKED = {"model": "triage", "input": "hi", "background": True}
RESPONSE: dict[str, Any] = {
    "id": "resp_upstream",
    "object": "response",
    "created_at": 1,
    "status": "completed",
    "model": "served-small",
    "output": [
        {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "status": "completed",
            "content": [{"type": "output_text", "text": "Hello there.", "annotations": []}],
        }
    ],
    "parallel_tool_calls": True,
    "tool_choice": "auto",
    "tools": [],
    "usage": {
        "input_tokens": 5,
        "output_tokens": 3,
        "total_tokens": 8,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens_details": {"reasoning_tokens": 0},
    },
}
LIMIT_S = 30.0


class Backgrounds(RunningGateway):
    """`work` makes calls while `working`; `later` moves the journal's clock."""

    work: BackgroundWork

    def __init__(
        self, directory: Path, url: str, working: bool = True, declared: Background | None = None, **more: Any
    ) -> None:
        super().__init__(directory, snapshot({"small": url}, task("triage", "small", **more)))
        self.journal = RunJournal(directory)
        self.working = working
        self.declared = declared or Background()
        self.background = BackgroundParts(self.declared, lambda: ("ops",))
        self._minding: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Backgrounds:
        await super().__aenter__()
        self.work = self.worker("g0")
        if self.working:
            self._minding = asyncio.create_task(self.work.run())
        return self

    async def __aexit__(self, *of: object) -> None:
        if self._minding is not None:
            self._minding.cancel()
        await super().__aexit__(*of)

    def worker(self, name: str) -> BackgroundWork:
        """What makes background calls in a worker of that name."""
        paths = {surface.name: surface.path for surface in SURFACES}
        return self.pipeline.background(
            lambda handle, busy: BackgroundWork(
                Making(self.journal, handle, busy, paths, self.declared, self.clock, lambda: 0.5, name)
            )
        )

    @asynccontextmanager
    async def working_as(self, work: BackgroundWork) -> AsyncIterator[BackgroundWork]:
        """A worker goes about its work."""
        minding = asyncio.create_task(work.run())
        try:
            yield work
        finally:
            minding.cancel()

    def later(self, seconds: float) -> None:
        """Time goes by for the journal."""
        self.journal.clock.ahead_s += seconds
        self.work.nudge()

    async def ask(self, method: str, path: str, **headers: str) -> Response:
        """A request without a body."""
        reader, writer = await self.send(b"", path, method, **headers)
        try:
            return await read_response(reader)
        finally:
            writer.close()

    async def submit(self, body: object = HELLO, path: str = "/v1/chat/completions", **headers: str) -> str:
        """The id of a call that was taken in."""
        told = await self.post(body, path, x_trimtab_background="true", **headers)
        assert told.status == 202, told.body
        return str(told.json()["id"])

    async def over(self, run: str, **headers: str) -> Response:
        """The answer, when it is there."""
        async with asyncio.timeout(LIMIT_S):
            while True:
                told = await self.ask("GET", f"/v1/background/{run}", **headers)
                if told.status != 202:
                    return told
                await asyncio.sleep(0.005)

    async def status(self, run: str) -> dict[str, Any]:
        """How a call stands."""
        told: dict[str, Any] = (await self.ask("GET", f"/v1/background/{run}/status")).json()
        return told

    async def until(self, run: str, **facts: Any) -> dict[str, Any]:
        """How it stands when it stands so."""
        async with asyncio.timeout(LIMIT_S):
            while True:
                found = await self.status(run)
                if all(found[name] == fact for name, fact in facts.items()):
                    return found
                await asyncio.sleep(0.005)
