"""Agents over raw HTTP whose model never says the same twice, a gateway in this process, and a journal on the disk."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

from tests.gateway.harness import RunningGateway, snapshot, task
from tests.gateway.run_journal import RunJournal
from trimtab.clock import Clock
from trimtab.testing import Answer, Received, Script, ScriptedUpstream, chat_json, chat_stream, error_answer
from trimtab.testing.scripts import Framing

TASK = "triage"
WORDS = ("late", "lost", "paid", "open", "sent", "back", "soon", "once", "more", "than", "any")
FAILS = 0.05
"""The share of calls that the model's server refuses."""
APART_S = 0.001
"""Between the chunks of a stream, so that they come one by one."""


class Said(NamedTuple):
    """An answer as its client got it: the status and the body in its chunks."""

    status: int
    chunks: tuple[bytes, ...]

    @property
    def body(self) -> bytes:
        """The body without its chunks' boundaries."""
        return b"".join(self.chunks)


class Model:
    """Answers with words drawn anew each time, whole or streamed as it is asked; now and then it refuses."""

    def __init__(self, seed: int) -> None:
        self.asked = 0
        self.leave: Callable[[], Awaitable[None]] = _stays
        self._draw = random.Random(seed)

    def answer(self, request: Received) -> Script:
        """What is said to a request."""
        self.asked += 1
        if self._draw.random() < FAILS:
            return error_answer(400, f"refused {self._draw.random()}")
        pieces = tuple(f"{self._draw.choice(WORDS)} " for _ in range(self._draw.randint(5, 200)))
        said = Answer(pieces=pieces)
        if not json.loads(request.body).get("stream"):
            return chat_json(said)
        return chat_stream(said, Framing(events_in_chunk=self._draw.randint(1, 30), gap_s=APART_S))


async def _stays() -> None:
    """Nothing serves it yet."""


@asynccontextmanager
async def modelled(folder: Path, seed: int, clock: Clock | None = None) -> AsyncIterator[tuple[RunningGateway, Model]]:
    """A gateway and its model, whose server goes away with `model.leave`."""
    model = Model(seed)
    async with AsyncExitStack() as served:
        upstream = await served.enter_async_context(ScriptedUpstream())
        upstream.always(model.answer)
        model.leave = served.aclose
        gateway = RunningGateway(folder, snapshot({"small": upstream.url}, task(TASK, "small")), clock)
        gateway.journal = RunJournal(folder)
        async with gateway:
            yield gateway, model


async def ask(gateway: RunningGateway, body: object, path: str = "/v1/chat/completions", **headers: str) -> Said:
    """One call, read chunk by chunk."""
    reader, writer = await gateway.send(body, path, **headers)
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        status = int(head.split()[1])
        if b"transfer-encoding: chunked" not in head:
            size = int(head.partition(b"content-length:")[2].split()[0])
            return Said(status, (await reader.readexactly(size),))
        chunks = []
        while size := int(await reader.readline(), 16):
            chunks.append(await reader.readexactly(size))
            await reader.readexactly(2)
        return Said(status, tuple(chunks))
    finally:
        writer.close()


async def agent(gateway: RunningGateway, number: int, turns: int, **headers: str) -> list[Said]:
    """A conversation of so many turns; what is asked next follows from what was said. Each third turn asks for two
    opinions at once. Gives all answers in the order in which they were asked for.
    """
    said: list[Said] = []
    messages: list[dict[str, Any]] = [{"role": "user", "content": f"ticket {number}: where is my parcel?"}]
    for turn in range(turns):
        body = {"model": TASK, "messages": messages, "stream": turn % 2 == 1, "temperature": 0.7}
        if turn % 3 == 2:
            asides = [
                {**body, "messages": [*messages, {"role": "user", "content": f"as {who}"}]}
                for who in ("the client", "a carrier")
            ]
            said += await asyncio.gather(*(ask(gateway, aside, **headers) for aside in asides))
        answer = await ask(gateway, body, **headers)
        said.append(answer)
        messages = [
            *messages,
            {"role": "assistant", "content": answer.body.decode()[-60:]},
            {"role": "user", "content": f"and then, after {len(answer.body)} bytes?"},
        ]
    return said
