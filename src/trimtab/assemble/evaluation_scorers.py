"""The scorers of a suite, joined from what they need: the judge, the files of the project, the schema of the task."""

from __future__ import annotations

from trimtab.assemble.evaluation_side import Side
from trimtab.clock import SystemClock
from trimtab.declare.evaluating import Evals
from trimtab.evals.asking import Judge
from trimtab.evals.scorers.ready import Ready, ready


def scorers_of(suite: Evals, side: Side, task: str, judge: Judge) -> Ready:
    """The scorers of a suite, ready; `side` is where the suite lies. Raises like `trimtab.evals.scorers.ready.ready`.

    Whoever is handed them closes them.
    """
    output = side.snapshot.tasks[task].output
    schema = output.schema.text if output is not None else None
    return ready(suite, side.root, judge, SystemClock(), task=task, schema=schema)
