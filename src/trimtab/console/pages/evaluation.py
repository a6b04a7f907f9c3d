"""May this change ship? The verdict in words, differences with intervals, and the cases that turned side by side."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Final, cast

from msgspec import Struct
from starlette.exceptions import HTTPException

from trimtab.console.endpoint import Query
from trimtab.console.evaluation_cases import (
    MOST_FLIPPED,
    MOST_PAIRS,
    CaseShown,
    Sides,
    chosen,
    shown,
    sides,
    turned,
)
from trimtab.console.evaluation_desk import KeptEvaluation
from trimtab.console.evaluation_drawn import scatter, spreads
from trimtab.console.evaluation_tables import cases_table, metrics_table
from trimtab.console.evaluation_words import history_place, lock_mark, money_text, verdict_mark
from trimtab.console.page import Asked, Built, Page
from trimtab.console.parts import Parts
from trimtab.console.tables import Table
from trimtab.evals.plan import Plan
from trimtab.evals.renderings.lines import again, facts, flipped_summary
from trimtab.evals.report import Report


class EvaluationPage(Struct, frozen=True):
    """One evaluation: what it was to ask, what came of it (None while it has not ended), and the cases side by side
    that turned, or the one that was asked for.
    """

    id: str
    task: str
    at_ns: int
    candidate: str
    base: str
    cases: int
    samples: int
    calls: int
    report: Report | None
    shown: tuple[CaseShown, ...]
    detail: str


async def build(asked: Asked, parts: Parts) -> Built[EvaluationPage]:
    """The page. Raises 404 for one that is not there, or of a task that may not be seen."""
    name, case = asked.path["evaluation"], asked.query.get("case", "")
    desk = parts.evaluations
    found = await desk.one(name) if desk is not None else None
    if desk is None or found is None or not asked.visitor.sees(found.plan.task):
        raise missing(name)
    plan, report = found.plan, found.report
    those = chosen(report, case) if report is not None else ()
    if case and not those:
        raise HTTPException(404, f"there is no case {case[:80]} in this evaluation; its table of cases has all")
    scorer = report.metrics[0].name if report is not None and report.metrics else ""
    texts = await desk.cases(plan, [one.case for one in those]) if those else {}
    most = MOST_PAIRS if case else 1
    side_by_side, drawn = await asyncio.to_thread(
        _side_by_side, partial(shown, those, found.samples, texts, scorer, most)
    )
    data = EvaluationPage(
        plan.id,
        plan.task,
        plan.at_ns,
        _source(plan, "candidate"),
        _source(plan, "base"),
        len(plan.order),
        plan.suite.samples,
        plan.calls,
        report,
        side_by_side,
        found.detail,
    )
    tables: tuple[object, ...] = ()
    if report is not None:
        tables = (metrics_table(report), cases_table(asked, report, plan.id))
    return Built(
        data,
        cast("tuple[Table[object], ...]", tables),
        title=f"Evaluation of {plan.task}",
        extra={**extra_of(asked, found), "case": case, "drawn": drawn, "may_label": may_label(asked, parts, found)},
    )


def missing(name: str) -> HTTPException:
    """That there is no such evaluation."""
    return HTTPException(404, f"there is no evaluation {name[:80]} here; /evaluations lists those you may see")


def may_label(asked: Asked, parts: Parts, found: KeptEvaluation) -> bool:
    """Whether the visitor may have its answers labelled, and there are some."""
    return asked.visitor.may("operator") and parts.labels is not None and bool(found.samples)


def extra_of(asked: Asked, found: KeptEvaluation) -> dict[str, object]:
    """What only the template wants."""
    plan, report = found.plan, found.report
    first = report.metrics[0] if report is not None and report.metrics else None
    unit = first.unit if first is not None else "share"
    return {
        "arms": [(one.arm, one.source, lock_mark(asked, one.lock)) for one in plan.arms],
        "mark": verdict_mark(report.verdict if report else None, "not ended" if report is None else "done"),
        "money": money_text(report.cost_usd if report else None),
        "facts": tuple(facts(report)) if report is not None else (),
        "again": again(report) if report is not None else "",
        "turned": len(turned(report)) if report is not None else 0,
        "summary": flipped_summary(report) if report is not None else "",
        "most": MOST_FLIPPED,
        "spreads": spreads(report.cases) if report is not None else (),
        "scatter": scatter(report.cases, unit) if report is not None else "",
        "first": first,
        "task_href": asked.task(plan.task),
        "history": history_place(asked, plan.task),
        "all": asked.here(case=None),
        "packages": sorted(report.exactly.packages.items()) if report is not None else (),
    }


def _side_by_side(made: Callable[[], tuple[CaseShown, ...]]) -> tuple[tuple[CaseShown, ...], list[list[Sides]]]:
    """Cases and their differences, worked out off the loop: texts of models may be made to be slow to compare."""
    cases = made()
    return cases, [[sides(pair) for pair in one.pairs] for one in cases]


def _source(plan: Plan, arm: str) -> str:
    return next((one.source for one in plan.arms if one.arm == arm), "")


PAGE: Final = Page(
    "evaluation",
    "/evaluations/{evaluation}",
    "Evaluation",
    "one evaluation: its verdict and why, differences with intervals, and the cases that turned side by side",
    EvaluationPage,
    build,
    query=(Query("case", "a case to see with all its answers, in the place of those that turned"),),
)
