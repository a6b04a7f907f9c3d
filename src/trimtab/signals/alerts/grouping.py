"""Groups of alerts of one cause: they are told in one message, by the first of them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from trimtab.signals.alerts.alert import Alert, WhatChanged
from trimtab.signals.catalogue import BY_NAME

CLOSE_NS: Final = 30 * 60 * 1_000_000_000
"""How far apart alerts of one cause may begin: when a change happened is known to no better."""


def group_of(alert: Alert, others: Iterable[Alert]) -> str:
    """The id of the group that an alert belongs to: its own where it leads one that is not over, else that of the
    earliest alert that it has a cause with, else its own.
    """
    others = tuple(others)
    if any(other.group == alert.id and other.is_active for other in others if other.id != alert.id):
        return alert.id
    mine = [
        other
        for other in others
        if other.id != alert.id and other.state in {"open", "acknowledged"} and _have_a_cause(alert, other)
    ]
    first = min(mine, key=lambda other: (other.opened_ns, other.id), default=None)
    return first.group if first is not None else alert.id


def _have_a_cause(one: Alert, other: Alert) -> bool:
    if abs(one.began_ns - other.began_ns) > CLOSE_NS:
        return False
    if one.place.task and one.place.task == other.place.task:
        return True
    if {_key(cause) for cause in one.causes} & {_key(cause) for cause in other.causes}:
        return True
    return _serving(one) and _serving(other) and bool(set(one.models) & set(other.models))


def _key(cause: WhatChanged) -> tuple[str, str, str]:
    """What makes two changes the same one; a prompt's or lock's by what came, a replica's by its name."""
    return cause.kind, cause.subject, cause.after


def _serving(alert: Alert) -> bool:
    """Whether it tells of what serves calls, so that alerts of several tasks on the same model have one cause."""
    signal = BY_NAME.get(alert.signal)
    return signal is None or signal.family == "infrastructure"
