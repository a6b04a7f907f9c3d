"""A journal of events alone behind a real keeper, for tests of keeper and its clients."""

from __future__ import annotations

import socket
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from trimtab.clock import SystemClock
from trimtab.errors import StoreError
from trimtab.journal.asks import (
    Ask,
    Direct,
    Directed,
    Find,
    Open,
    Renew,
    RunRow,
    Runs,
    Sweep,
    Swept,
    Tell,
    Told,
    Written,
)
from trimtab.journal.entries import Arrived
from trimtab.journal.frames import refusal
from trimtab.journal.keeper import Keeper
from trimtab.journal.refusals import LeaseLost, RunUnknown


class Shelf:
    """A journal of events alone: `Tell` adds one, `Find` counts them, `Renew` is always too late."""

    def __init__(self) -> None:
        self.told: list[Tell] = []
        self.batches: list[int] = []
        self.sweeps: list[Sweep] = []
        self.broken = ""
        self.gate = threading.Event()
        self.gate.set()

    def do(self, asks: list[Ask]) -> list[Told]:
        self.gate.wait(10)
        if self.broken:
            raise StoreError(store="journal.db", detail=self.broken)
        asked = [ask for ask in asks if not isinstance(ask, Sweep)]
        if asked:
            self.batches.append(len(asked))
        return [self._one(ask) for ask in asks]

    def _one(self, ask: Ask) -> Told:
        match ask:
            case Tell():
                self.told.append(ask)
                return Written(len(self.told))
            case Find():
                return Runs(tuple(row(f"r-{number}") for number in range(len(self.told))))
            case Renew():
                return refusal(LeaseLost(run=ask.run, epoch=ask.epoch, current=ask.epoch + 1))
            case Direct():
                return Directed(("r-1", "r-2"))
            case Sweep():
                self.sweeps.append(ask)
                return Swept()
            case Open():
                raise RuntimeError("no shelf opens runs")
            case _:
                return refusal(RunUnknown(run="r-1"))


class Stepped(Shelf):
    """One whose commits each wait to be let go."""

    def __init__(self) -> None:
        super().__init__()
        self.begun = threading.Semaphore(0)
        self.go = threading.Semaphore(0)

    def do(self, asks: list[Ask]) -> list[Told]:
        self.begun.release()
        self.go.acquire(timeout=60)
        return super().do(asks)


def row(run: str) -> RunRow:
    return RunRow(run, "", "", "sdk", "running", 0, 0, 0, 0)


def event(number: int, size: int = 1) -> Tell:
    return Tell("r-1", Arrived(0, "paid", f"e-{number}"), b"x" * size)


@asynccontextmanager
async def keeping(shelf: Shelf, listener: socket.socket, said: Callable[[str], None] = print) -> AsyncIterator[Keeper]:
    keeper = Keeper(shelf, SystemClock(), trouble=said)
    await keeper.start(listener.dup())
    try:
        yield keeper
    finally:
        await keeper.stop()
