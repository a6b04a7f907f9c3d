"""What people said of answers: the rows of a data set, each with what a judge sees and what they think of it.

| in a row | what it is |
|---|---|
| `inputs`, `messages`, `expected` | as in a case |
| `answer`, or `first` and `second` | the answer; for `pairwise` the two that are compared |
| `value` | 1 for yes, 0 for no; for `pairwise` 1 where the second is better, 0 where the first is, 0.5 for neither |
| `values` | instead of `value`: one of each reviewer, of which the mean counts |
"""

from __future__ import annotations

import json
from pathlib import Path
from statistics import fmean
from typing import Any, Final

from msgspec import Struct

from trimtab.data.manifest import held
from trimtab.data.rows import RowFault, read_rows
from trimtab.declare.evaluating import Evals, Scorer
from trimtab.errors import DataInvalid
from trimtab.evals.case import Case
from trimtab.evals.cases import as_case
from trimtab.evals.sample import Answer, ToolCall
from trimtab.evals.scorers.marking import LONGEST
from trimtab.statistics.judge_errors import LEAST_LABELLED

MOST: Final = 2_000
MOST_REVIEWERS: Final = 20
OURS: Final = frozenset({"answer", "first", "second", "value", "values"})


class Label(Struct, frozen=True):
    """What people think of an answer, or of two; `values` are those of single reviewers."""

    case: Case
    answers: tuple[Answer, ...]
    values: tuple[float, ...]

    @property
    def human(self) -> float:
        """What they think on average."""
        return fmean(self.values)


class Labels(Struct, frozen=True):
    """The labels of a scorer, the data set they come from and the digest of its file."""

    data_set: str
    digest: str
    labels: tuple[Label, ...]


def read_labels(root: Path, suite: Evals, scorer: Scorer) -> Labels:
    """The labels of a judge. Raises `DataInvalid` for rows that are none, fewer than 10, and more than 2,000."""
    of = held(root, scorer.labels)
    if not of.has_rows:
        raise DataInvalid(name=of.name, detail="labels are read row by row: keep them in a .jsonl file of the project")
    found: list[Label] = []
    try:
        with (root / of.path).open("rb") as file:
            for row in read_rows(file):
                if isinstance(row, RowFault):
                    raise DataInvalid(name=of.name, detail=f"row {row.number} {row.words}")
                if len(found) == MOST:
                    raise DataInvalid(name=of.name, detail=f"it has more than {MOST:,} labels; draw as many at random")
                found.append(_label(of.name, row.number, row.value, suite, scorer))
    except OSError as failure:
        raise DataInvalid(name=of.name, detail=f"{of.path} cannot be read ({failure.strerror})") from None
    if len(found) < LEAST_LABELLED:
        detail = f"people scored {len(found)} answers; label at least {LEAST_LABELLED}, 100 are better"
        raise DataInvalid(name=of.name, detail=detail)
    if len({one.human for one in found}) < 2:
        raise DataInvalid(name=of.name, detail="people say the same of all answers; label good ones and bad ones")
    return Labels(of.name, of.digest, tuple(found))


def _label(name: str, number: int, row: dict[str, Any], suite: Evals, scorer: Scorer) -> Label:
    keys = ("first", "second") if scorer.kind == "pairwise" else ("answer",)
    try:
        return Label(
            as_case({key: value for key, value in row.items() if key not in OURS}, suite),
            tuple(_answer(row.get(key), key) for key in keys),
            _values(row),
        )
    except ValueError as wrong:
        raise DataInvalid(name=name, detail=f"row {number} {wrong}") from None


def _answer(value: Any, key: str) -> Answer:
    whole = {"text": value} if isinstance(value, str) else value
    text, calls = (whole.get("text", ""), whole.get("tool_calls", [])) if isinstance(whole, dict) else (None, [])
    if not isinstance(text, str) or not isinstance(calls, list) or not all(isinstance(one, dict) for one in calls):
        raise ValueError(f"has no {key}; write the text that was judged")
    found = Answer("", "ok", text, tuple(_call(one) for one in calls))
    if len(found.text) > LONGEST:
        raise ValueError(f"has a {key} of more than {LONGEST:,} characters")
    return found


def _call(value: dict[str, Any]) -> ToolCall:
    arguments = value.get("arguments", "")
    text = arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)
    return ToolCall(str(value.get("name", "")), text)


def _values(row: dict[str, Any]) -> tuple[float, ...]:
    given = row["values"] if "values" in row else [row.get("value")]
    if not isinstance(given, list) or not 0 < len(given) <= MOST_REVIEWERS:
        raise ValueError(f"has values that are no list of 1 to {MOST_REVIEWERS} numbers")
    if not all(isinstance(one, int | float) and 0 <= one <= 1 for one in given):
        raise ValueError("has no value from 0 to 1; write what people think of the answer")
    return tuple(float(one) for one in given)
