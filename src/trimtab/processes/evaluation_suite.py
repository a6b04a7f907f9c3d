"""A suite as control runs it: its cases and canaries, read from the project, and its scorers made ready."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from msgspec.structs import replace

from trimtab.declare.evaluating import Evals, Schedule, Scorer
from trimtab.evals.case import Case
from trimtab.evals.cases import rows_as_cases
from trimtab.evals.plan import suite_digest
from trimtab.evals.sample import Answer
from trimtab.evals.scorers.ready import Ready

AMOUNTS: Final = frozenset({"latency", "cost"})
"""Kinds whose marks neither pass nor fail: the records of calls have them."""
Prepare = Callable[[str, Evals, str | None], Ready]
"""Makes the scorers of a task's suite ready, with the schema of its answers. Raises `EvaluationRefused` and
`DataInvalid`.
"""
SchemaOf = Callable[[str], str | None]
"""The schema in force of a task's answers, as JSON text; None where it has none."""


@dataclass(frozen=True)
class LiveSuite:
    """Cases and canaries by id, and what marks answers; `about` is the digest of all that makes marks comparable."""

    task: str
    suite: Evals
    schedule: Schedule
    cases: Mapping[str, Case]
    canaries: Mapping[str, Case]
    about: str
    ready: Ready

    def case(self, name: str, *, canary: bool) -> Case | None:
        """A case by its id; None where it is not there any more."""
        return (self.canaries if canary else self.cases).get(name)

    def marks(self, case: Case, answer: Answer) -> dict[str, float]:
        """What each scorer makes of an answer, but for those that cannot tell."""
        marks = (one.mark(case, answer) for one in self.ready.scorings if one.name in self.watched)
        return {mark.scorer: mark.value for mark in marks if mark.value is not None}

    @property
    def watched(self) -> tuple[str, ...]:
        """The scorers whose marks pass or fail."""
        return tuple(one.name for one in self.suite.scorers if watches(one))

    @property
    def calls_each(self) -> int:
        """How many calls one case takes: its own, and one for each judge."""
        return 1 + sum(one.kind == "rubric" for one in self.suite.scorers)


def watches(scorer: Scorer) -> bool:
    """Whether a scorer's marks of one answer pass or fail."""
    return scorer.kind not in AMOUNTS and scorer.kind != "pairwise"


class LiveSuites:
    """Suites as they were read last; read anew where a declaration, a file or the schema in force has changed."""

    def __init__(self, root: Path, prepare: Prepare, schema: SchemaOf) -> None:
        self._root = root
        self._prepare = prepare
        self._schema = schema
        self._known: dict[str, LiveSuite] = {}
        self._keys: dict[str, tuple[Evals, int, str | None]] = {}

    def __repr__(self) -> str:
        return f"LiveSuites({', '.join(sorted(self._known))})"

    def read(self, task: str, suite: Evals, start_s: int) -> LiveSuite:
        """The suite of a task; its files are read once for each slot. Raises `DataInvalid` and `EvaluationRefused`."""
        schema, known = self._schema(task), self._known.get(task)
        key = suite, start_s, schema
        if known is not None and self._keys[task] == key:
            return known
        schedule = suite.schedule or Schedule()
        cases = rows_as_cases(self._root, suite)
        canaries = rows_as_cases(self._root, replace(suite, cases=schedule.canaries)) if schedule.canaries else None
        parts = suite_digest(suite), cases.digest, canaries.digest if canaries else ""
        about = hashlib.sha256("\n".join(parts).encode()).hexdigest()
        is_same = known is not None and known.about == about and self._keys[task][2] == schema
        ready = known.ready if known is not None and is_same else self._prepare(task, suite, schema)
        if known is not None and not is_same:
            known.ready.close()
        of_canaries = canaries.by_id() if canaries else {}
        self._keys[task] = key
        self._known[task] = LiveSuite(task, suite, schedule, cases.by_id(), of_canaries, about, ready)
        return self._known[task]

    def retain(self, tasks: Container[str]) -> None:
        """Ends what scorers of other tasks than these started."""
        for task in [one for one in self._known if one not in tasks]:
            del self._keys[task]
            self._known.pop(task).ready.close()

    def close(self) -> None:
        """Ends what scorers started."""
        for one in self._known.values():
            one.ready.close()
        self._known.clear()
