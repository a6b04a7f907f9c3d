"""What would be sent if a rule raised an alert now: to try receivers before they are needed."""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from trimtab.policy.watch import AlertRule, TaskWatch, Watch
from trimtab.signals.alerts.alert import Alert, Evidence, Measured
from trimtab.signals.alerts.finding import quantile_text, worded
from trimtab.signals.alerts.life import AlertRefused
from trimtab.signals.alerts.monitors import Place
from trimtab.signals.alerts.shown import Sent, sent, unit_of
from trimtab.signals.alerts.telling import receivers_of

TEST_ID: Final = "test"
KIND: Final = "test"


class Tested(Struct, frozen=True):
    """The message, and the receivers it would go to."""

    receivers: tuple[str, ...]
    message: Sent


def tested(watch: Watch, rule: str, task: str, now_ns: int) -> Tested:
    """What would be sent of a rule of a task; raises `AlertRefused` for one that is not watched there."""
    known = {one.name: one for one in (watch.tasks[task].alerts if task in watch.tasks else ())}
    known |= {one.name: one for one in watch.events}
    if not task and rule not in known:
        task = next((name for name, one in watch.tasks.items() if any(rule == each.name for each in one.alerts)), "")
        known |= {one.name: one for one in watch.tasks.get(task, TaskWatch()).alerts}
    if rule not in known:
        where = f"task {task}" if task else "this project"
        raise AlertRefused(detail=f"there is no rule {rule} of {where}; `trimtab alerts rules` lists them")
    alert = worded(_example(watch, known[rule], task, now_ns))
    return Tested(receivers_of(alert, watch.alerting, alert.severity), sent(KIND, (alert,), watch))


def _example(watch: Watch, rule: AlertRule, task: str, now_ns: int) -> Alert:
    is_event = rule.comparison == "happens"
    of_task = watch.tasks.get(task, TaskWatch())
    evidence = Evidence(
        rule.comparison,
        unit_of(rule),
        quantile_text(rule),
        Measured(rule.limit),
        Measured(),
        detail="this is a test: nothing is wrong",
    )
    return Alert(
        id=TEST_ID,
        place=Place("" if is_event else task, rule.name),
        signal=rule.signal,
        severity=rule.severity,
        state="open",
        group=TEST_ID,
        began_ns=now_ns,
        found_ns=now_ns,
        evidence=evidence,
        owner="" if is_event else of_task.owner,
        receivers=rule.receivers,
        models=of_task.models,
        opened_ns=now_ns,
        changed_ns=now_ns,
    )
