"""Branches of a run that go on at the same time: what one of them does, or comes to, does not harm another."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from trimtab import event, run, tell, together
from trimtab.testing import LocalRuns


async def when(came: Callable[[], bool]) -> None:
    """Waits for something that the loop brings."""
    while not came():
        await asyncio.sleep(0.002)


def test_an_event_is_taken_once_by_branches_that_wait_together() -> None:
    """Both read the log at the same time, and the event counts once; the program's next one is another."""

    @run
    async def both() -> list[str]:
        first = await together(lambda name: event(name, str), ["a", "b"])
        return [*first, await event("a", str)]

    async def all_of_it(runs: LocalRuns) -> list[str]:
        task = asyncio.ensure_future(both.options(id="r")())
        await when(lambda: runs.runs() == ["r"] and runs.steps("r") == ["a", "b"])
        await tell("r", "a", "first of a")
        await tell("r", "b", "first of b")
        await when(lambda: task.done() or len(runs.steps("r")) == 3)
        assert not task.done(), task.result()
        await tell("r", "a", "second of a")
        return await task

    with LocalRuns() as runs:
        assert asyncio.run(all_of_it(runs)) == ["first of a", "first of b", "second of a"]
