"""Marks by a scorer that is declared in its short form or as a table's fields."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from trimtab.clock import SystemClock
from trimtab.declare.evaluating import Evals, Scorer, ScorerKind
from trimtab.evals.case import Case
from trimtab.evals.sample import Answer, Mark, ToolCall
from trimtab.evals.scorers.ready import Ready, ready


class Nobody:
    """A judge that must not be asked."""

    def judge(self, model: str, body: dict[str, Any], seed: int) -> Answer:
        """Fails."""
        raise AssertionError(model)


def made(scorer: Scorer, schema: str | None = None, root: Path = Path()) -> Ready:
    """One scorer, ready."""
    return ready(Evals(scorers=(scorer,)), root, Nobody(), SystemClock(), task="t", schema=schema)


def mark(kind: ScorerKind, text: str | Answer, expected: Any = None, schema: str | None = None, **fields: Any) -> Mark:
    """What a scorer makes of an answer."""
    answer = text if isinstance(text, Answer) else Answer("c", "ok", text)
    found = made(Scorer(kind, kind, **fields), schema)
    try:
        return found.scorings[0].mark(Case("one", {"q": "?"}, expected=expected), answer)
    finally:
        found.close()


def value(kind: ScorerKind, text: str | Answer, expected: Any = None, **fields: Any) -> float | None:
    """The value of the mark alone."""
    return mark(kind, text, expected, **fields).value


def calling(*calls: tuple[str, str]) -> Answer:
    """An answer that calls tools."""
    return Answer("c", "ok", tool_calls=tuple(ToolCall(name, arguments) for name, arguments in calls))
