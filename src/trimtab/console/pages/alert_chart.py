"""The figure of an alert over time, about when it likely began, with its intervals before and since."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from trimtab.console.changes import MOST, marks_of
from trimtab.console.charts import Chart, Line, Mark, Unit
from trimtab.console.page import Asked
from trimtab.console.parts import Stores
from trimtab.console.window import LONGEST_NS, Window, step_of
from trimtab.policy.snapshot import TaskPolicy
from trimtab.policy.watch import AlertRule
from trimtab.record.events import Change
from trimtab.signals.alerts.alert import Measured
from trimtab.signals.alerts.burning import share_broken
from trimtab.signals.alerts.shown import AlertShown
from trimtab.signals.catalogue import BY_NAME
from trimtab.signals.figure import Cell, Figure
from trimtab.signals.figures import FigureQuery, figures
from trimtab.signals.objectives import NAMES, Promise, promises
from trimtab.store.slices import Dimension, SliceQuery

MINUTE_NS: Final = 60 * 10**9
HOUR_NS: Final = 60 * MINUTE_NS
LEAST_BEFORE_NS: Final = 3 * HOUR_NS
MOST_BEFORE_NS: Final = 7 * 24 * HOUR_NS
MOST_AFTER_NS: Final = 14 * 24 * HOUR_NS
AFTER_END_NS: Final = HOUR_NS
UNITS: Final[dict[str, Unit]] = {"share": "share", "probability": "share", "s": "s", "USD": "usd", "tokens": "tokens"}
BURNS: Final = "burns"
SOURCES: Final = ("slices", "readings", "scores")


@dataclass(frozen=True)
class Point:
    """The figure of an alert over one step, or over a whole window."""

    at_ns: int
    calls: int
    told: Measured | None


@dataclass(frozen=True)
class Around:
    """What the stores tell of a figure about an alert: over time, as one before it began and since then."""

    window: Window
    steps: Sequence[Point]
    before: Measured | None
    since: Measured | None
    changes: Sequence[Change]


def is_drawn(alert: AlertShown) -> bool:
    """Whether there is a figure to draw: of a task, and counted from its calls."""
    signal = BY_NAME.get(alert.signal)
    return bool(alert.task) and signal is not None and signal.source in SOURCES


def window_of(asked: Asked, alert: AlertShown) -> Window:
    """The range that was chosen, or else one about when it began: at least three hours before it, as long as since."""
    if asked.window.query:
        return asked.window
    end_ns = min(asked.now_ns, alert.ended_ns + AFTER_END_NS) if alert.ended_ns else asked.now_ns
    until_ns = max(alert.began_ns + MINUTE_NS, min(end_ns, alert.began_ns + MOST_AFTER_NS))
    before_ns = min(max(until_ns - alert.began_ns, LEAST_BEFORE_NS), MOST_BEFORE_NS)
    since_ns = max(0, alert.began_ns - before_ns, until_ns - LONGEST_NS)
    since_ns, until_ns = since_ns // MINUTE_NS * MINUTE_NS, -(-until_ns // MINUTE_NS) * MINUTE_NS
    return Window(since_ns, until_ns, step_of((until_ns - since_ns) // 10**9))


def promise_of(alert: AlertShown, tasks: Mapping[str, TaskPolicy]) -> Promise | None:
    """The goal that an alert on a budget is about; None of other alerts, and where it is no longer declared."""
    policy = tasks.get(alert.task)
    if policy is None or alert.evidence.direction != BURNS:
        return None
    return next((one for one in promises(policy.objective) if one.name == alert.evidence.what), None)


def find(alert: AlertShown, rule: AlertRule | None, promise: Promise | None, window: Window, stores: Stores) -> Around:
    """Three questions to the store, and what changed."""

    def points(since_ns: int, until_ns: int, step_s: int = 0) -> Sequence[Point]:
        if until_ns <= since_ns:
            return ()
        if alert.evidence.direction == BURNS:
            return broke(promise, SliceQuery(since_ns, until_ns, (alert.task,), step_s=step_s), stores)
        by: Dimension = rule.by if rule is not None else "task"
        only = alert.value if by != "task" else ""
        query = FigureQuery(since_ns, until_ns, (alert.task,), (alert.signal,), by, only, step_s, before=False)
        cells = figures(stores.telemetry, query).cells
        return [Point(cell.at_ns, cell.calls, measured(alert, rule, (cell,))) for cell in cells]

    began_ns = min(max(alert.began_ns // MINUTE_NS * MINUTE_NS, window.since_ns), window.until_ns)
    before, since = points(window.since_ns, began_ns), points(began_ns, window.until_ns)
    stepped = window.for_calls(sum(point.calls for point in (*before, *since)))
    steps = points(window.since_ns, window.until_ns, stepped.step_s)
    changes = stores.telemetry.changes(window.since_ns, window.until_ns, MOST)
    return Around(stepped, steps, first_told(before), first_told(since), changes)


def broke(promise: Promise | None, query: SliceQuery, stores: Stores) -> Sequence[Point]:
    """The share of calls that broke a goal, which is what an error budget is told by."""
    if promise is None:
        return ()
    spreads = (NAMES[promise.measure],) if promise.measure else ()
    found = stores.telemetry.slices(replace(query, spreads=spreads, facts=("ends",)))
    return [Point(one.at_ns, one.calls, share_broken(promise, one)) for one in found]


def first_told(points: Iterable[Point]) -> Measured | None:
    """The figure of the first point that has one."""
    return next((point.told for point in points if point.told is not None), None)


def measured(alert: AlertShown, rule: AlertRule | None, cells: Iterable[Cell]) -> Measured | None:
    """The figure that an alert is about, of the cells of one window; None where there is none."""
    for cell in cells:
        for figure in cell.figures:
            if figure.signal == alert.signal and alert.field in ("", figure.field):
                return told(figure, rule, alert.evidence.what)
    return None


def told(figure: Figure, rule: AlertRule | None, what: str) -> Measured | None:
    """A figure as its alert tells it: the share of a category, a quantile, or the figure itself."""
    if figure.kind == "shares":
        part = next((part for part in figure.parts if part.name == what), None)
        if part is None:
            return None
        return Measured(part.share, figure.n, part.low, part.high)
    level = rule.quantile if rule is not None else _level(what)
    if level is not None:
        at = next((one for one in figure.quantiles if abs(one.level - level) < 1e-9), None)
        return Measured(at.value, figure.n, at.low, at.high) if at is not None and at.value is not None else None
    return Measured(figure.value, figure.n, figure.low, figure.high) if figure.value is not None else None


def chart_of(asked: Asked, alert: AlertShown, around: Around) -> Chart | None:
    """The chart; None where no step has a figure."""
    window = around.window
    by_step = {point.at_ns: point.told for point in around.steps}
    found = [by_step.get(at) for at in window.steps]
    if not any(one is not None and one.value is not None for one in found):
        return None
    line = Line(
        alert.signal,
        [one.value if one is not None else None for one in found],
        [one.low if one is not None else None for one in found],
        [one.high if one is not None else None for one in found],
    )
    began = Mark(alert.began_ns, "likely began", "alert")
    marks = (*marks_of(around.changes, whole=not asked.tasks, asked=asked), began)
    return Chart(
        "figure",
        title_of(alert),
        UNITS.get(alert.evidence.unit, "count"),
        window.steps,
        [line],
        window.since_ns,
        window.until_ns,
        sorted(marks, key=lambda one: one.at_ns),
        "with its 95 % interval; the line that is not dashed marks when it likely began",
    )


def title_of(alert: AlertShown) -> str:
    """What is drawn, in words."""
    if alert.evidence.direction == BURNS:
        return f"Calls that broke {alert.evidence.what}"
    title = alert.signal.replace("_", " ") + (f" of {alert.field}" if alert.field else "")
    what = f" ({alert.evidence.what})" if alert.evidence.what else ""
    return f"{title[:1].upper()}{title[1:]}{what}"


def _level(what: str) -> float | None:
    """The level that `p95` names."""
    text = what.removeprefix("p")
    try:
        level = float(text) / 100 if what.startswith("p") else 0.0
    except ValueError:
        return None
    return level if 0 < level < 1 else None
