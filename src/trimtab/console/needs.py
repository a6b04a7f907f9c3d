"""What needs a person: alerts that are not over, dead letters that wait, answers to be labelled."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from urllib.parse import quote

from trimtab.console.alert_words import brief
from trimtab.console.charts import Mark
from trimtab.console.format import exact, share
from trimtab.console.page import Asked
from trimtab.console.parts import Need, Parts
from trimtab.errors import JournalUnavailable, StoreError
from trimtab.policy.snapshot import UNDECLARED
from trimtab.signals.alerts.shown import AlertShown, narrowed
from trimtab.signals.figure import Cell

MOST_UNDECLARED: Final = 0.05
"""Above this share of calls that belong to no task, somebody is told."""


def sort_of(alert: AlertShown) -> tuple[bool, bool, int]:
    """Pages before tickets, those nobody sees to before the others, the latest first."""
    return alert.severity != "page", alert.state == "acknowledged", -alert.began_ns


async def alerts_of(asked: Asked, parts: Parts, task: str = "") -> tuple[AlertShown, ...]:
    """The alerts that are active or began in the range, as far as the visitor may see them, worst first."""
    found = await parts.alerts(asked.window.since_ns, asked.window.until_ns)
    seen = [
        narrowed(one, asked.visitor.tasks)
        for one in found
        if one.state != "pending"
        and (asked.visitor.sees(one.task) if one.task else not asked.tasks)
        and task in ("", one.task)
    ]
    return tuple(sorted(seen, key=sort_of))


async def needs_of(asked: Asked, parts: Parts, alerts: Sequence[AlertShown], task: str = "") -> tuple[Need, ...]:
    """Everything that waits for a person, the most urgent first."""
    found = [
        Need("!", brief(one), asked.to(f"/alerts/{quote(one.id, safe='', errors='replace')}"), one.task, one.began_ns)
        for one in alerts
        if one.state == "open"
    ]
    found += [one for one in await parts.needs() if _is_seen(asked, one.task) and task in ("", one.task)]
    letters = sum(one.letters for one in parts.dead() if _is_seen(asked, one.task) and task in ("", one.task))
    if letters:
        plural = "letter waits" if letters == 1 else "letters wait"
        found.append(Need("?", f"{exact(letters)} dead {plural}", asked.to("/dead", task=task), task))
    waiting = await reviews_waiting(asked, parts, task)
    if waiting:
        found.append(
            Need(
                "?",
                f"{exact(waiting)} {'review waits' if waiting == 1 else 'reviews wait'}",
                asked.to("/reviews", task=task),
                task,
            )
        )
    return (*found, *_label_needs(asked, parts, task))


def _label_needs(asked: Asked, parts: Parts, task: str) -> tuple[Need, ...]:
    """How many answers wait to be labelled, where somebody asked for labels."""
    counts = parts.labels.waiting() if parts.labels is not None else {}
    waiting = sum(rows for of, rows in counts.items() if asked.visitor.sees(of) and task in ("", of))
    if not waiting:
        return ()
    words = f"{exact(waiting)} {'answer waits' if waiting == 1 else 'answers wait'} for labels"
    return (Need("?", words, asked.to("/labels"), task),)


async def reviews_waiting(asked: Asked, parts: Parts, task: str = "") -> int:
    """How many reviews wait, of tasks that the visitor may see; none where the journal does not answer."""
    try:
        found = await parts.reviews.waiting() if parts.reviews is not None else {}
    except (JournalUnavailable, StoreError):
        return 0
    return sum(count for name, count in found.items() if _is_seen(asked, name) and task in ("", name))


def undeclared_needs(asked: Asked, cells: Sequence[Cell]) -> tuple[Need, ...]:
    """That many calls belong to no task, where they do; our own calls (probes, summaries, judgements) do not count."""
    if asked.tasks:
        return ()
    calls = {cell.task: cell.calls for cell in cells if cell.task == UNDECLARED or not cell.task.startswith("(")}
    undeclared, whole = calls.get(UNDECLARED, 0), sum(calls.values())
    if undeclared <= MOST_UNDECLARED * whole:
        return ()
    return (Need("?", f"{share(undeclared / whole)} of calls belong to no task", asked.to("/undeclared")),)


def alert_marks(asked: Asked, alerts: Sequence[AlertShown]) -> tuple[Mark, ...]:
    """When the alerts of the range began."""
    return tuple(
        Mark(one.began_ns, brief(one), "alert", asked.to(f"/alerts/{quote(one.id, safe='', errors='replace')}"))
        for one in alerts
        if asked.window.since_ns <= one.began_ns < asked.window.until_ns
    )


def _is_seen(asked: Asked, task: str) -> bool:
    return asked.visitor.sees(task) if task else not asked.tasks
