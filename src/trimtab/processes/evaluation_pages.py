"""What the pages of evaluations are handed: files of the data directory, read in a thread, one at a time."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from trimtab.console.evaluation_desk import KeptEvaluation
from trimtab.data.manifest import held
from trimtab.data.rows import RowFault, read_rows
from trimtab.errors import DataInvalid, EvaluationUnknown, FormatError, StoreError
from trimtab.evals.case import Case
from trimtab.evals.cases import as_case
from trimtab.evals.kept import SAMPLES, Evaluations
from trimtab.evals.listed import Listed, listed
from trimtab.evals.plan import Plan

MOST_LISTED: Final = 1_000
MOST_SAMPLES_BYTES: Final = 32 << 20
MOST_CASES_BYTES: Final = 64 << 20
MOST_KEPT: Final = 4
"""Evaluations that are held whole."""


class EvaluationPages:
    """The evaluations of a data directory for people; what has ended is read once."""

    def __init__(self, data_directory: Path, root: Path) -> None:
        """`root` is the project, whose data sets hold the cases."""
        self._kept = Evaluations(data_directory)
        self._root = root
        self._one = asyncio.Semaphore(1)
        self._ended: dict[str, Listed] = {}
        self._whole: OrderedDict[str, KeptEvaluation] = OrderedDict()

    def __repr__(self) -> str:
        return f"EvaluationPages({self._kept!r})"

    async def listed(self) -> Sequence[Listed]:
        """The latest thousand, the latest first; what cannot be read is passed over."""
        async with self._one:
            return await asyncio.to_thread(self._listed)

    async def one(self, evaluation: str) -> KeptEvaluation | None:
        """One by its id; None where there is none, or it cannot be read."""
        async with self._one:
            return await asyncio.to_thread(self._read, evaluation)

    async def cases(self, plan: Plan, wanted: Sequence[str]) -> Mapping[str, Case]:
        """Some cases of a plan as its data set in the project has them now; what it does not have is left out."""
        async with self._one:
            return await asyncio.to_thread(self._cases, plan, frozenset(wanted))

    def _listed(self) -> tuple[Listed, ...]:
        names = self._kept.ids()[:MOST_LISTED]
        self._ended = {name: row for name in names if (row := self._ended.get(name)) is not None}
        return tuple(row for name in names if (row := self._ended.get(name) or self._row(name)) is not None)

    def _row(self, name: str) -> Listed | None:
        try:
            report = self._kept.report(name)
            row = listed(self._kept.plan(name), report)
        except EvaluationUnknown:
            return None
        if report is not None:
            self._ended[name] = row
        return row

    def _read(self, name: str) -> KeptEvaluation | None:
        if (known := self._whole.get(name)) is not None:
            self._whole.move_to_end(name)
            return known
        try:
            plan, report = self._kept.plan(name), self._kept.report(name)
        except EvaluationUnknown:
            return None
        found = self._with_samples(name, KeptEvaluation(plan, report))
        if report is not None:
            self._whole[name] = found
            while len(self._whole) > MOST_KEPT:
                self._whole.popitem(last=False)
        return found

    def _with_samples(self, name: str, found: KeptEvaluation) -> KeptEvaluation:
        path = self._kept.folder(name) / SAMPLES
        try:
            size = path.stat().st_size
            if size > MOST_SAMPLES_BYTES:
                detail = f"its answers have {size >> 20} MiB, more than a page shows; they are in {path.name} beside it"
                return KeptEvaluation(found.plan, found.report, (), detail)
            return KeptEvaluation(found.plan, found.report, self._kept.samples(name))
        except FileNotFoundError:
            return KeptEvaluation(found.plan, found.report, (), "its answers are not kept any more")
        except (OSError, StoreError, FormatError) as failure:
            return KeptEvaluation(found.plan, found.report, (), f"its answers cannot be read: {failure}")

    def _cases(self, plan: Plan, wanted: frozenset[str]) -> dict[str, Case]:
        found: dict[str, Case] = {}
        try:
            of = held(self._root, plan.data_set)
            path = self._root / of.path
            if not of.has_rows or path.stat().st_size > MOST_CASES_BYTES:
                return found
            with path.open("rb") as file:
                for row in read_rows(file):
                    if len(found) == len(wanted):
                        break
                    if not isinstance(row, RowFault):
                        self._take(row.value, plan, wanted, found)
        except (DataInvalid, OSError):
            return found
        return found

    @staticmethod
    def _take(row: dict[str, object], plan: Plan, wanted: frozenset[str], found: dict[str, Case]) -> None:
        try:
            case = as_case(row, plan.suite)
        except ValueError:
            return
        if case.id in wanted:
            found[case.id] = case
