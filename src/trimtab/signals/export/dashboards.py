"""Dashboards of Grafana: behaviour on the left, infrastructure on the right, of all tasks, of one, and of replicas.

They ask Prometheus for what `/metrics` has and need no recorded rules. Which data source, which task and over how long
are variables; no address stands in them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

from trimtab.signals.catalogue import BY_NAME, SIGNALS
from trimtab.signals.export import promql
from trimtab.signals.signal import Family, Signal

SCHEMA_VERSION: Final = 38
"""Of Grafana 10; later ones bring it up to their own."""
SOURCE: Final = {"type": "prometheus", "uid": "${datasource}"}
WINDOW: Final = "$window"
WINDOWS: Final = ("5m", "15m", "1h", "6h", "1d")
WIDTH: Final = 12
HEIGHT: Final = 7
UNITS: Final = {
    "share": "percentunit",
    "s": "s",
    "USD": "currencyUSD",
    "bytes": "bytes",
    "calls/s": "reqps",
    "0 or 1": "none",
}
"""Grafana's name of a signal's unit; whatever else is counted is `short`."""
LEFT: Final = ("parse_rate", "tool_validity", "completion", "tool_error_rate", "output_length", "cost_per_call")
RIGHT: Final = ("request_rate", "error_rate", "ttft", "tpot", "queue_depth", "fallback_share")
OF_BEHAVIOUR: Final[tuple[Family, ...]] = ("behaviour", "cost")
ONE_TASK: Final = 'task="$task"'
REPLICA: Final = "{{model}} {{replica}}"
OF_REPLICAS: Final = (
    ("calls in flight", "short", "trimtab_calls_in_flight", "Calls that a replica is working on, by our count."),
    ("outstanding tokens", "short", "trimtab_outstanding_tokens", "Tokens asked of a replica and not answered yet."),
    ("healthy", "none", "trimtab_replica_healthy", "1 if the latest health check was answered well."),
    (
        "failed attempts",
        "percentunit",
        'sum by (model, replica) (rate(trimtab_attempts_total{cause!="ok"}[$window]))'
        " / (sum by (model, replica) (rate(trimtab_attempts_total[$window])) > 0)",
        "Attempts that did not end well, of all.",
    ),
)
"""What the gateway sees of replicas: title, unit, expression and what it says."""


class Curve(NamedTuple):
    """An expression, and what its lines are called."""

    expr: str
    legend: str


class Drawn(NamedTuple):
    """A panel without its place."""

    title: str
    says: str
    unit: str
    curves: Sequence[Curve]


ALERTS: Final = Drawn(
    "alerts that are not over",
    "Alerts of Trimtab itself, by severity and state.",
    "short",
    [Curve("sum by (severity, state) (trimtab_alerts)", "{{severity}} {{state}}")],
)


def dashboards() -> dict[str, dict[str, Any]]:
    """All of them, by the name of their file without `.json`."""
    return {
        "trimtab-overview": _dashboard(
            "trimtab-overview",
            "Trimtab: overview",
            [ALERTS, *(_drawn(BY_NAME[name], "") for name in LEFT)],
            [_budget("", "{{task}} {{goal}}"), *(_drawn(BY_NAME[name], "") for name in RIGHT)],
        ),
        "trimtab-task": _dashboard(
            "trimtab-task",
            "Trimtab: task",
            _of_task(one for one in SIGNALS if one.family in OF_BEHAVIOUR),
            [
                _budget(f"{{{ONE_TASK}}}", "{{goal}}"),
                *_of_task(one for one in SIGNALS if one.family not in OF_BEHAVIOUR),
            ],
            of_task=True,
        ),
        "trimtab-replicas": _dashboard(
            "trimtab-replicas",
            "Trimtab: replicas",
            [Drawn(title, says, unit, [Curve(expr, REPLICA)]) for title, unit, expr, says in OF_REPLICAS]
            + [_drawn(one, "") for one in SIGNALS if one.source == "state" and one.series],
            [_drawn(one, "") for one in SIGNALS if one.source == "engine" and one.series],
        ),
    }


def _of_task(signals: Iterable[Signal]) -> list[Drawn]:
    told = (one for one in signals if one.source not in {"engine", "state"})
    return [_drawn(one, ONE_TASK) for one in told if promql.expression(one, WINDOW)]


def _budget(matcher: str, legend: str) -> Drawn:
    says = "Share of each goal's error budget that is left of its window; below 0 it is overdrawn."
    return Drawn("error budget left", says, "percentunit", [Curve(f"trimtab_error_budget_left{matcher}", legend)])


def _drawn(signal: Signal, matcher: str) -> Drawn:
    """A signal's panel: of one task also the parts and the other quantiles."""
    series, title = signal.series, signal.name.replace("_", " ")
    unit = UNITS.get(signal.unit, "short")
    if series is None:
        return Drawn(title, signal.says, unit, [])
    if signal.kind == "reading":
        labels = " ".join(f"{{{{{label}}}}}" for label in series.by.split(", ") if label)
        curves = [Curve(promql.expression(signal, WINDOW), labels or "value")]
    elif signal.kind == "spread" and matcher:
        curves = [
            Curve(promql.quantile(series, level, WINDOW, matcher=matcher), f"p{level * 100:g}")
            for level in (0.5, 0.95, 0.99)
        ]
    elif signal.kind == "shares":
        curves = [Curve(promql.shares(series, WINDOW, matcher=matcher), f"{{{{{series.by}}}}}")]
        unit = "percentunit"
    else:
        curves = [Curve(promql.expression(signal, WINDOW, matcher=matcher), "{{task}}")]
        title = f"{title} p{signal.level * 100:g}" if signal.kind == "spread" else title
    return Drawn(title, signal.says, unit, curves)


def _dashboard(
    uid: str, title: str, left: Sequence[Drawn], right: Sequence[Drawn], *, of_task: bool = False
) -> dict[str, Any]:
    panels = [_head(1, 0, "Behaviour" if uid != "trimtab-replicas" else "Seen by the gateway")]
    panels.append(_head(2, WIDTH, "Infrastructure" if uid != "trimtab-replicas" else "Told by the engine"))
    for column, drawn in ((0, left), (WIDTH, right)):
        for row, one in enumerate(drawn):
            panels.append(_panel(len(panels) + 1, column, 2 + row * HEIGHT, one))
    variables = [_source_variable(), _window_variable(), *([_task_variable()] if of_task else [])]
    return {
        "uid": uid,
        "title": title,
        "tags": ["trimtab"],
        "schemaVersion": SCHEMA_VERSION,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "1m",
        "time": {"from": "now-6h", "to": "now"},
        "timezone": "browser",
        "templating": {"list": variables},
        "annotations": {"list": []},
        "links": [
            {"type": "dashboards", "title": "Trimtab", "tags": ["trimtab"], "keepTime": True, "includeVars": True}
        ],
        "panels": panels,
    }


def _head(number: int, column: int, title: str) -> dict[str, Any]:
    return {
        "id": number,
        "type": "text",
        "title": title,
        "gridPos": {"x": column, "y": 0, "w": WIDTH, "h": 2},
        "options": {"mode": "markdown", "content": ""},
    }


def _panel(number: int, column: int, top: int, drawn: Drawn) -> dict[str, Any]:
    custom = {"lineWidth": 1, "fillOpacity": 0, "showPoints": "never", "spanNulls": False}
    defaults: dict[str, Any] = {"unit": drawn.unit, "custom": custom}
    if drawn.unit == "percentunit":
        defaults["max"] = 1
    return {
        "id": number,
        "type": "timeseries",
        "title": drawn.title,
        "description": drawn.says,
        "datasource": SOURCE,
        "gridPos": {"x": column, "y": top, "w": WIDTH, "h": HEIGHT},
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "options": {
            "legend": {"displayMode": "list", "placement": "right", "showLegend": True},
            "tooltip": {"mode": "multi", "sort": "desc"},
        },
        "targets": [
            {"refId": chr(ord("A") + place), "datasource": SOURCE, "expr": curve.expr, "legendFormat": curve.legend}
            for place, curve in enumerate(drawn.curves)
        ],
    }


def _source_variable() -> dict[str, Any]:
    return {"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus", "hide": 0}


def _window_variable() -> dict[str, Any]:
    options = [{"text": one, "value": one, "selected": one == "1h"} for one in WINDOWS]
    return {
        "name": "window",
        "label": "Over",
        "type": "custom",
        "query": ",".join(WINDOWS),
        "current": {"text": "1h", "value": "1h"},
        "options": options,
        "hide": 0,
    }


def _task_variable() -> dict[str, Any]:
    query = "label_values(trimtab_calls_total, task)"
    return {
        "name": "task",
        "label": "Task",
        "type": "query",
        "datasource": SOURCE,
        "definition": query,
        "query": {"query": query, "refId": "task"},
        "refresh": 2,
        "sort": 1,
        "hide": 0,
    }
