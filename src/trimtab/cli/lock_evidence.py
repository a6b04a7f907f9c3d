"""What recorded calls say of a model before and after it was moved: read, and shown as a table."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import click
from msgspec import Struct
from rich import box
from rich.table import Table

from trimtab.assemble.evidence import Evidence, Row, Sides, Standing, compare, standings
from trimtab.cli.answers import Answers, Wanted, answers
from trimtab.cli.screen import safe, say
from trimtab.declare.project import Project
from trimtab.errors import GitFailed, TrimtabError
from trimtab.lock.git import find
from trimtab.lock.history import locks
from trimtab.lock.lockfile import Lock
from trimtab.record.events import Settled
from trimtab.reports.numbers import three_digits

MOST_CALLS: Final = 1000
"""Calls of a task and model that are read for each side, the newest."""
ID_DIGITS: Final = 16
"""Of a lock's id, so that hundreds fit a question."""


class Asked(Struct, frozen=True):
    """What is compared: a model of a project, the lock in which it is what it is now, and since when calls count."""

    project: Project
    lock: Lock
    name: str
    since: str

    @property
    def now(self) -> Standing:
        """What the model's name stands for."""
        return standings(self.lock)[self.name]


def gathered(root: Path, asked: Asked, held: Lock) -> tuple[Evidence, str]:
    """What recorded calls say, and why they say nothing where they do not. `held` is the lock as it lies there."""
    if not Path(asked.project.data.directory).is_dir():
        return Evidence(0, 0), "no call was recorded here; say it where `trimtab up` runs to compare with its calls"
    sides = Sides(asked.name, asked.now, [*_committed(root), held, asked.lock])
    try:
        calls = _calls(root, asked, sides)
    except TrimtabError as failure:
        return Evidence(0, 0), f"recorded calls cannot be read: {failure}"
    before = [call for call in calls if sides.of(call) == "before"]
    evidence = compare(before, [call for call in calls if sides.of(call) == "after"])
    return evidence, "" if evidence.rows else _missing(evidence, asked)


def _missing(evidence: Evidence, asked: Asked) -> str:
    new = asked.now.resolved
    if not evidence.calls_after:
        return (
            f"no call that {new} answered is recorded (--since {asked.since}); move it where it can be tried (another "
            f"environment), let calls come, and say `trimtab lock upgrade {asked.name}` there"
        )
    if not evidence.calls_before:
        return f"no call of an earlier {asked.name} is recorded (--since {asked.since}); name an earlier time"
    return f"the old model and {new} answered no calls of the same task (--since {asked.since})"


def _committed(root: Path) -> Iterator[Lock]:
    """The locks of earlier commits: they tell what a model was when a call was made under one of them."""
    try:
        repository = find(root)
        for _, lock in locks(repository) if repository else ():
            if lock is not None:
                yield lock
    except GitFailed:
        return


def _calls(root: Path, asked: Asked, sides: Sides) -> list[Settled]:
    """The calls of the model's tasks that the model, or another name for what it is now, answered: the newest of each
    side as far as their locks tell it, and the newest of all.
    """
    project, name = asked.project, asked.name
    others = [other for other, stands in standings(asked.lock).items() if stands.resolved == asked.now.resolved]
    tasks = [task.name for task in project.tasks.values() if name in {task.model, *task.fallback}]
    narrowed = [locks for locks in (sides.before, sides.after) if locks]
    with answers(root) as source:
        found = {
            call.admitted.call: call
            for task in tasks
            for model in dict.fromkeys((name, *others))
            for locks in [*narrowed, ()]
            for call in _of(source, task, model, asked.since, locks)
        }
    return list(found.values())


def _of(source: Answers, task: str, model: str, since: str, locks: tuple[str, ...]) -> tuple[Settled, ...]:
    ids = tuple(lock[:ID_DIGITS] for lock in locks)
    return source.calls(Wanted(task=(task,), model=model, since=since, limit=MOST_CALLS, lock=ids))


def say_evidence(evidence: Evidence, missing: str) -> None:
    """The comparison as a table, or why there is none."""
    if missing:
        click.echo(f"\nNothing is compared: {safe(missing)}.")
        return
    table = Table("task", "measure", "old", "new", "new less old (95 %)", box=box.SIMPLE_HEAD, pad_edge=False)
    for row in evidence.rows:
        measure = row.measure if row.unit == "share" else f"{row.measure}, {row.unit}"
        old, new = _side(row.before, row.n_before, row.unit), _side(row.after, row.n_after, row.unit)
        table.add_row(row.task, measure, old, new, _interval(row))
    say(table)
    click.echo("Calls of the old and the new model had different inputs; each interval holds by itself.")


def _side(value: float | None, n: int, unit: str) -> str:
    if value is None:
        return "no calls"
    return f"{three_digits(value * 100)} %, n {n:,}" if unit == "share" else f"{three_digits(value)}, n {n:,}"


def _interval(row: Row) -> str:
    if row.before is None or row.after is None:
        return ""
    low, high = row.difference
    if not math.isfinite(low):
        return "too few calls"
    if row.unit == "share":
        return f"{_plus(low * 100)} to {_plus(high * 100)} points"
    return f"{_plus(low)} to {_plus(high)}"


def _plus(value: float) -> str:
    return f"{'-' if value < 0 else '+'}{three_digits(abs(value))}"
