"""Agents of five kinds over a gateway: journaled whole, and taken up without repeating anything."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.runs.framework_agents import AGENTS, CALLED, QUESTION, find_order
from tests.runs.through_gateway import LAST_WORDS, Journaled, journaled
from trimtab import model, replay, run
from trimtab.errors import JournalUnavailable, ReplayDivergence
from trimtab.journal.entries import Ended, Intent, Result


@pytest.mark.parametrize("kind", AGENTS)
async def test_an_agent_is_journaled_whole(tmp_path: Path, kind: str) -> None:
    """Each model call and each tool call is a step with a result, in one log, whoever wrote it."""
    CALLED.clear()
    async with journaled(tmp_path) as world:
        with world.runtime():
            assert await AGENTS[kind].options(id="r")(QUESTION, world.url) == LAST_WORDS
        entries = world.entries("r")
        intents = [(entry.step, entry.tool) for entry in entries if isinstance(entry, Intent)]
        assert sorted(tool for step, tool in intents if step == "tool") == ["find_order", "get_weather"]
        assert sum(step == "model" for step, _ in intents) == world.asked() == 2
        assert sum(isinstance(entry, Result) for entry in entries) == len(intents) == 4
        assert isinstance(entries[-1], Ended)
        assert CALLED == {"find_order": 1, "get_weather": 1}


@pytest.mark.parametrize("kind", AGENTS)
async def test_an_agent_that_has_done_all_but_end_is_replayed_from_its_log(tmp_path: Path, kind: str) -> None:
    """The driver loses the journal at the last entry: the next one asks no model, calls no tool, and ends the same."""
    CALLED.clear()
    async with journaled(tmp_path) as world:
        with world.runtime():
            asks = await count_of_asks(world, kind)
            world.keeper.lose(asks - 1, answered=True)
            with pytest.raises(JournalUnavailable):
                await AGENTS[kind].options(id="r")(QUESTION, world.url)
        before, steps, called = world.asked(), world.steps("r"), dict(CALLED)
        world.crash()
        with world.runtime():
            assert await AGENTS[kind].options(id="r")(QUESTION, world.url) == LAST_WORDS
        assert world.asked() == before
        assert world.steps("r") == steps == world.steps("counted")
        assert CALLED == called == {"find_order": 2, "get_weather": 2}


async def count_of_asks(world: Journaled, kind: str) -> int:
    """How many asks the driver itself makes for a run of that kind."""
    world.keeper.asks = 0
    assert await AGENTS[kind].options(id="counted")(QUESTION, world.url) == LAST_WORDS
    return world.keeper.asks


async def test_what_is_volatile_does_not_make_a_branch_another_one(tmp_path: Path) -> None:
    """Tasks whose first call differs in a volatile place alone are found again where they were."""
    told = iter(["09:00", "09:01", "09:02", "09:03"])

    async def at(question: str) -> str:
        return (await model("triage", [{"role": "user", "content": question, "at": next(told)}])).text

    @run(task="support")
    async def two() -> list[str]:
        return await asyncio.gather(at("a"), at("b"))

    async with journaled(tmp_path, volatile=(("messages", 0, "at"),)) as world:
        with world.runtime():
            world.keeper.lose(1, answered=True)  # its start; the gateway's asks do not count
            with pytest.raises(JournalUnavailable):
                await two.options(id="r")()
        world.crash()
        with world.runtime():
            assert await two.options(id="r")() == [LAST_WORDS, LAST_WORDS]
        assert world.asked() == 2


@pytest.mark.parametrize("kind", AGENTS)
async def test_a_replay_asks_nobody_and_ends_the_same(tmp_path: Path, kind: str) -> None:
    """Over its record an agent takes the same steps with the same requests; no model and no tool is called."""
    CALLED.clear()
    async with journaled(tmp_path) as world:
        with world.runtime():
            await AGENTS[kind].options(id="r")(QUESTION, world.url)
            asked, called = world.asked(), dict(CALLED)
            assert await replay("r", AGENTS[kind], url=world.url) == LAST_WORDS
            assert (world.asked(), CALLED) == (asked, called)
            (again,) = [run for run in world.runs() if run != "r"]
            assert world.steps(again) == world.steps("r")


async def test_a_replay_of_changed_code_stops(tmp_path: Path) -> None:
    """The first step that asks for something else is named, and not taken."""
    said = ["Paris"]

    @run(task="support")
    async def travels() -> str:
        return (await model("triage", f"Tell me of {said[0]}.")).text + await find_order(said[0])

    CALLED.clear()
    async with journaled(tmp_path) as world:
        with world.runtime():
            await travels.options(id="r")()
            said[0] = "Rome"
            with pytest.raises(ReplayDivergence, match="Run r asks for something else"):
                await replay("r", travels)
        assert world.asked() == 1
        assert CALLED == {"find_order": 1}
