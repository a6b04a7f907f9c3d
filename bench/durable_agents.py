"""Agents of each shape whose tools act on a world outside, and a process that dies or stands still where it is told."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final

from trimtab import blocking, idempotency_key, review, run, step, tool
from trimtab.journal.asks import Ask, Begin, Begun, Find, FindReviews, Finish, Load, Read, Renew, Told, Written
from trimtab.journal.client import BlockingKeeper, KeeperClient

LONG: Final = "x" * 4000
CALM_S: Final = 5.0
"""How long whoever is to stand still waits for the writes of other threads."""
UNCOUNTED: Final = (Renew, Read, Load, Find, FindReviews)
"""Asks that change nothing of a run, or come when time has passed."""


class Boundaries:
    """Counts the places at which a process may be killed, and sends it `signum` at one of them.

    Nobody is made to stand still amid a write, not by another thread either: nothing but the world could hold that up.
    """

    def __init__(self) -> None:
        self.passed = 0
        self._at = -1
        self._signum = signal.SIGKILL
        self._guard = threading.Condition()
        self._writing = set[int]()

    def arm(self, at: int, signum: signal.Signals) -> None:
        """Is to die (or to stand still) at this one, counted from 0; -1 is never."""
        self.passed, self._at, self._signum = 0, at, signum

    def pass_one(self, *, acting: bool = False) -> None:
        """Here is one."""
        with self._guard:
            here, self.passed = self.passed, self.passed + 1
            if here != self._at or (acting and self._signum == signal.SIGSTOP):
                return
            if self._signum == signal.SIGSTOP:
                self._guard.wait_for(lambda: self._writing <= {threading.get_ident()}, CALM_S)
        signal.pthread_kill(threading.get_ident(), self._signum)  # meant for the process; this thread goes no further

    def writes(self, *, begins: bool) -> None:
        """This thread was told to do a write, or has done it."""
        with self._guard:
            (self._writing.add if begins else self._writing.discard)(threading.get_ident())
            self._guard.notify_all()


class World:
    """What tools did, in files that outlive whoever did it: one line for each act, and each answer that was given."""

    def __init__(self, folder: Path) -> None:
        self._acts = folder / "acts"
        self._acknowledged = folder / "acknowledged"

    def act(self, kind: str, what: str) -> None:
        """Does something outside."""
        _append(self._acts, f"{kind} {what}")

    def acts(self, kind: str) -> Counter[str]:
        """How often each thing of this kind was done."""
        lines = (line.partition(" ") for line in _lines(self._acts))
        return Counter(what for name, _, what in lines if name == kind)

    def acknowledge(self, run: str, seq: int, digest: str) -> None:
        """A driver was told that the result of this step is kept."""
        _append(self._acknowledged, f"{run} {seq} {digest}")

    def acknowledged(self) -> set[tuple[str, int, str]]:
        """What drivers were told is kept."""
        return {(run, int(seq), digest) for run, seq, digest in map(str.split, _lines(self._acknowledged))}


def _append(path: Path, line: str) -> None:
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        os.write(file, f"{line}\n".encode())
    finally:
        os.close(file)


def _lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


BOUNDARIES = Boundaries()
_worlds: list[World] = []


def enter(world: World) -> None:
    """What tools act on from here on."""
    _worlds[:] = [world]


def act(kind: str, what: str) -> None:
    """An act of a tool, with a boundary before and after it."""
    BOUNDARIES.pass_one(acting=True)
    _worlds[0].act(kind, what)
    BOUNDARIES.pass_one(acting=True)


class Counted:
    """Keeper, with a boundary before each ask and after each answer."""

    def __init__(self, inner: KeeperClient) -> None:
        self._inner = inner

    async def do(self, ask: Ask) -> Told:
        """Asks keeper."""
        if isinstance(ask, UNCOUNTED):
            return await self._inner.do(ask)
        BOUNDARIES.pass_one()
        return _answered(ask, await self._inner.do(ask))

    async def watch(self, runs: Callable[[], Iterable[str]]) -> None:
        """Hears of orders."""
        await self._inner.watch(runs)

    async def close(self) -> None:
        """Hangs up."""
        await self._inner.close()


class CountedBlocking:
    """The same for threads."""

    def __init__(self, inner: BlockingKeeper) -> None:
        self._inner = inner

    def do(self, ask: Ask) -> Told:
        """Asks keeper."""
        if isinstance(ask, UNCOUNTED):
            return self._inner.do(ask)
        if isinstance(ask, Finish):
            BOUNDARIES.writes(begins=False)
        BOUNDARIES.pass_one()
        told = self._inner.do(ask)
        if isinstance(ask, Begin) and ask.effect == "write" and isinstance(told, Begun) and told.result is None:
            BOUNDARIES.writes(begins=True)
        return _answered(ask, told)

    def close(self) -> None:
        """Hangs up."""
        self._inner.close()


def _answered(ask: Ask, told: Told) -> Told:
    if isinstance(ask, Finish) and isinstance(told, Written) and ask.result.output is not None:
        _worlds[0].acknowledge(ask.run, ask.result.of, ask.result.output.digest)
    BOUNDARIES.pass_one()
    return told


@tool(effect="read")
def look(what: str) -> str:
    """Changes nothing."""
    act("read", what)
    return f"saw {what}"


@tool(effect="idempotent", key="pay-{what}")
def pay(what: str) -> str:
    """May be repeated under its key."""
    act("keyed", idempotency_key())
    return f"paid {what}"


@tool(effect="write")
def send(what: str) -> str:
    """Must happen once."""
    act("write", what)
    return f"sent {what}"


@tool(effect="write", review=True)
async def sign(what: str) -> str:
    """Must happen once, and only if somebody approved of it."""
    act("write", what)
    return f"signed {what}"


@step
def think(what: str) -> str:
    """An answer that does not lie beside its entry."""
    return what + LONG


async def errand(name: str) -> list[str]:
    """One of each kind of step."""
    done = [look(f"{name}-a"), pay(f"{name}-b"), send(f"{name}-c"), think(f"{name}-d")]
    return [one[:40] for one in done]


@run(task="sync")
def sync_agent(name: str) -> list[str]:
    """Without awaiting anything."""
    done: list[str] = []
    for number in range(2):
        done += [
            look(f"{name}{number}"),
            send(f"{name}{number}"),
            pay(f"{name}{number}"),
            think(f"{name}{number}")[:40],
        ]
    return done


@run(task="async")
async def async_agent(name: str) -> list[str]:
    """One step after the other."""
    return [*await errand(f"{name}1"), *await errand(f"{name}2")]


@run(task="parallel")
async def parallel_agent(name: str) -> list[str]:
    """Three branches at once."""
    done = await asyncio.gather(*(errand(f"{name}{number}") for number in range(3)))
    return [one for some in done for one in some]


@run(task="inner")
async def inner_agent(name: str) -> list[str]:
    """What another run begins."""
    return await errand(name)


@run(task="outer")
async def outer_agent(name: str) -> list[str]:
    """Two runs within one."""
    first = await inner_agent(f"{name}1")
    second = await inner_agent(f"{name}2")
    return [*first, send(name), *second]


@run(task="tools")
async def tools_agent(name: str) -> list[str]:
    """Nothing but effects that must happen once."""
    return [send(f"{name}{number}") for number in range(5)] + [pay(name)]


@run(task="reviews")
async def review_agent(name: str) -> list[str]:
    """Asks a person twice."""
    text = await review(f"draft {name}", "somebody must read it")
    return [await sign(text), send(name)]


@run(task="threads")
def threads_agent(name: str) -> list[str]:
    """Two threads at once."""
    return blocking.together(pay, [f"{name}1", f"{name}2"]) + blocking.together(send, [f"{name}3", f"{name}4"])


SHAPES: Final[dict[str, Callable[..., Any]]] = {
    "sync": sync_agent,
    "async": async_agent,
    "parallel": parallel_agent,
    "sub-run": outer_agent,
    "tool": tools_agent,
    "review": review_agent,
    "threads": threads_agent,
}
