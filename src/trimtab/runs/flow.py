"""What awaits: the few acts that differ between code that awaits and code that does not (`blocking/flow.py`)."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace
from typing import Any, TypeVar

from trimtab.errors import JournalUnavailable
from trimtab.journal.asks import Ask, Told
from trimtab.journal.refusals import JournalRefusal
from trimtab.runs.faults import Leaving
from trimtab.runs.lines import Line
from trimtab.runs.models import Asked
from trimtab.runs.runtime import Runtime
from trimtab.runs.session import Session, at, branches, here

T = TypeVar("T")
R = TypeVar("R")


async def ask(runtime: Runtime, question: Ask) -> Told:
    """What the journal tells; raises `JournalRefusal` and `JournalUnavailable`."""
    async with runtime as keeper:
        return await keeper.do(question)


async def ask_for(session: Session, question: Ask) -> Told:
    """The same for a run that is driven here, which is left when it is refused; raises `Leaving`.

    An ask that was begun is ended, whatever is cancelled meanwhile.
    """
    try:
        return await settled(ask(session.runtime, question))
    except (JournalRefusal, JournalUnavailable) as refusal:
        raise session.leave(refusal) from refusal


async def settled(doing: Awaitable[T]) -> T:
    """What comes of it, if need be before the cancellation of whoever waits for it is raised, however often."""
    task, cut = asyncio.ensure_future(doing), None
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError as cancelled:
            cut = cancelled
    if cut is not None and (task.cancelled() or task.exception() is None):
        raise cut
    return task.result()


async def called(function: Callable[..., Any], arguments: tuple[Any, ...], named: dict[str, Any]) -> Any:
    """What a function gives, awaited where it is to be."""
    given = function(*arguments, **named)
    return await given if isinstance(given, Awaitable) else given


async def asked_model(runtime: Runtime, asked: Asked, headers: dict[str, str]) -> tuple[bytes, int]:
    """A model's answer, and the seq of its step."""
    async with runtime:
        return await runtime.models.ask(asked, headers)


async def rest(session: Session, seconds: float) -> None:
    """Lets time pass; raises `Leaving` where the run is left meanwhile."""
    await asyncio.sleep(seconds)
    if session.left is not None:
        raise Leaving(session.left)


async def pause(seconds: float) -> None:
    """Lets time pass, where no run is driven."""
    await asyncio.sleep(seconds)


async def never() -> None:
    """Waits until it is cancelled."""
    await asyncio.get_running_loop().create_future()


def hold(session: Session) -> None:
    """The running task drives that run, so that an order can cancel it."""
    session.task = asyncio.current_task()
    session.loop = asyncio.get_running_loop()
    session.runtime.leases.hold(session)


async def let_go(session: Session) -> None:
    """Nothing of the run is left running here; the cancellation by which an order reached it is taken back.

    Writes that were begun have ended then, which those who wait for them do. All of it comes before another
    cancellation meanwhile is raised.
    """
    session.runtime.leases.let_go(session)
    mine = asyncio.current_task()
    session.task = None
    if session.cancelled and mine is not None:
        session.cancelled = False
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(0)  # where it has not been raised yet
        mine.uncancel()
    cut = None
    for lasting in (False, True):
        tasks = session.lines.tasks(lasting=lasting)
        others = [task for task in tasks if task is not mine and not task.done() and _loop_is_ours(task)]
        for task in others:
            task.cancel()
        if others:
            try:
                await settled(asyncio.wait(others))
            except asyncio.CancelledError as cancelled:
                cut = cancelled
    if cut is not None:
        raise cut


def _loop_is_ours(task: asyncio.Task[Any]) -> bool:
    return task.get_loop() is asyncio.get_running_loop()


def stopped(failure: BaseException) -> bool:
    """Whether what was raised is a cancellation."""
    return isinstance(failure, asyncio.CancelledError)


async def together(function: Callable[[T], Awaitable[R]], items: Iterable[T]) -> list[R]:
    """What a function gives for each item, all at once. Within a run each is a branch of its own, by its number."""
    place = here()

    async def one(item: T, line: Line | None) -> R:
        if place is None or line is None:
            return await function(item)
        place.session.lines.put(line)
        with at(replace(place, line=line, taken=0)):
            return await function(item)

    todo = list(items)
    lines = branches(place, len(todo))
    async with asyncio.TaskGroup() as group:
        doing = [group.create_task(one(item, line)) for item, line in zip(todo, lines, strict=True)]
    return [done.result() for done in doing]
