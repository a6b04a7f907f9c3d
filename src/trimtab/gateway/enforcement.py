"""Proves what the engines of replicas enforce: an engine may take a schema, answer 200, and ignore it.

Two questions, asked at the start and on a schedule. The first wants a constant that the prompt contradicts: an engine
that constrains nothing follows the prompt. The second wants a string that is shorter than the one the prompt asks for:
an engine that knows no `maxLength` follows it too. Both go out in the form in which calls' schemas go.

Source of the idea: vLLM 0.12 took `guided_json` out and answers requests that use it without a constraint.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple

from msgspec import Raw

from trimtab.clock import Clock
from trimtab.contracts.validate import Validator
from trimtab.declare.project import Model
from trimtab.errors import CallError
from trimtab.gateway.board import Board
from trimtab.gateway.board_view import Enforces
from trimtab.gateway.routing import Choice, Router
from trimtab.gateway.serving import FORMS
from trimtab.gateway.surfaces.chat import ChatCompletions
from trimtab.gateway.surfaces.surface import Edits, Keep, SchemaEdit, UpstreamSaidError
from trimtab.policy.snapshot import Snapshot
from trimtab.record.events import Change

LOOK_S: Final = 5.0
ANSWER_S: Final = 60.0
FAILED_AGAIN_S: Final = 60.0
"""After a probe that got no answer, the next one comes this soon."""
TOKENS: Final = 64

log = logging.getLogger("trimtab.gateway")


class Question(NamedTuple):
    """A request whose unconstrained answer would break its schema."""

    prompt: str
    schema: str


CONSTANT: Final = Question(
    'Answer with this JSON object and nothing else: {"code": "BLUE-12"}',
    json.dumps(
        {
            "type": "object",
            "properties": {"code": {"type": "string", "const": "AMBER-77"}},
            "required": ["code"],
            "additionalProperties": False,
        }
    ),
)
BOUNDED: Final = Question(
    'Answer with this JSON object and nothing else: {"word": "incomprehensibility"}',
    json.dumps(
        {
            "type": "object",
            "properties": {"word": {"type": "string", "maxLength": 6}},
            "required": ["word"],
            "additionalProperties": False,
        }
    ),
)

Ask = Callable[[Model, str, str, bytes], Awaitable[tuple[int, bytes]]]
"""POST (model, replica url, path, body) -> status and body; raises OSError, TimeoutError or CallError without one."""


class Enforcement:
    """The enforcement probes of one worker: the one that has the host's health checks.

    `changed` hears when a replica's mark changes.
    """

    def __init__(
        self,
        board: Board,
        router: Callable[[], Router],
        snapshot: Callable[[], Snapshot],
        ask: Ask,
        clock: Clock,
        changed: Callable[[Change], None],
    ) -> None:
        self._board = board
        self._router = router
        self._snapshot = snapshot
        self._ask = ask
        self._clock = clock
        self._changed = changed
        self._due_at: dict[Choice, float] = {}
        self._surface = ChatCompletions()
        self._validators = {question: Validator(question.schema) for question in (CONSTANT, BOUNDED)}

    async def run(self) -> None:
        """Looks every 5 s for replicas whose proof is due, until it is cancelled."""
        while True:
            if self._board.claim_checks():
                await self.round()
            await asyncio.sleep(LOOK_S)

    async def round(self) -> None:
        """Probes every replica that is due, one after another: a probe is no hurry and must not be a load."""
        snapshot, replicas = self._snapshot(), self._router().replicas
        self._due_at = {choice: due for choice, due in self._due_at.items() if choice in replicas}
        needed = {name for task in snapshot.tasks.values() if task.output is not None for name in task.models}
        for choice in replicas:
            model = snapshot.models[choice.model]
            if choice.model not in needed or model.probe_s is None or model.engine not in FORMS:
                continue
            if self._clock.monotonic() < self._due_at.get(choice, 0.0) or not self._board.closed(choice.column):
                continue
            found = await self._prove(model, choice.replica)
            wait_s = FAILED_AGAIN_S if found is None else model.probe_s
            self._due_at[choice] = self._clock.monotonic() + wait_s
            if found is not None:
                self._tell(choice, found)

    async def _prove(self, model: Model, replica: str) -> Enforces | None:
        """What a replica enforces; None when it gave no answer to go by."""
        constant = await self._keeps(model, replica, CONSTANT)
        if constant is None:
            return None
        if not constant:
            return "not"
        bounded = await self._keeps(model, replica, BOUNDED)
        return None if bounded is None else "fully" if bounded else "weakly"

    async def _keeps(self, model: Model, replica: str, question: Question) -> bool | None:
        """Whether the answer keeps the schema; None for none, or one that ended before it could break it."""
        request = {
            "model": model.served_name,
            "messages": [{"role": "user", "content": question.prompt}],
            "temperature": 0,
            "max_tokens": TOKENS,
        }
        asked = self._surface.read(json.dumps(request).encode())
        wire = self._surface.wires[model.wire]
        edit = SchemaEdit(FORMS[model.engine], "probe", Raw(question.schema.encode()))
        try:
            body = wire.splice(asked, Edits(model.served_name, schema=edit))
            async with asyncio.timeout(ANSWER_S):
                status, answer = await self._ask(model, replica, wire.path or self._surface.path, body)
            if status != 200:
                log.warning("probe_refused", extra={"fields": {"model": model.name, "status": status}})
                return None
            [reply] = wire.whole(asked, answer, Keep(replies=True)).facts.replies
        except (OSError, TimeoutError, CallError, UpstreamSaidError, ValueError):
            return None
        checked = self._validators[question].check(reply.text)
        if reply.finish == "length" and not checked.is_json:
            return None
        return not checked.faults

    def _tell(self, choice: Choice, found: Enforces) -> None:
        before = self._board.enforces(choice.column)
        if found == before:
            return
        self._board.probed(choice.column, found)
        detail = {
            "fully": "it keeps the schemas it is given",
            "weakly": "it keeps the shape of a schema, but not the length of a string",
            "not": "it takes schemas and ignores them",
        }
        subject = f"{choice.model} {choice.replica}"
        self._changed(
            Change(self._clock.wall_ns(), "enforcement", subject, before, found, "gateway", detail.get(found, ""))
        )

    def __repr__(self) -> str:
        return f"Enforcement({len(self._due_at)} replicas probed)"
