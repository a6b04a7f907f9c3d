"""What does this task do, and what did it do before? Latency apart, rates with intervals, all by version."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, cast, get_args

from msgspec import Struct
from starlette.exceptions import HTTPException

from trimtab.console.changes import MOST, marks_of
from trimtab.console.endpoint import Query
from trimtab.console.evaluation_words import history_place
from trimtab.console.needs import alert_marks, alerts_of, needs_of
from trimtab.console.page import Asked, Built, Page
from trimtab.console.pages import task_charts, task_reliability, task_tables
from trimtab.console.pages.overview import Happening, Waiting
from trimtab.console.parts import Parts, Stores
from trimtab.console.tables import Table
from trimtab.console.window import Window
from trimtab.errors import InvalidRequest
from trimtab.policy.snapshot import Snapshot, TaskPolicy
from trimtab.record.events import Change
from trimtab.signals.calibration import ReliabilityShown, reliability_of
from trimtab.signals.catalogue import SIGNALS
from trimtab.signals.figure import Cell, Gauge
from trimtab.signals.figures import FigureQuery, figures
from trimtab.signals.objectives import ObjectiveFigure, objectives
from trimtab.store.slices import Dimension

VIEWS: Final = {
    "": "All",
    "prompt": "by prompt",
    "lock": "by lock",
    "model": "by model",
    "replica": "by replica",
    "key": "by key",
    "answers": "What it says",
}
"""The tabs: the whole, one for each thing that tells calls apart, and what answers and questions say."""
SAYS: Final = ("predictions", "confidence", "inputs")
FROM_SLICES: Final = tuple(one.name for one in SIGNALS if one.source in ("slices", "scores"))


class TaskPage(Struct, frozen=True):
    """One task over [since, until), in ns since 1970: its figures, told apart by `by` where that was asked for."""

    task: str
    since_ns: int
    until_ns: int
    by: str
    owner: str
    task_class: str
    models: tuple[str, ...]
    prompt: str
    lock: str
    needs: tuple[Waiting, ...]
    cells: tuple[Cell, ...]
    objectives: tuple[ObjectiveFigure, ...]
    changes: tuple[Happening, ...]
    reliability: tuple[ReliabilityShown, ...] = ()
    runs: tuple[Gauge, ...] = ()


@dataclass(frozen=True)
class Found:
    """What the store says of a task; `window` is that of the steps."""

    cells: tuple[Cell, ...]
    steps: tuple[Cell, ...]
    window: Window
    goals: tuple[ObjectiveFigure, ...]
    changes: tuple[Change, ...]
    reliability: tuple[ReliabilityShown, ...] = ()


async def build(asked: Asked, parts: Parts) -> Built[TaskPage]:
    """The page. Raises 404 for a task that is neither declared nor had a call, or may not be seen."""
    name, view, window, policy = asked.path["task"], asked.query.get("by", ""), asked.window, parts.policy()
    if view not in VIEWS:
        raise InvalidRequest(detail=f"?by={view[:40]} is none of {', '.join(filter(None, VIEWS))}")
    if not asked.visitor.sees(name):
        raise missing(name)
    key = ("task", name, view, window, policy.digest)
    found = await parts.asker.figures(key, partial(find, window, name, view, policy, asked.now_ns))
    task = policy.tasks.get(name)
    if task is None and not found.cells:
        raise missing(name)
    alerts = await alerts_of(asked, parts, name)
    needs = await needs_of(asked, parts, alerts, name)
    marks = (*marks_of(found.changes, whole=not asked.tasks, asked=asked), *alert_marks(asked, alerts))
    marks = tuple(sorted(marks, key=lambda one: one.at_ns))
    data = TaskPage(
        name,
        window.since_ns,
        window.until_ns,
        view,
        task.owner if task else "",
        task.task_class if task else "",
        task.models if task else (),
        task.prompt.digest if task and task.prompt else "",
        policy.lock_id,
        tuple(Waiting(one.words, one.task, one.since_ns) for one in needs),
        found.cells,
        found.goals,
        tuple(Happening(mark.at_ns, mark.kind, mark.words) for mark in marks),
        found.reliability,
        tuple(one for one in parts.gauges() if one.task == name and one.signal in task_tables.OF_RUNS),
    )
    tabs = [(word, asked.here(by=value, sort=None), value == view) for value, word in VIEWS.items()]
    said = task_tables.said(found.cells[0]) if view == "answers" and found.cells else []
    extra = {"needs": needs, "marks": marks, "tabs": tabs, "declared": task is not None, "fields": said}
    extra["calls"] = asked.calls(task=name)
    extra["evaluations"] = history_place(asked, name)
    charts = task_charts.over_time(found.window, found.steps, marks, asked.now_ns) if not view else ()
    return Built(data, tables_of(asked, data, task), charts, title=name, extra=extra)


def missing(name: str) -> HTTPException:
    """That there is no such task."""
    return HTTPException(404, f"there is no task {name[:80]} here; /tasks lists those you may see")


def find(window: Window, name: str, view: str, policy: Snapshot, now_ns: int, stores: Stores) -> Found:
    """What one view shows, asked in one go."""
    telemetry, place = stores.telemetry, (window.since_ns, window.until_ns, (name,))
    changes = telemetry.changes(window.since_ns, window.until_ns, MOST)
    if view == "answers":
        reliability = reliability_of(telemetry, *place)
        return Found(figures(telemetry, FigureQuery(*place, SAYS)).cells, (), window, (), changes, reliability)
    if view in get_args(Dimension):
        by = cast(Dimension, view)
        cells = figures(telemetry, FigureQuery(*place, task_tables.VERSION, by, before=False)).cells
        return Found(cells, (), window, (), changes)
    whole = figures(telemetry, FigureQuery(*place, FROM_SLICES)).cells
    stepped = window.for_calls(sum(cell.calls for cell in whole))
    steps = figures(telemetry, FigureQuery(*place, task_charts.OVER_TIME, step_s=stepped.step_s)).cells
    return Found(whole, steps, stepped, objectives(telemetry, policy.tasks, now_ns, (name,)), changes)


def tables_of(asked: Asked, data: TaskPage, task: TaskPolicy | None) -> tuple[Table[object], ...]:
    """The tables of one view."""
    tables: Sequence[object]
    if data.by == "answers":
        tables = (
            task_tables.fields(asked, data.cells),
            task_reliability.errors(asked, data.task, data.reliability),
            task_reliability.bins(data.reliability),
        )
    elif data.by:
        tables = (task_tables.versions(asked, data.task, data.by, data.cells, data.prompt, data.lock),)
    else:
        cell = data.cells[0] if data.cells else None
        tables = (
            task_tables.goals(asked, data.task, data.objectives),
            task_tables.latency(asked, data.task, cell),
            task_tables.rates(asked, data.task, cell),
            task_tables.outcomes(asked, data.task, cell),
            task_tables.money(asked, data.task, cell),
            task_tables.of_runs(asked, data.task, data.runs),
        )
    return cast(tuple[Table[object], ...], tuple(tables))


PAGE: Final = Page(
    "task",
    "/tasks/{task}",
    "Task",
    "what one task does, and did before",
    TaskPage,
    build,
    query=(Query("by", "prompt, lock, model, replica or key tells versions apart; answers shows what is said"),),
)
