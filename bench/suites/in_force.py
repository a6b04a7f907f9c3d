"""How soon a change holds: a task that is edited, a key that is made, a key that is revoked.

Each counts from the moment at which the edit lies on the disk, or the command has ended, to the first call that is
answered under it. Calls follow each other without a pause, so what is told may be late by the time of one call.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from bench import client
from bench.arm import Target
from bench.client import Answer
from bench.gateway import GENEROUS, TASK, Gateway, Task, gateway, trimtab
from bench.lanes import GOOD, lane, scripted_upstream
from bench.options import Options
from bench.report import Result

LIMIT_S, GIVE_UP_S = 1.0, 60.0
TIMES = 30
NAME, MODEL = "edited", lane(0)
SNAPSHOT = b"x-trimtab-snapshot"


def run(options: Options, result: Result) -> None:
    """Edits, then keys, on one `trimtab up`."""
    if not options.wants("trimtab"):
        return
    times = options.size(TIMES, 3)
    with (
        scripted_upstream() as upstream,
        gateway("in-force", {MODEL: upstream.ports[0]}, {NAME: Task(MODEL)}) as running,
    ):
        found = asyncio.run(measure(running, times, options))
    for what, taken_s in found.items():
        result.raw[what] = taken_s
        result.worst(f"{what}, until a call is answered so, slowest", max(taken_s), LIMIT_S, "s", n=times)
        result.tell_value(f"{what}, median", median(taken_s), "s", n=times)


async def measure(running: Gateway, times: int, options: Options) -> dict[str, list[float]]:
    """Seconds of each change, by kind."""
    found: dict[str, list[float]] = {"an edited task": [], "a new key": [], "a revoked key": []}
    for number in range(times):
        options.tell(f"in_force: {number + 1} of {times}")
        found["an edited task"].append(await edited_s(running, number))
        name = f"app-{number}"
        made = json.loads(await asyncio.to_thread(trimtab, running.folder, "key", "new", name, "--json"))
        target = Target(running.port, NAME, made["secret"])
        found["a new key"].append(await seconds_until(target, lambda answer: answer.status == 200))
        await asyncio.to_thread(trimtab, running.folder, "key", "revoke", name)
        found["a revoked key"].append(await seconds_until(target, lambda answer: answer.status == 401))
    return found


async def edited_s(running: Gateway, number: int) -> float:
    """Saves a task with another deadline, as an editor does, and waits until a call bears another snapshot."""
    target = running.target(NAME)
    before = (await client.ask(target, client.scripted(target, GOOD))).header(SNAPSHOT)
    save(running.folder, GENEROUS.replace('gap = "60s"', f'gap = "{61 + number}s"'))
    return await seconds_until(
        target, lambda answer: answer.status == 200 and answer.header(SNAPSHOT) not in ("", before)
    )


def save(folder: Path, settings: str) -> None:
    """The task's file in one step."""
    fresh = folder / "task.toml.new"
    fresh.write_text(TASK.format(model=MODEL, settings=settings))
    fresh.rename(folder / "tasks" / NAME / "task.toml")


async def seconds_until(target: Target, wanted: Callable[[Answer], bool]) -> float:
    """Calls one after the other until an answer is as wanted; TimeoutError if none is."""
    began = time.monotonic()
    async with asyncio.timeout(GIVE_UP_S):
        while not wanted(await client.ask(target, client.scripted(target, GOOD))):
            continue
    return time.monotonic() - began
