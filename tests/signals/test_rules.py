"""Rules of Prometheus say what was declared, and only what it can keep."""

from __future__ import annotations

import re

import pytest

from tests.signals.watching import FLOOR, OF_TASKS, watched
from trimtab.policy.watch import Alerting, AlertRule, TaskWatch, Watch
from trimtab.processes.catalogue import CATALOGUE
from trimtab.signals.catalogue import SIGNALS
from trimtab.signals.export.expressions import duration
from trimtab.signals.export.promql import ratio, selected
from trimtab.signals.export.rule_file import Alert, Group, Recording, text_of
from trimtab.signals.export.rules import applied, rules_of
from trimtab.signals.signal import Series

SUFFIX = re.compile(r"_(bucket|count|sum)$")
KNOWN = {metric.name for metric in CATALOGUE}
LABELS = {metric.name: {*metric.labels, "le"} for metric in CATALOGUE}
RULES = rules_of(watched())
ALERTS = [rule for group in RULES.groups for rule in group.rules if isinstance(rule, Alert)]
RECORDED = [rule for group in RULES.groups for rule in group.rules if isinstance(rule, Recording)]


def metric_of(name: str) -> str:
    return name if name in KNOWN else SUFFIX.sub("", name)


def test_each_signal_names_metrics_that_there_are() -> None:
    """What a signal is read from in Prometheus is in the catalogue of metrics, with the labels it is told apart by."""
    for signal in SIGNALS:
        if signal.series is None:
            continue
        for selector in filter(None, (signal.series.of, signal.series.n)):
            name, _, inner = selector.partition("{")
            assert name in KNOWN, (signal.name, name)
            used = {*re.findall(r"(\w+)\s*[=!]", inner), *filter(None, signal.series.by.split(", "))}
            assert used <= LABELS[name], (signal.name, name, used)


def test_each_expression_reads_what_there_is() -> None:
    """Every name in a rule is a metric of the catalogue or was recorded by a rule."""
    recorded = {rule.record for rule in RECORDED}
    for rule in (*RECORDED, *ALERTS):
        for name in re.findall(r"[a-z_]+:[a-zA-Z0-9_:]+|trimtab_\w+|gen_ai_\w+", rule.expr):
            assert name in recorded or metric_of(name) in KNOWN, name


def test_behaviour_comes_first() -> None:
    """Alerts on behaviour stand before those on infrastructure, and these before cost."""
    groups = [group.name for group in RULES.groups if any(isinstance(rule, Alert) for rule in group.rules)]
    assert groups == ["trimtab-behaviour", "trimtab-infrastructure", "trimtab-cost", "trimtab-watchdog"]


def test_what_prometheus_cannot_keep_is_named() -> None:
    """Drifts of distributions need their histograms, evaluations each case's past: they stay with our own alerts."""
    drifts = {"output_length_drifts", "predictions_drift", "confidence_drifts", "inputs_drift"}
    assert set(RULES.left_out) == {*drifts, "evaluation_falls"}


def test_forms_of_a_rule() -> None:
    """A rule that most tasks have is for all but the others; one that few have is for these."""
    found = {(one.rule.name, one.matcher) for one in applied(watched())}
    assert ("parse_rate_falls", 'task!~"route"') in found
    assert ("floor", 'task=~"route"') in found
    assert ("tool_validity_falls", "") in found


def test_two_forms_of_one_rule() -> None:
    """A task that changed a rule has its own form, and the others keep theirs."""
    strict = AlertRule("parse_rate_falls", "parse_rate", "falls", smallest=0.005)
    plain = TaskWatch(alerts=OF_TASKS)
    mine = tuple(strict if rule.name == strict.name else rule for rule in OF_TASKS)
    found = applied(Watch(tasks={"a": plain, "b": plain, "c": TaskWatch(alerts=mine)}))
    told = [(one.rule.smallest, one.matcher) for one in found if one.rule.name == strict.name]
    assert told == [(None, 'task!~"c"'), (0.005, 'task=~"c"')]


def test_every_ratio_is_guarded() -> None:
    """An alert on a share asks how much lies behind it."""
    for alert in ALERTS:
        if "ratio_rate" in alert.expr or ":z1h" in alert.expr:
            assert re.search(r":n\d+[mhd]", alert.expr), alert.alert


def test_objectives_burn_for_their_task() -> None:
    """Each goal of a task has a fast alert at the rule's severity and a slow one as a ticket, with the owner."""
    burns = [alert.labels for alert in ALERTS if alert.alert.endswith("Burns")]
    told = {(one["task"], one["goal"], one["severity"], one["owner"]) for one in burns}
    goals = ("success", "ttft_p95", "gap_p99")
    assert told == {("route", goal, severity, "routing") for goal in goals for severity in ("page", "ticket")}


@pytest.mark.parametrize(("seconds", "text"), [(60, "1m"), (90, "2m"), (3600, "1h"), (5400, "90m"), (259_200, "3d")])
def test_durations(seconds: float, text: str) -> None:
    """Whole minutes, in the largest unit that takes them whole."""
    assert duration(seconds) == text


def test_selectors() -> None:
    """Matchers join those that are there; a numerator that is missing stands for 0."""
    assert selected('calls{outcome="ok"}', 'task="a"', "") == 'calls{outcome="ok",task="a"}'
    assert selected("calls", 'task="a"') == 'calls{task="a"}'
    assert ratio(Series('calls{outcome="ok"}', "calls"), "1h") == (
        '(sum by (task) (rate(calls{outcome="ok"}[1h])) or sum by (task) (rate(calls[1h])) * 0)'
        " / (sum by (task) (rate(calls[1h])) > 0)"
    )


def test_a_project_without_tasks() -> None:
    """There are rules on the host and the signals, and no empty groups."""
    groups = rules_of(Watch()).groups
    assert [group.name for group in groups] == ["trimtab-signals", "trimtab-watchdog"]


def test_the_text() -> None:
    """YAML that keeps expressions as they are, and quotes words."""
    alert = Alert("Bad", 'a{b="c"}\n> 1', "2m", {"severity": "page"}, {"summary": 'it "is"'})
    assert text_of((Group("g", "1m", (Recording("x:y", "1"), alert)),), ("made",)) == (
        "# made\ngroups:\n  - name: g\n    interval: 1m\n    rules:\n"
        "      - record: x:y\n        expr: |-\n          1\n"
        '      - alert: Bad\n        expr: |-\n          a{b="c"}\n          > 1\n        for: 2m\n'
        '        labels:\n          severity: "page"\n        annotations:\n          summary: "it \\"is\\""\n'
    )


def test_a_floor_is_held_by_its_bound() -> None:
    """The floor's alert names its limit and the bound's standard errors."""
    (alert,) = [alert for alert in ALERTS if alert.alert == "TrimtabFloor"]
    assert alert.expr.endswith(f"< {FLOOR.limit}")
    assert "3.09 * sqrt" in alert.expr
    assert alert.labels == {"severity": "page", "signal": "parse_rate"}


COMPARED = (
    AlertRule("slow", "ttft", "above", 2.0, quantile=0.99, window_s=1800),
    AlertRule("slower", "ttft", "rises", quantile=0.99, smallest=0.5),
    AlertRule("silent", "request_rate", "falls", window_s=2 * 86_400.0),
    AlertRule("odd", "refusal_rate", "changes"),
    AlertRule("dear", "cost_per_call", "above", 0.01),
    AlertRule("of-a-model", "parse_rate", "falls", by="model"),
    AlertRule("unknown-here", "request_size", "above", 1e6),
)
EVERY = Watch(tasks={"a": TaskWatch(alerts=COMPARED)}, alerting=Alerting(console_url="https://console.example/"))


def test_every_comparison() -> None:
    """A rule is written at its own quantile, over its own window, against a baseline that is longer than it."""
    exported = rules_of(EVERY)
    found = {rule.alert: rule for group in exported.groups for rule in group.rules if isinstance(rule, Alert)}
    records = [rule.record for group in exported.groups for rule in group.rules if isinstance(rule, Recording)]
    assert len(records) == len(set(records))
    assert "task:trimtab_ttft:p99_rate30m > 2" in found["TrimtabSlow"].expr
    assert "task:trimtab_ttft:p99_change1h > 1.5" in found["TrimtabSlower"].expr
    assert "task:trimtab_request_rate:change2d < 0.75" in found["TrimtabSilent"].expr
    assert "task:trimtab_request_rate:rate7d" in records
    assert "\nor\n" in found["TrimtabOdd"].expr
    assert "task:trimtab_cost_per_call:rate1h > 0.01" in found["TrimtabDear"].expr
    assert found["TrimtabDear"].annotations["console"] == "https://console.example/tasks/{{ $labels.task }}"
    assert set(exported.left_out) == {"of-a-model", "unknown-here"}
