"""The scorers of a suite, joined from what they need: the judge, the files of the project, the schema of the task."""

from __future__ import annotations

from collections.abc import Sequence

from trimtab.assemble.evaluation_side import Side
from trimtab.declare.evaluating import Evals
from trimtab.evals.asking import Judge, Pairing, Scoring
from trimtab.evals.scorers.make import ready


def scorers_of(suite: Evals, side: Side, task: str, judge: Judge) -> tuple[Sequence[Scoring], Sequence[Pairing]]:
    """Those that mark one answer, and those that hold two against each other; `side` is where the suite lies."""
    return ready(suite, side, task, judge)
