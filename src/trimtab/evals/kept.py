"""What an evaluation keeps: a folder for each, with its plan, its samples as they come, and its report.

ID/plan.json        written before the first call
ID/samples.jsonl    a line for each answer, for each mark, and for each call that is made again
ID/report.json      written at the end
ID/base, ID/candidate    what the arms' gateways record
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from trimtab.evals.plan import Plan
from trimtab.evals.report import Report
from trimtab.evals.sample import Arm, Mark, Sample

FOLDER: Final = "evaluations"
"""Under the data directory."""


class KeptSamples:
    """The samples of one evaluation in a file that is only appended to. Many threads may add at once.

    What was added is on the disk when the method returns; the waits of several threads are one.
    """

    def __init__(self, path: Path) -> None:
        raise NotImplementedError

    def add(self, sample: Sample) -> None:
        """Keeps an answer with its marks so far; a later one for the same arm, case and number takes its place."""
        raise NotImplementedError

    def mark(self, arm: Arm, case: str, number: int, mark: Mark) -> None:
        """Keeps a mark of an answer that is kept; a later one of the same scorer takes its place."""
        raise NotImplementedError

    def failed(self, sample: Sample) -> None:
        """Keeps a call that is made again, because its failure says nothing of the task."""
        raise NotImplementedError

    def all(self) -> tuple[Sample, ...]:
        """The samples with their marks, in the order in which they came."""
        raise NotImplementedError

    def failures(self) -> tuple[Sample, ...]:
        """The calls that were made again."""
        raise NotImplementedError

    def close(self) -> None:
        """Lets go of the file."""
        raise NotImplementedError


class Evaluations:
    """The evaluations of a data directory, `DATA/evaluations`."""

    def __init__(self, data_directory: Path) -> None:
        self.root = data_directory / FOLDER

    def folder(self, evaluation: str) -> Path:
        """Where one lies; raises `EvaluationUnknown` for what is no id."""
        raise NotImplementedError

    def begin(self, plan: Plan) -> Path:
        """Makes the folder and writes the plan; returns the folder."""
        raise NotImplementedError

    def ids(self) -> tuple[str, ...]:
        """All that were begun, the latest first."""
        raise NotImplementedError

    def plan(self, evaluation: str) -> Plan:
        """The plan of one; raises `EvaluationUnknown`."""
        raise NotImplementedError

    def report(self, evaluation: str) -> Report | None:
        """The report of one, None where it has not ended; raises `EvaluationUnknown`."""
        raise NotImplementedError

    def end(self, report: Report) -> None:
        """Writes the report, whole or not at all."""
        raise NotImplementedError

    def samples(self, evaluation: str) -> tuple[Sample, ...]:
        """The samples of one, read only."""
        raise NotImplementedError

    def unfinished(self, task: str, digest: str = "") -> str | None:
        """The latest of a task (any, if empty) that has no report, of this plan digest if one is given."""
        raise NotImplementedError

    @contextmanager
    def running(self, evaluation: str) -> Iterator[KeptSamples]:
        """Its samples, to go on with; raises `EvaluationRuns` where another process does."""
        raise NotImplementedError
        yield
