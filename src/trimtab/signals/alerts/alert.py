"""What an alert is: frozen nouns of its evidence, its causes and its life. Times are ns since 1970."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from trimtab.signals.alerts.monitors import Place

State = Literal["pending", "open", "acknowledged", "resolved"]
"""pending: found, and held back for a moment to see whether it lasts and what belongs to it; open: somebody is told;
acknowledged: somebody sees to it; resolved: over, by the evidence or a person's word."""
ACTIVE: tuple[State, ...] = ("pending", "open", "acknowledged")
Severity = Literal["page", "ticket"]
Act = Literal["acknowledge", "resolve", "accept"]
OutboxKind = Literal["opened", "resolved", "reminder", "escalated"]
EVIDENCE = "evidence"
"""Who resolves an alert when what was found is not so any more."""


class Measured(Struct, frozen=True):
    """A figure with its 95 % interval, over `n` observations; None where it cannot be told."""

    value: float | None = None
    n: int = 0
    low: float | None = None
    high: float | None = None


class Evidence(Struct, frozen=True):
    """What was found: `before` and `after` in `unit`, of `what` where a category or quantile is meant.

    `direction` is rises, falls, drifts, below, above, burns or happens. `odds` is how many times likelier what was seen
    is with a change than without, and `needed` how many times raise an alarm; 0 where no such test was made.
    """

    direction: str
    unit: str = ""
    what: str = ""
    before: Measured = Measured()
    after: Measured = Measured()
    odds: float = 0.0
    needed: float = 0.0
    detail: str = ""


class WhatChanged(Struct, frozen=True):
    """Something that changed about when the alert began: a lock, prompt, model, replica, tool or the inputs.

    `before` and `after` are digests or names; `share` is the part of the calls since then that had `after`.
    """

    kind: str
    subject: str
    at_ns: int
    before: str = ""
    after: str = ""
    words: str = ""
    share: float | None = None


class Alert(Struct, frozen=True):
    """One alert.

    `group` is the id of the alert that leads its group: its own where it does. `began_ns` is when what it tells of
    likely began, `opened_ns` when somebody was first to be told (0 while pending), `changed_ns` when its state last
    changed, `ended_ns` when it was resolved (0 before). `by` and `why` are of the last change that a person made,
    `accepted` says that it was to take it for normal. `lasting_ns` is how long it must not be so any more before it
    counts as over, `quiet_ns` since when it is not (0 while it is). Of a group's leader, `told` is the highest severity
    that was told and not taken back, `told_ns` when it was told last, `told_to` who was told.
    """

    id: str
    place: Place
    signal: str
    severity: Severity
    state: State
    group: str
    began_ns: int
    found_ns: int
    evidence: Evidence
    owner: str = ""
    receivers: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    opened_ns: int = 0
    changed_ns: int = 0
    ended_ns: int = 0
    causes: tuple[WhatChanged, ...] = ()
    worst: tuple[str, ...] = ()
    words: str = ""
    by: str = ""
    why: str = ""
    reopened: int = 0
    lasting_ns: int = 0
    quiet_ns: int = 0
    told: Literal["", "ticket", "page"] = ""
    told_ns: int = 0
    told_to: tuple[str, ...] = ()
    accepted: bool = False

    @property
    def is_active(self) -> bool:
        """Whether it is not resolved."""
        return self.state != "resolved"


class Step(Struct, frozen=True):
    """One change of an alert's state; `before` is empty for its first."""

    alert: str
    at_ns: int
    before: str
    after: str
    by: str
    why: str = ""


class Silence(Struct, frozen=True):
    """While it holds, in [from_ns, until_ns), nobody is told of the alerts it matches; an empty field matches all."""

    id: str
    task: str
    signal: str
    rule: str
    from_ns: int
    until_ns: int
    by: str
    why: str

    def matches(self, alert: Alert) -> bool:
        """Whether an alert is meant."""
        pairs = (self.task, alert.place.task), (self.signal, alert.signal), (self.rule, alert.place.rule)
        return all(wanted in ("", found) for wanted, found in pairs)


class Telling(Struct, frozen=True):
    """That somebody is to be told of a group: what of it, and which of its alerts; the delivery part words it.

    `leader` and `severity` are the same in all tellings of a group, but for one that escalates.
    """

    kind: OutboxKind
    group: str
    alerts: tuple[Alert, ...]
    receivers: tuple[str, ...]
    leader: Alert
    severity: Severity
