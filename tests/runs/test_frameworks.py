"""Agents of five kinds over a gateway: journaled whole, and taken up without repeating anything."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.runs.framework_agents import AGENTS, CALLED, QUESTION
from tests.runs.through_gateway import LAST_WORDS, Journaled, journaled
from trimtab.errors import JournalUnavailable
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
