"""Agents whose answers are held against checks of each kind, each with another thing that follows from a failure."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

from trimtab import CheckBranched, Rejected, blocking, checks, label, model, run, step, tool
from trimtab.declare.checking import Agrees, Check, Cited, Judged, Sampled
from trimtab.runs.models import Asked

CALLS: Counter[str] = Counter()
"""What tools were called with, and what functions of checks were asked."""

FORM = '{"type": "object", "properties": {"label": {"enum": ["refund", "other"]}}, "required": ["label"]}'


def triaged(asked: Asked) -> Any:
    """Wrong at first, right when it is told what was wrong."""
    told = [one for one in asked.messages if "did not pass the check" in str(one.get("content"))]
    return {"label": "refund"} if told else {"label": "unheard of"}


def voted(asked: Asked) -> str:
    """Always the same."""
    return "yes it is"


ANSWERS: dict[str, Any] = {
    "triage": triaged,
    "vote": voted,
    "quote": {"cents": 5000, "order": "A-18"},
    "careful": {"cents": 1900, "order": "A-17"},
    "reply": 'We are sorry that "the parcel was lost at sea" [A-17].',
    "odd": {"label": "who knows"},
    "judge": "no",
    "kind judge": "yes",
}

DECLARED = {
    "support": (
        Check(name="form", task="support", after="triage", schema=FORM, on_failure="repair", repairs=2),
        Check(name="votes", task="support", after="vote", samples=Sampled(3, 1.0)),
        Check(
            name="same order",
            task="support",
            after="quote",
            agrees=Agrees("find_order", (("order", "order"),)),
            on_failure="branch",
            branch="careful",
        ),
        Check(name="sources", task="support", after="reply", cited=Cited(("find_order",))),
        Check(
            name="friendly", task="support", after="reply", judge=Judged("judge", "Is it friendly?"), on_failure="flag"
        ),
        Check(name="lost", task="support", after="find_order", rule="answer.state == 'lost' and arguments.customer"),
        Check(name="known", task="support", after="odd", rule="answer.label == 'refund'", on_failure="ask"),
    )
}


@tool(effect="read")
async def find_order(customer: str) -> dict[str, str]:
    """The latest order."""
    CALLS[f"find {customer}"] += 1
    return {"order": "A-17", "state": "lost", "note": "The parcel was lost at sea in May."}


@tool(effect="read", name="find_order")
def find_order_now(customer: str) -> dict[str, str]:
    """The same for threads."""
    CALLS[f"find {customer}"] += 1
    return {"order": "A-17", "state": "lost", "note": "The parcel was lost at sea in May."}


def short(answer: Any) -> str:
    """Says what is wrong with a long text."""
    CALLS["short"] += 1
    return "" if len(answer) < 5 else "it is too long"


async def kind(answer: Any) -> bool:
    """Asks a model of its own."""
    CALLS["kind"] += 1
    return (await model("kind judge", f"Is this kind: {answer}")).text == "yes"


@step(checks=[checks.holds("short", short, on_failure="branch"), checks.holds("kind", kind)])
async def draft(text: str) -> str:
    """A step with checks of its own."""
    return text


@run(task="support")
async def checked(customer: str) -> list[Any]:
    """Checks that pass, repair, branch and flag, one after the other."""
    kinds = (await model("triage", ticket=customer)).json()
    order = await find_order(customer)
    amount = (await model("quote", order=order["order"])).json()
    vote = (await model("vote", ticket=customer)).text
    reply = (await model("reply", order=order)).text
    try:
        drafted = await draft("a long draft")
    except CheckBranched:
        drafted = await draft("hey")
    return [kinds["label"], amount["cents"], vote, reply, drafted]


@run(task="support")
async def asking(customer: str) -> str:
    """A person decides on an answer."""
    try:
        return (await model("odd", ticket=customer)).text
    except Rejected as no:
        return f"rejected: {no.facts['reason']}"


@run(task="support")
async def parallel(customers: list[str]) -> list[str]:
    """Checks in branches."""

    async def one(customer: str) -> str:
        with label(f"of {customer}"):
            order = await find_order(customer)
            kinds = (await model("triage", ticket=customer)).json()
            return f"{order['order']} {kinds['label']} {(await model('vote', ticket=customer)).text}"

    return list(await asyncio.gather(*map(one, customers)))


@run(task="support", checks=[checks.rule("found", "answer.state == 'lost'", after="find_order")])
def blocking_checked(customer: str) -> list[Any]:
    """The same without awaiting."""
    kinds = blocking.model("triage", ticket=customer).json()
    order = find_order_now(customer)
    vote = blocking.model("vote", ticket=customer).text
    amount = blocking.model("quote", order=order["order"]).json()
    return [kinds["label"], order["order"], vote, amount["cents"]]


SHAPES: dict[str, Any] = {
    "each kind": (checked, ("Ada",)),
    "a person": (asking, ("Ada",)),
    "parallel": (parallel, (["Ada", "Bob"],)),
    "threads": (blocking_checked, ("Ada",)),
}
