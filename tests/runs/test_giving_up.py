"""What a program gives up itself, as where it waits for so long and no longer, is a result like any other."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from trimtab import Happened, OutcomeUnknown, replay, run, step, tool, work
from trimtab.journal.asks import Ask, Begin, Open, Told
from trimtab.journal.entries import Result
from trimtab.testing import LocalRuns


class Patience:
    """What a program waits with, until it is told to `lose` it."""

    def __init__(self) -> None:
        self._until: asyncio.Timeout | None = None

    @property
    def waits(self) -> bool:
        """Whether the program waits."""
        return self._until is not None

    def lose(self) -> None:
        """The program waits no longer."""
        assert self._until is not None
        self._until.reschedule(asyncio.get_running_loop().time())
        self._until = None

    @asynccontextmanager
    async def lost(self) -> AsyncIterator[None]:
        """What is waited for inside is given up."""
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(None) as self._until:
                yield


def test_a_step_that_is_given_up_as_it_begins_is_the_one_before_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its intent is written when patience is lost; the run goes on behind it, and so does its replay."""
    patience = Patience()

    @step
    async def slow() -> None:
        raise AssertionError("it was given up before")

    @step
    async def instead() -> str:
        return "gave up"

    @run
    async def impatient() -> str:
        async with patience.lost():
            await slow()
        return await instead()

    with LocalRuns() as runs:
        ask = runs._keeper.ask

        def ask_too_long(question: Ask) -> Told:
            if isinstance(question, Begin) and question.label == "slow" and patience.waits:
                patience.lose()
            return ask(question)

        monkeypatch.setattr(runs._keeper, "ask", ask_too_long)
        assert asyncio.run(impatient.options(id="i")()) == "gave up"
        assert asyncio.run(replay("i", impatient)) == "gave up"
        assert [one.outcome for one in runs.log("i") if isinstance(one, Result)] == ["cancelled", "ok"]


def test_a_step_that_is_given_up_between_tries_is_given_up_in_a_replay() -> None:
    """Its program lost patience while it rested, which is its result: nobody takes it once more."""
    failed: list[str] = []
    patience = Patience()

    @step(attempts=9)
    async def fails() -> None:
        failed.append("x")
        asyncio.get_running_loop().call_soon(patience.lose)
        raise ValueError("no")

    @step
    async def instead() -> str:
        return "gave up"

    @run
    async def impatient() -> str:
        async with patience.lost():
            await fails()
        return await instead()

    async def once_more() -> str:
        replayed = asyncio.ensure_future(replay("i", impatient))
        while not patience.waits:
            await asyncio.sleep(0)
        patience.lose()
        return str(await replayed)

    with LocalRuns() as runs:
        assert asyncio.run(impatient.options(id="i")()) == "gave up"
        assert [one.outcome for one in runs.log("i") if isinstance(one, Result)] == ["cancelled", "ok"]
        assert asyncio.run(once_more()) == "gave up"
    assert failed == ["x"]


def test_a_sub_run_that_is_given_up_as_it_begins_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is in the journal when patience is lost, and no worker goes on with it."""
    patience = Patience()

    @run(task="inner")
    async def inner() -> None:
        raise AssertionError("it was given up before")

    @run
    async def impatient() -> str:
        async with patience.lost():
            await inner()
        return "gave up"

    with LocalRuns() as runs:
        do = runs._keeper.do

        async def do_slowly(question: Ask) -> Told:
            told = await do(question)
            if isinstance(question, Open) and patience.waits:
                patience.lose()
                await asyncio.sleep(0)
                await asyncio.sleep(0)
            return told

        monkeypatch.setattr(runs._keeper, "do", do_slowly)
        assert asyncio.run(impatient()) == "gave up"
        runs.again()
        assert asyncio.run(work(inner, until_idle=True)) == 0
        assert [runs.state(one) for one in runs.runs()] == ["completed", "cancelled"]


def test_what_a_run_gave_up_last_is_given_up_in_a_replay() -> None:
    """No step tells there that the program went on: it waits to be given up again."""
    patience = Patience()

    @step
    async def slow() -> None:
        patience.lose()
        await asyncio.get_running_loop().create_future()

    @run
    async def impatient() -> str:
        async with patience.lost():
            await slow()
        return "gave up"

    async def once_more() -> str:
        replayed = asyncio.ensure_future(replay("i", impatient))
        while not patience.waits and not replayed.done():
            await asyncio.sleep(0)
        for _ in range(100):
            await asyncio.sleep(0)
        assert not replayed.done(), replayed.exception()
        patience.lose()
        return str(await replayed)

    with LocalRuns():
        assert asyncio.run(impatient.options(id="i")()) == "gave up"
        assert asyncio.run(once_more()) == "gave up"


def test_a_run_that_is_cancelled_twice_is_over() -> None:
    """The second time while what it began still tidies up: its end is written all the same, and no worker goes on."""
    begun, tidies, tidied = asyncio.Event(), asyncio.Event(), asyncio.Event()

    @step
    async def tidy() -> None:
        try:
            begun.set()
            await asyncio.get_running_loop().create_future()
        finally:
            tidies.set()
            await tidied.wait()

    @run
    async def cut() -> None:
        beside = asyncio.ensure_future(tidy())
        await asyncio.get_running_loop().create_future()
        await beside

    async def twice() -> None:
        doing = asyncio.ensure_future(cut.options(id="c")())
        await begun.wait()
        doing.cancel()
        await tidies.wait()
        doing.cancel()
        for _ in range(10):
            await asyncio.sleep(0)
        tidied.set()
        with pytest.raises(asyncio.CancelledError):
            await doing
        assert [one.outcome for one in runs.log("c") if isinstance(one, Result)] == ["cancelled"]
        assert runs.state("c") == "cancelled"

    with LocalRuns() as runs:
        asyncio.run(twice())


def test_an_effect_that_is_given_up_while_it_is_looked_for_is_given_up_in_a_replay() -> None:
    """Its program lost patience with `reconcile`, which is the step's result like any other."""
    patience = Patience()

    async def look() -> Happened[str]:
        patience.lose()
        return await asyncio.get_running_loop().create_future()

    @tool(effect="idempotent", reconcile=look)
    async def pay() -> str:
        raise OutcomeUnknown

    @step
    async def instead() -> str:
        return "gave up"

    @run
    async def impatient() -> str:
        async with patience.lost():
            await pay()
        return await instead()

    async def once_more() -> str:
        replayed = asyncio.ensure_future(replay("i", impatient))
        while not patience.waits and not replayed.done():
            await asyncio.sleep(0)
        for _ in range(100):
            await asyncio.sleep(0)
        assert not replayed.done(), replayed.exception()
        patience.lose()
        return str(await replayed)

    with LocalRuns() as runs:
        assert asyncio.run(impatient.options(id="i")()) == "gave up"
        assert [one.outcome for one in runs.log("i") if isinstance(one, Result)] == ["cancelled", "ok"]
        assert asyncio.run(once_more()) == "gave up"
