"""Runs of the SDK whose models' calls go through a whole gateway in this process, over one journal."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.gateway.harness import KEY, RunningGateway, snapshot, task
from tests.gateway.run_journal import RunJournal
from trimtab.clock import Clock
from trimtab.journal.asks import Entries, Find, Read, Runs
from trimtab.journal.entries import Entry, Intent
from trimtab.runs.gateway import GatewayModels
from trimtab.runs.runtime import Runtime
from trimtab.testing import Answer, Received, Script, ScriptedUpstream, ToolCall, chat_json, chat_stream
from trimtab.testing.runs import UnsteadyKeeper

ORDERS = ToolCall("find_order", ('{"customer": "Ada"}',), "call_1")
FORECAST = ToolCall("get_weather", ('{"city": "Paris"}',), "call_2")
LAST_WORDS = "Ada's lamps go to Paris, where it will rain."


def agent_model(request: Received) -> Script:
    """A model that first calls two tools at once, and answers when it has got what they found."""
    body = json.loads(request.body)
    found = [message for message in body["messages"] if message["role"] == "tool"]
    answer = Answer(pieces=(LAST_WORDS[:10], LAST_WORDS[10:]))
    if not found and body.get("tools"):
        answer = Answer(pieces=(), tool_calls=(ORDERS, FORECAST), finish_reason="tool_calls")
    return chat_stream(answer) if body.get("stream") else chat_json(answer)


@dataclass
class Journaled:
    """One journal, the gateway and the drivers that write to it, and the model behind."""

    journal: RunJournal
    gateway: RunningGateway
    upstream: ScriptedUpstream
    keeper: UnsteadyKeeper
    volatile: tuple[tuple[str | int, ...], ...] = ()
    runtimes: list[Runtime] = field(default_factory=list)

    @property
    def url(self) -> str:
        """The gateway's, without `/v1`."""
        return f"http://127.0.0.1:{self.gateway.port}"

    def runtime(self) -> Runtime:
        """What a new driver is connected to."""
        clock: Clock = self.journal.clock
        made = Runtime(
            keeper=lambda hears: self.keeper,
            blocking=self.keeper.blocking,
            models=GatewayModels(self.url, KEY.decode()),
            clock=clock,
            volatile=lambda: self.volatile,
        )
        self.runtimes.append(made)
        return made

    def entries(self, run: str) -> list[Entry]:
        """A run's log."""
        told = self.journal.keeper.blocking.do(Read(run))
        assert isinstance(told, Entries)
        return [logged.entry for logged in told.entries]

    def runs(self) -> list[str]:
        """The ids of all runs."""
        told = self.journal.keeper.blocking.do(Find())
        return [row.run for row in told.runs] if isinstance(told, Runs) else []

    def steps(self, run: str) -> list[tuple[str, str, str]]:
        """Branch, label and request of a run's steps, sorted."""
        intents = [entry for entry in self.entries(run) if isinstance(entry, Intent)]
        return sorted((intent.branch, intent.label, intent.request) for intent in intents)

    def asked(self) -> int:
        """How many chats the model was asked."""
        return sum(request.method == "POST" for request in self.upstream.requests)

    def crash(self) -> None:
        """The driver is gone, and its lease has run out."""
        for runtime in self.runtimes:
            runtime.close()
        self.keeper.find()
        self.journal.expire()


@asynccontextmanager
async def journaled(directory: Path, volatile: tuple[tuple[str | int, ...], ...] = ()) -> AsyncIterator[Journaled]:
    """Starts all of it."""
    async with ScriptedUpstream() as upstream:
        upstream.always(agent_model)
        names = ("support", "triage")
        tasks = [task(name, "small", volatile=volatile) for name in names]
        gateway = RunningGateway(directory, snapshot({"small": upstream.url}, *tasks))
        journal = RunJournal(directory)
        gateway.journal = journal
        async with gateway:
            made = Journaled(journal, gateway, upstream, UnsteadyKeeper(journal.keeper), volatile)
            yield made
            for runtime in made.runtimes:
                runtime.close()
        journal.store.close()
