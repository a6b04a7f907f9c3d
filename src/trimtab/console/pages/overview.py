"""Is anything wrong, and since when? Behaviour on the left, infrastructure on the right, one axis of time for both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from markupsafe import Markup
from msgspec import Struct

from trimtab.console import format as written
from trimtab.console.changes import MOST, marks_of
from trimtab.console.charts import MOST_LINES, Chart, Line, Mark, Unit
from trimtab.console.figured import bars_column, lines_of, quantile_column, rate_column, value_column
from trimtab.console.needs import alert_marks, alerts_of, needs_of, undeclared_needs
from trimtab.console.page import Asked, Built, Page, known_tasks
from trimtab.console.parts import Need, Parts, Stores
from trimtab.console.tables import Column, Table
from trimtab.console.window import Window
from trimtab.policy.snapshot import UNDECLARED
from trimtab.record.events import Change
from trimtab.signals.alerts.shown import AlertShown
from trimtab.signals.figure import Cell, Figure
from trimtab.signals.figures import FigureQuery, figures

SIGNALS: Final = (
    *("parse_rate", "tool_validity", "completion", "output_length", "cost_per_completed"),
    *("request_rate", "error_rate", "ttft", "tpot"),
)
OVER_TIME: Final = ("parse_rate", "ttft")
QUEUE: Final = "queue_depth"
NO_CALLS: Final = Markup(
    "No task has had a call in this range. Send one: <code>trimtab key new my-app</code> shows a command that does."
)


class TaskFigures(Struct, frozen=True):
    """One task: its calls, the alerts on it that are open, and its figures."""

    task: str
    calls: int
    alerts: int
    figures: tuple[Figure, ...]


class Happening(Struct, frozen=True):
    """Something that took effect, or an alert that began."""

    at_ns: int
    kind: str
    words: str


class Waiting(Struct, frozen=True):
    """Something that waits for a person."""

    words: str
    task: str
    since_ns: int


class Overview(Struct, frozen=True):
    """What needs somebody, the figures of each task over [since, until) in ns since 1970, and what changed."""

    since_ns: int
    until_ns: int
    needs: tuple[Waiting, ...]
    tasks: tuple[TaskFigures, ...]
    changes: tuple[Happening, ...]


@dataclass(frozen=True)
class Found:
    """What the store says of a window; `window` is that of the steps."""

    cells: tuple[Cell, ...]
    steps: tuple[Cell, ...]
    window: Window
    changes: tuple[Change, ...]


@dataclass(frozen=True)
class TaskRow:
    """A row of the table."""

    task: str
    alerts: int
    queue: int | None
    cell: Cell | None

    @property
    def calls(self) -> int:
        """How many calls it had."""
        return self.cell.calls if self.cell is not None else 0


def find(window: Window, tasks: tuple[str, ...], alerted: tuple[str, ...], stores: Stores) -> Found:
    """Four questions to the store; over time only of the tasks that stand first, of those that had calls.

    `alerted` names the task of each active alert.
    """
    place = (window.since_ns, window.until_ns, tasks)
    whole = figures(stores.telemetry, FigureQuery(*place, SIGNALS, before=False))
    counted = sorted(cell.calls for cell in whole.cells if not cell.task.startswith("("))
    stepped = window.for_calls(counted[len(counted) // 2] if counted else 0)
    ordered = sorted(whole.cells, key=lambda cell: place_in(cell.task, alerted.count(cell.task), cell.calls))
    first = tuple(cell.task for cell in ordered if cell.calls)[:MOST_LINES]
    steps: tuple[Cell, ...] = ()
    if first:
        over_time = FigureQuery(window.since_ns, window.until_ns, first, OVER_TIME, step_s=stepped.step_s)
        steps = figures(stores.telemetry, over_time).cells
    changes = stores.telemetry.changes(window.since_ns, window.until_ns, MOST)
    return Found(whole.cells, steps, stepped, changes)


async def build(asked: Asked, parts: Parts) -> Built[Overview]:
    """The page."""
    window = asked.window
    alerts = await alerts_of(asked, parts)
    alerted = tuple(sorted(one.task for one in alerts if one.state != "resolved"))
    key = ("overview", window, asked.tasks, alerted)
    found = await parts.asker.figures(key, partial(find, window, asked.tasks, alerted))
    needs = (*await needs_of(asked, parts, alerts), *undeclared_needs(asked, found.cells))
    rows = rows_of(found.cells, known_tasks(parts.policy(), asked.visitor), alerts, queues(parts))
    marks = (*marks_of(found.changes, whole=not asked.tasks, asked=asked), *alert_marks(asked, alerts))
    data = Overview(
        window.since_ns,
        window.until_ns,
        tuple(Waiting(one.words, one.task, one.since_ns) for one in needs),
        tuple(TaskFigures(one.task, one.calls, one.alerts, one.cell.figures if one.cell else ()) for one in rows),
        tuple(Happening(mark.at_ns, mark.kind, mark.words) for mark in sorted(marks, key=lambda one: one.at_ns)),
    )
    charts = charts_of(found.window, found.steps, rows, marks)
    extra = shown(needs, marks, "" if asked.tasks else parts.rollout())
    return Built(data, (table_of(asked, rows),), charts, extra=extra)


def shown(needs: Sequence[Need], marks: Sequence[Mark], rollout: str = "") -> Mapping[str, object]:
    """What only the template wants; `rollout` is of the whole host."""
    return {"needs": needs, "rollout": rollout, "marks": sorted(marks, key=lambda one: one.at_ns)}


def rows_of(
    cells: Sequence[Cell], declared: Sequence[str], alerts: Sequence[AlertShown], queue: Mapping[str, int]
) -> tuple[TaskRow, ...]:
    """A row for each task that is declared or had calls: those with alerts first, then by calls; what no task claims
    comes last.
    """
    by_task = {cell.task: cell for cell in cells}
    names = dict.fromkeys((*declared, *sorted(by_task)))
    active = [alert.task for alert in alerts if alert.state != "resolved"]
    rows = [TaskRow(name, active.count(name), queue.get(name), by_task.get(name)) for name in names]
    return tuple(sorted(rows, key=lambda row: place_in(row.task, row.alerts, row.calls)))


def place_in(task: str, alerts: int, calls: int) -> tuple[bool, int, int, str]:
    """Where a task stands among others: by active alerts, then by calls; what is no task comes last."""
    return task.startswith("("), -alerts, -calls, task


def queues(parts: Parts) -> dict[str, int]:
    """How many calls wait at the engines of each task's first model, where they say so."""
    waiting: dict[str, int] = {}
    for gauge in parts.gauges():
        if gauge.signal == QUEUE:
            model = gauge.of.partition(" ")[0]
            waiting[model] = waiting.get(model, 0) + round(gauge.value)
    tasks = parts.policy().tasks
    return {name: waiting[task.models[0]] for name, task in tasks.items() if task.models and task.models[0] in waiting}


def table_of(asked: Asked, rows: Sequence[TaskRow]) -> Table[TaskRow]:
    """The table: five columns of behaviour, five of infrastructure."""

    def calls(row: TaskRow, **filters: str | bool) -> str:
        return asked.calls(task=row.task, **filters)

    left, right = "Behaviour", "Infrastructure"
    columns: tuple[Column[TaskRow], ...] = (
        Column("task", "task", lambda row: row.task, named, lambda row: place_of(asked, row.task)),
        rate_column("parse_rate", "parse", lambda row: calls(row, failing=True), left),
        rate_column("tool_validity", "tools", lambda row: calls(row, bad_tool_call=True), left),
        rate_column("completion", "done", lambda row: asked.task(row.task), left),
        bars_column("output_length", "length", lambda row: calls(row, order="longest"), left),
        value_column(
            "cost_per_completed", "cost", lambda row: calls(row, order="dearest"), left, "per 1,000 done", 1000
        ),
        value_column("request_rate", "calls", calls, right, "per s"),
        value_column("error_rate", "errors", lambda row: calls(row, failing=True), right),
        quantile_column("ttft", 0.95, "ttft p95", lambda row: calls(row, order="slowest_first_token"), right),
        quantile_column("tpot", 0.95, "tpot p95", lambda row: calls(row, order="slowest"), right),
        Column(
            "queue",
            "queue",
            lambda row: row.queue,
            lambda row: written.NOTHING if row.queue is None else written.number(row.queue),
            lambda row: asked.to("/replicas") if row.queue is not None else None,
            says="Calls that wait at the engines of the task's model.",
            numeric=True,
            group=right,
        ),
    )
    return Table("tasks", "Tasks", columns, rows, NO_CALLS, lambda row: place_of(asked, row.task))


def place_of(asked: Asked, task: str) -> str:
    """Where a task is shown; what no task claims has a page of its own."""
    return asked.to("/undeclared") if task == UNDECLARED else asked.task(task)


def named(row: TaskRow) -> Markup:
    """A task's name with its state: a sign and, for those who hear it, a word."""
    kind, sign, word = ("bad", "!", f"{row.alerts} open alerts: ") if row.alerts else ("good", "\u2713", "")
    if not row.calls and not row.alerts:
        kind, sign, word = "idle", "\u00b7", "no calls: "
    return Markup(
        '<span class="state {}"><span class="sign" aria-hidden="true">{}</span><span class="heard">{}</span></span> {}'
    ).format(kind, sign, word, row.task)


def charts_of(
    window: Window, steps: Sequence[Cell], rows: Sequence[TaskRow], marks: Sequence[Mark]
) -> tuple[Chart, ...]:
    """Parse rate and p95 of the time to the first token, by task, over the same time."""
    names = {row.task: row.task for row in rows if row.calls}
    chosen = dict(list(names.items())[:MOST_LINES])
    says = f"the {MOST_LINES} tasks that stand first" if len(names) > MOST_LINES else ""

    def chart(name: str, title: str, unit: Unit, lines: Sequence[Line]) -> Chart:
        words = says or (lines[0].name if len(lines) == 1 else "")
        return Chart(name, title, unit, window.steps, lines, window.since_ns, window.until_ns, marks, words)

    return (
        chart("parse", "Parse rate", "share", lines_of(steps, "parse_rate", window.steps, chosen)),
        chart("ttft", "Time to first token, p95", "s", lines_of(steps, "ttft", window.steps, chosen, 0.95)),
    )


PAGE: Final = Page("overview", "/", "Overview", "is anything wrong, and since when", Overview, build, "Overview", "o")
