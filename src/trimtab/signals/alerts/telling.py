"""When somebody is told of a group of alerts: once when it opens, when it grows worse, when it is over, and now and
then while nobody sees to it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Final, NamedTuple

from msgspec.structs import replace

from trimtab.policy.watch import Alerting, Maintenance
from trimtab.signals.alerts.alert import Alert, OutboxKind, Severity, Silence, Telling

HOUR_NS: Final = 3600 * 1_000_000_000
REMIND_NS: Final[Mapping[Severity, int]] = {"page": 4 * HOUR_NS, "ticket": 24 * HOUR_NS}
"""After how long somebody is told again of an alert that nobody has acknowledged."""
SECOND_NS: Final = 1_000_000_000
DAY_MINUTES: Final = 1440
WEEK_MINUTES: Final = 7 * DAY_MINUTES


class Told(NamedTuple):
    """What is to be told, and the leaders of groups that it changes."""

    tellings: tuple[Telling, ...]
    leaders: tuple[Alert, ...]


def tell(alerts: Iterable[Alert], alerting: Alerting, muted: Callable[[Alert], bool], now_ns: int) -> Told:
    """What is to be told of alerts, all those that are active or were resolved lately. Nobody is told while all of a
    group is muted; what is still open when that ends is told then. That it is over all are told who were told of it.
    """
    groups: defaultdict[str, list[Alert]] = defaultdict(list)
    for alert in alerts:
        groups[alert.group].append(alert)
    tellings, leaders = [], []
    for group, members in sorted(groups.items()):
        leader = next((one for one in members if one.id == group), None)
        if leader is None:
            continue
        heard = [one for one in members if one.state in {"open", "acknowledged"} and not muted(one)]
        kind = _kind(leader, members, heard, now_ns)
        if kind is None:
            continue
        shown = tuple(sorted(heard or members, key=lambda one: (one.severity != "page", one.began_ns, one.id)))
        told: Severity = leader.told if kind in {"resolved", "reminder"} and leader.told else _worst(shown)
        if kind == "resolved":
            receivers = tuple(name for name in leader.told_to if name in alerting.receivers)
            leaders.append(replace(leader, told="", told_ns=now_ns, told_to=()))
        else:
            receivers = tuple(sorted({name for one in members for name in receivers_of(one, alerting, told)}))
            told_to = tuple(sorted({*leader.told_to, *receivers}))
            leaders.append(replace(leader, told=told, told_ns=now_ns, told_to=told_to))
        tellings.append(Telling(kind, group, shown, receivers, leader, told))
    return Told(tuple(tellings), tuple(leaders))


def _kind(leader: Alert, members: Iterable[Alert], heard: list[Alert], now_ns: int) -> OutboxKind | None:
    if not leader.told:
        return "opened" if any(one.state == "open" for one in heard) else None
    if not any(one.is_active for one in members):
        return "resolved"
    if leader.told == "ticket" and any(one.severity == "page" and one.state == "open" for one in heard):
        return "escalated"
    waits = any(one.state == "open" for one in heard)
    is_time = abs(now_ns - leader.told_ns) >= REMIND_NS[leader.told]  # a clock set right may have gone back
    return "reminder" if waits and is_time else None


def _worst(alerts: Iterable[Alert]) -> Severity:
    return "page" if any(one.severity == "page" for one in alerts) else "ticket"


def receivers_of(alert: Alert, alerting: Alerting, severity: Severity) -> tuple[str, ...]:
    """Who is told of an alert: the receivers of its rule, else those of its owner, else the fallback ones; the first of
    these among which any takes that severity.
    """
    return receiving((alert.receivers, alerting.owners.get(alert.owner, ()), alerting.fallback), alerting, severity)


def receiving(lists: Iterable[Iterable[str]], alerting: Alerting, severity: Severity) -> tuple[str, ...]:
    """Of the first list in which any receiver takes a severity, those that do; none if there is no such list."""
    for names in lists:
        known = (alerting.receivers[name] for name in names if name in alerting.receivers)
        found = tuple(one.name for one in known if severity in one.severities)
        if found:
            return found
    return ()


def mutes(silences: Iterable[Silence], windows: Iterable[Maintenance], now_ns: int) -> Callable[[Alert], bool]:
    """Whether nobody is to be told of an alert now: it is silenced, or in a window of maintenance."""
    live = [one for one in silences if one.from_ns <= now_ns < one.until_ns]
    open_now = [one for one in windows if in_window(one, now_ns)]

    def muted(alert: Alert) -> bool:
        if any(one.matches(alert) for one in live):
            return True
        return any(not one.tasks or alert.place.task in one.tasks for one in open_now)

    return muted


def in_window(window: Maintenance, now_ns: int) -> bool:
    """Whether a window of maintenance is open; a weekly one may reach over the end of the week."""
    if not window.weekly:
        return window.begins <= now_ns < window.ends
    now = datetime.fromtimestamp(now_ns / SECOND_NS, UTC)
    minute = now.weekday() * DAY_MINUTES + now.hour * 60 + now.minute
    return (minute - window.begins) % WEEK_MINUTES < (window.ends - window.begins) % WEEK_MINUTES
