"""Suites: the `evals` table of a task.toml, in its short form and in its long one."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

from trimtab.declare.evaluating import Evals, Scorer
from trimtab.declare.table import Table


def read_evals(task: str, table: Table, root: Path) -> Evals:
    """The `evals` table of a task; `root` is the project's, in which files of Python scorers lie."""
    raise NotImplementedError


def scorer(text: str) -> Scorer:
    """A scorer in its short form: `exact`, `json:label`, `numeric:total`, `regex:^[A-Z]{3}$`, `contains:sorry|reply`.

    Raises `Wrong` for anything else. A Python scorer has no digest yet.
    """
    raise NotImplementedError


def check_evals(tasks: Mapping[str, Table], models: Mapping[str, Table], known: Collection[str]) -> None:
    """The judges of suites are models that are declared, and their cases, canaries and labels data sets."""
    raise NotImplementedError
