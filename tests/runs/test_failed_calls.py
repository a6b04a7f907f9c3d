"""Calls of models that fail, through a gateway: the program goes on behind them, and so does a replay."""

from __future__ import annotations

from pathlib import Path

from tests.runs.through_gateway import journaled
from trimtab import ModelFailed, model, replay, run, step
from trimtab.journal.entries import Intent
from trimtab.testing.scripts import error_answer


@step
async def instead() -> str:
    return "did without"


@run(task="support")
async def copes() -> str:
    """Does without a model's answer."""
    try:
        return (await model("triage", "lost?")).text
    except ModelFailed:
        return await instead()


async def test_a_run_goes_on_behind_a_call_that_failed(tmp_path: Path) -> None:
    """The call is a step, and the next one comes after it."""
    async with journaled(tmp_path) as world:
        world.upstream.always(error_answer(400, "no"))
        with world.runtime():
            assert await copes.options(id="r")() == "did without"
            assert await replay("r", copes) == "did without"
        steps = [entry for entry in world.entries("r") if isinstance(entry, Intent)]
        assert [one.label for one in steps] == ["triage", "instead"]
        assert world.asked() == 1
