"""The `[alerts]` table of `trimtab.toml`, and what alerts in different tables and files have to agree on."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from trimtab.declare import values
from trimtab.declare.alert_receivers import (
    check_owners,
    check_receivers,
    read_maintenance,
    read_owners,
    read_receivers,
)
from trimtab.declare.alert_rules import read_rules
from trimtab.declare.alert_signals import SIGNALS
from trimtab.declare.alerting import Alerting, AlertRule
from trimtab.declare.project import Objective, Task
from trimtab.declare.table import Table

DAY_S: Final = 86_400.0


def read_alerting(top: Table, root: Path, tasks: Mapping[str, Task], tables: Mapping[str, Table]) -> Alerting:
    """All that `trimtab.toml` says of alerts; `tables` are the tasks' own, whose receivers are held against it."""
    table, usual = top.table("alerts"), Alerting()
    receivers = read_receivers(top.table("receivers"), root)
    owners = top.table("owners")
    for each in (*(owners.table(name) for name in owners), table):
        check_receivers(each, "receivers", receivers)
    check_owners(owners, {task.owner for task in tasks.values() if task.owner})
    for of_rules in (table.table("rules"), *(each.table("alerts") for each in tables.values())):
        for name in of_rules:
            check_receivers(of_rules.table(name), "receivers", receivers)
    return Alerting(
        defaults=table.get("defaults", values.truth, usual.defaults),
        rules=read_rules(table.table("rules")),
        receivers=receivers,
        owners=read_owners(owners),
        fallback=table.each("receivers", values.name),
        maintenance=read_maintenance(top.tables("maintenance"), tasks),
        silent_after_s=table.get("silent_after", values.duration(60, 7 * DAY_S), usual.silent_after_s),
        false_alarms_per_month=table.get(
            "false_alarms_per_month", values.number(0.01, 100), usual.false_alarms_per_month
        ),
        console_url=table.get("console_url", values.server, usual.console_url).rstrip("/"),
    )


def read_task_rules(table: Table, top: Table, objective: Objective) -> tuple[AlertRule, ...]:
    """The rules of one task; `top` is `trimtab.toml`, whose rules they may replace."""
    rules = read_rules(table.table("alerts"), tuple(top.table("alerts").table("rules")))
    promised = {goal.measure for goal in objective.goals} | ({"success"} if objective.success is not None else set())
    for rule in rules:
        if rule.comparison == "happens" and not rule.off:
            what = f"the signal {rule.signal} is of the whole project"
            table.table("alerts").table(rule.name).wrong(
                "signal", what, f"write [alerts.rules.{rule.name}] in trimtab.toml"
            )
        named = SIGNALS[rule.signal].objective if rule.comparison == "burns" and not rule.off else ""
        if named and named not in promised:
            key = "success = 0.995" if named == "success" else f'{named}_p95 = "2s"'
            what = f"the task has no objective for {rule.signal} that could be burnt"
            table.table("alerts").table(rule.name).wrong("burn", what, f"write objective.{key}")
    return rules
