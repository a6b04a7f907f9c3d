"""A driver that loses its journal anywhere, as one that is killed there does."""

from __future__ import annotations

import asyncio
import inspect
import json
from typing import Any

import pytest

from tests.runs.agents import ANSWERS, SHAPES, World, new_world
from trimtab.errors import JournalUnavailable
from trimtab.journal.asks import Reconcile
from trimtab.journal.entries import Ended, Intent, Reconciled, Result, body_of
from trimtab.runs.faults import Parked
from trimtab.testing import LocalRuns

RUN = "run-1"


def call(function: Any, arguments: tuple[Any, ...], runs: LocalRuns) -> Any:
    """What a run gives; whoever is asked meanwhile says yes."""
    function = function.options(id=RUN)
    if not inspect.iscoroutinefunction(function):
        return function(*arguments)

    async def approving() -> Any:
        doing = asyncio.ensure_future(function(*arguments))
        while not doing.done():
            await asyncio.sleep(0.002)
            if runs.waiting():
                runs.decide("approved")
        return await doing

    return asyncio.run(approving())


def undisturbed(shape: str) -> tuple[Any, list[tuple[str, str]]]:
    """What a run gives, and its steps as label and request."""
    function, arguments = SHAPES[shape]
    new_world()
    with LocalRuns(ANSWERS) as runs:
        return call(function, arguments, runs), steps(runs)


def steps(runs: LocalRuns) -> list[tuple[str, str]]:
    """All steps of all runs, in an order that does not depend on their timing."""
    return sorted((one.label, one.request) for run in runs.runs() for one in runs.log(run) if isinstance(one, Intent))


def to_the_end(function: Any, arguments: tuple[Any, ...], runs: LocalRuns, world: World) -> Any:
    """Takes the run up until it ends; a person says of effects with unknown outcomes what the world knows."""
    for _ in range(20):
        runs.again()
        try:
            return call(function, arguments, runs)
        except Parked as parked:
            settle(str(parked.facts["run"]), int(str(parked.facts["seq"])), runs, world)
    pytest.fail("it does not come to an end")


def settle(run: str, seq: int, runs: LocalRuns, world: World) -> None:
    intent = runs.log(run)[seq - 1]
    assert isinstance(intent, Intent)
    assert intent.effect == "write"
    assert intent.input is not None
    (what,) = json.loads(intent.input.inline or "").values()
    if world.written[what]:
        body = body_of(json.dumps(("sent " if intent.tool == "send" else "to ") + what).encode())
        runs.do(Reconcile(run, Reconciled(0, seq, "happened", "a person", output=body)))
    else:
        runs.do(Reconcile(run, Reconciled(0, seq, "did_not_happen", "a person")))


@pytest.mark.parametrize("answered", [False, True])
@pytest.mark.parametrize("shape", SHAPES)
def test_a_driver_may_die_at_any_boundary(shape: str, answered: bool) -> None:
    """Wherever it dies, nothing committed is lost, keyed effects have one key, and a write happens once."""
    function, arguments = SHAPES[shape]
    expected, expected_steps = undisturbed(shape)
    cut, done = 0, False
    while not done:
        world = new_world()
        with LocalRuns(ANSWERS) as runs:
            runs.lose(cut, answered=answered)
            try:
                outcome = call(function, arguments, runs)
                done = True
            except JournalUnavailable:
                outcome = to_the_end(function, arguments, runs, world)
            assert set(world.written.values()) <= {1}, f"after {cut} asks a write happened twice"
            assert steps(runs) == expected_steps, f"after {cut} asks"
            assert one_result_each(runs)
            assert outcome == expected, f"after {cut} asks"
        cut += 1
    assert cut > 10


def one_result_each(runs: LocalRuns) -> bool:
    """Whether each step of an ended run has exactly one result."""
    for run in runs.runs():
        log = runs.log(run)
        intents = [seq for seq, entry in enumerate(log, 1) if isinstance(entry, Intent)]
        results = sorted(entry.of for entry in log if isinstance(entry, Result))
        if intents != results or sum(isinstance(entry, Ended) for entry in log) != 1:
            return False
    return True
