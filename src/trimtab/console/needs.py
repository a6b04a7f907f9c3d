"""What needs a person: alerts that are not over, dead letters that wait."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote

from trimtab.console.charts import Mark
from trimtab.console.format import exact
from trimtab.console.page import Asked
from trimtab.console.parts import Need, Parts
from trimtab.signals.alerts.shown import AlertShown


def sort_of(alert: AlertShown) -> tuple[bool, bool, int]:
    """Pages before tickets, those nobody sees to before the others, the latest first."""
    return alert.severity != "page", alert.state == "acknowledged", -alert.began_ns


async def alerts_of(asked: Asked, parts: Parts, task: str = "") -> tuple[AlertShown, ...]:
    """The alerts that are active or began in the range, as far as the visitor may see them, worst first."""
    found = await parts.alerts(asked.window.since_ns, asked.window.until_ns)
    seen = [
        one
        for one in found
        if one.state != "pending"
        and (asked.visitor.sees(one.task) if one.task else not asked.tasks)
        and task in ("", one.task)
    ]
    return tuple(sorted(seen, key=sort_of))


async def needs_of(asked: Asked, parts: Parts, alerts: Sequence[AlertShown], task: str = "") -> tuple[Need, ...]:
    """Everything that waits for a person, the most urgent first."""
    found = [
        Need("!", one.words, asked.to(f"/alerts/{quote(one.id, safe='', errors='replace')}"), one.task, one.began_ns)
        for one in alerts
        if one.state == "open"
    ]
    found += [one for one in await parts.needs() if _is_seen(asked, one.task) and task in ("", one.task)]
    letters = sum(one.letters for one in parts.dead() if _is_seen(asked, one.task) and task in ("", one.task))
    if letters:
        plural = "letter waits" if letters == 1 else "letters wait"
        found.append(Need("?", f"{exact(letters)} dead {plural}", asked.to("/dead", task=task), task))
    return tuple(found)


def alert_marks(asked: Asked, alerts: Sequence[AlertShown]) -> tuple[Mark, ...]:
    """When the alerts of the range began."""
    return tuple(
        Mark(one.began_ns, one.words, "alert", asked.to(f"/alerts/{quote(one.id, safe='', errors='replace')}"))
        for one in alerts
        if asked.window.since_ns <= one.began_ns < asked.window.until_ns
    )


def _is_seen(asked: Asked, task: str) -> bool:
    return asked.visitor.sees(task) if task else not asked.tasks
