"""An agent against a real `trimtab up`: what it is connected to, and that both faces and orders reach it there."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.processes.upping import Up, write_project
from trimtab import blocking, connect, event, model, replay, run, tool
from trimtab.journal.asks import Direct, Entries, Read
from trimtab.journal.entries import Intent
from trimtab.journal.refusals import Halted, RunUnknown
from trimtab.runs.runtime import Runtime
from trimtab.testing import Answer, ScriptedUpstream, chat_json

CALLED: list[str] = []


@tool(effect="write")
async def write(text: str) -> str:
    """Must happen once."""
    CALLED.append(text)
    return text * 500


@run(task="chat")
async def agent(question: str) -> list[int]:
    """Two calls at once and a long result."""
    one, two = await asyncio.gather(model("chat", question), model("chat", question + "?"))
    return [len(one.text), len(two.text), len(await write(one.text))]


@run(task="chat")
def plain(question: str) -> str:
    """One call without awaiting."""
    return blocking.model("chat", question).text


@run(task="chat")
async def waits() -> None:
    """Waits for what never comes."""
    await event("never")


def waiting(runtime: Runtime) -> bool:
    """Whether the run `w` has begun to wait."""
    try:
        told = runtime.blocking.do(Read("w"))
    except RunUnknown:
        return False
    return isinstance(told, Entries) and any(isinstance(one.entry, Intent) for one in told.entries)


async def test_agents_of_both_faces_against_a_real_up(tmp_path: Path) -> None:
    """Their calls are steps, a replay asks nobody, and a stop reaches a run that waits within the second."""
    CALLED.clear()
    async with ScriptedUpstream() as upstream:
        upstream.always(chat_json(Answer(pieces=("twelve lamps",))))
        write_project(tmp_path, upstream.url)
        async with Up(tmp_path) as up:
            runtime = connect(tmp_path / ".trimtab", f"http://127.0.0.1:{up.port}")
            with runtime:
                assert await agent.options(id="r")("how many") == [12, 12, 6000]
                asked = len([request for request in upstream.requests if request.method == "POST"])
                assert await replay("r", agent) == [12, 12, 6000]
                assert len([request for request in upstream.requests if request.method == "POST"]) == asked == 2
                assert CALLED == ["twelve lamps"]
                assert await asyncio.to_thread(plain, "how many") == "twelve lamps"
                doing = asyncio.ensure_future(waits.options(id="w")())
                while not waiting(runtime):
                    await asyncio.sleep(0.01)
                await asyncio.to_thread(runtime.blocking.do, Direct("stop", "Eve", "w"))
                async with asyncio.timeout(5.0):
                    with pytest.raises(Halted):
                        await doing
            await asyncio.to_thread(runtime.close)
