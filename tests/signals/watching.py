"""A project to watch, without its files."""

from __future__ import annotations

from trimtab.declare.alert_defaults import DEFAULTS
from trimtab.declare.project import Goal, Objective
from trimtab.policy.watch import Alerting, AlertRule, TaskWatch, Watch

EVENTS = tuple(rule for rule in DEFAULTS if rule.comparison == "happens")
OF_TASKS = tuple(rule for rule in DEFAULTS if rule.comparison != "happens")
FLOOR = AlertRule("floor", "parse_rate", "below", 0.95, severity="page")


def watched() -> Watch:
    """`route` promises something and has a floor instead of a watch for changes of its parse rate; `extract` and `sum`
    have the rules that exist without writing any.
    """
    objective = Objective((Goal("ttft", 0.95, 0.8), Goal("gap", 0.99, 2.0)), 0.99)
    own = (*(rule for rule in OF_TASKS if rule.name != "parse_rate_falls"), FLOOR)
    plain = TaskWatch("support", ("small",), Objective(), OF_TASKS)
    tasks = {"extract": plain, "route": TaskWatch("routing", ("small",), objective, own), "sum": plain}
    return Watch(environment="test", alerting=Alerting(silent_after_s=900), tasks=tasks, events=EVENTS)
