"""The life of alerts: pure steps from what holds now to what becomes of each alert.

found -> pending -> open -> acknowledged -> resolved; an alert that comes back within a day, or while it
leads a group that is not over, is opened again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final, NamedTuple

from msgspec.structs import replace

from trimtab.errors import TrimtabError
from trimtab.signals.alerts.alert import EVIDENCE, Act, Alert, Evidence, Severity, State, Step
from trimtab.signals.alerts.monitors import Place

SECOND_NS: Final = 1_000_000_000
HOLD_NS: Final = 60 * SECOND_NS
"""How long an alert is pending: time in which others of the same cause are found, so that all are told at once."""
REOPEN_NS: Final = 24 * 3600 * SECOND_NS
MOST_WORDS: Final = 500
"""Characters of a person's reason that are kept."""


class AlertRefused(TrimtabError):
    """{detail}."""


class Found(NamedTuple):
    """That something holds now, and what is known of it: an alert is to tell of it.

    `holds_ns` is how long it must have been so before anybody is told, `lasting_ns` how long it must not be so any more
    before that counts as over. `worst` are calls that show it, where whoever found it knows some. `found_ns` is when it
    was found, where whoever found it goes on saying so until they hear that a person resolved it; else 0.
    """

    place: Place
    signal: str
    severity: Severity
    began_ns: int
    evidence: Evidence
    owner: str = ""
    receivers: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    holds_ns: int = HOLD_NS
    lasting_ns: int = 0
    worst: tuple[str, ...] = ()
    found_ns: int = 0


class Moved(NamedTuple):
    """An alert after a step of its life, and the step; None where its state is as before."""

    alert: Alert
    step: Step | None


def advance(
    alerts: Mapping[Place, Alert],
    found: Iterable[Found],
    now_ns: int,
    new_id: Callable[[], str],
    lasts: Callable[[Alert], bool] = lambda alert: True,
    unseen: Callable[[Place], bool] = lambda place: False,
    suspected: Callable[[Place], bool] = lambda place: False,
) -> list[Moved]:
    """What becomes of alerts when these things hold now. `alerts` has the latest of each place.

    `lasts` may keep a pending one from opening. `unseen` names places of which nothing can be told now: their alerts
    stay as they are. What is `suspected` again is not over yet. Nothing waits for a time that lies ahead, as of a clock
    that was set right since.
    """
    holding = {one.place: one for one in found}
    leading = {one.group for one in alerts.values() if one.is_active}
    moved = []
    for place, one in holding.items():
        alert = alerts.get(place)
        if alert is None or (_is_long_over(alert, now_ns) and alert.id not in leading):
            moved.append(_begun(one, now_ns, new_id()))
        elif not alert.is_active:
            moved.append(_reopened(alert, one, now_ns))
        elif alert.state == "pending" and abs(now_ns - alert.found_ns) >= one.holds_ns and lasts(alert):
            moved.append(_to(alert, "open", now_ns, EVIDENCE, "it lasts"))
        elif alert.quiet_ns:
            moved.append(Moved(replace(alert, quiet_ns=0), None))
    for place, alert in alerts.items():
        if alert.is_active and place not in holding and not unseen(place):
            moved += _quieter(alert, now_ns, is_suspected=suspected(place))
    return moved


def _is_long_over(alert: Alert, now_ns: int) -> bool:
    """Whether what is found now is another alert: the last one was resolved a day ago, or nobody ever heard of it."""
    return not alert.is_active and (not alert.opened_ns or now_ns - alert.ended_ns > REOPEN_NS)


def _quieter(alert: Alert, now_ns: int, *, is_suspected: bool) -> list[Moved]:
    """An alert on what is not so any more: it is over once that has lasted."""
    if alert.state == "pending":
        return [_to(alert, "resolved", now_ns, EVIDENCE, "it did not last")]
    if is_suspected or alert.quiet_ns > now_ns:
        return [Moved(replace(alert, quiet_ns=now_ns), None)]
    if now_ns - (alert.quiet_ns or now_ns) >= alert.lasting_ns:
        return [_to(alert, "resolved", now_ns, EVIDENCE, "what was seen is as before")]
    return [] if alert.quiet_ns else [Moved(replace(alert, quiet_ns=now_ns), None)]


def act(alert: Alert, what: Act, now_ns: int, by: str, why: str = "") -> Moved:
    """What a person does with an alert; raises `AlertRefused` where that cannot be."""
    if not alert.is_active:
        detail = f"alert {alert.id} is resolved already; `trimtab alerts list` shows those that are not"
        raise AlertRefused(detail=detail)
    if what == "acknowledge":
        if alert.state != "open":
            detail = f"alert {alert.id} is {alert.state}; only one that is open can be acknowledged"
            raise AlertRefused(detail=detail)
        return _by_person(alert, "acknowledged", now_ns, by, why)
    reason = why or ("taken for normal from now on" if what == "accept" else "")
    return _by_person(replace(alert, accepted=what == "accept"), "resolved", now_ns, by, reason)


def dropped(alert: Alert, now_ns: int) -> Moved:
    """An alert whose rule or task is not declared any more."""
    return _to(alert, "resolved", now_ns, EVIDENCE, "what it watched is not declared any more")


def _begun(found: Found, now_ns: int, alert_id: str) -> Moved:
    alert = Alert(
        id=alert_id,
        place=found.place,
        signal=found.signal,
        severity=found.severity,
        state="pending",
        group=alert_id,
        began_ns=found.began_ns,
        found_ns=now_ns,
        evidence=found.evidence,
        owner=found.owner,
        receivers=found.receivers,
        models=found.models,
        changed_ns=now_ns,
        lasting_ns=found.lasting_ns,
        worst=found.worst,
    )
    return Moved(alert, Step(alert_id, now_ns, "", "pending", EVIDENCE))


def _reopened(alert: Alert, found: Found, now_ns: int) -> Moved:
    fresh = replace(
        alert,
        severity=found.severity,
        state="open",
        found_ns=now_ns,
        opened_ns=alert.opened_ns or now_ns,
        began_ns=found.began_ns,
        evidence=found.evidence,
        owner=found.owner,
        receivers=found.receivers,
        models=found.models,
        changed_ns=now_ns,
        ended_ns=0,
        lasting_ns=found.lasting_ns,
        worst=found.worst,
        accepted=False,
        reopened=alert.reopened + 1,
    )
    return Moved(fresh, Step(alert.id, now_ns, alert.state, "open", EVIDENCE, "it has come back"))


def _by_person(alert: Alert, state: State, now_ns: int, by: str, why: str) -> Moved:
    fresh, step = _to(alert, state, now_ns, by, why[:MOST_WORDS])
    return Moved(replace(fresh, by=by, why=why[:MOST_WORDS]), step)


def _to(alert: Alert, state: State, now_ns: int, by: str, why: str) -> Moved:
    fresh = replace(
        alert,
        state=state,
        changed_ns=now_ns,
        opened_ns=alert.opened_ns or (now_ns if state == "open" else 0),
        ended_ns=now_ns if state == "resolved" else 0,
        quiet_ns=0,
    )
    return Moved(fresh, Step(alert.id, now_ns, alert.state, state, by, why))
