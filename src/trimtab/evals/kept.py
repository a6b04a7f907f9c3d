"""What an evaluation keeps: a folder for each, with its plan, its samples as they come, and its report.

| in the folder | what it is |
|---|---|
| `plan.json` | written before the first call |
| `samples.jsonl` | a line for each answer, for its marks, and for each call that is made again |
| `report.json` | written at the end |
| `base/`, `candidate/` | what the arms' gateways record |
"""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, TypeVar

import msgspec
from msgspec import Struct

from trimtab.errors import EvaluationUnknown, StoreError
from trimtab.evals.kept_samples import KeptSamples, read_samples
from trimtab.evals.plan import FORMAT_VERSION, Plan, plan_digest
from trimtab.evals.report import Report
from trimtab.evals.sample import Sample

FOLDER: Final = "evaluations"
"""Under the data directory."""
PLAN: Final = "plan.json"
SAMPLES: Final = "samples.jsonl"
REPORT: Final = "report.json"
ID: Final = re.compile(r"[0-9a-z][0-9a-z-]{0,63}")
MOST_BYTES: Final = 256 << 20
"""Of a plan or a report."""
T = TypeVar("T", bound=Struct)


class Evaluations:
    """The evaluations of a data directory, `DATA/evaluations`."""

    def __init__(self, data_directory: Path) -> None:
        self.root = data_directory / FOLDER

    def __repr__(self) -> str:
        return f"Evaluations({self.root})"

    def folder(self, evaluation: str) -> Path:
        """Where one lies; raises `EvaluationUnknown` for what is no id."""
        if not ID.fullmatch(evaluation):
            raise EvaluationUnknown(id=evaluation[:80], detail="that is no id of one")
        return self.root / evaluation

    def begin(self, plan: Plan) -> Path:
        """Makes the folder and writes the plan; returns the folder. Raises `StoreError`."""
        folder = self.folder(plan.id)
        try:
            folder.mkdir(parents=True, mode=0o700)
        except OSError as failure:
            raise StoreError(store=str(folder), detail=failure.strerror) from None
        _write(folder / PLAN, plan)
        return folder

    def ids(self) -> tuple[str, ...]:
        """All that were begun, the latest first."""
        try:
            found = [entry.name for entry in self.root.iterdir() if ID.fullmatch(entry.name)]
        except (FileNotFoundError, NotADirectoryError):
            return ()
        return tuple(sorted((name for name in found if (self.root / name / PLAN).exists()), reverse=True))

    def named(self, beginning: str) -> str:
        """The one whose id begins like this; raises `EvaluationUnknown` where none does, or several do."""
        if (self.folder(beginning) / PLAN).exists():
            return beginning
        alike = [each for each in self.ids() if each.startswith(beginning)]
        if len(alike) != 1:
            detail = "several begin like that" if alike else "`trimtab eval list` has those that there are"
            raise EvaluationUnknown(id=beginning[:80], detail=detail)
        return alike[0]

    def plan(self, evaluation: str) -> Plan:
        """The plan of one; raises `EvaluationUnknown`."""
        found = _read(self.folder(evaluation) / PLAN, Plan, evaluation)
        if found is None:
            raise EvaluationUnknown(id=evaluation, detail="it has no plan")
        if found.version > FORMAT_VERSION:
            raise EvaluationUnknown(id=evaluation, detail="its plan was written by a newer release")
        return found

    def report(self, evaluation: str) -> Report | None:
        """The report of one, None where it has not ended; raises `EvaluationUnknown` where it cannot be read."""
        return _read(self.folder(evaluation) / REPORT, Report, evaluation)

    def end(self, report: Report) -> None:
        """Writes the report, whole or not at all. Raises `StoreError`."""
        _write(self.folder(report.id) / REPORT, report)

    def samples(self, evaluation: str) -> tuple[Sample, ...]:
        """The samples of one, read only, while it runs too."""
        return read_samples(self.folder(evaluation) / SAMPLES)

    def unfinished(self, task: str, digest: str = "") -> str | None:
        """The latest of a task (any, if empty) that has no report, of this plan digest if one is given."""
        for evaluation in self.ids():
            if (self.root / evaluation / REPORT).exists():
                continue
            try:
                plan = self.plan(evaluation)
            except EvaluationUnknown:
                continue
            if task in {"", plan.task} and digest in {"", plan_digest(plan)}:
                return evaluation
        return None

    @contextmanager
    def running(self, evaluation: str) -> Iterator[KeptSamples]:
        """Its samples, to go on with; raises `EvaluationRuns` where another process does."""
        self.plan(evaluation)
        kept = KeptSamples(self.folder(evaluation) / SAMPLES)
        try:
            yield kept
        finally:
            kept.close()


def _read(path: Path, kind: type[T], evaluation: str) -> T | None:
    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES)
        return msgspec.json.decode(data, type=kind)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as failure:
        reason = failure.strerror if isinstance(failure, OSError) else str(failure)
        raise EvaluationUnknown(id=evaluation, detail=f"its {path.name} cannot be read ({reason})") from None


def _write(path: Path, value: Struct) -> None:
    """Puts a file in its place, whole or not at all; it is on the disk then."""
    try:
        handle, fresh = tempfile.mkstemp(dir=path.parent, prefix=".new-")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(msgspec.json.format(msgspec.json.encode(value), indent=1) + b"\n")
                file.flush()
                os.fsync(file.fileno())
            Path(fresh).replace(path)
        except BaseException:
            with contextlib.suppress(OSError):
                Path(fresh).unlink()
            raise
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as failure:
        raise StoreError(store=str(path), detail=failure.strerror) from None
