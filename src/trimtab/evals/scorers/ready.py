"""The scorers of a suite made ready to work, with what they need: files, labels, child processes and the judge."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from trimtab.clock import Clock
from trimtab.declare.evaluating import Evals, Scorer, ScorerKind
from trimtab.evals.asking import Judge, Pairing, Scoring
from trimtab.evals.case import Case
from trimtab.evals.sample import Answer
from trimtab.evals.scorers.calibrating import Calibration, calibrate
from trimtab.evals.scorers.calls import Schema, cost, latency
from trimtab.evals.scorers.cites import Cites
from trimtab.evals.scorers.judges import Pairwise, Rubric
from trimtab.evals.scorers.labels import Labels, read_labels
from trimtab.evals.scorers.marking import Scored
from trimtab.evals.scorers.numbers import Numeric
from trimtab.evals.scorers.programs import Function, Regex, source_of
from trimtab.evals.scorers.texts import Contains, Exact, Json, Normalised
from trimtab.evals.scorers.tool_calls import ToolCalls

Value = Callable[[Case, Answer], float]
BY_VALUE: Final[Mapping[ScorerKind, Callable[[Scorer], Value]]] = {
    "exact": Exact,
    "normalised": Normalised,
    "numeric": Numeric,
    "json": Json,
    "tool_call": ToolCalls,
    "contains": Contains,
    "cites": Cites,
}
"""Kinds that need nothing but what is declared."""
AMOUNTS: Final[Mapping[ScorerKind, Value]] = {"latency": latency, "cost": cost}


class _Closes(Protocol):
    def close(self) -> None: ...


@dataclass(frozen=True)
class Ready:
    """Scorers that are ready: those that mark one answer, and those that hold two against each other.

    `labels` are those of judges, by the scorer's name. `close` ends what they started.
    """

    suite: Evals
    scorings: tuple[Scoring, ...]
    pairings: tuple[Pairing, ...]
    labels: Mapping[str, Labels]
    held: tuple[_Closes, ...] = ()

    def calibrations(self, judge: Judge, pins: Mapping[str, str], folder: Path) -> dict[str, Calibration]:
        """How the judges err that people's labels are there for; asks them what was not asked before. Raises like
        `calibrate`.
        """
        return {
            scorer.name: calibrate(
                self.suite, scorer, self.labels[scorer.name], judge, pins.get(scorer.model, ""), folder
            )
            for scorer in self.suite.scorers
            if scorer.name in self.labels
        }

    def close(self) -> None:
        """Ends the processes of patterns and functions."""
        for one in self.held:
            one.close()


def ready(suite: Evals, root: Path, judge: Judge, clock: Clock, *, task: str, schema: str | None = None) -> Ready:
    """The scorers of a suite in the project at `root`; `schema` is that of the task's answers, as JSON text.

    Raises `EvaluationRefused` where a function's file is not what was declared, and `DataInvalid` for labels.
    """
    scorings: list[Scoring] = []
    pairings: list[Pairing] = []
    held: list[_Closes] = []
    labels = {one.name: read_labels(root, suite, one) for one in suite.scorers if one.labels}
    sources = {one.name: source_of(one, root, task) for one in suite.scorers if one.kind == "python"}
    for one in suite.scorers:
        if one.kind == "pairwise":
            pairings.append(Pairwise(one, judge, suite.seed))
        elif one.kind == "rubric":
            scorings.append(Rubric(one, judge, suite.seed))
        elif one.kind == "python":
            function = Function(one, sources[one.name], clock)
            held.append(function)
            scorings.append(function)
        elif one.kind == "regex":
            regex = Regex(one, clock)
            held.append(regex)
            scorings.append(Scored(one.name, regex))
        elif one.kind in AMOUNTS:
            scorings.append(Scored(one.name, AMOUNTS[one.kind], is_amount=True))
        else:
            scorings.append(Scored(one.name, Schema(schema) if one.kind == "schema" else BY_VALUE[one.kind](one)))
    return Ready(suite, tuple(scorings), tuple(pairings), labels, tuple(held))
