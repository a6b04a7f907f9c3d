"""From what a monitor or a budget says to what an alert tells."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

from msgspec.structs import replace

from trimtab.policy.watch import AlertRule, TaskWatch, Watch
from trimtab.signals.alerts.alert import Alert, Evidence, Measured, WhatChanged
from trimtab.signals.alerts.burning import Burning
from trimtab.signals.alerts.causes import Found as Looked
from trimtab.signals.alerts.causes import joined
from trimtab.signals.alerts.evaluation import Alarm
from trimtab.signals.alerts.life import Found
from trimtab.signals.alerts.monitors import Place
from trimtab.signals.alerts.shown import MOST_ODDS, estimated, scale_of, unit_of
from trimtab.signals.alerts.words import sentence
from trimtab.store.telemetry import MINUTE_NS

INPUTS: Final = "inputs"
LIMITS: Final = ("below", "above")
SHORTEST, LONGEST = 30, 1440
"""Minutes for which what a monitor found must not be so any more before that counts: as long as it took to find it."""


def found_of(alarm: Alarm, watch: Watch) -> Found:
    """What a monitor's alarm is an alert on."""
    monitor, rule, decision = alarm
    scale = scale_of(rule, is_number=monitor.kind == "number")
    before = Measured(decision.baseline * scale) if decision.baseline is not None else Measured()
    after = estimated(rule, decision, scale) or Measured()
    direction: str = decision.direction or rule.comparison
    if rule.comparison in LIMITS:
        direction, before = rule.comparison, Measured(rule.limit)
    evidence = Evidence(
        direction,
        unit_of(rule, monitor.kind),
        decision.what or quantile_text(rule),
        before,
        after,
        odds=min(math.exp(min(decision.evidence, 100.0)), MOST_ODDS),
        needed=math.exp(decision.threshold),
    )
    began = decision.since if decision.since is not None else monitor.alarmed
    lasting = min(max(monitor.alarmed - began, SHORTEST), LONGEST)
    return _found(monitor.place, rule, watch, began, evidence)._replace(lasting_ns=lasting * MINUTE_NS)


def found_of_burning(one: Burning, watch: Watch) -> Found:
    """What a budget that burns is an alert on."""
    return _found(Place(one.task, one.rule.name), one.rule, watch, one.began, one.evidence)


def _found(place: Place, rule: AlertRule, watch: Watch, began: int, evidence: Evidence) -> Found:
    task = watch.tasks.get(place.task, TaskWatch())
    return Found(
        place, rule.signal, rule.severity, began * MINUTE_NS, evidence, task.owner, rule.receivers, task.models
    )


def quantile_text(rule: AlertRule) -> str:
    """`p95` of a rule on a quantile; empty of others."""
    return f"p{rule.quantile * 100:g}" if rule.quantile is not None else ""


def is_beyond(rule: AlertRule, figure: Measured) -> bool:
    """Whether a figure lies on the wrong side of a rule's limit."""
    if figure.value is None or rule.limit is None:
        return True
    return figure.value < rule.limit if rule.comparison == "below" else figure.value > rule.limit


def with_causes(alert: Alert, looked: Looked | None, alarms: Mapping[Place, Alarm]) -> Alert:
    """An alert with what was found of it; figures that people read take the place of the detector's own."""
    if looked is None:
        return alert
    evidence = alert.evidence
    is_limit = evidence.direction in LIMITS
    if evidence.direction != "burns":
        before = evidence.before if is_limit or looked.before is None else looked.before
        evidence = replace(evidence, before=before, after=looked.after or evidence.after)
    causes = joined(looked.causes, _changed_inputs(alert, alarms))
    return replace(alert, evidence=evidence, causes=causes, worst=looked.worst)


def _changed_inputs(alert: Alert, alarms: Mapping[Place, Alarm]) -> tuple[WhatChanged, ...]:
    """The inputs of the task that changed too, so that a change of the traffic is not taken for one of the model."""
    found = []
    for place, alarm in alarms.items():
        if place.task == alert.place.task and alarm.rule.signal == INPUTS and alert.signal != INPUTS:
            decision = alarm.decision
            since = decision.since if decision.since is not None else alarm.monitor.alarmed
            words = f"{place.field} {decision.what} {decision.direction}".replace("  ", " ")
            found.append(WhatChanged(INPUTS, place.field, since * MINUTE_NS, after=decision.what, words=words))
    return tuple(found)


def worded(alert: Alert) -> Alert:
    """An alert with the sentence that tells it."""
    return replace(alert, words=sentence(alert))
