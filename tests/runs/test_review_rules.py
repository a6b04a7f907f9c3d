"""Rules that a task declares put its tools' calls before persons, whatever their code says."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from trimtab import run, tool
from trimtab.contracts.validate import Validator
from trimtab.declare.reviewing import ReviewRule
from trimtab.errors import TrimtabError
from trimtab.journal.asks import FindReviews, Reviews
from trimtab.journal.proposals import Background, background_of
from trimtab.testing import LocalRuns

PAID: list[int] = []
RULES = {"refunds": (ReviewRule(("give_back",), "arguments.amount > 100", ("admin",), expires_s=3600.0),)}


@tool(effect="write")
async def give_back(amount: int) -> int:
    """Gives money back."""
    PAID.append(amount)
    return amount


@run(task="refunds")
async def refund(amount: int) -> int:
    """A run of the task with the rule."""
    return await give_back(amount)


@run(task="others")
async def other(amount: int) -> int:
    """A run of a task without one."""
    return await give_back(amount)


async def decided(runs: LocalRuns, verdict: str, **more: Any) -> int:
    """What a run of 500 gives while somebody decides."""
    running = asyncio.ensure_future(refund(500))
    while not runs.waiting() and not running.done():
        await asyncio.sleep(0.002)
    assert PAID == []
    runs.decide(verdict, **more)
    return await running


@pytest.fixture
def runs() -> Any:
    """Runs in process under the rules."""
    PAID.clear()
    with LocalRuns(reviews=RULES) as found:
        yield found


def test_what_a_rule_asks_about_waits(runs: LocalRuns) -> None:
    """Above the amount a person is asked, who may be an admin; below it and in other tasks nobody is."""
    assert asyncio.run(refund(50)) == 50
    assert asyncio.run(other(500)) == 500
    PAID.clear()
    assert asyncio.run(decided(runs, "approved")) == 500
    assert PAID == [500]


def test_what_is_rejected_does_not_happen(runs: LocalRuns) -> None:
    """A rejection reaches the program, and the tool was never called."""
    with pytest.raises(TrimtabError, match="too much"):
        asyncio.run(decided(runs, "rejected", reason="too much"))
    assert PAID == []


def test_a_person_sees_what_the_tool_does(runs: LocalRuns) -> None:
    """The tool's words, its effect and the schema of its arguments lie with the review, so that edits can be held."""

    async def seen() -> Background:
        running = asyncio.ensure_future(refund(500))
        while not runs.waiting():
            await asyncio.sleep(0.002)
        told = runs.do(FindReviews())
        assert isinstance(told, Reviews)
        runs.decide("approved")
        await running
        context = told.reviews[0].context
        assert context is not None
        return background_of((context.inline or "").encode())

    shown = asyncio.run(seen())
    assert (shown.what, shown.effect) == ("Gives money back.", "write")
    assert Validator(shown.schema).faults({"amount": 5}) == ()
    assert Validator(shown.schema).faults({"amount": "five"}) != ()
