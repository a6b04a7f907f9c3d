"""The thread that keeps leases: each is renewed over its connection as soon as it is held."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterable

from trimtab.errors import TrimtabError
from trimtab.journal.asks import Ask, Lease, Renew, Told
from trimtab.journal.client import Hears
from trimtab.journal.entries import Order
from trimtab.runs.leases import Leases

LIMIT_S = 60.0


class Listens:
    """A journal that notes what is renewed."""

    def __init__(self, renewed: list[tuple[str, int]], heard: threading.Semaphore) -> None:
        self._renewed = renewed
        self._heard = heard

    async def do(self, ask: Ask) -> Told:
        assert isinstance(ask, Renew)
        self._renewed.append((ask.run, ask.epoch))
        self._heard.release()
        return Lease(ask.run, ask.epoch, 0, 0, "running")

    async def watch(self, runs: Callable[[], Iterable[str]]) -> None:
        await asyncio.Event().wait()

    async def close(self) -> None:
        self._heard.release()


class Run:
    """A run that is held."""

    epoch = 1

    def __init__(self, run: str) -> None:
        self.run = run

    def renewed(self, lease: Lease) -> None:
        assert lease.run == self.run

    def heard(self, order: Order, by: str, reason: str) -> None:
        raise AssertionError(order)

    def halt(self, why: TrimtabError) -> None:
        raise AssertionError(why)


def test_each_is_renewed_as_soon_as_it_is_held() -> None:
    """Keeper knows of it before it would be renewed in its turn, which is in 20 minutes; all use one connection."""
    renewed, heard, connections = list[tuple[str, int]](), threading.Semaphore(0), list[Hears]()

    def keeper(hears: Hears) -> Listens:
        connections.append(hears)
        return Listens(renewed, heard)

    leases = Leases(keeper, lease_s=3600.0)
    runs = [Run(f"r-{number}") for number in range(4)]
    for run in runs:
        leases.hold(run)
        assert heard.acquire(timeout=LIMIT_S)
    assert [run for run, _ in renewed] == ["r-0", "r-1", "r-2", "r-3"]
    assert len(connections) == 1
    leases.close()
    assert heard.acquire(timeout=LIMIT_S)
