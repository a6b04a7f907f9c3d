"""What tasks there are, and how each keeps its promises."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from markupsafe import Markup
from msgspec import Struct

from trimtab.console import format as written
from trimtab.console.charts import meter
from trimtab.console.figured import bars_column, plain_rate_column, quantile_column, value_column
from trimtab.console.needs import alerts_of
from trimtab.console.page import Asked, Built, Page, known_tasks
from trimtab.console.pages.overview import place_of
from trimtab.console.parts import Parts, Stores
from trimtab.console.tables import Column, Table
from trimtab.console.window import Window
from trimtab.policy.snapshot import Snapshot, TaskPolicy
from trimtab.signals.figure import Cell, Figure
from trimtab.signals.figures import FigureQuery, figures
from trimtab.signals.objectives import ObjectiveFigure, objectives

SIGNALS: Final = (
    *("parse_rate", "tool_validity", "completion", "output_length", "cost_per_call", "cost"),
    *("availability", "ttft", "total"),
)
NONE: Final = Markup("No task is declared yet. <code>trimtab init</code> makes one under <code>tasks/</code>.")


class TaskLine(Struct, frozen=True):
    """One task: who owns it, what serves it, its figures, and how its goals stand."""

    task: str
    declared: bool
    owner: str
    task_class: str
    models: tuple[str, ...]
    calls: int
    alerts: int
    figures: tuple[Figure, ...]
    objectives: tuple[ObjectiveFigure, ...]


class Tasks(Struct, frozen=True):
    """All tasks over [since, until), in ns since 1970."""

    since_ns: int
    until_ns: int
    tasks: tuple[TaskLine, ...]


@dataclass(frozen=True)
class TaskRow:
    """A row of the table."""

    line: TaskLine
    cell: Cell | None


async def build(asked: Asked, parts: Parts) -> Built[Tasks]:
    """The page."""
    window, policy = asked.window, parts.policy()
    key = ("tasks", window, asked.tasks, policy.digest)
    cells, goals = await parts.asker.figures(key, partial(find, window, asked.tasks, policy, asked.now_ns))
    alerts = [one.task for one in await alerts_of(asked, parts) if one.state != "resolved"]
    by_task = {cell.task: cell for cell in cells}
    declared = known_tasks(policy, asked.visitor)
    lines = [
        line_of(name, policy.tasks.get(name), by_task.get(name), alerts.count(name), goals)
        for name in dict.fromkeys((*declared, *sorted(by_task)))
    ]
    rows = [TaskRow(line, by_task.get(line.task)) for line in lines]
    return Built(Tasks(window.since_ns, window.until_ns, tuple(lines)), (table_of(asked, rows),))


def find(
    window: Window, tasks: tuple[str, ...], policy: Snapshot, now_ns: int, stores: Stores
) -> tuple[tuple[Cell, ...], tuple[ObjectiveFigure, ...]]:
    """The figures of the range, and how goals stand over their own windows."""
    query = FigureQuery(window.since_ns, window.until_ns, tasks, SIGNALS, before=False)
    return figures(stores.telemetry, query).cells, objectives(stores.telemetry, policy.tasks, now_ns, tasks)


def line_of(
    name: str, task: TaskPolicy | None, cell: Cell | None, alerts: int, goals: Sequence[ObjectiveFigure]
) -> TaskLine:
    """One task's line."""
    return TaskLine(
        name,
        task is not None,
        task.owner if task is not None else "",
        task.task_class if task is not None else "",
        task.models if task is not None else (),
        cell.calls if cell is not None else 0,
        alerts,
        cell.figures if cell is not None else (),
        tuple(goal for goal in goals if goal.task == name),
    )


def table_of(asked: Asked, rows: Sequence[TaskRow]) -> Table[TaskRow]:
    """The table."""

    def calls(row: TaskRow, **filters: str | bool) -> str:
        return asked.calls(task=row.line.task, **filters)

    columns: tuple[Column[TaskRow], ...] = (
        Column("task", "task", lambda row: row.line.task, href=lambda row: place_of(asked, row.line.task)),
        Column("state", "state", lambda row: state_of(row)[1], state, by=lambda row: -row.line.alerts),
        Column("owner", "owner", lambda row: row.line.owner),
        Column("model", "model", lambda row: ", ".join(row.line.models)),
        Column("calls", "calls", lambda row: row.line.calls, href=calls, numeric=True),
        plain_rate_column("availability", "answered", lambda row: calls(row, failing=True)),
        plain_rate_column("parse_rate", "parse", lambda row: calls(row, failing=True)),
        plain_rate_column("tool_validity", "tools", lambda row: calls(row, bad_tool_call=True)),
        plain_rate_column("completion", "done"),
        bars_column("output_length", "length", lambda row: calls(row, order="longest")),
        quantile_column("ttft", 0.95, "ttft p95", lambda row: calls(row, order="slowest_first_token")),
        quantile_column("total", 0.95, "total p95", lambda row: calls(row, order="slowest")),
        value_column("cost_per_call", "cost", lambda row: calls(row, order="dearest"), unit="per 1,000", times=1000),
        Column(
            "budget_left",
            "budget left",
            lambda row: tightest(row.line),
            budget,
            says="What is left of the error budget of the objective that has least left.",
            numeric=True,
        ),
    )
    return Table("tasks", "Tasks", columns, rows, NONE, lambda row: place_of(asked, row.line.task))


def tightest(line: TaskLine) -> float | None:
    """The least that is left of the error budgets of a task's goals, 1 for all of it; None without any."""
    return min((goal.budget_left for goal in line.objectives if goal.budget_left is not None), default=None)


def budget(row: TaskRow) -> Markup | str:
    """What is left, as a bar and a number."""
    left = tightest(row.line)
    if left is None:
        return written.NOTHING
    told = written.share(left) if left >= 0 else "spent"
    return Markup('{} <span class="{}">{}</span>').format(meter(left), "over" if left <= 0 else "", told)


def state_of(row: TaskRow) -> tuple[str, str]:
    """How a task is, as a kind and a word."""
    if row.line.alerts:
        return "bad", "1 alert" if row.line.alerts == 1 else f"{row.line.alerts} alerts"
    if any(goal.standing == "missed" for goal in row.line.objectives):
        return "warn", "objective missed"
    return ("good", "well") if row.line.calls else ("idle", "no calls")


def state(row: TaskRow) -> Markup:
    """The same with its sign."""
    kind, word = state_of(row)
    sign = {"bad": "!", "warn": "\u25b2", "good": "\u2713", "idle": "\u00b7"}[kind]
    return Markup('<span class="state {}"><span class="sign" aria-hidden="true">{}</span> {}</span>').format(
        kind, sign, word
    )


PAGE: Final = Page("tasks", "/tasks", "Tasks", "what tasks there are and how they do", Tasks, build, "Tasks", "t")
