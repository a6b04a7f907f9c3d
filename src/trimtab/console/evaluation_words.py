"""Evaluations as pages tell them: marks of verdicts, the addresses of their pages, figures with intervals."""

from __future__ import annotations

from typing import Final
from urllib.parse import quote

from markupsafe import Markup

from trimtab.console import format as written
from trimtab.console.endpoint import Visitor
from trimtab.console.page import Asked
from trimtab.console.tables import Value
from trimtab.console.text import shown
from trimtab.evals.listed import Listed
from trimtab.evals.report import UNBOUNDED, Figure, Metric
from trimtab.evals.words import difference_text, figure_text

SIGNS: Final = {"ship": ("good", "✓"), "block": ("bad", "!"), "inconclusive": ("warn", "▲"), "": ("idle", "·")}
DASH: Final = Markup('<span class="none">{}</span>').format(written.NOTHING)


def verdict_mark(verdict: str | None, state: str = "") -> Markup:
    """A verdict with its sign; for one that has none how it stands."""
    kind, sign = SIGNS[verdict or ""]
    return Markup('<span class="state {}"><span class="sign" aria-hidden="true">{}</span> {}</span>').format(
        kind, sign, verdict or state or "none"
    )


def evaluation_place(asked: Asked, evaluation: str, **query: str) -> str:
    """The address of an evaluation's page."""
    return asked.to(f"/evaluations/{quote(evaluation, safe='')}", **query)


def history_place(asked: Asked, task: str) -> str:
    """The address of the evaluations of a task over time."""
    return asked.to(f"/tasks/{quote(task, safe='', errors='replace')}/evaluations")


def lock_mark(asked: Asked, lock: str) -> Markup:
    """A lock's digest, leading to its page."""
    if not lock:
        return DASH
    href = asked.to(f"/prompts/locks/{quote(lock, safe='')}")
    code = Markup('<code title="{}">{}</code>').format(lock, written.digest(lock))
    return Markup('<a href="{}">{}</a>').format(href, code) if href else code


def side_mark(asked: Asked, source: str, lock: str) -> Markup:
    """Where an arm comes from, with its lock."""
    return Markup("{} {}").format(shown(source), lock_mark(asked, lock)) if lock else shown(source)


def figure_mark(figure: Figure | None, unit: str) -> Markup:
    """The same for a cell, the interval smaller and what it is of on hover."""
    if figure is None:
        return DASH
    value, _, rest = figure_text(figure, unit).partition(" (")
    of = f"{written.exact(figure.cases)} cases, {written.exact(figure.samples)} answers"
    return Markup('<span title="{}">{}</span> <span class="ci">({}</span>').format(of, value, rest)


def figure_value(figure: Figure | None) -> Value:
    """The bare figures for CSV and JSON."""
    if figure is None:
        return {"value": None, "low": None, "high": None}
    return {"value": figure.value, "low": bounded(figure.low), "high": bounded(figure.high)}


def change_mark(metric: Metric | None) -> Markup:
    """What differs, with its interval."""
    if metric is None or metric.difference is None:
        return DASH
    value, _, rest = difference_text(metric).partition(" (")
    return Markup('{} <span class="ci">({}</span>').format(value, rest)


def money_text(usd: float | None) -> str:
    """US dollars."""
    return written.NOTHING if usd is None else written.money(usd * 1e12)


def visible(visitor: Visitor, rows: tuple[Listed, ...]) -> tuple[Listed, ...]:
    """Those of tasks that the visitor may see."""
    return tuple(one for one in rows if visitor.sees(one.task))


def bounded(value: float) -> float | None:
    """An end of an interval; None where it has none on that side."""
    return None if abs(value) >= UNBOUNDED else value
