"""Runs that wait: for people, for time, for events, for somebody who drives them; and orders that end the waiting."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from trimtab import (
    Happened,
    NeverHappened,
    OutcomeUnknown,
    Parked,
    Rejected,
    Reviewed,
    blocking,
    event,
    result,
    review,
    run,
    run_id,
    sleep,
    step,
    submit,
    tell,
    tool,
    work,
)
from trimtab.errors import JournalUnavailable
from trimtab.journal.asks import Ask, Claim, Direct, Renew, Told
from trimtab.journal.entries import Ended, Intent
from trimtab.journal.refusals import Halted
from trimtab.testing import JumpingClock, JumpingLoop, LocalRuns

DONE: list[str] = []


@pytest.fixture(autouse=True)
def nothing_done() -> None:
    DONE.clear()


@tool(effect="write", review=lambda to, cents: cents > 100)
async def pay(to: str, cents: int) -> str:
    """Pays somebody."""
    DONE.append(f"{to} {cents}")
    return "paid"


@run(task="pay")
async def payer(to: str, cents: int) -> str:
    return await pay(to, cents)


async def when(came: Callable[[], bool]) -> None:
    """Waits for something that the loop brings."""
    while not came():
        await asyncio.sleep(0.002)


async def with_person(runs: LocalRuns, doing: Awaitable[Any], *verdict: Any, **said: Any) -> Any:
    """What a run gives while a person decides one review."""
    task = asyncio.ensure_future(doing)
    await when(lambda: task.done() or bool(runs.waiting()))
    runs.decide(*verdict, **said)
    return await task


def test_a_call_that_needs_nobody_asks_nobody() -> None:
    """The condition is over the call's own arguments."""
    with LocalRuns() as runs:
        assert asyncio.run(payer("Ada", 100)) == "paid"
        assert runs.steps() == ["pay"]
    assert DONE == ["Ada 100"]


def test_what_was_approved_is_done() -> None:
    """Once, after the decision."""
    with LocalRuns() as runs:
        assert asyncio.run(with_person(runs, payer("Ada", 200), "approved")) == "paid"
        assert runs.steps() == ["review pay", "pay"]
    assert DONE == ["Ada 200"]


def test_what_was_edited_is_done_as_edited() -> None:
    """The edit takes the place of the arguments, as their types."""
    with LocalRuns() as runs:
        edit = {"to": "Bob", "cents": 150}
        assert asyncio.run(with_person(runs, payer("Ada", 200), "edited", edit)) == "paid"
    assert DONE == ["Bob 150"]


@pytest.mark.parametrize("edit", [{"to": "Bob", "cents": "many"}, {"whom": "Bob"}])
def test_an_edit_that_does_not_fit_does_nothing(edit: dict[str, Any]) -> None:
    """It is validated again before anything is done."""
    with LocalRuns() as runs, pytest.raises(Rejected, match="the edited arguments do not fit"):
        asyncio.run(with_person(runs, payer("Ada", 200), "edited", edit))
    assert DONE == []


def test_what_was_rejected_is_not_done() -> None:
    """The program is told who said no and why."""
    with LocalRuns() as runs, pytest.raises(Rejected, match=r"Eve said no to pay in run .*: too much"):
        asyncio.run(with_person(runs, payer("Ada", 200), "rejected", by="Eve", reason="too much"))
    assert DONE == []


def test_a_value_may_be_reviewed() -> None:
    """What a person made of it has its type."""

    @run
    async def drafts(text: str) -> str:
        return await review(text, "is it polite?", roles=["editors"])

    with LocalRuns() as runs:
        assert asyncio.run(with_person(runs, drafts("give!"), "edited", "please give")) == "please give"


def test_nobody_decides_in_time() -> None:
    """What was declared for that case holds."""

    @tool(effect="write", review=Reviewed(expires_s=3600.0))
    async def risky(text: str) -> str:
        DONE.append(text)
        return text

    @run
    async def risks() -> str:
        return await risky("x")

    async def nobody(runs: LocalRuns) -> str:
        task = asyncio.ensure_future(risks())
        await when(lambda: bool(runs.waiting()))
        runs.advance(3601.0)
        return await task

    with LocalRuns() as runs, pytest.raises(Rejected, match="nobody decided in time"):
        asyncio.run(nobody(runs))
    assert DONE == []


def test_an_approval_under_another_lock_does_nothing() -> None:
    """The lock changes after the decision, before the act: nothing is done, and the program is told."""

    async def decided(runs: LocalRuns) -> None:
        task = asyncio.ensure_future(payer.options(id="r")("Ada", 200))
        await when(lambda: bool(runs.waiting()))
        runs.decide("approved")
        runs.lose(2, answered=True)  # it reads the decision and keeps it; the act is never begun
        await task

    with LocalRuns(lock="one") as runs:
        with pytest.raises(JournalUnavailable):
            asyncio.run(decided(runs))
        assert [type(entry).__name__ for entry in runs.log("r")][-2:] == ["Decided", "Result"]
        runs.again(lock="two")
        with pytest.raises(Rejected, match="the lock or the tool changed since it was approved"):
            asyncio.run(payer.options(id="r")("Ada", 200))
    assert DONE == []


def test_a_review_under_another_lock_is_asked_again() -> None:
    """What was approved under the old lock is put before a person anew, if its driver had not seen the decision."""
    with LocalRuns(lock="one") as runs:
        runs.lose(3, answered=True)
        with pytest.raises(JournalUnavailable):
            asyncio.run(payer.options(id="r")("Ada", 200))
        runs.decide("approved")
        runs.again(lock="two")
        with pytest.raises(Rejected, match="no longer"):
            asyncio.run(with_person(runs, payer.options(id="r")("Ada", 200), "rejected", reason="no longer"))
    assert DONE == []


def test_time_passes_once() -> None:
    """A run that is taken up after a crash waits until the time that its first driver wrote, not longer."""
    clock = JumpingClock()

    @run
    async def patient() -> float:
        await sleep(1000.0)
        return clock.monotonic()

    with LocalRuns(clock=clock) as runs, asyncio.Runner(loop_factory=lambda: JumpingLoop(clock)) as runner:
        began_s = clock.monotonic()
        runs.lose(2, answered=True)
        with pytest.raises(JournalUnavailable):
            runner.run(patient.options(id="t")())
        assert clock.monotonic() - began_s == pytest.approx(1000.0)
        runs.again()
        assert runner.run(patient.options(id="t")()) - began_s == pytest.approx(1000.0)


def test_a_worker_takes_plain_functions_too() -> None:
    """They run in threads, on the same branches as when they are called."""

    @run(task="plain")
    def plain(text: str, *more: int, loud: bool = False) -> str:
        return f"{text}{sum(more)}{loud}{len(blocking.together(len, ['a', 'b']))}"

    async def all_of_it() -> str:
        name = await submit(plain, "x", 1, 2, loud=True)
        assert await work(plain, until_idle=True) == 1
        return str(await result(name, str))

    with LocalRuns():
        assert asyncio.run(all_of_it()) == "x3True2"


def test_an_order_reaches_what_runs() -> None:
    """A stopped run's tasks are cancelled at once, it has ended so, and takes no step any more."""

    @step
    async def endless() -> None:
        DONE.append("begun")
        await asyncio.Event().wait()

    @run
    async def busy() -> None:
        await asyncio.gather(endless(), sleep(1000.0))

    async def all_of_it(runs: LocalRuns) -> None:
        task = asyncio.ensure_future(busy.options(id="b")())
        await when(lambda: bool(DONE))
        runs.order("stop", "b", by="Eve")
        with pytest.raises(Halted, match="Run b is to stop"):
            await task

    with LocalRuns() as runs:
        asyncio.run(all_of_it(runs))
        assert runs.state("b") == "stopped"


def test_a_paused_run_goes_on_where_it_was() -> None:
    """Pausing gives it back; once it is resumed a worker takes it up."""

    @step
    async def once(text: str) -> str:
        DONE.append(text)
        return text

    @run(task="pausing")
    async def pausing() -> str:
        return await once("x") + await event("go", str)

    async def all_of_it(runs: LocalRuns) -> str:
        task = asyncio.ensure_future(pausing.options(id="p")())
        await when(lambda: bool(runs.runs()) and "go" in runs.steps("p"))
        runs.order("pause", "p")
        with pytest.raises(Halted):
            await task
        assert runs.state("p") == "paused"
        await tell("p", "go", "y")
        assert await work(pausing, until_idle=True) == 0
        runs.order("resume", "p")
        assert await work(pausing, until_idle=True) == 1
        return str(await result("p", str))

    with LocalRuns() as runs:
        assert asyncio.run(all_of_it(runs)) == "xy"
    assert DONE == ["x"]


def for_an_event() -> None:
    blocking.event("never")


def for_another_run() -> None:
    DONE.append(blocking.submit(idle))
    blocking.result(DONE[-1])


@run
def idle() -> None:
    pass


@pytest.mark.parametrize("waits", [for_an_event, for_another_run])
def test_an_order_reaches_a_run_that_does_not_await(waits: Callable[[], None]) -> None:
    """It ends its waiting at once, and is stopped."""

    @step
    def begins() -> None:
        pass

    @run
    def waiting() -> None:
        DONE.append(run_id())
        begins()
        waits()

    ended: list[BaseException] = []

    def drive(runs: LocalRuns) -> None:
        with runs.runtime:
            try:
                waiting()
            except Halted as halted:
                ended.append(halted)

    with LocalRuns() as runs:
        thread = threading.Thread(target=drive, args=(runs,), daemon=True)
        thread.start()
        while not DONE or not runs.steps(DONE[0]):
            threading.Event().wait(0.002)
        runs.order("stop", DONE[0])
        thread.join(10.0)
        assert [type(one) for one in ended] == [Halted]
        assert runs.state(DONE[0]) == "stopped"


def test_an_order_reaches_the_sub_run_of_a_run_that_does_not_await() -> None:
    """An order to the runs of a task ends the waiting of what they began, of another task."""

    @run(task="inner")
    def inner() -> None:
        DONE.append(run_id())
        blocking.event("end")

    @run(task="outer")
    def outer() -> None:
        inner()

    ended: list[BaseException] = []

    def drive(runs: LocalRuns) -> None:
        with runs.runtime:
            try:
                outer()
            except Halted as halted:
                ended.append(halted)

    with LocalRuns() as runs:
        thread = threading.Thread(target=drive, args=(runs,))
        thread.start()
        while not DONE or not runs.steps(DONE[0]):
            threading.Event().wait(0.002)
        runs.do(Direct("stop", "a tester", task="outer"))
        thread.join(10.0)
        states = [runs.state(one) for one in runs.runs()]
        if thread.is_alive():
            asyncio.run(tell(DONE[0], "end"))
            thread.join()
    assert [type(one) for one in ended] == [Halted]
    assert states == ["stopped", "stopped"]


def test_a_write_that_was_begun_is_not_cancelled() -> None:
    """Whoever gives up waits until it is known what it did; what only reads is cancelled, and stays so in a replay."""

    patience: list[asyncio.Timeout] = []

    def lose_patience() -> None:
        patience.pop().reschedule(asyncio.get_running_loop().time())

    @tool(effect="write")
    async def slow_write() -> str:
        lose_patience()
        await asyncio.sleep(0.02)
        DONE.append("written")
        return "written"

    @tool(effect="read")
    async def slow_read() -> str:
        lose_patience()
        await asyncio.sleep(10.0)
        return "read"

    @run
    async def impatient() -> list[str]:
        found = []
        for one in (slow_write, slow_read):
            try:
                async with asyncio.timeout(None) as until:
                    patience.append(until)
                    await one()
            except TimeoutError:
                found.append(one.__name__)
        return found

    with LocalRuns() as runs:
        runs.lose(5, answered=True)  # all but the end
        with pytest.raises(JournalUnavailable):
            asyncio.run(impatient.options(id="i")())
        assert DONE == ["written"]
        runs.again()
        assert asyncio.run(impatient.options(id="i")()) == ["slow_read"]
    assert DONE == ["written"]


@pytest.mark.parametrize(("found", "expected"), [(Happened("looked up"), "looked up"), (NeverHappened(), "second")])
@pytest.mark.parametrize("crash", [False, True])
def test_who_can_tell_is_asked_what_became_of_it(found: Any, expected: str, crash: bool) -> None:
    """After a crash, and where the tool itself does not know; nobody else has to."""
    answers = iter(["first", "second"])

    async def look(text: str) -> Any:
        DONE.append(f"look {text}")
        return found

    @tool(effect="write", reconcile=look)
    async def writes(text: str) -> str:
        answer = next(answers)
        if answer == "first" and not crash:
            raise OutcomeUnknown("the line broke")
        return answer

    @run
    async def writing() -> str:
        return await writes("x")

    with LocalRuns() as runs:
        if crash:
            runs.lose(2, answered=True)
            with pytest.raises(JournalUnavailable):
                asyncio.run(writing.options(id="w")())
            runs.again()
        assert asyncio.run(writing.options(id="w")()) == expected
    assert DONE == ["look x"]


def test_what_nobody_can_tell_parks_the_run() -> None:
    """A tool that does not know what it did is not called again before somebody says so."""

    @tool(effect="write")
    async def writes() -> str:
        DONE.append("tried")
        raise OutcomeUnknown

    @run
    async def writing() -> str:
        return await writes()

    with LocalRuns() as runs:
        for _ in range(2):
            with pytest.raises(Parked, match=r"nobody knows whether writes \(step 3\) happened"):
                asyncio.run(writing.options(id="w")())
            assert runs.state("w") == "parked"
            runs.again()
        assert [type(entry).__name__ for entry in runs.log("w")].count(Intent.__name__) == 1
        assert not any(isinstance(entry, Ended) for entry in runs.log("w"))
    assert DONE == ["tried"]


def test_a_run_is_parked_while_its_lease_is_renewed(monkeypatch: pytest.MonkeyPatch) -> None:
    """To park a run its driver takes it anew; what a renewal of the lease before finds then is nobody else's."""

    @tool(effect="write")
    async def writes() -> str:
        raise OutcomeUnknown

    @run
    async def writing() -> str:
        return await writes()

    renewals = threading.Semaphore(0)

    def ask_slowly(question: Ask) -> Told:
        try:
            return ask(question)
        finally:
            if isinstance(question, Renew):
                renewals.release()
            if isinstance(question, Claim):
                for _ in range(4):  # those of before, and one that finds another lease
                    renewals.acquire(timeout=0.1)

    with LocalRuns(lease_s=0.1) as runs:
        ask = runs._keeper.ask
        monkeypatch.setattr(runs._keeper, "ask", ask_slowly)
        with pytest.raises(Parked):
            asyncio.run(writing.options(id="w")())
        assert runs.state("w") == "parked"
