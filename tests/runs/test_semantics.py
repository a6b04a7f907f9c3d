"""What a step, a run and their results mean to whoever writes them."""

from __future__ import annotations

import asyncio
import enum
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from pydantic import BaseModel

from tests.runs.agents import ANSWERS, new_world, plain
from trimtab import (
    CheckFailed,
    ModelFailed,
    OutcomeUnknown,
    RunFailed,
    StepFailed,
    cancel,
    check,
    idempotency_key,
    label,
    model,
    result,
    run,
    run_id,
    step,
    submit,
    tool,
)
from trimtab.errors import JournalUnavailable
from trimtab.journal.entries import Checked, Effect, Intent, Result, State
from trimtab.journal.refusals import Ambiguous, Divergence, LeaseHeld, RunExists
from trimtab.runs.faults import NoRun, NotData, NotDeclared
from trimtab.runs.session import at
from trimtab.testing import LocalRuns

SEEN: list[Any] = []


class Colour(enum.Enum):
    RED = "red"


class Line(BaseModel):
    """A pydantic model."""

    at: date
    cents: Decimal


@dataclass
class Bill:
    """Data of several kinds."""

    lines: list[Line]
    colour: Colour
    pair: tuple[int, str]


class OutOfStock(Exception):
    """An exception of the program's own."""

    def __init__(self, item: str, left: int) -> None:
        super().__init__(item, left)
        self.item, self.left = item, left


class Odd(Exception):
    """One that cannot be made from its arguments."""

    def __init__(self) -> None:
        super().__init__("something", "odd")


@step
async def bill(lines: list[Line], colour: Colour = Colour.RED) -> Bill:
    SEEN.append("bill")
    return Bill(lines, colour, (1, "a"))


@step
async def loose(value: Any) -> Any:
    return value


@step
async def fails(kind: str) -> None:
    SEEN.append(kind)
    raise {"stock": OutOfStock("lamp", 2), "odd": Odd(), "value": ValueError("no")}[kind]


@run
async def billed(day: str) -> str:
    got = await bill([Line(at=date.fromisoformat(day), cents=Decimal("1.50"))])
    SEEN.append(got)
    return f"{got.lines[0].cents} {got.colour.name} {got.pair[1]}"


@run
async def caught(kind: str) -> str:
    try:
        await fails(kind)
    except OutOfStock as stock:
        return f"{stock.left} {stock.item}s"
    except StepFailed as failed:
        return str(failed.facts["error"])
    return ""


def cut_and_again(function: Any, *arguments: Any) -> tuple[Any, Any]:
    """What a run gives undisturbed, and what it gives when all its steps come from the record."""
    with LocalRuns() as runs:
        first = asyncio.run(function.options(id="a")(*arguments))
        asked = len([entry for entry in runs.log("a") if isinstance(entry, (Intent, Result))])
        runs.lose(asked + 1, answered=True)
        with pytest.raises(JournalUnavailable):
            asyncio.run(function.options(id="b")(*arguments))
        SEEN.clear()
        runs.again()
        return first, asyncio.run(function.options(id="b")(*arguments))


def test_a_step_gives_its_declared_type_live_and_recorded() -> None:
    """Dataclasses, pydantic models, enums, dates, decimals and tuples are what they were."""
    first, second = cut_and_again(billed, "2026-01-02")
    assert first == second == "1.50 RED a"
    assert [Bill([Line(at=date(2026, 1, 2), cents=Decimal("1.50"))], Colour.RED, (1, "a"))] == SEEN


@pytest.mark.parametrize(("kind", "expected"), [("stock", "2 lamps"), ("odd", "Odd")])
def test_an_exception_is_the_same_live_and_recorded(kind: str, expected: str) -> None:
    """It is raised as its class where that can be made again, else as `StepFailed` both times."""
    first, second = cut_and_again(caught, kind)
    assert first == second == expected
    assert SEEN == []


def test_what_is_undeclared_is_json() -> None:
    """A tuple comes back as a list from the first call on, and the order of keys stays."""

    @run
    async def shapes() -> list[str]:
        got = await loose({"b": (1, 2), "a": None})
        return [str(got), str(list(got))]

    with LocalRuns():
        assert asyncio.run(shapes()) == ["{'b': [1, 2], 'a': None}", "['b', 'a']"]


def test_a_failed_run_raises_and_has_failed() -> None:
    """Its exception reaches the caller as it was, and is what `result` raises later."""

    @run
    async def failing() -> None:
        await fails("value")

    with LocalRuns() as runs:
        with pytest.raises(ValueError, match="no"):
            asyncio.run(failing.options(id="f")())
        assert runs.state("f") == "failed"
        with pytest.raises(ValueError, match="no"):
            asyncio.run(result("f"))


def test_arguments_that_are_no_data_are_named() -> None:
    """They are refused before anything is written, unless they are left out."""

    @step
    async def takes(connection: object, number: float) -> float:
        return number

    @step(without="connection")
    async def leaves(connection: object, number: float) -> float:
        return number

    @run
    async def tries() -> float:
        with pytest.raises(NotData, match=r"argument 'connection' of takes is no data"):
            await takes(object(), 1.0)
        with pytest.raises(NotData, match=r"argument 'number' of leaves is no data: nan"):
            await leaves(object(), float("nan"))
        return await leaves(object(), 2.0)

    with LocalRuns() as runs:
        assert asyncio.run(tries()) == 2.0
        assert runs.steps() == ["leaves"]


@pytest.mark.parametrize(
    ("declare", "words"),
    [
        (lambda: tool(effect="write", attempts=2)(loose), "a write is not repeated"),
        (lambda: tool(effect="read", key="{value}")(loose), "only an idempotent tool has a key"),
        (lambda: tool(effect="idempotent", key="{other}")(loose), "its key names 'other'"),
        (lambda: tool(effect="idempotent", key="same")(loose), "would be the same for every call"),
        (lambda: step(without="other")(loose), "it has no argument 'other'"),
        (lambda: step(attempts=99)(loose), "attempts are 1 to 20"),
    ],
)
def test_a_declaration_that_does_not_hold_together_is_refused(declare: Any, words: str) -> None:
    """It is when it is made, and says what is wrong."""
    with pytest.raises(NotDeclared, match=words):
        declare()


def test_attempts_stand_in_the_ledger() -> None:
    """What failed is tried again, only after the named exceptions, and each try is kept with its cause."""
    failures = iter([TimeoutError("slow"), TimeoutError("slow"), None, KeyError("x")])

    @step(attempts=3, retry=(TimeoutError,))
    async def flaky(number: int) -> str:
        failure = next(failures)
        if failure is not None:
            raise failure
        return "done"

    @run
    async def tries() -> str:
        done = await flaky(1)
        with pytest.raises(KeyError):
            await flaky(2)
        return done

    with LocalRuns() as runs:
        assert asyncio.run(tries()) == "done"
        results = [entry for entry in runs.log() if isinstance(entry, Result)]
    assert [[tried.cause for tried in one.tried] for one in results] == [["TimeoutError", "TimeoutError", "ok"], []]
    assert {tried.layer for tried in results[0].tried} == {"tool"}


@pytest.mark.parametrize("effect", ["read", "idempotent"])
def test_what_may_be_repeated_is_taken_again_where_its_outcome_is_unknown(effect: Effect) -> None:
    """As after a crash: under the same key, and nobody is asked."""
    keys: list[str] = []

    @tool(effect=effect)
    async def unsteady() -> str:
        keys.append(idempotency_key() if effect == "idempotent" else "")
        if len(keys) < 3:
            raise OutcomeUnknown
        return "done"

    @run
    async def tries() -> str:
        return await unsteady()

    with LocalRuns() as runs:
        assert asyncio.run(tries()) == "done"
        (told,) = [entry for entry in runs.log() if isinstance(entry, Result)]
    assert [tried.cause for tried in told.tried] == ["unknown", "unknown", "ok"]
    assert len(set(keys)) == 1


def test_a_key_that_is_not_declared_stays_the_same() -> None:
    """An idempotent step that is taken again after a crash bears the key it had."""
    keys: list[str] = []

    @tool(effect="idempotent")
    async def send(text: str) -> str:
        keys.append(idempotency_key())
        return text

    @run
    async def sends() -> list[str]:
        return [await send("a"), await send("a")]

    with LocalRuns() as runs:
        runs.lose(4, answered=True)  # open, begin, finish, begin; the second result is never written
        with pytest.raises(JournalUnavailable):
            asyncio.run(sends.options(id="k")())
        runs.again()
        assert asyncio.run(sends.options(id="k")()) == ["a", "a"]
    assert len(keys) == 3
    assert keys[0] != keys[1] == keys[2]


def test_a_second_start_with_the_same_key_gives_the_first_result() -> None:
    """It is one run; another input under that key is refused."""
    count: list[int] = []

    @run(task="t")
    async def counted(text: str) -> int:
        count.append(1)
        return len(count)

    with LocalRuns() as runs:
        once = counted.options(key="ticket-17")
        assert asyncio.run(once("a")) == asyncio.run(once("a")) == 1
        assert len(runs.runs()) == 1
        with pytest.raises(RunExists, match="another input"):
            asyncio.run(once("b"))


def test_a_run_is_driven_once() -> None:
    """While it runs here, a second driver is refused."""

    @run
    async def slow() -> str:
        with pytest.raises(LeaseHeld):
            await asyncio.create_task(_outside(slow.options(id=run_id())))
        return "done"

    with LocalRuns():
        assert asyncio.run(slow()) == "done"


async def _outside(function: Any) -> Any:
    """Calls it as if from no run."""
    with at(None):
        return await function()


def test_a_changed_argument_is_a_divergence() -> None:
    """What was recorded is never given for another request; the run is left, and goes on with what it asked."""
    asked = ["first"]

    @step
    async def echo(text: str) -> str:
        return text

    @run
    async def changing() -> str:
        before = await echo("same")
        return before + await echo(asked[0])

    with LocalRuns() as runs:
        runs.lose(5, answered=True)
        with pytest.raises(JournalUnavailable):
            asyncio.run(changing.options(id="d")())
        asked[0] = "second"
        runs.again()
        with pytest.raises(
            Divergence, match=r"than it did at step 5 \(echo\): text differs at .*: recorded \"first\", now \"second\""
        ):
            asyncio.run(changing.options(id="d")())
        asked[0] = "first"
        assert asyncio.run(changing.options(id="d")()) == "samefirst"


def test_identical_branches_with_different_answers_are_ambiguous_unless_named() -> None:
    """Nothing is guessed: the run stops and asks for labels, and with them it replays."""
    answers = iter("abcd")

    @step
    async def draw() -> str:
        return next(answers)

    async def named(name: str) -> str:
        with label(name):
            return await draw()

    @run
    async def unnamed() -> list[str]:
        return await asyncio.gather(draw(), draw())

    @run
    async def labelled() -> list[str]:
        return await asyncio.gather(named("one"), named("two"))

    with LocalRuns() as runs:
        for function, asks in ((unnamed, 5), (labelled, 5)):
            runs.lose(asks, answered=True)
            with pytest.raises(JournalUnavailable):
                asyncio.run(function.options(id=function.__name__)())
            runs.again()
        with pytest.raises(Ambiguous, match="2 identical requests"):
            asyncio.run(unnamed.options(id="unnamed")())
        assert asyncio.run(labelled.options(id="labelled")()) == ["c", "d"]
        assert sorted(runs.steps("labelled")) == ["draw/one", "draw/two"]


def test_a_check_is_kept_once_and_fails_as_it_says() -> None:
    """It is a verdict on the step before it; one that only flags lets the run go on."""

    @run
    async def checking() -> None:
        await loose(1)
        await check("flagged", False, "too long", action="flag")
        await check("failed", False, "too short")

    with LocalRuns() as runs:
        with pytest.raises(CheckFailed, match="too short"):
            asyncio.run(checking())
        checks = [entry for entry in runs.log() if isinstance(entry, Checked)]
    assert [(one.check, one.of, one.passed, one.action) for one in checks] == [
        ("flagged", 3, False, "flag"),
        ("failed", 3, False, "fail"),
    ]


def test_outside_a_run_functions_are_functions() -> None:
    """Steps and tools are called as they are; what needs a run says so."""
    assert asyncio.run(loose((1, 2))) == (1, 2)
    with pytest.raises(NoRun, match="check"):
        asyncio.run(check("x", True))
    with pytest.raises(NoRun):
        idempotency_key()


def test_states_are_set_once_each() -> None:
    """A run that is taken up sets nothing again that it had set, and goes on from there."""
    new_world()
    with LocalRuns(ANSWERS) as runs:
        runs.lose(14, answered=True)
        with pytest.raises(JournalUnavailable):
            asyncio.run(plain.options(id="p")("Ada"))
        runs.again()
        asyncio.run(plain.options(id="p")("Ada"))
        values = [entry.value.inline for entry in runs.log("p") if isinstance(entry, State)]
    assert values == ['["order of Ada"]', '["order of Ada","1900 for order of Ada"]']


def test_a_model_that_fails_is_a_result() -> None:
    """`ModelFailed` says what the gateway said, live and recorded."""

    @run
    async def asks() -> str:
        try:
            return (await model("nobody")).text
        except ModelFailed as failed:
            return str(failed.facts["code"])

    first, second = cut_and_again(asks)
    assert first == second == "unknown_task"


def test_a_submitted_run_that_nobody_ran_is_ended_by_cancel() -> None:
    """`cancel` ends it, and whoever waits for its result is told."""

    async def all_of_it() -> None:
        run_of = await submit(billed, "2026-01-02")
        assert await cancel(run_of)
        assert not await cancel(run_of)
        with pytest.raises(RunFailed, match="cancelled"):
            await result(run_of)

    with LocalRuns():
        asyncio.run(all_of_it())
