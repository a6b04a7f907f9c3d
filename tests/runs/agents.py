"""Agents of each shape, and a world that counts what they do to it."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from trimtab import blocking, check, idempotency_key, model, review, run, sleep, state, step, together, tool
from trimtab.testing.runs import Answering


@dataclass
class World:
    """What tools did: `keyed` by idempotency key, `written` by what must happen once, `read` by what was looked up."""

    keyed: Counter[str] = field(default_factory=Counter)
    written: Counter[str] = field(default_factory=Counter)
    read: Counter[str] = field(default_factory=Counter)


WORLD = World()
ANSWERS: dict[str, Answering] = {
    "triage": "refund",
    "reply": lambda asked: f"Dear {asked.inputs['customer']}",
    "numbers": {"numbers": [1, 2, 3]},
}


def new_world() -> World:
    """Nothing has been done yet."""
    WORLD.keyed.clear()
    WORLD.written.clear()
    WORLD.read.clear()
    return WORLD


@dataclass
class Order:
    """An order of a customer."""

    id: str
    cents: int


@tool(effect="read")
async def find_order(customer: str) -> Order:
    """The latest order."""
    WORLD.read[customer] += 1
    return Order(f"order of {customer}", 1900)


@tool(effect="read")
def find_order_now(customer: str) -> Order:
    """The latest order."""
    WORLD.read[customer] += 1
    return Order(f"order of {customer}", 1900)


@tool(effect="idempotent", key="refund {order}")
async def refund(order: str, cents: int) -> str:
    """Pays an order back."""
    WORLD.keyed[idempotency_key()] += 1
    return f"{cents} for {order}"


@tool(effect="write")
async def transfer(account: str) -> str:
    """Must happen once."""
    WORLD.written[account] += 1
    return f"to {account}"


@tool(effect="write")
def transfer_now(account: str) -> str:
    """Must happen once."""
    WORLD.written[account] += 1
    return f"to {account}"


@tool(effect="write", review=True)
async def send(text: str) -> str:
    """Must happen once, and only when somebody approved of it."""
    WORLD.written[text] += 1
    return f"sent {text}"


@step
async def add(numbers: list[int]) -> int:
    """A step that takes steps."""
    doubled = [await double(number) for number in numbers]
    return sum(doubled)


@step
async def double(number: int) -> int:
    """Twice as much."""
    return number * 2


notes = state("notes", list[str], [])


@run(task="support")
async def plain(customer: str) -> str:
    """One step after the other."""
    kind = await model("triage", ticket=customer)
    order = await find_order(customer)
    await notes.set([*notes.get(), order.id])
    await check("costs something", order.cents > 0)
    paid = await refund(order.id, order.cents) if kind.text == "refund" else "nothing"
    sent = await transfer("bank")
    await notes.set([*notes.get(), paid])
    return f"{(await model('reply', customer=customer)).text}: {paid}, {sent}, {notes.get()}"


@run(task="support")
def blocking_one(customer: str) -> str:
    """The same without awaiting."""
    kind = blocking.model("triage", ticket=customer)
    orders = blocking.together(find_order_now, [customer, customer + "'s friend"])
    blocking.check("costs something", orders[0].cents > 0)
    sent = transfer_now("bank")
    return f"{kind.text}, {[order.id for order in orders]}, {sent}"


@run(task="support")
async def parallel(customers: list[str]) -> list[str]:
    """Branches, each with steps that follow each other."""

    async def one(customer: str) -> str:
        order = await find_order(customer)
        await asyncio.sleep(0)
        return await refund(order.id, order.cents)

    paid = await asyncio.gather(*map(one, customers))
    orders = await together(find_order, customers)
    return [*paid, *(order.id for order in orders), await transfer("bank")]


@run(task="inner")
async def inner(customer: str) -> str:
    """A run within another."""
    order = await find_order(customer)
    return await transfer(order.id)


@run(task="support")
async def outer(customers: list[str]) -> list[str]:
    """Sub-runs, one after the other and at once, and steps in steps."""
    numbers = (await model("numbers")).json(dict[str, list[int]])["numbers"]
    total = await add(numbers)
    first = await inner("the first")
    return [str(total), first, *await asyncio.gather(*map(inner, customers))]


@run(task="support")
async def reviewed(text: str) -> str:
    """Waits for people."""
    await sleep(0.001)
    text = await review(text, "is it right?")
    return await send(text)


SHAPES: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "plain": (plain, ("Ada",)),
    "blocking": (blocking_one, ("Ada",)),
    "parallel": (parallel, (["Ada", "Bob", "Cleo"],)),
    "sub-runs": (outer, (["Ada", "Bob"],)),
    "reviewed": (reviewed, ("hello",)),
}
