"""Branches of a run that go on at the same time: what one of them does, or comes to, does not harm another."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from trimtab import OutcomeUnknown, Parked, event, run, step, tell, together, tool
from trimtab.journal.asks import LEASE_S, Ask, Claim, Find, Note, Renew, Runs, Told
from trimtab.journal.entries import Ended, Result
from trimtab.journal.refusals import Halted, LeaseLost
from trimtab.testing import LocalRuns


class Bank:
    """Pays when it is let to."""

    def __init__(self) -> None:
        self.asked, self.open = asyncio.Event(), asyncio.Event()
        self.paid = 0


BANK = Bank()


@pytest.fixture(autouse=True)
def another_bank() -> None:
    BANK.__init__()  # type: ignore[misc]


@tool(effect="write")
async def pay() -> str:
    BANK.asked.set()
    await BANK.open.wait()
    BANK.paid += 1
    return "paid"


async def when(came: Callable[[], bool]) -> None:
    """Waits for something that the loop brings."""
    while not came():
        await asyncio.sleep(0.002)


async def turns(count: int) -> None:
    """Lets the loop go round so often."""
    for _ in range(count):
        await asyncio.sleep(0)


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


@step
async def stumbles() -> None:
    await BANK.asked.wait()
    raise ValueError("no")


@step
async def stays() -> None:
    await asyncio.get_running_loop().create_future()


@pytest.mark.parametrize(
    ("beside", "order", "raised", "state"), [(stumbles, None, ValueError, "failed"), (stays, "stop", Halted, "stopped")]
)
def test_a_write_ends_before_its_run_does(beside: Any, order: Any, raised: type[Exception], state: str) -> None:
    """A branch fails, or the run is stopped, and the function is left without waiting for the write of another one."""
    left: list[str] = []

    @run
    async def both() -> None:
        try:
            await asyncio.gather(pay(), beside())
        finally:
            left.append("gather")

    async def all_of_it(runs: LocalRuns) -> None:
        task = asyncio.ensure_future(both.options(id="r")())
        await when(lambda: BANK.asked.is_set() and len(runs.steps("r")) == 2)
        if order is not None:
            runs.order(order, "r")
        await when(lambda: bool(left))
        BANK.open.set()
        await task

    with LocalRuns() as runs:
        with pytest.raises(raised):
            asyncio.run(all_of_it(runs))
        assert BANK.paid == 1
        (paid,) = [entry for entry in runs.log("r") if isinstance(entry, Result) and entry.output is not None]
        assert (paid.outcome, paid.output.inline if paid.output else "") == ("ok", '"paid"')
        assert runs.state("r") == state
        assert isinstance(runs.log("r")[-1], Ended)


def test_a_write_is_waited_for_however_often_its_caller_is_cancelled() -> None:
    """Its result is known when the caller goes on."""

    @run
    async def impatient() -> tuple[bool, int]:
        task = asyncio.ensure_future(pay())
        await BANK.asked.wait()
        for _ in range(2):
            task.cancel()
            await turns(10)
        waits = not task.done()
        BANK.open.set()
        await asyncio.wait([task])
        return waits, BANK.paid

    with LocalRuns():
        assert asyncio.run(impatient()) == (True, 1)


def test_a_run_is_parked_while_its_branches_go_on() -> None:
    """They take no step under the lease that is given back for it, and what they come to is not why the run is left."""

    @tool(effect="write")
    async def unsure() -> None:
        raise OutcomeUnknown

    @step
    async def small(number: int) -> int:
        return number

    async def many() -> None:
        for number in range(20):
            await small(number)

    @run
    async def both() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(unsure())
            group.create_task(many())

    with LocalRuns() as runs:
        with pytest.raises(Parked, match="nobody knows whether unsure"):
            asyncio.run(both.options(id="r")())
        assert runs.state("r") == "parked"


@pytest.mark.parametrize("order", ["pause", "stop"])
def test_an_order_that_comes_with_the_end_is_too_late(order: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The end is in the journal, so its caller gets what the run gave."""

    with LocalRuns() as runs:
        keeper = runs._keeper

        @run
        async def short() -> str:
            await when(lambda: bool(keeper.inner.blocking.hears))
            return "done"

        def ask_meanwhile(question: Ask) -> Told:
            if isinstance(question, Note) and isinstance(question.entry, Ended):
                runs.order(order, "r")
            return ask(question)

        ask = keeper.ask
        monkeypatch.setattr(keeper, "ask", ask_meanwhile)
        assert asyncio.run(short.options(id="r")()) == "done"
        assert runs.state("r") == "completed"


def test_a_sub_run_is_given_back_where_the_run_that_began_it_is_lost() -> None:
    """Whoever took the outer run over goes on with the sub-run at once, and does not meet a driver that is gone."""
    begun = asyncio.Event()

    @step
    async def waits() -> None:
        begun.set()
        await asyncio.get_running_loop().create_future()

    @step
    async def goes_on() -> None:
        raise AssertionError("somebody else holds the run")

    @run
    async def inner() -> None:
        await waits()

    @run
    async def outer() -> None:
        await together(lambda branch: branch(), [inner, taken_over])

    async def taken_over() -> None:
        await begun.wait()
        runs.advance(LEASE_S + 1)
        runs.do(Renew(runs.runs()[1], 1, LEASE_S))
        runs.do(Claim("another", "o", ttl_s=LEASE_S))
        await goes_on()

    with LocalRuns() as runs:
        with pytest.raises(LeaseLost):
            asyncio.run(outer.options(id="o")())
        told = runs.do(Find(run=runs.runs()[1]))
        assert isinstance(told, Runs)
        assert (told.runs[0].state, told.runs[0].owner) == ("waiting", "")
