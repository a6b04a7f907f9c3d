"""The tables of an evaluation: its metrics, and its cases."""

from __future__ import annotations

from typing import Final

from markupsafe import Markup

from trimtab.console import format as written
from trimtab.console.evaluation_cases import step
from trimtab.console.evaluation_drawn import interval_drawn
from trimtab.console.evaluation_words import (
    DASH,
    change_mark,
    evaluation_place,
    figure_mark,
    figure_value,
    verdict_mark,
)
from trimtab.console.page import Asked
from trimtab.console.tables import Column, Table
from trimtab.console.text import short
from trimtab.evals.report import CaseResult, Metric, Report
from trimtab.evals.words import amount_text, digits, margin_text, name_of

MOST_CASES: Final = 1_000
STATES: Final = {
    "flaky": "right by turns more than chance explains",
    "saturated": "always right in both versions: it tells them not apart",
    "failing": "always wrong: look at what is expected",
}
ORDER: Final = {"failing": 0, "flaky": 1, "": 2, "saturated": 3}


def metrics_table(report: Report) -> Table[Metric]:
    """Every metric, scores first, then those of slices."""
    rows = sorted(report.metrics, key=lambda one: bool(one.slice))
    columns: tuple[Column[Metric], ...] = (
        Column("metric", "metric", name_of),
        Column("decision", "verdict", lambda one: one.decision or "", _decision),
        Column(
            "base",
            "base",
            lambda one: figure_value(one.base),
            lambda one: figure_mark(one.base, one.unit),
            numeric=True,
        ),
        Column(
            "candidate",
            "candidate",
            lambda one: figure_value(one.candidate),
            lambda one: figure_mark(one.candidate, one.unit),
            numeric=True,
        ),
        Column(
            "difference",
            "difference",
            lambda one: figure_value(one.difference),
            change_mark,
            says="Candidate less base, paired by case, with its 95 % interval; a ratio where it is in percent.",
            numeric=True,
        ),
        Column(
            "drawn",
            "worse | better",
            lambda one: "ratio" if one.is_ratio else one.unit,
            interval_drawn,
            says="The interval of the difference; right is better, the dashed line is the margin.",
            sortable=False,
        ),
        Column("margin", "margin", lambda one: one.margin, margin_text, numeric=True, sortable=False),
        Column("p_value", "p", lambda one: one.p_value, lambda one: _p(one.p_value), numeric=True),
        Column(
            "needed",
            "cases to settle",
            lambda one: one.needed,
            lambda one: written.NOTHING if one.needed is None else written.exact(one.needed),
            says="How many more cases would settle it; nothing where it is settled, or cannot be told.",
            numeric=True,
        ),
        Column("kind", "kind", lambda one: one.kind, sortable=False),
        Column("method", "interval by", lambda one: one.method, sortable=False),
    )
    return Table("metrics", "Scores, and what stands beside them", columns, rows, "Nothing was measured.")


def cases_table(asked: Asked, report: Report, evaluation: str) -> Table[CaseResult]:
    """The cases: those that got worse first, then failing, flaky, the rest, and saturated ones."""
    unit = report.metrics[0].unit if report.metrics else "share"
    rows = sorted(report.cases, key=lambda one: (step(one), ORDER.get(one.state, 2), one.case))

    def opens(one: CaseResult) -> str:
        return f"{evaluation_place(asked, evaluation, case=one.case)}#turned"

    def side(value: float | None) -> str:
        return written.NOTHING if value is None else amount_text(value, unit)

    columns: tuple[Column[CaseResult], ...] = (
        Column("case", "case", lambda one: one.case, lambda one: short(one.case, 60), opens),
        Column("base", "base", lambda one: one.base, lambda one: side(one.base), numeric=True),
        Column("candidate", "candidate", lambda one: one.candidate, lambda one: side(one.candidate), numeric=True),
        Column(
            "difference",
            "difference",
            lambda one: None if one.base is None or one.candidate is None else step(one),
            lambda one: digits(step(one)) if step(one) else written.NOTHING,
            numeric=True,
        ),
        Column("state", "state", lambda one: one.state, _state),
        Column("group", "group", lambda one: one.group, lambda one: short(one.group, 40) or written.NOTHING),
        Column("slices", "slices", lambda one: ", ".join(one.slices), lambda one: short(", ".join(one.slices), 60)),
    )
    more = ""
    if len(rows) > MOST_CASES:
        more = f"The first {MOST_CASES:,} of {len(rows):,}; the JSON of this page has all of them."
    return Table("cases", "Cases", columns, rows[:MOST_CASES], "No case was asked.", opens, more=more)


def _decision(one: Metric) -> Markup:
    return verdict_mark(one.decision) if one.decision else DASH


def _p(value: float | None) -> str:
    if value is None:
        return written.NOTHING
    return "<0.0001" if value < 0.0001 else digits(value, 2)


def _state(one: CaseResult) -> Markup:
    if not one.state:
        return DASH
    return Markup('<span title="{}">{}</span>').format(STATES[one.state], one.state)
