"""What is said of a group of alerts, whoever is told: a line, the evidence, what changed, the worst calls, a link."""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from trimtab.signals.alerts.alert import Severity
from trimtab.signals.alerts.shown import Cause, Sent
from trimtab.signals.alerts.words import clock

MAX_ALERTS: Final = 10
"""Alerts of a group that are spelt out; of more it is said how many there are."""
LEAD: Final = {"resolved": "Resolved: ", "reminder": "Still open: ", "escalated": "Now a page: ", "test": "Test: "}


REVIEW: Final = "review"
"""In place of a signal, where it is a review that is told of."""


class Message(Struct, frozen=True):
    """What is told. `id` names the telling, `group` what it is about: the same in all tellings of one group.

    `severity` is that which people are told of, and `task`, `owner` and `signal` are those of the alert that leads the
    group: the same in all tellings, but for one that escalates. Times are ns since 1970, `ended_ns` 0 while it goes on.
    `calls` are the ids of the worst calls; `link` is empty where the address of the console is not declared.
    Of a review `group` is its id, and `signal` is `REVIEW`.
    """

    id: str
    group: str
    kind: str
    environment: str
    severity: Severity
    title: str
    lines: tuple[str, ...]
    causes: tuple[str, ...]
    calls: tuple[str, ...]
    task: str
    owner: str
    signal: str
    link: str
    began_ns: int
    ended_ns: int = 0


def message_of(letter: str, told: Sent) -> Message:
    """What to say of a telling that lies in the outbox as `letter`; raises `ValueError` if it tells of no alert."""
    if not told.alerts:
        raise ValueError("a telling without an alert")
    leader = told.leader or told.alerts[0]
    shown = told.alerts[:MAX_ALERTS]
    more = len(told.alerts) - len(shown)
    return Message(
        id=letter,
        group=told.group,
        kind=told.kind,
        environment=told.environment,
        severity=told.severity,
        title=LEAD.get(told.kind, "") + told.words,
        lines=(*(one.words for one in shown), *([f"and {more} more"] if more else [])),
        causes=tuple(dict.fromkeys(_caused(one.causes[0]) for one in shown if one.causes)),
        calls=tuple(dict.fromkeys(call for one in shown for call in one.worst))[:MAX_ALERTS],
        task=leader.task,
        owner=leader.owner,
        signal=leader.signal,
        link=told.link,
        began_ns=min(one.began_ns for one in told.alerts),
        ended_ns=max(one.ended_ns for one in told.alerts) if told.kind == "resolved" else 0,
    )


def _caused(cause: Cause) -> str:
    return f"{cause.text}, {clock(cause.at_ns)}{f': {cause.words}' if cause.words else ''}"
