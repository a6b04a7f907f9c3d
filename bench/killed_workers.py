"""Calls of runs through a gateway: its worker is killed amid them, or somebody stops their runs."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from tests.gateway.harness import Response, read_response
from tests.processes.upping import Up, write_project
from trimtab.journal.asks import Direct
from trimtab.journal.client import BlockingKeeper, KeeperClient
from trimtab.journal.entries import Intent, Result
from trimtab.journal.reading import body_read, entries_of
from trimtab.journal.runs.database import open_runs
from trimtab.journal.runs.verify import verify_run
from trimtab.testing import Hang, Script, ScriptedUpstream, Wait, chat_stream

TOGETHER: Final = 10
PACE_S: Final = 0.06
LONGEST_S: Final = 0.3
"""A kill comes up to so long after its calls; their streams take longer."""
PATIENCE_S: Final = 60.0


@dataclass
class Killed:
    """What came of the calls: how many there were, how many broke off, and what must not be."""

    calls: int = 0
    broken: int = 0
    kills: int = 0
    faults: list[str] = field(default_factory=list)


def slow_stream() -> Script:
    """An answer whose pieces come one after another."""
    whole = chat_stream()
    return Script(tuple(step for piece in whole.steps for step in (piece, Wait(PACE_S))))


async def killed_workers(root: Path, kills: int, seed: int, tell: Callable[[str], None]) -> Killed:
    """Kills the only worker so many times, each time amid ten streams of runs; broken calls are sent again."""
    found, chance = Killed(), random.Random(seed)
    async with ScriptedUpstream() as upstream:
        upstream.always(slow_stream())
        write_project(root, upstream.url)
        async with Up(root) as up:
            whole: dict[str, list[bytes]] = {}
            for number in range(kills):
                await one_kill(up, number, chance, found, whole)
                tell(f"killed the worker {number + 1} of {kills} times; {found.broken} of {found.calls} calls broken")
            await asyncio.to_thread(look, up.run / "keeper.sock", whole, found)
    look_at_store(root / ".trimtab", found)
    return found


async def one_kill(up: Up, number: int, chance: random.Random, found: Killed, whole: dict[str, list[bytes]]) -> None:
    """Ten calls and one kill amid them; then those again that were broken."""
    runs = [f"r-{number}-{call}" for call in range(TOGETHER)]
    await called(up, f"r-{number}-warm", whole)  # the worker is there
    (worker,) = up.members("gateway")
    calling = [asyncio.ensure_future(called(up, run, whole)) for run in runs]
    await asyncio.sleep(chance.uniform(0, LONGEST_S))
    os.kill(worker.pid, signal.SIGKILL)
    done = await asyncio.gather(*calling)
    found.kills += 1
    found.calls += len(runs)
    found.broken += done.count(False)
    for run, was_whole in zip(runs, done, strict=True):
        if not was_whole and not await called(up, run, whole):
            found.faults.append(f"{run}: its call does not end well when it is sent again")


async def called(up: Up, run: str, whole: dict[str, list[bytes]]) -> bool:
    """Whether a call of a run came whole."""
    try:
        answer = await posted(up, run)
    except (OSError, EOFError, asyncio.IncompleteReadError):
        return False
    if answer.status == 200 and answer.whole:
        whole.setdefault(run, []).append(answer.body)
        return True
    return False


async def posted(up: Up, run: str) -> Response:
    """A streamed call of a run."""
    async with asyncio.timeout(PATIENCE_S):
        reader, writer = await up._send({"stream": True}, f"x-trimtab-run: {run}\r\n")
        try:
            return await read_response(reader)
        finally:
            writer.close()


async def stopped_calls(root: Path, count: int) -> list[float]:
    """Seconds from an order to stop a run until its open stream has ended, for each of so many runs at two workers."""
    took = []
    async with ScriptedUpstream() as upstream:
        upstream.always(Script((*chat_stream().steps[:4], Hang())))
        write_project(root, upstream.url, workers=2)
        async with Up(root) as up:
            operator = KeeperClient(up.run / "keeper.sock", patience_s=PATIENCE_S)
            for number in range(count):
                reader, writer = await up._send({"stream": True}, f"x-trimtab-run: r-{number}\r\n")
                await reader.readuntil(b"Hello")
                begun_s = time.monotonic()
                await operator.do(Direct("stop", "ana", run=f"r-{number}"))
                async with asyncio.timeout(PATIENCE_S):
                    rest = await reader.read()
                if b"run_stopped" not in rest:
                    raise AssertionError(f"the stream of r-{number} ended otherwise: {rest!r}")
                took.append(time.monotonic() - begun_s)
                writer.close()
            await operator.close()
    return took


def look(path: Path, whole: dict[str, list[bytes]], found: Killed) -> None:
    """Every answer that came whole is the body of a result of its run."""
    keeper = BlockingKeeper(path, patience_s=PATIENCE_S)
    for run, answers in whole.items():
        entries = [one.entry for one in entries_of(keeper, run)]
        results: list[Result] = [one for one in entries if isinstance(one, Result) and one.outcome == "ok"]
        kept: list[Any] = [body_read(keeper, run, one.output) for one in results]
        for answer in answers:
            if answer not in kept:
                found.faults.append(f"{run}: an answer was lost that came whole")
        if not any(isinstance(one, Intent) for one in entries):
            found.faults.append(f"{run}: no step was begun")
    keeper.close()


def look_at_store(directory: Path, found: Killed) -> None:
    """The journal and its logs are whole."""
    database = open_runs(directory / "journal.db")
    try:
        ((verdict,),) = database._connection.execute("PRAGMA integrity_check").fetchall()
        found.faults += [] if verdict == "ok" else [f"the database is damaged: {verdict}"]
        for (run,) in database._connection.execute("SELECT run FROM runs").fetchall():
            fault = verify_run(database, run)
            found.faults += [] if fault is None else [f"{run} at {fault.seq}: {fault.detail}"]
    finally:
        database.close()
