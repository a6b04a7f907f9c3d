"""Workers: they take up what was submitted, what waited and what was left, and give back what waits."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Callable

import pytest

from trimtab import blocking, event, result, review, run, sleep, step, submit, tell, work
from trimtab.journal.asks import Ask, Claim, Told
from trimtab.testing import JumpingClock, JumpingLoop, LocalRuns

DONE: list[str] = []


@pytest.fixture(autouse=True)
def nothing_done() -> None:
    DONE.clear()


async def when(came: Callable[[], bool]) -> None:
    """Waits for something that the loop brings."""
    while not came():
        await asyncio.sleep(0.002)


@run(task="orders")
async def follows(order: str) -> str:
    """Waits for two events and a day."""
    first = await event("state", str)
    await sleep(86400.0)
    return f"{order}: {first}, {await event('state', str)}"


def test_a_worker_gives_back_what_waits() -> None:
    """A run that waits is held by nobody, and goes on when its events and its time have come, one after the other."""

    async def all_of_it(runs: LocalRuns) -> str:
        name = await submit(follows, "A-1")
        assert await work(follows, until_idle=True, patience_s=0.0) == 1
        assert await work(follows, until_idle=True, patience_s=0.0) == 0
        assert runs.state(name) == "waiting"
        assert await tell(name, "state", "packed", id="e-1")
        assert not await tell(name, "state", "packed again", id="e-1")
        assert await tell(name, "state", "sent")
        assert await work(follows, until_idle=True, patience_s=0.0) >= 1
        assert runs.state(name) == "waiting"
        runs.advance(86401.0)
        runs.sweep()
        assert await work(follows, until_idle=True, patience_s=0.0) == 1
        return str(await result(name, str))

    with LocalRuns() as runs:
        assert asyncio.run(all_of_it(runs)) == "A-1: packed, sent"


def test_a_sub_run_that_sleeps_is_taken_up_with_the_run_that_began_it() -> None:
    """Also by a worker that was told of the outer one alone."""

    @run(task="inner")
    async def inner() -> str:
        await sleep(86400.0)
        return "slept"

    @run(task="outer")
    async def outer() -> str:
        return await inner()

    async def all_of_it(runs: LocalRuns) -> str:
        name = await submit(outer)
        assert await work(outer, until_idle=True, patience_s=0.0) == 1
        runs.advance(86401.0)
        runs.sweep()
        assert await work(outer, until_idle=True, patience_s=0.0) == 1
        assert [runs.state(one) for one in runs.runs()] == ["completed", "completed"]
        return str(await result(name, str))

    with LocalRuns() as runs:
        assert asyncio.run(all_of_it(runs)) == "slept"


def test_a_sub_run_that_waits_for_an_event_or_a_person_is_taken_up_with_those_that_began_it() -> None:
    """Also by a worker that was told of the outermost alone."""

    @run(task="inner")
    async def inner() -> str:
        return f"{await event('state', str)}, {await review('sent', 'may it go?')}"

    @run(task="middle")
    async def middle() -> str:
        return await inner()

    @run(task="outer")
    async def outer() -> str:
        return await middle()

    async def all_of_it(runs: LocalRuns) -> str:
        name = await submit(outer)
        assert await work(outer, until_idle=True, patience_s=0.0) == 1
        assert await work(outer, until_idle=True, patience_s=0.0) == 0
        await tell(runs.runs()[2], "state", "packed")
        assert await work(outer, until_idle=True, patience_s=0.0) == 1
        assert await work(outer, until_idle=True, patience_s=0.0) == 0
        runs.decide("approved")
        assert await work(outer, until_idle=True, patience_s=0.0) == 1
        return str(await result(name, str))

    with LocalRuns() as runs:
        assert asyncio.run(all_of_it(runs)) == "packed, sent"


def test_a_run_whose_branches_go_on_is_not_given_back_for_one_that_waits() -> None:
    """A day's sleep of one branch does not hold up the others; when they are done, the run is given back."""
    clock = JumpingClock()

    @step
    async def works(number: int) -> None:
        DONE.append(str(number))
        await asyncio.sleep(1.0)

    async def many() -> None:
        for number in range(5):
            await works(number)
            await asyncio.sleep(1.0)

    async def day() -> None:
        await works(5)
        await sleep(86400.0)

    @run(task="both")
    async def both() -> None:
        await asyncio.gather(many(), day())

    async def all_of_it(runs: LocalRuns) -> None:
        name = await submit(both)
        began_s = clock.monotonic()
        assert await work(both, until_idle=True, patience_s=30.0) == 1
        assert clock.monotonic() - began_s < 60.0
        assert runs.state(name) == "waiting"
        assert sorted(DONE) == ["0", "1", "2", "3", "4", "5"]

    with (
        LocalRuns(clock=clock, lease_s=3600.0) as runs,
        asyncio.Runner(loop_factory=lambda: JumpingLoop(clock)) as runner,
    ):
        runner.run(all_of_it(runs))


def test_a_worker_that_ends_leaves_its_runs_to_the_next() -> None:
    """They are claimed at once, and their steps are not taken again."""

    @step
    async def once(text: str) -> str:
        DONE.append(text)
        return text

    @run(task="long")
    async def long() -> str:
        return await once("x") + await event("end", str)

    async def all_of_it(runs: LocalRuns) -> str:
        name = await submit(long)
        worker = asyncio.create_task(work(long))
        await when(lambda: "end" in runs.steps(name))
        worker.cancel()
        await asyncio.wait([worker])
        await tell(name, "end", "y")
        assert await work(long, until_idle=True) == 1
        return str(await result(name, str))

    with LocalRuns() as runs:
        assert asyncio.run(all_of_it(runs)) == "xy"
    assert DONE == ["x"]


def test_a_worker_outlives_the_journal() -> None:
    """A run that is claimed while keeper goes away is left, told of, and taken up when its lease has run out."""
    told: list[object] = []

    @run(task="short")
    async def short() -> str:
        return "done"

    async def cut(runs: LocalRuns) -> str:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
        name = await submit(short)
        runs.lose(1, answered=True)  # the claim
        assert await work(short, until_idle=True) == 1
        return name

    with LocalRuns() as runs:
        name = asyncio.run(cut(runs))
        runs.again()
        assert asyncio.run(work(short, until_idle=True)) == 1
        assert runs.state(name) == "completed"
    gc.collect()
    assert told == []


@pytest.mark.parametrize("claims", [1, 2])
def test_a_worker_that_ends_leaves_what_it_has_not_begun(claims: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that it is about to claim, or has just claimed, is taken up by the next at once."""
    workers: list[asyncio.Task[int]] = []
    asked: list[Claim] = []

    @run(task="short")
    async def short() -> str:
        return "done"

    async def all_of_it() -> None:
        await submit(short)
        workers.append(asyncio.create_task(work(short)))
        await asyncio.wait(workers)
        await work(short, until_idle=True)

    with LocalRuns() as runs:
        ask = runs._keeper.ask

        def ask_and_end(question: Ask) -> Told:
            if isinstance(question, Claim):
                asked.append(question)
                if len(asked) == claims:
                    workers[0].cancel()
            return ask(question)

        monkeypatch.setattr(runs._keeper, "ask", ask_and_end)
        asyncio.run(all_of_it())
        assert runs.state() == "completed"


def test_a_worker_drives_as_many_plain_functions_as_it_says() -> None:
    """All at once, so that none is claimed and then waits for a thread while its lease runs out."""
    count = 40
    all_here = threading.Barrier(count)

    @run(task="meets")
    def meets(number: int) -> int:
        all_here.wait(10.0)
        return number

    async def all_of_it() -> list[int]:
        names = [await submit(meets, number) for number in range(count)]
        assert await work(meets, until_idle=True, concurrency=count) == count
        return [await result(name, int) for name in names]

    with LocalRuns():
        assert asyncio.run(all_of_it()) == list(range(count))


def test_a_worker_that_ends_has_given_back_plain_functions() -> None:
    """Their threads have left the runs, sub-runs among them, when the worker's end is there."""

    @run(task="inner")
    def inner() -> str:
        return str(blocking.event("end", str))

    @run(task="outer")
    def outer() -> str:
        return inner()

    async def all_of_it(runs: LocalRuns) -> None:
        await submit(outer)
        worker = asyncio.create_task(work(outer))
        await when(lambda: len(runs.runs()) == 2 and runs.steps(runs.runs()[1]) == ["end"])
        worker.cancel()
        await asyncio.wait([worker])
        assert [runs.state(name) for name in runs.runs()] == ["waiting", "waiting"]

    with LocalRuns() as runs:
        asyncio.run(all_of_it(runs))
