"""How alerts and objectives stand, read now and then so that a scrape of `/metrics` need not wait for a store."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, Protocol, TypeVar

from trimtab.clock import Clock
from trimtab.errors import StoreError
from trimtab.policy.snapshot import TaskPolicy
from trimtab.policy.watch import Watch
from trimtab.processes.alert_book import AlertBook
from trimtab.processes.desk import Desk
from trimtab.processes.metrics import Watched
from trimtab.signals.objectives import objectives

ALERTS_S: Final = 15.0
BUDGETS_S: Final = 300.0
"""Budgets are of weeks: they are read less often, since that reads weeks."""

T = TypeVar("T")


class Alerts(Protocol):
    """Where alerts are asked for."""

    @property
    def behind_s(self) -> float:
        """Seconds since alerts were last looked at whole."""

    def ask(self, question: Callable[[AlertBook, Watch, int], T]) -> Awaitable[T]:
        """An answer of the book; raises `StoreError`."""


class Standings:
    """What `/metrics` tells of alerts and budgets; what cannot be read is not told until it can."""

    def __init__(self, tasks: Callable[[], Mapping[str, TaskPolicy]], alerts: Alerts, clock: Clock) -> None:
        self._tasks = tasks
        self._alerts = alerts
        self._clock = clock
        self._budgets_due = clock.monotonic()
        self._watched = Watched()

    @property
    def watched(self) -> Watched:
        """What was read last, and how far alerts are behind at this moment: that is told though nothing can be read."""
        return self._watched._replace(behind_s=self._alerts.behind_s)

    async def run(self, desk: Desk) -> None:
        """Reads every 15 s, and budgets every 5 minutes."""
        while True:
            await self.round(desk)
            await asyncio.sleep(ALERTS_S)

    async def round(self, desk: Desk) -> None:
        """Reads what is due."""
        try:
            alerts = await self._alerts.ask(lambda book, _, __: _counted(book))
        except StoreError:
            alerts = {}
        self._watched = self._watched._replace(alerts=alerts)
        if self._clock.monotonic() < self._budgets_due:
            return
        self._budgets_due = self._clock.monotonic() + BUDGETS_S
        now_ns, tasks = self._clock.wall_ns(), self._tasks()
        try:
            found = await desk.ask(lambda stores: objectives(stores.telemetry, tasks, now_ns))
        except (StoreError, ValueError):
            found = ()
        budgets: dict[tuple[str, ...], float] = {
            (one.task, one.name): one.budget_left for one in found if one.budget_left is not None
        }
        self._watched = self._watched._replace(budgets=budgets)

    def __repr__(self) -> str:
        return f"Standings({len(self._watched.alerts)} kinds of alerts, {len(self._watched.budgets)} budgets)"


def _counted(book: AlertBook) -> dict[tuple[str, ...], float]:
    """How many alerts live, by state and severity."""
    return {
        kind: float(count)
        for kind, count in Counter((one.state, one.severity) for one in book.alerts.values() if one.is_active).items()
    }
