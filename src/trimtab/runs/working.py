"""A worker: takes up runs that were submitted, that waited, or whose driver went away."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from typing import Any, Final

import msgspec

from trimtab.errors import JournalUnavailable, TrimtabError
from trimtab.journal.asks import Entries, Read
from trimtab.journal.entries import Started
from trimtab.runs import driving, flow
from trimtab.runs.blocking import driving as blocking_driving
from trimtab.runs.declared import Declared
from trimtab.runs.faults import Leaving, NotDeclared, Suspended
from trimtab.runs.runtime import Runtime, current
from trimtab.runs.session import Session
from trimtab.runs.stepping import load

PATIENCE_S: Final = 30.0
LOOK_S: Final = 0.5
NOT_OURS_S: Final = 60.0
"""How long a run is left alone whose function this worker does not have."""
_log = logging.getLogger("trimtab.runs")


async def work(
    *runs: Callable[..., Any], concurrency: int = 8, patience_s: float = PATIENCE_S, until_idle: bool = False
) -> int:
    """Drives runs of these functions, so many at once, until it is cancelled; gives how many it drove.

    Plain functions run in threads, which cannot be cut: the worker's end waits for the step that each of them is at.
    A run that waits longer than `patience_s` is given back, and taken up again when what it waits for has come.
    `until_idle` returns when there is nothing to be done now. A run that fails has failed, and does not end the worker.
    Name all the functions of a task: a worker cannot choose among the runs of one.
    """
    runtime = current()
    threads = ThreadPoolExecutor(max(1, concurrency), "runs")
    declared = {one.name: one for one in map(_declared, runs)}
    tasks = tuple(sorted({one.facts["task"] for one in declared.values()}))
    under_way: dict[asyncio.Task[None], Session] = {}
    driven = 0
    try:
        async with runtime:
            while True:
                session = None
                if len(under_way) < concurrency:
                    session = await _claimed(runtime, tasks, patience_s)
                if session is not None:
                    driven += 1
                    doing = asyncio.create_task(_drive(session, declared, threads))
                    under_way[doing] = session
                    doing.add_done_callback(lambda done: under_way.pop(done, None))
                elif under_way:
                    await asyncio.wait(list(under_way), timeout=LOOK_S, return_when=asyncio.FIRST_COMPLETED)
                elif until_idle:
                    return driven
                else:
                    await asyncio.sleep(LOOK_S)
    finally:
        await _give_back(under_way)
        threads.shutdown(wait=False)


def _declared(function: Callable[..., Any]) -> Declared:
    declared = getattr(function, "__trimtab__", None)
    if not isinstance(declared, Declared) or declared.kind != "child":
        raise NotDeclared(name=getattr(function, "__name__", repr(function)), detail="it is no run; it needs `@run`")
    return declared


async def _claimed(runtime: Runtime, tasks: tuple[str, ...], patience_s: float) -> Session | None:
    claiming = asyncio.ensure_future(driving.claimed(runtime, tasks, patience_s))
    try:
        return await asyncio.shield(claiming)
    except JournalUnavailable as gone:
        _log.warning("%s", gone)
        return None
    except asyncio.CancelledError:
        await asyncio.wait([claiming])
        session = claiming.result() if claiming.exception() is None else None
        if session is not None:
            await _release(session)
        raise


async def _drive(session: Session, declared: dict[str, Declared], threads: Executor) -> None:
    try:
        await _driven(session, declared, threads)
    except Leaving as left:
        _log.warning("run %s: %s", session.run, left.why)
    except TrimtabError as why:
        _log.info("run %s: %s", session.run, why)
    except Exception as failure:  # noqa: BLE001 - what a run raises is in its log, and is not the worker's end
        _log.info("run %s failed with %s: %s", session.run, type(failure).__name__, failure)


async def _driven(session: Session, declared: dict[str, Declared], threads: Executor) -> None:
    started = await flow.ask_for(session, Read(session.run, 1, 1))
    entry = started.entries[0].entry if isinstance(started, Entries) and started.entries else None
    one = declared.get(entry.name) if isinstance(entry, Started) else None
    if one is None or not isinstance(entry, Started):
        name = entry.name if isinstance(entry, Started) else "?"
        _log.warning("run %s is of %s, which this worker does not have; name it in work(...)", session.run, name)
        session.wake_ns = session.now_ns() + round(NOT_OURS_S * 1e9)
        await flow.ask_for(session, session.release())
        return
    session.checks = one.checks
    content = await load(session, entry.input)

    def call() -> Any:
        bound = one.call_from(msgspec.json.decode(content))
        return one.function(*bound.args, **bound.kwargs)

    async def awaited() -> Any:
        return await call()

    if one.awaits:
        await driving.drive(session, awaited)
    else:
        drive = partial(copy_context().run, blocking_driving.drive, session, call)
        await flow.settled(asyncio.get_running_loop().run_in_executor(threads, drive))


async def _give_back(under_way: dict[asyncio.Task[None], Session]) -> None:
    """The worker ends: whoever comes next takes the runs up at once, those too that were not begun here."""
    left = dict(under_way)
    for doing, session in left.items():
        session.leave(Suspended(run=session.run, waits_for="a worker"))
        session.wake_ns = session.now_ns()
        doing.cancel()
    if left:
        await asyncio.wait(left)
        await asyncio.gather(*map(_release, left.values()))


async def _release(session: Session) -> None:
    session.wake_ns = session.now_ns()
    try:
        await flow.ask(session.runtime, session.release())
    except TrimtabError as why:  # it has ended, somebody else holds it, or its lease runs out by itself
        _log.debug("run %s: %s", session.run, why)
