"""Which cases of a task are hard, and which tell nothing any more: what `eval slices` and `eval cases` ask and say."""

from __future__ import annotations

import json
from itertools import islice
from pathlib import Path
from typing import Any, Final

from msgspec import Struct
from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from trimtab.cli.data_client import draw
from trimtab.cli.eval_list import reports_of
from trimtab.data.cases import case as as_words
from trimtab.data.coverage import LIKENESS, coverage
from trimtab.declare.load import load
from trimtab.declare.project import Project
from trimtab.errors import EvaluationUnknown, TrimtabError, UnknownTask
from trimtab.evals.case import Case
from trimtab.evals.cases import read_cases
from trimtab.evals.hard import HardParts, hard_parts
from trimtab.evals.kept import Evaluations
from trimtab.evals.report import Report
from trimtab.evals.spent import Spent, spent
from trimtab.evals.words import count, share_text
from trimtab.processes.draw import Wish
from trimtab.reports.foreign import plain_text
from trimtab.signals.readings.language import language

SURE: Final = 0.05
MOST_NAMED: Final = 20


class NotEvaluated(TrimtabError):
    """No evaluation of {task} has ended here; run `trimtab eval {task}`."""


class Standing(Struct, frozen=True):
    """What `eval cases --json` tells: what the last evaluations say, and the cases that no recent call is like.

    `calls` are how many calls were looked at; with none, nothing is stale.
    """

    task: str
    spent: Spent
    stale: tuple[str, ...]
    calls: int
    threshold: float


def hard_cases(root: Path, task: str, evaluation: str, seed: int) -> tuple[Report, HardParts]:
    """The parts of cases that an evaluation tells apart, the latest unless named. Raises `EvaluationUnknown`."""
    declared, reports = _reports(root, task, evaluation, 1)
    scores = {one.case: one.candidate for one in reports[0].cases if one.candidate is not None}
    signals = {"language": lambda one: language(_said(one))}
    return reports[0], hard_parts(_cases(declared, task), scores, signals, seed)


def standing(root: Path, task: str, last: int, since: str, sample: int) -> Standing:
    """What the last evaluations and recent calls say of a task's cases. Raises `EvaluationUnknown`."""
    declared, reports = _reports(root, task, "", last)
    stale, calls = _stale(root, _cases(declared, task), task, since, sample)
    return Standing(task, spent(reports), stale, calls, LIKENESS.threshold)


def _reports(root: Path, task: str, evaluation: str, most: int) -> tuple[Project, list[Report]]:
    declared = load(root)
    if task not in declared.tasks:
        raise UnknownTask(task=task)
    kept = Evaluations(Path(declared.data.directory))
    named = (one for one in reports_of(kept) if one.id.startswith(evaluation) and one.task == task)
    found = list(islice(named, most))
    if not found and evaluation:
        detail = f"none of {task} begins like that and has ended; see `trimtab eval list --task {task}`"
        raise EvaluationUnknown(id=evaluation[:80], detail=detail)
    if not found:
        raise NotEvaluated(task=task)
    return declared, found


def _cases(declared: Project, task: str) -> tuple[Case, ...]:
    of = declared.tasks.get(task)
    if of is None or of.evals is None:
        raise EvaluationUnknown(id=task[:80], detail="the task has no suite any more; write evals into its task.toml")
    return read_cases(Path(declared.root), of, of.evals).cases


def _said(one: Case) -> str:
    given = list((one.inputs or {}).values()) or [message.get("content") for message in one.messages]
    return " ".join(value for value in given if isinstance(value, str))


def _stale(root: Path, cases: tuple[Case, ...], task: str, since: str, sample: int) -> tuple[tuple[str, ...], int]:
    """The cases that are like no call of the window: coverage, with both sides exchanged."""
    drawn = draw(root.absolute(), Wish(task, sample=sample, since=since))
    calls = [as_words(json.loads(line)).words for line in drawn.cases]
    if not calls:
        return (), 0
    figures = coverage(calls, [as_words(_row(one)).words for one in cases])
    near = zip(cases, figures.nearest, strict=True)
    return tuple(one.id for one, nearest in near if nearest < LIKENESS.threshold), len(calls)


def _row(one: Case) -> dict[str, Any]:
    row = {"inputs": one.inputs, "messages": list(one.messages)}
    return {key: value for key, value in row.items() if value}


def parts_text(found: HardParts, report: Report) -> RenderableType:
    """The parts that are sure, or that none is."""
    sure = [one for one in found.parts if one.p_value <= SURE]
    told = f"{found.cases} cases of evaluation {report.id}, parted in {found.looked_at} ways."
    head = plain_text(told + (f" {found.left_out} share a group with another." if found.left_out else ""))
    if not found.parts:
        return Group(head, Text("Nothing can be told apart: scores do not vary, or there are too few cases."))
    table = Table("input", "is so", "cases", "score", "others", "p", box=box.SIMPLE_HEAD, pad_edge=False)
    for one in (sure or list(found.parts))[:MOST_NAMED]:
        shares = (f"{share_text(one.score)} %", f"{share_text(one.others)} %")
        table.add_row(plain_text(one.signal), plain_text(one.is_so), f"{one.cases:,}", *shares, f"{one.p_value:.3f}")
    if sure:
        said = "The p-value holds for all ways together. How far apart they are is told of the same cases: it is less."
    else:
        said = "None is further apart than the best of so many ways is by chance: do not believe these."
    return Group(head, table, Text(said))


def standing_text(found: Standing) -> RenderableType:
    """The cases that tell nothing any more, by why."""
    told = found.spent
    last = "the last evaluation" if told.evaluations == 1 else f"each of the last {told.evaluations} evaluations"
    lines = [f"{count(told.asked, 'case')} in {last}."]
    lines += _named("always right in all of them, and tell no versions apart", told.saturated)
    lines += _named("always wrong in all of them", told.failing)
    lines += ["Look at what is expected of these, and at what was asked."] if told.failing else []
    lines += _named("right by turns in one of them", told.flaky)
    if found.calls:
        lines += _named(f"like none of {found.calls:,} recent calls (similarity below {found.threshold})", found.stale)
    else:
        lines.append("No call of the window gives a case, so that nothing can be said of stale ones.")
    return Text("\n").join(plain_text(line, 2_000) for line in lines)


def _named(words: str, names: tuple[str, ...]) -> list[str]:
    shown = ", ".join(names[:MOST_NAMED]) + (f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else "")
    return [f"{len(names)} {words}" + (f": {shown}" if names else ".")]
