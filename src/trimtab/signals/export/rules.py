"""Rules of Prometheus: what is recorded of each signal, and the alerts that are declared, behaviour first.

An alert on a ratio holds it against its floor by the bound of an interval, and a change by the difference from the day
before in standard errors: a few calls open none. What is learned by hour and weekday, drifts of distributions, and
signals that `/metrics` has not stay with Trimtab's own alerts; they are named at the head of the file.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

from trimtab.policy.watch import AlertRule, Watch
from trimtab.signals.catalogue import BY_NAME, SIGNALS
from trimtab.signals.export import expressions as ask
from trimtab.signals.export import promql
from trimtab.signals.export.rule_file import Alert, Group, Recording
from trimtab.signals.infrastructure import ERROR_RATE
from trimtab.signals.objectives import Promise, promises
from trimtab.signals.signal import Family, Signal

NONE: Final[Mapping[str, str]] = {}
HOUR: Final = "1h"
DAY_S: Final = 86_400.0
BASELINE: Final = "1d"
LONG_BASELINE: Final = "7d"
PAGE: Final = "page"
TICKET: Final = "ticket"
WAIT: Final = {PAGE: "2m", TICKET: "15m"}
FAMILIES: Final[tuple[Family, ...]] = ("behaviour", "infrastructure", "cost")
KEPT: Final = frozenset({"ratio", "spread", "amount"})
COUNTS: Final = {
    "ttft": "trimtab_ttft_seconds_count",
    "tpot": "trimtab_tpot_seconds_count",
    "gap": "trimtab_longest_gap_seconds_count",
    "total": "trimtab_call_seconds_count",
}
"""What lies behind a goal on time."""
MISSED: Final = "trimtab_objective_missed_total"
EVENTS: Final = {
    "records_silent": (
        "trimtab_telemetry_up == 0\nor trimtab_spool_lag_seconds > {silent}\nor "
        "trimtab_alerts_behind_seconds > {silent}\nor absent(trimtab_telemetry_up)\nor "
        "(sum(trimtab_worker_open_calls) > 0 and sum(increase(trimtab_ingested_rows_total[{silent}s])) == 0)"
    ),
    "replica_down": (
        'max by (model, replica) (\n  (1 - trimtab_replica_healthy) or trimtab_breaker_state{{state="open"}}\n  or '
        '(trimtab_breaker_state{{state="half_open"}} unless on (model, replica) trimtab_replica_healthy == 1)\n) == 1'
    ),
    "replica_restarted": "increase(trimtab_engine_restarts_total[1h]) > 0",
    "model_changed": "trimtab_model_identity_same == 0",
    "tool_changed": 'trimtab_tool_drift{{class="major"}} > 0',
    "dead_letters": "sum by (task) (trimtab_dead_letters) - sum by (task) (trimtab_dead_letters offset 1h) > 0",
}
"""Alerts on what is so or is not, by signal; any other event has no metric."""


@dataclass(frozen=True)
class Applied:
    """A rule, and the tasks it is of: those named, or all but those left out."""

    rule: AlertRule
    only: tuple[str, ...] = ()
    without: tuple[str, ...] = ()

    @property
    def matcher(self) -> str:
        """The same as a matcher of labels."""
        if self.only:
            return f'task=~"{"|".join(self.only)}"'
        return f'task!~"{"|".join(self.without)}"' if self.without else ""

    def takes(self, task: str) -> bool:
        """Whether it is of this task."""
        return task in self.only if self.only else task not in self.without


@dataclass(frozen=True)
class Exported:
    """The groups of a file, and the names of rules that Prometheus cannot keep."""

    groups: tuple[Group, ...]
    left_out: tuple[str, ...]


def applied(watch: Watch) -> tuple[Applied, ...]:
    """The rules in force, in their order. A form of a rule that more than half of the tasks have is for all tasks but
    the others, those that nobody declared among them.
    """
    forms: dict[str, dict[AlertRule, list[str]]] = {}
    for task, watched in watch.tasks.items():
        for rule in watched.alerts:
            forms.setdefault(rule.name, {}).setdefault(rule, []).append(task)
    found = [Applied(rule) for rule in watch.events]
    for of_tasks in forms.values():
        usual = max(of_tasks, key=lambda rule: len(of_tasks[rule]))
        if 2 * len(of_tasks[usual]) > len(watch.tasks):
            others = tuple(task for task in watch.tasks if task not in of_tasks[usual])
            found.append(Applied(usual, without=others))
            del of_tasks[usual]
        found += [Applied(rule, only=tuple(tasks)) for rule, tasks in of_tasks.items()]
    return tuple(found)


def rules_of(watch: Watch) -> Exported:
    """All rules of a project."""
    in_force = applied(watch)
    alerts: dict[Family, list[Alert]] = {family: [] for family in FAMILIES}
    left_out = []
    for one in in_force:
        made = tuple(_alerts(one, watch))
        alerts[_family(one.rule)].extend(made)
        if not made and not _is_burn(one.rule):
            left_out.append(one.rule.name)
    groups = [Group("trimtab-signals", "1m", tuple(_signals(in_force)))]
    groups.append(Group("trimtab-baselines", "5m", tuple(_baselines(in_force))))
    groups.append(Group("trimtab-objectives", "1m", tuple(_objectives(watch))))
    groups += [Group(f"trimtab-{family}", "1m", tuple(alerts[family])) for family in FAMILIES]
    groups.append(Group("trimtab-watchdog", "1m", (_watchdog(),)))
    return Exported(tuple(group for group in groups if group.rules), tuple(dict.fromkeys(left_out)))


def _family(rule: AlertRule) -> Family:
    return BY_NAME[rule.signal].family if rule.signal in BY_NAME else "infrastructure"


def _is_burn(rule: AlertRule) -> bool:
    return rule.comparison == "burns"


def _is_change(rule: AlertRule) -> bool:
    return rule.comparison in {"falls", "rises", "changes"}


def _has_series(signal: Signal | None) -> bool:
    return signal is not None and signal.series is not None and signal.source != "state" and signal.kind in KEPT


def _baseline_of(window_s: float) -> str:
    return BASELINE if window_s < DAY_S else LONG_BASELINE


def _watched(rule: AlertRule) -> Signal | None:
    """The signal of a rule, at the rule's own quantile; None where Prometheus has none of it."""
    signal = BY_NAME.get(rule.signal)
    if signal is None or not _has_series(signal):
        return None
    return replace(signal, level=rule.quantile) if rule.quantile is not None else signal


def _signals(in_force: Iterable[Applied]) -> Iterator[Recording]:
    """Every signal over an hour, and over whatever windows the rules name, with how much lies behind it."""
    windows: dict[tuple[Signal, str], None] = {(one, HOUR): None for one in SIGNALS if _has_series(one)}
    for one in in_force:
        signal = _watched(one.rule)
        if signal is not None and (_is_change(one.rule) or one.rule.limit is not None):
            windows[signal, ask.duration(one.rule.window_s)] = None
    yield from _once(rule for signal, window in windows for rule in _recorded(signal, window))


def _once(rules: Iterable[Recording]) -> Iterator[Recording]:
    """Each name once: how much lies behind a signal is the same at every quantile."""
    yield from {rule.record: rule for rule in rules}.values()


def _recorded(signal: Signal, window: str) -> Iterator[Recording]:
    if signal.series is not None:
        yield Recording(promql.recorded(signal, window), promql.expression(signal, window))
        yield Recording(promql.counted(signal, window), promql.increase(promql.count_of(signal.series, signal), window))


def _baselines(in_force: Iterable[Applied]) -> Iterator[Recording]:
    """What changes are held against, and the changes."""
    wanted: dict[tuple[Signal, str, str], None] = {}
    for one in in_force:
        signal = _watched(one.rule)
        if signal is not None and _is_change(one.rule):
            wanted[signal, ask.duration(one.rule.window_s), _baseline_of(one.rule.window_s)] = None
    yield from _once(rule for signal, _, baseline in wanted for rule in _recorded(signal, baseline))
    for signal, window, baseline in wanted:
        after, before = promql.recorded(signal, window), f"({promql.recorded(signal, baseline)} offset {window})"
        if signal.kind == "ratio":
            yield Recording(ask.change(signal, window), f"{after} - {before}")
            yield Recording(ask.errors_of_change(signal, window), ask.change_in_errors(signal, window, baseline))
        else:
            yield Recording(ask.change(signal, window), f"{after} / ({before} > 0)")


def _objectives(watch: Watch) -> Iterator[Recording]:
    """The share of calls that broke each kind of goal that any task has, over the windows of burn rates."""
    goals = [promise for task in watch.tasks.values() for promise in promises(task.objective)]
    windows = tuple(dict.fromkeys(window for one in (*ask.FAST, *ask.SLOW) for window in one[:2]))
    kinds = {(promise.measure, promise.limit_s is None): promise for promise in goals}
    for promise in kinds.values():
        for window in windows:
            yield Recording(ask.broken_share(promise, window), _broken(promise, window))
            yield Recording(_behind(promise, window), promql.increase(_count_of(promise), window))


def _broken(promise: Promise, window: str) -> str:
    if promise.limit_s is None and ERROR_RATE.series is not None:
        return promql.ratio(ERROR_RATE.series, window)
    missed = promql.summed(f'{MISSED}{{goal=~"{promise.measure}_.*"}}', window, "task, goal")
    return f"{missed}\n  / on (task) group_left () ({promql.summed(_count_of(promise), window)} > 0)"


def _count_of(promise: Promise) -> str:
    if promise.limit_s is None and ERROR_RATE.series is not None:
        return ERROR_RATE.series.n
    return COUNTS[promise.measure]


def _behind(promise: Promise, window: str) -> str:
    return f"task:trimtab_objective_{promise.measure or 'success'}:n{window}"


def _alerts(one: Applied, watch: Watch) -> Iterator[Alert]:
    rule = one.rule
    if _is_burn(rule):
        yield from _burns(one, watch)
        return
    signal = _watched(rule)
    if rule.signal in EVENTS:
        expr = EVENTS[rule.signal].format(silent=f"{watch.alerting.silent_after_s:.0f}")
        yield _alert(rule, expr, f"{_spoken(rule.name)} {{{{ $labels }}}}")
        return
    if signal is None or rule.by != "task" or rule.field:
        return
    window = ask.duration(rule.window_s)
    if rule.comparison in {"below", "above"} and rule.limit is not None:
        exprs = [ask.against_limit(signal, window, rule.limit, one.matcher, below=rule.comparison == "below")]
    elif _is_change(rule):
        ways = {"falls": (True,), "rises": (False,)}.get(rule.comparison, (True, False))
        exprs = [ask.against_baseline(signal, window, rule.smallest, one.matcher, down=down) for down in ways]
    else:
        return
    told = f"{{{{ $labels.task }}}}: {_spoken(rule.name)} over {window}"
    yield _alert(rule, "\nor\n".join(exprs), told, signal, _linked(watch))


def _burns(one: Applied, watch: Watch) -> Iterator[Alert]:
    """An alert for each goal of each task: fast burns at the rule's severity, slow ones as tickets."""
    for task, watched in watch.tasks.items():
        for promise in promises(watched.objective) if one.takes(task) else ():
            if promise.signal != one.rule.signal:
                continue
            for severity, windows in ((one.rule.severity, ask.FAST), (TICKET, ask.SLOW)):
                counts = {long: _behind(promise, long) for long, _, _ in windows}
                expr = ask.burning(promise, task, windows, counts)
                told = f"{task}: the error budget of {promise.name} burns"
                owner = {"owner": watched.owner} if watched.owner else {}
                labels = {"severity": severity, **owner, "task": task, "goal": promise.name}
                yield _alert(one.rule, expr, told, BY_NAME[promise.signal], _linked(watch), labels)


def _alert(
    rule: AlertRule,
    expr: str,
    summary: str,
    signal: Signal | None = None,
    links: Mapping[str, str] = NONE,
    labels: Mapping[str, str] = NONE,
) -> Alert:
    """An alert of a rule, with more annotations and labels, or others in the place of its own."""
    named = {"severity": rule.severity, "signal": rule.signal, **labels}
    described = {"description": f"{signal.says} {signal.means}"} if signal else {}
    name = "".join(map(str.capitalize, rule.name.replace("-", "_").split("_")))
    annotations = {"summary": summary, **described, **links}
    return Alert(f"Trimtab{name}", expr, WAIT[named["severity"]], named, annotations)


def _linked(watch: Watch) -> dict[str, str]:
    """Where the console shows the task, if its address is declared."""
    url = watch.alerting.console_url.rstrip("/")
    return {"console": f"{url}/tasks/{{{{ $labels.task }}}}"} if url else {}


def _spoken(name: str) -> str:
    return name.replace("_", " ").replace("-", " ")


def _watchdog() -> Alert:
    """It is always on: where it stops to arrive, Prometheus or Alertmanager are down."""
    told = {"summary": "Always firing: whoever receives it raises an alarm when it stops to come."}
    return Alert("TrimtabWatchdog", "vector(1)", "0m", {"severity": "none"}, told)
