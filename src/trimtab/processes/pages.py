"""What the console's pages are handed of the processes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from trimtab.journal.alerts import AlertsAsked
from trimtab.policy.watch import Watch
from trimtab.processes.alert_book import AlertBook
from trimtab.processes.alert_watch import AlertWatch
from trimtab.signals.alerts.shown import AlertShown

MOST_ALERTS: Final = 500
ShownAlerts = Callable[[int, int], Awaitable[Sequence[AlertShown]]]


def shown_alerts(watch: AlertWatch) -> ShownAlerts:
    """The alerts that are active, and those that were found in a range, each once."""

    async def shown(since_ns: int, until_ns: int) -> Sequence[AlertShown]:
        def read(book: AlertBook, rules: Watch, now_ns: int) -> tuple[AlertShown, ...]:
            active = book.list(AlertsAsked(state="active", limit=MOST_ALERTS), rules, now_ns)
            lately = book.list(AlertsAsked(since_ns=since_ns, limit=MOST_ALERTS), rules, now_ns)
            found = {one.id: one for one in (*active, *lately)}
            return tuple(one for one in found.values() if one.state != "resolved" or one.found_ns < until_ns)

        return await watch.ask(read)

    return shown
