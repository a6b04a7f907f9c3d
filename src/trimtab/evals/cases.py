"""Rows of a data set as the cases of a suite; what is wrong with a row is told with its line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from msgspec import Struct

from trimtab.declare.evaluating import Evals
from trimtab.declare.mistakes import Mistake
from trimtab.declare.project import Task
from trimtab.evals.case import Case


class Cases(Struct, frozen=True):
    """The cases of a suite in the order of their rows, the data set they come from and the digest of its file.

    `mistakes` are of rows that are no cases, which are left out, and of what keeps all of them from being used.
    """

    cases: tuple[Case, ...]
    data_set: str
    digest: str
    mistakes: tuple[Mistake, ...] = ()

    def by_id(self) -> dict[str, Case]:
        """The cases by their ids."""
        return {case.id: case for case in self.cases}


def read_cases(root: Path, task: Task, suite: Evals) -> Cases:
    """The cases of a suite in the project at `root`, which need not be the one that the task is declared in.

    Raises `DataInvalid` where the data set is not there or cannot be read.
    """
    raise NotImplementedError


def as_case(row: dict[str, Any], suite: Evals) -> Case:
    """A row as a case. Raises `ValueError`, in words that go on from "row 7 ", for what is none."""
    raise NotImplementedError


def body(case: Case, task: str, seed: int) -> dict[str, Any]:
    """The chat completion that is sent for a case: the gateway adds prompt, model, sampling and tools."""
    found: dict[str, Any] = {"model": task, "messages": list(case.messages), "seed": seed}
    if case.inputs is not None:
        found["trimtab"] = {"inputs": case.inputs}
    return found
