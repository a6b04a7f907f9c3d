"""Rows of a data set as the cases of a suite; what is wrong with a row is told with its line."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace

from trimtab.data.cases import ASIDE, OUTPUTS
from trimtab.data.manifest import Held, held
from trimtab.data.rows import Row, RowFault, read_rows
from trimtab.declare.conditions import compiled
from trimtab.declare.evaluating import Evals
from trimtab.declare.evaluations import needs_expected
from trimtab.declare.mistakes import Mistake
from trimtab.declare.paths import MISSING, value_at
from trimtab.declare.project import Project, Task
from trimtab.declare.rendering import render
from trimtab.errors import DataInvalid, InvalidRequest
from trimtab.evals.case import Case

MOST: Final = 100_000
"""Cases of a suite: all of them are held."""
MOST_MISTAKES: Final = 1_000
MOST_TOLD: Final = 20
LONGEST_ID: Final = 200
MOST_TAGS: Final = 64
COMES_OUT: Final = OUTPUTS - {"observed"}
"""Fields that may say what is expected; what was observed need not be right."""


class Cases(Struct, frozen=True):
    """The cases of a suite in the order of their rows, the data set they come from and the digest of its file.

    `lines` are those of the cases by id, in the file at `path`. `mistakes` are of rows that are no cases, which are
    left out, and of cases that the task cannot be asked.
    """

    cases: tuple[Case, ...]
    data_set: str
    digest: str
    path: str = ""
    lines: dict[str, int] = {}
    mistakes: tuple[Mistake, ...] = ()

    def by_id(self) -> dict[str, Case]:
        """The cases by their ids."""
        return {case.id: case for case in self.cases}


def read_cases(root: Path, task: Task, suite: Evals) -> Cases:
    """The cases of a suite in the project at `root`, which need not be the one that the task is declared in.

    Raises `DataInvalid` where the data set is not there or cannot be read.
    """
    read = rows_as_cases(root, suite)
    return replace(read, mistakes=(*read.mistakes, *misfits(read, task, suite))[:MOST_MISTAKES])


def rows_as_cases(root: Path, suite: Evals) -> Cases:
    """The same, without looking whether the task can be asked them. Raises as `read_cases` does."""
    found = held(root, suite.cases)
    if not found.has_rows:
        detail = (
            f"its data is {found.path or 'not kept in the project'}, and cases are read row by row from a .jsonl file"
        )
        raise DataInvalid(name=suite.cases, detail=detail)
    gathered = _Gathered(found, suite)
    try:
        with (root / found.path).open("rb") as file:
            for row in read_rows(file):
                gathered.take(row)
    except OSError as failure:
        raise DataInvalid(name=suite.cases, detail=f"{found.path} cannot be read ({failure.strerror})") from None
    return gathered.cases()


def misfits(found: Cases, task: Task, suite: Evals) -> tuple[Mistake, ...]:
    """What keeps cases from being asked of a task, which may be another version of it than the suite is declared in."""
    first = suite.scorers[0] if suite.scorers else None
    mistakes = []
    for case in found.cases:
        line = found.lines.get(case.id, 1)
        if first is not None and needs_expected(first) and case.expected is None:
            what = f"the case {case.id} says nothing of what is expected"
            instead = f"write expected, with which the scorer {first.name} compares, or take the row out"
            mistakes.append(Mistake(found.path, line, what, instead))
        elif (detail := _unfit(case, task)) is not None:
            mistakes.append(
                Mistake(found.path, line, f"the case {case.id} cannot be asked: {detail}", "correct its inputs")
            )
    return tuple(mistakes[:MOST_MISTAKES])


def suite_mistakes(project: Project) -> tuple[Mistake, ...]:
    """What keeps the suites of a project from being run, each with its file and line; at most 20 of each."""
    found: list[Mistake] = []
    for name, task in project.tasks.items():
        if task.evals is None:
            continue
        try:
            found += read_cases(Path(project.root), task, task.evals).mistakes[:MOST_TOLD]
        except DataInvalid as wrong:
            found.append(Mistake(f"tasks/{name}/task.toml", 1, f"the suite has no cases: {wrong}", "write them"))
    return tuple(found)


def as_case(row: dict[str, Any], suite: Evals) -> Case:
    """A row as a case. Raises `ValueError`, in words that go on from "the row ", for what is none."""
    inputs, messages, said = _goes_in(row)
    expected = _expected(row)
    found = Case(
        id=_id_of(row, inputs, messages),
        inputs=inputs,
        messages=messages,
        expected=said if expected is None else expected,
        group=_group_of(row, suite.group),
        tags=_tags_of(row),
    )
    facts = {
        "id": found.id,
        "inputs": inputs or {},
        "messages": list(messages),
        "expected": found.expected,
        "tags": list(found.tags),
        "meta": row.get("meta", {}),
    }
    return replace(found, slices=tuple(name for name, text in suite.slices.items() if compiled(text).holds(facts)))


def body(case: Case, task: str, seed: int) -> dict[str, Any]:
    """The chat completion that is sent for a case: the gateway adds prompt, model, sampling and tools."""
    found: dict[str, Any] = {"model": task, "messages": list(case.messages), "seed": seed}
    if case.inputs is not None:
        found["trimtab"] = {"inputs": case.inputs}
    return found


class _Gathered:
    """Cases as their rows come, each with an id of its own."""

    def __init__(self, of: Held, suite: Evals) -> None:
        self._of = of
        self._suite = suite
        self._cases: dict[str, Case] = {}
        self._lines: dict[str, int] = {}
        self._mistakes: list[Mistake] = []

    def take(self, row: Row | RowFault) -> None:
        if isinstance(row, RowFault):
            self._wrong(row.number, f"the row {row.words}", "correct it")
            return
        if len(self._cases) >= MOST:
            raise DataInvalid(name=self._of.name, detail=f"it has more than {MOST} cases; make a smaller set of it")
        try:
            found = as_case(row.value, self._suite)
        except ValueError as wrong:
            self._wrong(row.number, f"the row {wrong}", "write inputs or messages, and expected")
            return
        if found.id in self._cases and ("id" in row.value or "call" in row.value):
            what = f"the row has the id {found.id}, as line {self._lines[found.id]} has"
            self._wrong(row.number, what, "give each case an id of its own")
            return
        name, number = found.id, 2
        while name in self._cases:
            name, number = f"{found.id}-{number}", number + 1
        self._cases[name] = replace(found, id=name)
        self._lines[name] = row.number

    def cases(self) -> Cases:
        if not self._cases:
            self._wrong(1, "there are no cases", "write one JSON object a line, with inputs and expected")
        of = self._of
        return Cases(tuple(self._cases.values()), of.name, of.digest, of.path, self._lines, tuple(self._mistakes))

    def _wrong(self, line: int, what: str, instead: str) -> None:
        if len(self._mistakes) < MOST_MISTAKES:
            self._mistakes.append(Mistake(self._of.path, line, what, instead))


def _goes_in(row: Mapping[str, Any]) -> tuple[dict[str, Any] | None, tuple[dict[str, Any], ...], Any]:
    """A row's inputs, its messages, and what the assistant says at their end where that is the answer."""
    inputs, messages = row.get("inputs"), row.get("messages")
    if messages is not None and not _are_messages(messages):
        raise ValueError("has messages that are no list of objects with a role")
    if inputs is not None and not isinstance(inputs, dict):
        raise ValueError("has inputs that are no object")
    if inputs is None and not messages:
        inputs = {key: value for key, value in row.items() if key not in OUTPUTS | ASIDE | {"inputs", "messages"}}
        if not inputs:
            raise ValueError("has nothing that goes in")
    turns = tuple(messages or ())
    if inputs is None and turns[-1]["role"] == "assistant":
        if len(turns) == 1:
            raise ValueError("has nothing that goes in: its one message is the answer")
        last = turns[-1]
        return None, turns[:-1], last if last.get("tool_calls") else last.get("content")
    return inputs, turns, None


def _are_messages(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, dict) and isinstance(one.get("role"), str) for one in value)


def _expected(row: Mapping[str, Any]) -> Any:
    """What a row says should come out; the fields that say it as an object, where there are several."""
    if "expected" in row:
        return row["expected"]
    found = {key: row[key] for key in sorted(COMES_OUT) if key in row}
    return next(iter(found.values())) if len(found) == 1 else found or None


def _id_of(row: Mapping[str, Any], inputs: Any, messages: Any) -> str:
    """What a case is called: its own id, that of the call it was drawn from, or a digest of what goes in."""
    given = row.get("id", row.get("call"))
    if given is None:
        return f"c-{_digest([inputs, messages])[:12]}"
    text = str(given) if isinstance(given, (str, int)) and not isinstance(given, bool) else ""
    if not text or len(text) > LONGEST_ID or not text.isprintable():
        raise ValueError(f"has an id that is no text of 1 to {LONGEST_ID} printable characters")
    return text


def _group_of(row: dict[str, Any], path: str) -> str:
    """The group that the path leads to, as text; empty where it leads to nothing."""
    value = value_at(row, path) if path else None
    if value is None or value is MISSING:
        return ""
    text = value if isinstance(value, str) else json.dumps(value, sort_keys=True, ensure_ascii=False)
    return text if len(text) <= LONGEST_ID else f"sha256:{_digest(value)}"


def _tags_of(row: Mapping[str, Any]) -> tuple[str, ...]:
    tags = row.get("tags", [])
    found = [tags] if isinstance(tags, str) else tags
    if not isinstance(found, list) or len(found) > MOST_TAGS or not all(isinstance(tag, str) for tag in found):
        raise ValueError(f"has tags that are no list of at most {MOST_TAGS} texts")
    return tuple(found)


def _unfit(case: Case, task: Task) -> str | None:
    """Why a task cannot be asked a case, or None."""
    if case.inputs is None:
        return None
    if task.prompt is None:
        return f"it has inputs, and the task {task.name} has no prompt.md to fill them in"
    try:
        render(task.prompt, case.inputs)
    except InvalidRequest as wrong:
        return str(wrong.facts.get("detail", wrong))
    return None


def _digest(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
