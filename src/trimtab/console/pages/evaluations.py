"""The evaluations that were run here: what each compared, what came of it, and what it cost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from markupsafe import Markup
from msgspec import Struct

from trimtab.console import format as written
from trimtab.console.endpoint import Query
from trimtab.console.evaluation_words import (
    change_mark,
    evaluation_place,
    figure_mark,
    figure_value,
    history_place,
    money_text,
    side_mark,
    verdict_mark,
    visible,
)
from trimtab.console.page import Asked, Built, Page, known_tasks
from trimtab.console.parts import Parts
from trimtab.console.tables import Column, Table
from trimtab.console.text import short, shown
from trimtab.errors import InvalidRequest
from trimtab.evals.listed import DONE, OPEN, Listed
from trimtab.evals.words import name_of

ENDS: Final = ("ship", "block", "inconclusive", DONE, OPEN)
MOST: Final = 200
NONE: Final = Markup(
    "No suite was asked here yet. Write <code>evals</code> into a task.toml, then "
    "<code>trimtab eval TASK --against REV</code>."
)


class EvaluationsPage(Struct, frozen=True):
    """Evaluations, the latest first, whenever they were; at most 200 of those that the filters leave."""

    task: str
    ended: str
    evaluations: tuple[Listed, ...]


async def build(asked: Asked, parts: Parts) -> Built[EvaluationsPage]:
    """The page."""
    task, ended = asked.query.get("task", ""), asked.query.get("ended", "")
    if ended and ended not in ENDS:
        raise InvalidRequest(detail=f"?ended={ended[:40]} is none of {', '.join(ENDS)}")
    asked.visitor.within((task,) if task else ())
    every = tuple(await parts.evaluations.listed()) if parts.evaluations is not None else ()
    known = visible(asked.visitor, every)
    found = tuple(one for one in known if task in {"", one.task} and ended in {"", one.verdict or one.state})
    data = EvaluationsPage(task, ended, found[:MOST])
    empty = "No evaluation is like that." if known else NONE
    more = f"The latest {MOST} of {len(found)}; `trimtab eval list --limit 1000` has more." if len(found) > MOST else ""
    tasks = sorted({*known_tasks(parts.policy(), asked.visitor), *(one.task for one in known)})
    extra = {"tasks": tasks, "ends": ENDS, "history": history_place(asked, task) if task else ""}
    return Built(data, (table_of(asked, data.evaluations, empty, more),), extra=extra)


def table_of(asked: Asked, rows: Sequence[Listed], empty: str | Markup, more: str = "") -> Table[Listed]:
    """Evaluations, one a line."""

    def opens(one: Listed) -> str:
        return evaluation_place(asked, one.id)

    columns: tuple[Column[Listed], ...] = (
        Column("task", "task", lambda one: one.task, None, opens),
        Column(
            "verdict", "verdict", lambda one: one.verdict or one.state, lambda one: verdict_mark(one.verdict, one.state)
        ),
        Column(
            "at",
            "when",
            lambda one: written.stamp(one.at_ns),
            lambda one: written.when(one.at_ns, asked.zone, asked.now_ns),
        ),
        Column("scorer", "scorer", lambda one: name_of(one.score) if one.score else ""),
        Column(
            "score",
            "score",
            lambda one: figure_value(one.score.candidate if one.score else None),
            lambda one: figure_mark(one.score.candidate, one.score.unit) if one.score else figure_mark(None, ""),
            says="Of the candidate, with its 95 % interval.",
            numeric=True,
        ),
        Column(
            "difference",
            "difference",
            lambda one: figure_value(one.score.difference if one.score else None),
            lambda one: change_mark(one.score),
            says="Candidate less base, paired by case, with its 95 % interval.",
            numeric=True,
        ),
        Column("base", "base", lambda one: one.base, lambda one: _base(asked, one)),
        Column(
            "candidate",
            "candidate",
            lambda one: one.candidate,
            lambda one: side_mark(asked, short(one.candidate, 40), one.candidate_lock),
        ),
        Column("cases", "cases", lambda one: one.cases, lambda one: written.exact(one.cases), numeric=True),
        Column("samples", "samples", lambda one: one.samples, lambda one: written.exact(one.samples), numeric=True),
        Column("cost_usd", "cost", lambda one: one.cost_usd, lambda one: money_text(one.cost_usd), numeric=True),
        Column("id", "evaluation", lambda one: one.id, lambda one: shown(one.id[-8:]), opens),
    )
    return Table("evaluations", "Evaluations", columns, rows, empty, opens, more=more)


def _base(asked: Asked, one: Listed) -> Markup:
    return side_mark(asked, short(one.base, 40) or written.NOTHING, one.base_lock)


PAGE: Final = Page(
    "evaluations",
    "/evaluations",
    "Evaluations",
    "which versions were held against each other, and whether they may ship",
    EvaluationsPage,
    build,
    "Evaluations",
    "e",
    (Query("task", "a task"), Query("ended", f"{', '.join(ENDS)}")),
)
