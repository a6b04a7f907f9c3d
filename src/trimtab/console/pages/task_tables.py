"""The tables of a task."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from markupsafe import Markup

from trimtab.console import charts
from trimtab.console import format as written
from trimtab.console.figured import (
    bars_column,
    in_unit,
    plain_rate_column,
    quantile_column,
    quantile_of,
    rate_column,
    shape,
    told,
    told_change,
    value_column,
)
from trimtab.console.page import Asked
from trimtab.console.tables import Column, Table, Value
from trimtab.signals.catalogue import BY_NAME
from trimtab.signals.figure import Cell, Figure, Gauge, Part, Quantile
from trimtab.signals.objectives import ObjectiveFigure

VERSION: Final = (
    *("parse_rate", "tool_validity", "completion", "output_length", "cut_share", "cost_per_call"),
    *("availability", "ttft", "tpot", "longest_gap", "total"),
)
LATENCIES: Final = {
    "ttft": ("time to first token", "slowest_first_token"),
    "tpot": ("time per output token", "slowest"),
    "longest_gap": ("longest gap", "slowest"),
    "total": ("total", "slowest"),
}
RATES: Final[dict[str, dict[str, str | bool]]] = {
    "parse_rate": {"failing": True},
    "parse_rate_after_repair": {"failing": True},
    "repair_share": {},
    "tool_validity": {"bad_tool_call": True},
    "tool_error_rate": {"tool_error": True},
    "completion": {},
    "accuracy": {},
    "feedback": {},
    "refusal_rate": {"verdict": "refused"},
    "cut_share": {"finish_reason": "length"},
    "repetition_share": {},
    "availability": {"failing": True},
    "retry_share": {"retried": True},
    "fallback_share": {"retried": True},
    "cache_hit_share": {},
}
"""Rates, and what leads to the calls that count against them."""
DEAREST: Final[dict[str, str | bool]] = {"order": "dearest"}
BEHIND: Final[dict[str, dict[str, str | bool]]] = {"amplification": {"retried": True}}
MOST_PARTS: Final = 12
OF_RUNS: Final = ("run_amplification", "requests_per_step", "tokens_per_step")
FILTER_OF: Final = {"outcomes": "outcome", "finish_reasons": "finish_reason", "tools_chosen": "tool"}
NO_GOALS: Final = Markup(
    'This task promises nothing. <code>objective = { ttft_p95 = "800ms", success = 0.99 }</code> in its task.toml does.'
)
NO_CALLS: Final = "No calls in this range; choose a longer one above."


@dataclass(frozen=True)
class FigureRow:
    """One figure in a row of its own."""

    figure: Figure
    head: str


@dataclass(frozen=True)
class VersionRow:
    """One value of what calls are told apart by."""

    value: str
    cell: Cell | None
    current: bool


@dataclass(frozen=True)
class PartRow:
    """One part of a whole."""

    figure: Figure
    part: Part


def latency(asked: Asked, task: str, cell: Cell | None) -> Table[FigureRow]:
    """Each time apart, at three quantiles, with intervals and what changed."""
    rows = [
        FigureRow(figure, head)
        for name, (head, _) in LATENCIES.items()
        if cell is not None and (figure := cell.figure(name)) is not None
    ]

    def behind(row: FigureRow) -> str:
        return asked.calls(task=task, order=LATENCIES[row.figure.signal][1])

    columns: tuple[Column[FigureRow], ...] = (
        Column("signal", "time", lambda row: row.head, href=behind, sortable=False),
        *(_quantile(level) for level in (0.5, 0.95, 0.99)),
        Column("n", "calls", lambda row: row.figure.n, numeric=True, sortable=False),
        _change("p95 against before"),
        Column(
            "shape", "distribution", lambda row: None, lambda row: shape(row.figure), sortable=False, says="logarithmic"
        ),
    )
    return Table("latency", "Latency", columns, rows, NO_CALLS)


def rates(asked: Asked, task: str, cell: Cell | None) -> Table[FigureRow]:
    """Correctness and everything else that is a share, with its interval and what changed."""
    rows = [
        FigureRow(figure, BY_NAME[name].says)
        for name in RATES
        if cell is not None and (figure := cell.figure(name)) is not None
    ]
    columns: tuple[Column[FigureRow], ...] = (
        Column(
            "signal",
            "rate",
            lambda row: row.figure.signal.replace("_", " "),
            _titled,
            lambda row: asked.calls(task=task, **RATES[row.figure.signal]),
            sortable=False,
        ),
        Column("value", "share", _with_ends, lambda row: told(row.figure), numeric=True, sortable=False),
        Column("n", "of", lambda row: row.figure.n, numeric=True, sortable=False),
        _change("against before"),
    )
    return Table("rates", "Rates", columns, rows, NO_CALLS)


def outcomes(asked: Asked, task: str, cell: Cell | None) -> Table[PartRow]:
    """How calls ended, why models stopped, which tools they chose."""
    rows = [
        PartRow(figure, part)
        for name in FILTER_OF
        if cell is not None and (figure := cell.figure(name)) is not None
        for part in figure.parts[:MOST_PARTS]
    ]

    def behind(row: PartRow) -> str:
        return asked.calls(task=task, **{FILTER_OF[row.figure.signal]: row.part.name})

    columns: tuple[Column[PartRow], ...] = (
        Column("signal", "of", lambda row: row.figure.signal.replace("_", " ")),
        Column("name", "which", lambda row: row.part.name, href=behind),
        Column("count", "calls", lambda row: row.part.count, href=behind, numeric=True),
        Column("share", "share", _share, _share_shown, numeric=True),
        Column("bar", "", lambda row: None, lambda row: charts.meter(row.part.share), sortable=False),
    )
    return Table("outcomes", "Outcomes", columns, rows, NO_CALLS)


def money(asked: Asked, task: str, cell: Cell | None) -> Table[FigureRow]:
    """What it costs."""
    names = ("cost", "cost_per_call", "cost_per_completed", "tokens", "input_length", "output_length", "amplification")
    rows = [
        FigureRow(figure, BY_NAME[name].says)
        for name in names
        if cell is not None and (figure := cell.figure(name)) is not None
    ]
    columns: tuple[Column[FigureRow], ...] = (
        Column(
            "signal",
            "what",
            lambda row: row.figure.signal.replace("_", " "),
            _titled,
            lambda row: asked.calls(task=task, **BEHIND.get(row.figure.signal, DEAREST)),
            sortable=False,
        ),
        Column("value", "figure", _with_ends, lambda row: told(row.figure), numeric=True, sortable=False),
        Column("n", "over", _over, numeric=True, sortable=False),
        _change("against before"),
    )
    return Table("money", "Cost and tokens", columns, rows, NO_CALLS)


def of_runs(asked: Asked, task: str, found: Sequence[Gauge]) -> Table[Gauge]:
    """What each thing that steps of its runs asked came to, of the runs that began within a day."""
    columns: tuple[Column[Gauge], ...] = (
        Column(
            "signal",
            "what",
            lambda one: one.signal.replace("_", " "),
            href=lambda one: asked.to("/runs", task=task),
            sortable=False,
        ),
        Column("value", "figure", lambda one: one.value, lambda one: written.number(one.value), numeric=True,
               sortable=False),
    )  # fmt: skip
    return Table("of_runs", "Runs of the last day", columns, found, "No run of this task began within a day.")


def goals(asked: Asked, task: str, found: Sequence[ObjectiveFigure]) -> Table[ObjectiveFigure]:
    """How the task's promises stand, with what is left of their error budgets."""

    def behind(goal: ObjectiveFigure) -> str:
        by_time = {"order": "slowest_first_token" if goal.signal == "ttft" else "slowest"}
        return asked.calls(task=task, **(by_time if goal.limit_s is not None else {"failing": True}))

    columns: tuple[Column[ObjectiveFigure], ...] = (
        Column("name", "goal", lambda goal: goal.name.replace("_", " "), href=behind),
        Column("standing", "stands", lambda goal: goal.standing, _standing),
        Column("limit", "limit", lambda goal: goal.limit_s, lambda goal: written.duration(goal.limit_s), numeric=True),
        Column(
            "allowed", "may break", lambda goal: goal.allowed, lambda goal: written.share(goal.allowed), numeric=True
        ),
        Column("bad", "broke", lambda goal: goal.bad, href=behind, numeric=True),
        Column("n", "of", lambda goal: goal.n, numeric=True),
        Column("budget_left", "budget left", lambda goal: goal.budget_left, _budget, numeric=True),
        *(_burn(place, name) for place, name in enumerate(("1h", "6h", "3d"))),
        Column("window", "over", lambda goal: goal.window_s, lambda goal: written.duration(goal.window_s)),
    )
    return Table("goals", "Objectives", columns, found, NO_GOALS)


def versions(asked: Asked, task: str, by: str, cells: Sequence[Cell], prompt: str, lock: str) -> Table[VersionRow]:
    """One row for each version: what is in force now is marked."""
    now = {"prompt": prompt, "lock": lock}.get(by, "")
    known = [cell for cell in cells if cell.calls or any(figure.n for figure in cell.figures)]
    rows = [VersionRow(cell.value, cell, bool(now) and cell.value == now) for cell in known]
    rows.sort(key=lambda row: (not row.current, -(row.cell.calls if row.cell else 0)))

    def behind(row: VersionRow, **filters: str | bool) -> str:
        return asked.calls(task=task, **{by: row.value}, **filters)

    columns: tuple[Column[VersionRow], ...] = (
        Column(by, by, lambda row: row.value, lambda row: _version(row, by), behind),
        Column("calls", "calls", lambda row: row.cell.calls if row.cell else 0, href=behind, numeric=True),
        rate_column("parse_rate", "parse", lambda row: behind(row, failing=True), "Behaviour"),
        plain_rate_column("tool_validity", "tools", lambda row: behind(row, bad_tool_call=True), "Behaviour"),
        rate_column("completion", "done", None, "Behaviour"),
        plain_rate_column("cut_share", "cut", lambda row: behind(row, finish_reason="length"), "Behaviour"),
        bars_column("output_length", "length", lambda row: behind(row, order="longest"), "Behaviour"),
        value_column("cost_per_call", "cost", lambda row: behind(row, order="dearest"), "Behaviour", "per 1,000", 1000),
        rate_column("availability", "answered", lambda row: behind(row, failing=True), "Infrastructure"),
        quantile_column("ttft", 0.5, "ttft p50", None, "Infrastructure"),
        quantile_column("ttft", 0.95, "ttft p95", None, "Infrastructure"),
        quantile_column("tpot", 0.95, "tpot p95", None, "Infrastructure"),
        quantile_column("longest_gap", 0.95, "gap p95", None, "Infrastructure"),
        quantile_column("total", 0.95, "total p95", None, "Infrastructure"),
    )
    return Table("versions", f"By {by}", columns, rows, NO_CALLS)


def fields(asked: Asked, cells: Sequence[Cell]) -> Table[FigureRow]:
    """What was read of answers and questions, a row for each field."""
    rows = [FigureRow(figure, _field(figure)) for cell in cells for figure in cell.figures]
    columns: tuple[Column[FigureRow], ...] = (
        Column("signal", "of", lambda row: row.figure.signal),
        Column("field", "field", lambda row: row.figure.field, lambda row: row.head),
        Column("n", "read", lambda row: row.figure.n, numeric=True),
        Column("value", "median, or most often", _middle, _middle_shown),
        _change("against before"),
    )
    empty = Markup(
        "Nothing was read of bodies in this range. Fields of answers are read where a task has a schema and its "
        "redaction is <code>full</code> or <code>preview</code>."
    )
    return Table("fields", "What is said", columns, rows, empty)


def said(cell: Cell) -> list[FigureRow]:
    """The distributions to draw, a picture each."""
    return [FigureRow(figure, _field(figure)) for figure in cell.figures]


def _field(figure: Figure) -> str:
    field = figure.field.partition("/")[2] if "/" in figure.field else figure.field
    return field or "the whole answer"


def _quantile(level: float) -> Column[FigureRow]:
    def found(row: FigureRow) -> Quantile | None:
        return quantile_of(row.figure, level)

    def value(row: FigureRow) -> Value:
        one = found(row)
        return {"value": one.value, "low": one.low, "high": one.high} if one is not None else None

    def show(row: FigureRow) -> Markup:
        one = found(row)
        if one is None or one.value is None:
            return Markup('<span class="none" title="too few calls beyond it">{}</span>').format(written.NOTHING)
        ends = _ends(one)
        bounds = Markup(' <span class="ci">({})</span>').format(ends) if ends else ""
        return Markup("{}{}").format(written.duration(one.value), bounds)

    return Column(f"p{level * 100:g}", f"p{level * 100:g}", value, show, numeric=True, sortable=False)


def _ends(found: Quantile) -> str:
    """The interval of a quantile; too few values bound it on one side only."""
    low, high = found.low, found.high
    if low is None and high is None:
        return ""
    if low is None:
        return f"up to {written.duration(high)}"
    if high is None:
        return f"{written.duration(low)} or more"
    return f"{written.duration(low)}-{written.duration(high)}"


def _change(head: str) -> Column[FigureRow]:
    def value(row: FigureRow) -> Value:
        change = row.figure.change
        if change is None:
            return None
        return {"value": change.difference, "low": change.low, "high": change.high, "verdict": change.verdict}

    return Column("change", head, value, lambda row: told_change(row.figure), sortable=False)


def _with_ends(row: FigureRow) -> Value:
    return {"value": row.figure.value, "low": row.figure.low, "high": row.figure.high}


def _titled(row: FigureRow) -> Markup:
    return Markup('<span title="{}">{}</span>').format(row.head, row.figure.signal.replace("_", " "))


def _over(row: FigureRow) -> Value:
    """How many calls a figure is told of; a sum is told of what it adds up, which is no number of calls."""
    return row.figure.n if row.figure.kind != "shares" else None


def _share(row: PartRow) -> Value:
    return {"value": row.part.share, "low": row.part.low, "high": row.part.high}


def _share_shown(row: PartRow) -> Markup:
    told_share = written.share(row.part.share)
    if row.part.low is None or row.part.high is None:
        return Markup("{}").format(told_share)
    return Markup('{} <span class="ci">({})</span>').format(told_share, written.interval(row.part.low, row.part.high))


def _standing(goal: ObjectiveFigure) -> Markup:
    kind, sign = {"met": ("good", "\u2713"), "missed": ("bad", "!")}.get(goal.standing, ("idle", "\u00b7"))
    return Markup('<span class="state {}"><span class="sign" aria-hidden="true">{}</span> {}</span>').format(
        kind, sign, goal.standing
    )


def _budget(goal: ObjectiveFigure) -> Markup | str:
    if goal.budget_left is None:
        return written.NOTHING
    words = written.share(goal.budget_left) if goal.budget_left >= 0 else "spent"
    return Markup("{} {}").format(charts.meter(goal.budget_left), words)


def _burn(place: int, name: str) -> Column[ObjectiveFigure]:
    def rate(goal: ObjectiveFigure) -> float | None:
        return goal.burns[place].rate if place < len(goal.burns) else None

    return Column(
        f"burn_{name}",
        f"burn {name}",
        rate,
        lambda goal: written.NOTHING if rate(goal) is None else f"{written.number(rate(goal))}\u00d7",
        says="How many times faster than allowed the budget went in that time.",
        numeric=True,
    )


def _version(row: VersionRow, by: str) -> Markup:
    name = written.digest(row.value) if by in ("prompt", "lock") else row.value or "(none)"
    now = Markup(' <span class="state ask">now</span>') if row.current else ""
    return Markup('<span title="{}">{}</span>{}').format(row.value, name, now)


def _middle(row: FigureRow) -> Value:
    if row.figure.parts:
        return row.figure.parts[0].name
    return row.figure.value


def _middle_shown(row: FigureRow) -> str | Markup:
    if row.figure.parts:
        first = row.figure.parts[0]
        return Markup('{} <span class="ci">{}</span>').format(first.name, written.share(first.share))
    unit = BY_NAME[row.figure.signal].unit if row.figure.signal == "confidence" else ""
    return in_unit(row.figure.value, unit)
