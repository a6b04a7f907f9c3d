"""How alerts and budgets stand for a scrape: as they are, and absent while they cannot be read."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.control.conftest import snapshot
from tests.store.samples import call
from trimtab.declare.project import Goal, Objective
from trimtab.errors import StoreError
from trimtab.processes.desk import Desk, Stores
from trimtab.processes.standings import BUDGETS_S, Standings
from trimtab.store.ingest import Ingest
from trimtab.store.memory import MemoryTelemetry
from trimtab.store.telemetry import Batch
from trimtab.testing import JumpingClock

TASKS = snapshot(Objective((Goal("total", 0.9, 1.0),), window_s=86_400.0)).tasks


class Book:
    """Alerts by state and severity, in place of those of a host; `is_down` fails as a store does."""

    def __init__(self) -> None:
        self.kinds = [("open", "page"), ("open", "page"), ("pending", "ticket"), ("resolved", "page")]
        self.is_down = False
        self.behind_s = 0.0

    async def ask(self, question: Callable[[Any, Any, int], Any]) -> Any:
        if self.is_down:
            raise StoreError(store="state.db", detail="it is down")
        alerts = {
            number: SimpleNamespace(state=state, severity=severity, is_active=state != "resolved")
            for number, (state, severity) in enumerate(self.kinds)
        }
        return question(SimpleNamespace(alerts=alerts), None, 0)


@asynccontextmanager
async def opened(folder: Path, clock: JumpingClock, telemetry: MemoryTelemetry) -> AsyncIterator[Desk]:
    """A desk over a store in memory."""
    desk = Desk(lambda: Stores(telemetry, Ingest(folder / "spool", folder / "ingest", telemetry, clock)), clock)
    stop, tried = asyncio.Event(), asyncio.Event()
    working = asyncio.create_task(desk.run(stop, tried.set))
    await asyncio.wait_for(tried.wait(), 60)
    yield desk
    stop.set()
    await asyncio.wait_for(working, 60)


@pytest.fixture
def clock() -> JumpingClock:
    return JumpingClock()


async def test_alerts_that_live_are_counted(tmp_path: Path, clock: JumpingClock) -> None:
    """By state and severity, without those that are over; while it is down, but how far behind."""
    book = Book()
    standings = Standings(lambda: TASKS, book, clock)
    async with opened(tmp_path, clock, MemoryTelemetry()) as desk:
        await standings.round(desk)
        assert standings.watched.alerts == {("open", "page"): 2.0, ("pending", "ticket"): 1.0}
        book.is_down, book.behind_s = True, 90.0
        await standings.round(desk)
        assert standings.watched.alerts == {}
        assert standings.watched.behind_s == 90.0


async def test_budgets_are_those_of_the_goals(tmp_path: Path, clock: JumpingClock) -> None:
    """One of 20 calls took too long, of which two may: half of the budget is left. It is read every five minutes."""
    telemetry = MemoryTelemetry()
    at_ns = clock.wall_ns() - 10 * 10**9
    ended = [call(f"c{number}", at_ns, total_s=9.0 if number == 0 else 0.1) for number in range(20)]
    telemetry.insert(Batch.of(ended), "a")
    standings = Standings(lambda: TASKS, Book(), clock)
    async with opened(tmp_path, clock, telemetry) as desk:
        await standings.round(desk)
        assert standings.watched.budgets == pytest.approx({("route", "total_p90"): 0.5})
        telemetry.insert(Batch.of([call("late", at_ns, total_s=9.0)]), "b")
        clock.advance(BUDGETS_S - 1)
        await standings.round(desk)
        assert standings.watched.budgets == pytest.approx({("route", "total_p90"): 0.5})
        clock.advance(1)
        await standings.round(desk)
        assert standings.watched.budgets == pytest.approx({("route", "total_p90"): 1 - 2 / 2.1})


async def test_without_telemetry_no_budget_is_told(clock: JumpingClock) -> None:
    """Nothing is taken for 0."""

    def refuse() -> Stores:
        raise StoreError(store="telemetry", detail="refused")

    standings = Standings(lambda: TASKS, Book(), clock)
    await standings.round(Desk(refuse, clock))
    assert standings.watched.budgets == {}
