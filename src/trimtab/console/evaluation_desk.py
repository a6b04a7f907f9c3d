"""What the pages of evaluations ask for: handed in by control, so that this room need not know the processes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from msgspec import Struct

from trimtab.evals.case import Case
from trimtab.evals.listed import Listed
from trimtab.evals.plan import Plan
from trimtab.evals.report import Report
from trimtab.evals.sample import Sample


class KeptEvaluation(Struct, frozen=True):
    """All that is kept of one: `report` is None while it has not ended. `samples` are empty where they are too many to
    be shown, or cannot be read, and `detail` says so.
    """

    plan: Plan
    report: Report | None
    samples: tuple[Sample, ...] = ()
    detail: str = ""


class EvaluationDesk(Protocol):
    """The evaluations of this data directory. Every operation raises `StoreError` for what cannot be read."""

    async def listed(self) -> Sequence[Listed]:
        """The latest of them, the latest first."""

    async def one(self, evaluation: str) -> KeptEvaluation | None:
        """One by its id; None where there is none, or it cannot be read."""

    async def cases(self, plan: Plan, wanted: Sequence[str]) -> Mapping[str, Case]:
        """Some cases of a plan as its data set in the project has them now; what it does not have is left out."""
