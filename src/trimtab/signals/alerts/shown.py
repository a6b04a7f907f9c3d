"""Alerts, rules and silences as the API, the pages and what is sent show them."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from trimtab.policy.watch import Alerting, AlertRule, Watch
from trimtab.signals.alerts.alert import Alert, Evidence, Measured, OutboxKind, Severity, State, Step, WhatChanged
from trimtab.signals.alerts.evaluation import Evaluation
from trimtab.signals.alerts.lenses import DEAD_LETTERS
from trimtab.signals.alerts.monitors import Watcher
from trimtab.signals.alerts.telling import receivers_of, receiving
from trimtab.signals.alerts.words import cause_text, sentence
from trimtab.signals.catalogue import BY_NAME
from trimtab.signals.objectives import promises
from trimtab.statistics.sequential import Decision
from trimtab.store.readings import ReadingKind
from trimtab.store.telemetry import MINUTE_NS

MOST_ODDS: Final = 1e12


class Cause(Struct, frozen=True):
    """Something that changed about when an alert began; `text` tells it in a few words."""

    kind: str
    subject: str
    at_ns: int
    before: str
    after: str
    words: str
    share: float | None
    text: str


class AlertShown(Struct, frozen=True):
    """An alert: whose, what was found, what changed, which calls show it. `link` leads to its page in the console, if
    it is known where that is.

    Times are ns since 1970, 0 where something did not happen yet. `muted` says that nobody is told of it now.
    """

    id: str
    words: str
    task: str
    rule: str
    signal: str
    value: str
    field: str
    severity: Severity
    state: State
    group: str
    owner: str
    models: tuple[str, ...]
    began_ns: int
    found_ns: int
    opened_ns: int
    changed_ns: int
    ended_ns: int
    evidence: Evidence
    causes: tuple[Cause, ...]
    worst: tuple[str, ...]
    by: str
    why: str
    reopened: int
    receivers: tuple[str, ...]
    link: str
    muted: bool = False


class Sent(Struct, frozen=True):
    """What a receiver is told: of a group, those alerts first that are pages and began first.

    `leader` is the alert that leads the group, whether or not it is one of them.
    """

    kind: OutboxKind | str
    group: str
    environment: str
    severity: Severity
    words: str
    link: str
    alerts: tuple[AlertShown, ...]
    leader: AlertShown | None = None


class RuleShown(Struct, frozen=True):
    """One monitor of a rule: what it learned, what is normal now, and how much speaks for a change.

    `normal` is what was learned for this hour, in `unit`; of `n` observations on `days` days. `odds` is how many times
    likelier what was seen lately is with a change, of `needed`; `estimate` the value if there was one. All are None
    before anything was seen, and of rules on budgets and events, which are looked at anew each minute. While nothing
    is learned yet, no change can be told: `learns_until_ns` is when it learns next, 0 once something is.
    """

    task: str
    rule: str
    signal: str
    comparison: str
    severity: Severity
    value: str = ""
    field: str = ""
    limit: float | None = None
    unit: str = ""
    receivers: tuple[str, ...] = ()
    n: int = 0
    days: int = 0
    calls_a_day: float | None = None
    normal: float | None = None
    odds: float | None = None
    needed: float | None = None
    estimate: Measured | None = None
    alarmed: bool = False
    what: str = ""
    learns_until_ns: int = 0


class RulesShown(Struct, frozen=True):
    """All that is watched; `unwatched` counts what found no room among `limit` monitors."""

    rules: tuple[RuleShown, ...]
    unwatched: int
    limit: int
    minute: int
    behind_s: float


class AlertDetail(Struct, frozen=True):
    """An alert, its history, and the other alerts of its group."""

    alert: AlertShown
    history: tuple[Step, ...]
    group: tuple[AlertShown, ...]


def shown(alert: Alert, alerting: Alerting, *, muted: bool = False) -> AlertShown:
    """An alert as it is shown."""
    return AlertShown(
        id=alert.id,
        words=alert.words or sentence(alert),
        task=alert.place.task,
        rule=alert.place.rule,
        signal=alert.signal,
        value=alert.place.value,
        field=alert.place.field,
        severity=alert.severity,
        state=alert.state,
        group=alert.group,
        owner=alert.owner,
        models=alert.models,
        began_ns=alert.began_ns,
        found_ns=alert.found_ns,
        opened_ns=alert.opened_ns,
        changed_ns=alert.changed_ns,
        ended_ns=alert.ended_ns,
        evidence=alert.evidence,
        causes=tuple(map(_cause, alert.causes)),
        worst=alert.worst,
        by=alert.by,
        why=alert.why,
        reopened=alert.reopened,
        receivers=receivers_of(alert, alerting, alert.severity),
        link=f"{alerting.console_url}/alerts/{alert.id}" if alerting.console_url else "",
        muted=muted,
    )


def narrowed(alert: AlertShown, tasks: Sequence[str]) -> AlertShown:
    """An alert as somebody may see it who sees these tasks alone, all if none is named: what a lock changed may be of
    other tasks, so only the lines on these, and on models that serve the alert's, are left.
    """
    if not tasks:
        return alert
    known = {*tasks, *alert.models}
    return replace(alert, causes=tuple(_narrowed(one, known) for one in alert.causes))


def _narrowed(cause: Cause, names: Collection[str]) -> Cause:
    if cause.kind != "lock":
        return cause
    return replace(cause, words="\n".join(line for line in cause.words.splitlines() if _entry_of(line) in names))


def _entry_of(line: str) -> str:
    """The name of the entry that a line of a lock's differences is on: `SECTION/NAME: what differs`."""
    words = line.split(maxsplit=1)
    return words[0].partition("/")[2].removesuffix(":") if words else ""


def _cause(cause: WhatChanged) -> Cause:
    facts = cause.kind, cause.subject, cause.at_ns, cause.before, cause.after, cause.words, cause.share
    return Cause(*facts, cause_text(cause))


def sent(
    kind: OutboxKind | str,
    alerts: Sequence[Alert],
    watch: Watch,
    leader: Alert | None = None,
    severity: Severity | None = None,
) -> Sent:
    """What a receiver is told of a group's alerts, of which there is at least one, which leads them unless another is
    said to; as severe as the worst of them unless said otherwise.
    """
    told = tuple(shown(alert, watch.alerting) for alert in alerts)
    worst: Severity = "page" if any(one.severity == "page" for one in told) else "ticket"
    leading = shown(leader, watch.alerting) if leader is not None else told[0]
    more = f", and {len(told) - 1} more" if len(told) > 1 else ""
    words = f"{told[0].words}{more}"
    return Sent(kind, leading.group, watch.environment, severity or worst, words, told[0].link, told, leading)


def rules_shown(evaluation: Evaluation, watch: Watch, minute: int, behind_s: float, limit: int) -> RulesShown:
    """All that is watched at a minute since 1970."""
    watchers: defaultdict[tuple[str, str], list[Watcher]] = defaultdict(list)
    for one in evaluation.watchers:
        watchers[one.monitor.place.task, one.monitor.place.rule].append(one)
    rules = tuple(
        one for task, rule in _pairs(watch) for one in _rule(watchers[task, rule.name], task, rule, watch, minute)
    )
    return RulesShown(rules, evaluation.unwatched, limit, minute, behind_s)


def _pairs(watch: Watch) -> Iterable[tuple[str, AlertRule]]:
    for name, task in watch.tasks.items():
        for rule in task.alerts:
            yield name, rule
    for rule in watch.events:
        yield "", rule


def _rule(watchers: Iterable[Watcher], task: str, rule: AlertRule, watch: Watch, minute: int) -> Iterable[RuleShown]:
    base = RuleShown(
        task,
        rule.name,
        rule.signal,
        rule.comparison,
        rule.severity,
        limit=rule.limit,
        unit=unit_of(rule),
        receivers=_receivers(task, rule, watch),
    )
    if rule.comparison == "happens":
        return [base]
    if rule.comparison == "burns":
        goals = promises(watch.tasks[task].objective)
        return [base] if any(goal.signal == rule.signal for goal in goals) else []
    return [_monitor(base, watcher, minute) for watcher in watchers]


def _monitor(base: RuleShown, watcher: Watcher, minute: int) -> RuleShown:
    place, decision = watcher.monitor.place, watcher.decision
    scale = scale_of(watcher.rule, is_number=watcher.monitor.kind == "number")
    normal = watcher.detector.normal(minute, decision.what if decision else "") if base.limit is None else None
    return replace(
        base,
        value=place.value,
        field=place.field,
        unit=unit_of(watcher.rule, watcher.monitor.kind),
        n=watcher.learned.n,
        days=watcher.learned.days,
        calls_a_day=watcher.monitor.calls,
        normal=None if normal is None else normal * scale,
        odds=None if decision is None else min(math.exp(min(decision.evidence, 100.0)), MOST_ODDS),
        needed=None if decision is None else math.exp(decision.threshold),
        estimate=None if decision is None else estimated(watcher.rule, decision, scale),
        alarmed=bool(watcher.monitor.alarmed),
        what=decision.what if decision is not None else "",
        learns_until_ns=0 if watcher.learned.n or not watcher.lens.learns else watcher.monitor.learn_at * MINUTE_NS,
    )


def estimated(rule: AlertRule, decision: Decision, scale: float) -> Measured | None:
    """The value since the likeliest change; None where none was seen.

    Of a quantile or a mean against a limit a detector knows only how many values, or hours, lie beyond it.
    """
    if decision.estimate is None:
        return None
    signal = BY_NAME.get(rule.signal)
    if rule.limit is not None and signal is not None and signal.kind in {"spread", "amount"}:
        return Measured(n=decision.n)
    low, high = decision.interval if decision.interval is not None else (None, None)
    ends = (None if end is None else end * scale for end in (low, high))
    return Measured(decision.estimate * scale, decision.n, *ends)


def _receivers(task: str, rule: AlertRule, watch: Watch) -> tuple[str, ...]:
    owner = watch.tasks[task].owner if task in watch.tasks else ""
    return receiving(
        (rule.receivers, watch.alerting.owners.get(owner, ()), watch.alerting.fallback), watch.alerting, rule.severity
    )


def unit_of(rule: AlertRule, kind: ReadingKind | None = None) -> str:
    """What the figures of a rule are counted in; of one on fields that depends on what is read there."""
    if rule.signal == DEAD_LETTERS:
        return "share"
    signal = BY_NAME.get(rule.signal)
    if signal is None:
        return ""
    if signal.kind == "fields":
        return "share" if kind == "category" else ""
    return signal.unit


def scale_of(rule: AlertRule, *, is_number: bool) -> float:
    """What brings a detector's values into that: those of spreads are counted as histograms count them."""
    signal = BY_NAME.get(rule.signal)
    if signal is None or is_number or signal.kind != "spread" or rule.comparison in {"below", "above"}:
        return 1.0
    return signal.scale
