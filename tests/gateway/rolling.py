"""A gateway with a candidate beside the snapshot in force, and the server of each."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.gateway.harness import Response, RunningGateway, snapshot, task
from trimtab.declare.project import Prompt, Retry, Turn
from trimtab.gateway.exposure import Exposed, Exposure
from trimtab.policy.rollout import Rollout
from trimtab.policy.snapshot import Snapshot
from trimtab.testing import Answer, ScriptedUpstream, ToolCall, chat_json, chat_stream
from trimtab.testing.faults import failing, reset

BODY: dict[str, Any] = {"model": "any", "messages": [{"role": "user", "content": "hi"}]}
BASE, CANDIDATE = "b" * 64, "c" * 64
PROMPT = Prompt((Turn("system", "Sort it."),), (), "d" * 64)


def policies(urls: tuple[str, str], base: dict[str, Any], **more: Any) -> tuple[Snapshot, Snapshot]:
    served, candidate = urls
    first = task("triage", "small", **{"prompt": PROMPT if "prompt" in more else None, **base})
    in_force = snapshot({"small": served}, first, task("other", "small"), digest=BASE, lock_id="1" * 64)
    tried = snapshot(
        {"small": candidate},
        task("triage", "small", **more),
        task("other", "small"),
        digest=CANDIDATE,
        lock_id="2" * 64,
    )
    return in_force, tried


def rollout(**more: Any) -> Rollout:
    values: dict[str, Any] = {
        "id": "r1",
        "kind": "canary",
        "state": "running",
        "snapshot": CANDIDATE,
        "lock": "2" * 64,
        "base_snapshot": BASE,
        "base_lock": "1" * 64,
        "share": 0.5,
        "salt": "salt",
        "exposed": 1000,
        "tasks": ("triage",),
        "source": "HEAD",
        "began_ns": 0,
    }
    return Rollout(**{**values, **more})


def saying(text: str) -> Any:
    return chat_json(Answer(pieces=(text,)))


@dataclass
class Both:
    """A gateway with a candidate, and the server of each."""

    gateway: RunningGateway
    base: ScriptedUpstream
    candidate: ScriptedUpstream
    table: Path

    async def ask(self, body: object = BODY, name: str = "triage", **more: str) -> Response:
        return await self.gateway.post(body, x_trimtab_task=name, **more)

    def begin(self, one: Rollout, tried: Snapshot) -> None:
        self.gateway.pipeline.roll_out(self.gateway.pipeline.candidate(one, tried, self.table))

    @property
    def exposed(self) -> Exposed:
        table = Exposure(self.table, 1000)
        try:
            return table.figures
        finally:
            table.close()


class Opened:
    """Both servers and the gateway between them."""

    def __init__(
        self, directory: Path, one: Rollout, base: dict[str, Any] | None = None, operator: bytes = b"", **more: Any
    ) -> None:
        self.operator = operator
        self.directory, self.one, self.served, self.more = directory, one, base or {}, more
        self.base, self.candidate = ScriptedUpstream(), ScriptedUpstream()

    async def __aenter__(self) -> Both:
        await self.base.__aenter__()
        await self.candidate.__aenter__()
        self.base.always(saying("base"))
        self.candidate.always(saying("candidate"))
        in_force, tried = policies((self.base.url, self.candidate.url), self.served, **self.more)
        self.gateway = RunningGateway(self.directory, in_force)
        self.gateway.operator_key = self.operator
        await self.gateway.__aenter__()
        both = Both(self.gateway, self.base, self.candidate, self.directory / "exposed")
        both.begin(self.one, tried)
        return both

    async def __aexit__(self, *gone: object) -> None:
        await self.gateway.__aexit__(*gone)
        await self.candidate.__aexit__(*gone)
        await self.base.__aexit__(*gone)


def said(answer: Response) -> str:
    text: str = answer.json()["choices"][0]["message"]["content"]
    return text


FOREIGN = (b"candidate", b"weather", b"engine failed", b"error")


@dataclass(frozen=True)
class Trials:
    """What came of many calls beside a shadow: answers with anything of the candidate's, copies, calls in force."""

    leaked: int
    copied: int
    dropped: int
    settled: int
    asked_in_force: int


async def trials(directory: Path, number: int, seed: int) -> Trials:
    """Asks so many times, whole and streamed, while the candidate answers with tool calls, errors and broken streams.

    An answer that is not what is in force says, or has a word of what the candidate does, counts as leaked.
    """
    draw = random.Random(seed)
    outlandish = [
        saying("candidate"),
        chat_stream(Answer(pieces=("candidate", "!"))),
        chat_json(Answer(pieces=(), tool_calls=(ToolCall("weather", ("{}",)),))),
        failing(503),
        failing(429),
        reset(),
    ]
    one = rollout(kind="shadow", share=0.5, exposed=0)
    leaked = 0
    async with Opened(directory, one, retry=Retry(attempts=1)) as both:
        both.candidate.always(lambda _: draw.choice(outlandish))
        for turn in range(number):
            streamed = draw.random() < 0.5
            whole = Answer(pieces=("base",))
            both.base.always(chat_stream(whole) if streamed else chat_json(whole))
            answer = await both.ask({**BODY, "stream": streamed}, x_trimtab_conversation=f"c{turn}")
            is_foreign = any(word in answer.body for word in FOREIGN)
            leaked += answer.status != 200 or not answer.whole or b"base" not in answer.body or is_foreign
        events = await both.gateway.events()
        copies = sum(one.admitted.task == "(shadow) triage" for one in events.settled)
        return Trials(leaked, copies, both.exposed.dropped, len(events.settled), len(both.base.requests))
