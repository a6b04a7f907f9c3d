"""Rules on alerts: `[alerts.NAME]` of a task, `[alerts.rules.NAME]` of the whole project."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final, Literal

from msgspec.structs import replace

from trimtab.declare import values
from trimtab.declare.alert_defaults import DEFAULTS, PERCENTILE
from trimtab.declare.alert_signals import COMPARISONS, SIGNALS, Known, Unit
from trimtab.declare.alerting import AlertRule, Comparison, Severity
from trimtab.declare.mistakes import nearest, one_of
from trimtab.declare.table import Table

MAX_RULES: Final = 64
MIN_WINDOW_S: Final = 300.0
MAX_WINDOW_S: Final = 7 * 86_400.0
DAY_S: Final = 86_400.0
WRITTEN: Final = ("below", "above", "change", "drift", "burn")
"""The comparisons as they are written."""
CHANGES: Final[dict[str, Comparison]] = {"down": "falls", "up": "rises", "any": "changes"}
CHANGE: Final[values.Read[Literal["down", "up", "any"]]] = values.choice("down", "up", "any")
GROUP: Final[values.Read[Literal["task", "model", "replica", "prompt"]]] = values.choice(
    "task", "model", "replica", "prompt"
)
SEVERITY: Final[values.Read[Severity]] = values.choice("page", "ticket")
READINGS: Final = ("predictions", "inputs", "confidence")


def read_rules(table: Table, known: Collection[str] = ()) -> tuple[AlertRule, ...]:
    """The rules of a table, in the order of their names. One called like a default or like one of `known`, the rules
    of the project, takes its place; with `off = true` alone it only takes it away.
    """
    names = [name for name in sorted(table) if values.NAME.fullmatch(name)]
    if len(names) > MAX_RULES:
        table.wrong("", f"there are {len(names)} rules", f"write at most {MAX_RULES}")
    others = {*known, *(rule.name for rule in DEFAULTS)}
    found = [_read_rule(name, table.table(name), others) for name in names[:MAX_RULES]]
    return tuple(rule for rule in found if rule is not None)


def _read_rule(name: str, table: Table, others: Collection[str]) -> AlertRule | None:
    off = table.get("off", values.truth, default=False)
    if off and set(table) == {"off"}:
        if name not in others:
            close = nearest(name, others)
            hint = f"did you mean {close}?" if close else f"take it out; rules there are: {one_of(others)}"
            table.wrong("", f"there is no rule {values.show(name)} to be switched off", hint)
        return AlertRule(name, "", "falls", off=True)
    signal = table.required("signal", _signal, '"parse_rate"')
    severity: Severity = table.get("severity", SEVERITY, "ticket")
    rule = AlertRule(
        name=name,
        signal=signal or "",
        comparison="falls",
        window_s=table.get("window", values.duration(MIN_WINDOW_S, MAX_WINDOW_S), 3600.0),
        quantile=table.get("quantile", values.number(0, 1, above=True), None),
        field=table.get("field", values.text, ""),
        by=table.get("by", GROUP, "task"),
        smallest=table.get("smallest", values.number(0, 10, above=True), None),
        severity=severity,
        receivers=table.each("receivers", values.name),
        off=off,
    )
    if signal is None:
        _read_alone(table)
        return None
    compared = _compared(table, rule, SIGNALS[signal])
    _check_use(table, compared, SIGNALS[signal])
    return compared


def _signal(value: object) -> str:
    if isinstance(value, str) and value in SIGNALS:
        return value
    close = nearest(value, SIGNALS) if isinstance(value, str) else None
    hint = f"did you mean {close}?" if close else f"write one of {one_of(SIGNALS)}"
    raise values.Wrong(f"{values.show(value)}, not a signal", hint)


def _read_alone(table: Table) -> None:
    """Comparisons whose signal is not known: what can be told without it."""
    for key in ("drift", "burn"):
        table.get(key, values.truth, default=False)
    table.get("change", CHANGE, None)
    for key in ("below", "above"):
        table.get(key, _any_limit, None)


def _compared(table: Table, rule: AlertRule, known: Known) -> AlertRule:
    """The rule with its one comparison."""
    suited = (*COMPARISONS[known.form], *(("burn",) if known.objective else ()))
    flags = {key: table.get(key, values.truth, default=False) for key in ("drift", "burn")}
    given = [key for key in WRITTEN if flags.get(key, key in table)]
    wrong = [key for key in given if key not in suited]
    for key in wrong:
        instead = f"write {_examples(suited)}" if suited else "take it out: the signal alone says it"
        table.wrong(key, f"{table.name(key)} does not suit the signal {rule.signal}", instead)
    fitting = [key for key in given if key in suited]
    if len(fitting) > 1:
        what = f"{table.name(fitting[1])} stands beside {fitting[0]}"
        table.wrong(fitting[1], what, "keep one of them, or write two rules")
    if not given and suited:
        table.wrong("", f"the rule {rule.name} compares its signal with nothing", f"write {_examples(suited)}")
    comparison, limit = _comparison(table, fitting[0] if fitting else "", known)
    quantile = PERCENTILE if known.form == "spread" and comparison not in {"drifts", "burns"} else None
    return replace(
        rule,
        comparison=comparison if suited else "happens",
        limit=limit,
        quantile=rule.quantile if rule.quantile is not None else quantile,
    )


def _comparison(table: Table, key: str, known: Known) -> tuple[Comparison, float | None]:
    match key:
        case "below":
            return "below", table.get("below", _limit(known.unit), None)
        case "above":
            return "above", table.get("above", _limit(known.unit), None)
        case "change":
            return CHANGES[table.get("change", CHANGE, "any")], None
        case "drift":
            return "drifts", None
        case "burn":
            return "burns", None
    return "changes", None


def _check_use(table: Table, rule: AlertRule, known: Known) -> None:
    """What is written beside the comparison has a use with it."""
    if "window" in table and rule.comparison not in {"below", "above"}:
        table.wrong("window", f"{table.name('window')} is for below and above alone", "take it out")
    if "smallest" in table and rule.comparison not in {"falls", "rises", "changes", "drifts"}:
        table.wrong("smallest", f"{table.name('smallest')} is for change and drift alone", "take it out")
    if "quantile" in table and (known.form != "spread" or rule.comparison in {"drifts", "burns"}):
        what = f"{table.name('quantile')} has no use here"
        table.wrong("quantile", what, "take it out: it is for limits on and changes of times and lengths")
    if rule.quantile is not None and rule.quantile >= 1:
        table.wrong("quantile", f"{table.name('quantile')} is 1", "write a number below 1, such as 0.95")
    if "field" in table and known.form != "fields":
        what = f"{table.name('field')} has no use with the signal {rule.signal}"
        table.wrong("field", what, f"take it out; it is for {one_of(READINGS)}")
    if "by" in table and rule.by != "task" and known.form == "event":
        table.wrong("by", f"{table.name('by')} has no use with the signal {rule.signal}", "take it out")
    if rule.by == "replica" and known.form == "fields":
        table.wrong("by", f"{table.name('by')}: readings are not kept by replica", "write model or prompt")
    if known.unit == "share" and rule.smallest is not None and rule.smallest >= 1:
        table.wrong("smallest", f"{table.name('smallest')} is 1 or more", "write a share below 1, such as 0.02")


def _limit(unit: Unit) -> values.Read[float]:
    if unit == "share":
        return values.number(0, 1)
    if unit == "s":
        return values.duration(0.000_1, DAY_S)
    return values.number(0, 10**12)


def _any_limit(value: object) -> float:
    if isinstance(value, str):
        return values.duration(0.000_1, DAY_S)(value)
    return values.number(0, 10**12)(value)


def _examples(suited: Collection[str]) -> str:
    shown = {
        "below": "below = ...",
        "above": "above = ...",
        "change": 'change = "down"',
        "drift": "drift = true",
        "burn": "burn = true",
    }
    return one_of(shown[key] for key in suited)
