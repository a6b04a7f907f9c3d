"""How good a task was by its suite, lock after lock."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import pairwise
from typing import Final, Literal

from msgspec import Struct
from starlette.exceptions import HTTPException

from trimtab.console import format as written
from trimtab.console.beside import LIVE, OfLock, joined
from trimtab.console.charts import Chart, Line, Mark
from trimtab.console.evaluation_words import (
    bounded,
    evaluation_place,
    figure_mark,
    figure_value,
    lock_mark,
    money_text,
    verdict_mark,
)
from trimtab.console.figured import plain_rate_column, rate_column, value_column
from trimtab.console.page import Asked, Built, Page
from trimtab.console.parts import Parts, Stores
from trimtab.console.tables import Column, Table
from trimtab.console.text import short, shown
from trimtab.console.window import Window
from trimtab.evals import history
from trimtab.evals.listed import Listed
from trimtab.evals.report import Figure
from trimtab.evals.words import name_of
from trimtab.signals.figure import Cell
from trimtab.signals.figures import FigureQuery, figures

MOST: Final = 500
NONE: Final = "No evaluation of this task has ended here. `trimtab eval TASK` runs its suite."
NO_LOCK: Final = "No lock of this task was evaluated, or served calls in this range; choose a longer one above."


class Scored(Struct, frozen=True):
    """The score of one lock in one evaluation; `asked` tells of which suite and cases: only such scores compare."""

    evaluation: str
    at_ns: int
    arm: Literal["base", "candidate"]
    source: str
    lock: str
    scorer: str
    unit: str
    score: Figure
    verdict: str
    cost_usd: float | None
    asked: str


class HistoryPage(Struct, frozen=True):
    """The scores of a task's locks, the latest first; at most 500. `locks` has the latest of each beside what calls
    under it came to in [since, until), in ns since 1970.
    """

    task: str
    scores: tuple[Scored, ...]
    since_ns: int
    until_ns: int
    locks: tuple[OfLock, ...]


async def build(asked: Asked, parts: Parts) -> Built[HistoryPage]:
    """The page. Raises 404 for a task that is neither declared nor was evaluated, or may not be seen."""
    task = asked.path["task"]
    every = await parts.evaluations.listed() if parts.evaluations is not None else ()
    found = [one for one in every if one.task == task]
    if not asked.visitor.sees(task) or (not found and task not in parts.policy().tasks):
        raise HTTPException(404, f"there is no task {task[:80]} here; /tasks lists those you may see")
    scores = tuple(one for row in found for one in scored(row))[:MOST]
    window = asked.window
    cells = await parts.asker.figures(("by lock", task, window), partial(find, window, task))
    locks = joined(latest(scores), cells)
    data = HistoryPage(task, scores, window.since_ns, window.until_ns, locks)
    extra = {"task_href": asked.task(task), "evaluations": asked.to("/evaluations", task=task)}
    tables = (beside(asked, task, locks), table_of(asked, scores))
    return Built(data, tables, charts_of(asked, scores), f"Evaluations of {task}", extra)


def find(window: Window, task: str, stores: Stores) -> tuple[Cell, ...]:
    """What calls of a task came to under each lock."""
    query = FigureQuery(window.since_ns, window.until_ns, (task,), LIVE, "lock", before=False)
    return figures(stores.telemetry, query).cells


def latest(scores: Sequence[Scored]) -> list[history.Scored]:
    """The latest score of each lock, of those that have one."""
    found: dict[str, history.Scored] = {}
    for one in scores:
        if one.lock:
            score = history.Scored(one.lock, one.source, one.evaluation, one.at_ns, one.scorer, one.unit, one.score)
            found.setdefault(one.lock, score)
    return list(found.values())


def scored(row: Listed) -> list[Scored]:
    """The scores that an evaluation gives to the locks of its arms, the candidate first."""
    if row.score is None:
        return []
    sides: tuple[tuple[Literal["base", "candidate"], str, str, Figure | None, str], ...] = (
        ("candidate", row.candidate, row.candidate_lock, row.score.candidate, row.verdict or ""),
        ("base", row.base, row.base_lock, row.score.base, ""),
    )
    which = f"{written.digest(row.suite)}/{written.digest(row.cases_digest)}"
    name, unit = name_of(row.score), row.score.unit
    return [
        Scored(row.id, row.at_ns, arm, source, lock, name, unit, figure, verdict, row.cost_usd, which)
        for arm, source, lock, figure, verdict in sides
        if figure is not None
    ]


def charts_of(asked: Asked, scores: Sequence[Scored]) -> tuple[Chart, ...]:
    """The score of candidates over time with its interval, for the suite that was asked last."""
    if not scores:
        return ()
    last = scores[0]
    alike = [one for one in scores if one.asked == last.asked and one.scorer == last.scorer and one.arm == "candidate"]
    alike.reverse()
    if len(alike) < 2 or last.unit not in ("share", "s"):
        return ()
    times = [one.at_ns for one in alike]
    room = max((times[-1] - times[0]) // 20, 60 * 10**9)
    line = Line(
        last.scorer,
        [one.score.value for one in alike],
        [bounded(one.score.low) for one in alike],
        [bounded(one.score.high) for one in alike],
    )
    marks = [
        Mark(one.at_ns, f"lock {written.digest(one.lock)}", href=evaluation_place(asked, one.evaluation))
        for before, one in pairwise(alike)
        if one.lock != before.lock
    ]
    unit: Literal["share", "s"] = "share" if last.unit == "share" else "s"
    says = f"of {len(alike)} evaluations with the same suite and cases; a mark where the lock changed"
    return (Chart("score", last.scorer, unit, times, [line], times[0] - room, times[-1] + room, marks, says),)


def beside(asked: Asked, task: str, locks: Sequence[OfLock]) -> Table[OfLock]:
    """What a lock scored, and what its calls came to."""

    def behind(one: OfLock, **filters: str | bool) -> str | None:
        return asked.calls(task=task, lock=one.lock, **filters) if one.calls else None

    def evaluated(one: OfLock) -> str | None:
        return evaluation_place(asked, one.score.id) if one.score is not None else None

    columns: tuple[Column[OfLock], ...] = (
        Column("lock", "lock", lambda one: one.lock, lambda one: lock_mark(asked, one.lock)),
        Column("scorer", "scorer", lambda one: one.score.scorer if one.score else None, group="Evaluated"),
        Column(
            "score",
            "score",
            lambda one: figure_value(one.score.figure if one.score else None),
            lambda one: figure_mark(one.score.figure, one.score.unit) if one.score else written.NOTHING,
            evaluated,
            says="The latest, with its 95 % interval.",
            numeric=True,
            group="Evaluated",
        ),
        Column("calls", "calls", lambda one: one.calls, href=behind, numeric=True, group="Live"),
        rate_column("parse_rate", "parse", lambda one: behind(one, failing=True), "Live"),
        plain_rate_column("tool_validity", "tools", lambda one: behind(one, bad_tool_call=True), "Live"),
        rate_column("completion", "done", None, "Live"),
        rate_column("accuracy", "right", None, "Live"),
        value_column("cost_per_call", "cost", lambda one: behind(one, order="dearest"), "Live", "per 1,000", 1000),
    )
    return Table("beside", "Offline and live", columns, locks, NO_LOCK)


def table_of(asked: Asked, scores: Sequence[Scored]) -> Table[Scored]:
    """Scores by lock, the latest first."""

    def opens(one: Scored) -> str:
        return evaluation_place(asked, one.evaluation)

    columns: tuple[Column[Scored], ...] = (
        Column("lock", "lock", lambda one: one.lock, lambda one: lock_mark(asked, one.lock)),
        Column(
            "at",
            "when",
            lambda one: written.stamp(one.at_ns),
            lambda one: written.when(one.at_ns, asked.zone, asked.now_ns),
        ),
        Column("source", "from", lambda one: one.source, lambda one: shown(short(one.source, 50))),
        Column("arm", "arm", lambda one: one.arm),
        Column("scorer", "scorer", lambda one: one.scorer),
        Column(
            "score",
            "score",
            lambda one: figure_value(one.score),
            lambda one: figure_mark(one.score, one.unit),
            says="With its 95 % interval.",
            numeric=True,
        ),
        Column("verdict", "verdict", lambda one: one.verdict, lambda one: verdict_mark(one.verdict, written.NOTHING)),
        Column("cost_usd", "cost", lambda one: one.cost_usd, lambda one: money_text(one.cost_usd), numeric=True),
        Column("asked", "suite/cases", lambda one: one.asked, says="Scores are alike only where this is the same."),
        Column("evaluation", "evaluation", lambda one: one.evaluation, lambda one: shown(one.evaluation[-8:]), opens),
    )
    return Table("scores", "Scores by lock", columns, scores, NONE, opens)


PAGE: Final = Page(
    "evaluation_history",
    "/tasks/{task}/evaluations",
    "Evaluations of a task",
    "how good a task was by its suite, lock after lock",
    HistoryPage,
    build,
)
