"""`trimtab lock upgrade`: one model is moved, with what recorded calls say of the old one and the new one."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec
from msgspec import Struct
from msgspec.structs import replace

from trimtab.assemble.upgrade import Ask, Evidence, Row, Upgrade, apply, compare, plan, served_by
from trimtab.cli.lock_text import Told, say_differences, today, told
from trimtab.cli.lock_write import locked, put, with_authors
from trimtab.cli.screen import PROJECT, SINCE, next_verb, safe, say, say_json
from trimtab.errors import TrimtabError
from trimtab.lock.lockfile import FILE, Entry, Lock

if TYPE_CHECKING:
    from trimtab.cli.answers import Answers
    from trimtab.record.events import Settled

MOST_CALLS = 1000
"""Calls of a task that are read for each side."""
SHORT = 12


class Upgraded(Struct, frozen=True):
    """What `lock upgrade --json` tells. `no_evidence` says why nothing could be compared."""

    model: str
    written: bool
    lock_id: str
    differences: tuple[Told, ...]
    notes: tuple[str, ...]
    calls_before: int
    calls_after: int
    no_evidence: str
    rows: tuple[Row, ...]


@click.command(
    "upgrade", epilog="Exit status: 0 moved (or could be), 1 it was not and the message says why, 2 not understood."
)
@click.argument("model")
@click.option("--to", default="", metavar="NAME", help="What its servers call the new model.")
@click.option("--revision", default="", metavar="HASH", help="The commit of its weights.")
@click.option(
    "--since", default="7d", metavar="TIME", callback=SINCE, help="Compare calls from then on; 7d unless given."
)
@click.option("--live", is_flag=True, help="Ask the model's servers who they are, and lock that too.")
@click.option("--dry-run", is_flag=True, help="Write nothing.")
@PROJECT
@click.option("--json", "as_json", is_flag=True, help="The same as one JSON document.")
def command(model: str, project: Path, since: str, live: bool, dry_run: bool, as_json: bool, **where: str) -> None:
    """Move MODEL ("models.small") to another name or revision, in trimtab.toml and the lock, and nothing else.

    Comments and order of trimtab.toml stay. Recorded calls of the old model are compared with those that the new one
    answered under any name: answers that keep their schema, tool calls, refusals, length and cost.
    """
    name = model.removeprefix("models.").removeprefix("models/")
    held = locked(project)
    planned = plan(project, held, name, where["to"], where["revision"], today(), _asking(name) if live else None)
    evidence, missing = _evidence(project, planned, name, since)
    if not dry_run:
        apply(project, planned, lambda: put(project, _signed(project, planned, held)))
    if as_json:
        say_json(msgspec.json.encode(_upgraded(planned, evidence, missing, written=not dry_run)))
        return
    _say(planned, written=not dry_run)
    _say_evidence(evidence, missing)
    next_verb("trimtab lock diff" if not dry_run else "the same without --dry-run")


def _signed(root: Path, planned: Upgrade, held: Lock) -> Lock:
    """The lock with authors; entries that did not move are left exactly as they are."""
    signed, _ = with_authors(planned.project, root, planned.lock, held)
    before = {one.key: one for one in held.entries}
    entries = (before[one.key] if _is_same(before.get(one.key), one) else one for one in signed.entries)
    return replace(signed, entries=tuple(entries))


def _is_same(before: Entry | None, after: Entry) -> bool:
    return before is not None and before.digest == after.digest


def _asking(name: str) -> Ask:
    from trimtab.cli.lock_live import learned  # noqa: PLC0415 - only --live asks servers

    return lambda project, resolved: learned(project, resolved, (name,))


def _upgraded(planned: Upgrade, evidence: Evidence, missing: str, *, written: bool) -> Upgraded:
    return Upgraded(
        planned.model,
        written,
        planned.lock.lock_id,
        tuple(map(told, planned.differences)),
        planned.notes,
        evidence.calls_before,
        evidence.calls_after,
        missing,
        evidence.rows,
    )


def _evidence(root: Path, planned: Upgrade, name: str, since: str) -> tuple[Evidence, str]:
    """What recorded calls say, and why they say nothing where they do not."""
    if not Path(planned.project.data.directory).is_dir():
        return Evidence(0, 0), "no call was recorded here; say it where `trimtab up` runs to compare with its calls"
    try:
        before, after = _calls(root, planned, name, since)
    except TrimtabError as failure:
        return Evidence(0, 0), f"recorded calls cannot be read: {failure}"
    evidence = compare(before, after)
    return evidence, "" if evidence.rows else _how_to_compare(evidence, planned, since)


def _how_to_compare(evidence: Evidence, planned: Upgrade, since: str) -> str:
    new = planned.project.models[planned.model].served_name
    if not evidence.calls_before:
        return f"no call that the old model answered is recorded since {since}; name an earlier time with --since"
    if not evidence.calls_after:
        return (
            f"no call that {new} answered is recorded; declare it as a model of its own, let some of the task's calls "
            f"go to it, and say `trimtab lock upgrade --dry-run` again"
        )
    return f"the old model and {new} answered no calls of the same task"


def _calls(root: Path, planned: Upgrade, name: str, since: str) -> tuple[list[Settled], list[Settled]]:
    """The calls that the old model answered, and those that the new one did under any name."""
    from trimtab.cli.answers import answers  # noqa: PLC0415 - telemetry is opened only to compare

    project = planned.project
    is_new = served_by(project.models[name])
    others = [each.name for each in project.models.values() if each.served_name == project.models[name].served_name]
    tasks = [task.name for task in project.tasks.values() if name in {task.model, *task.fallback}]
    with answers(root) as source:
        found = {call.admitted.call: call for task in tasks for call in _of_task(source, task, [name, *others], since)}
    calls = list(found.values())
    return [call for call in calls if call.model == name and not is_new(call)], [call for call in calls if is_new(call)]


def _of_task(source: Answers, task: str, models: list[str], since: str) -> list[Settled]:
    from trimtab.cli.answers import Wanted  # noqa: PLC0415

    return [
        call
        for model in dict.fromkeys(models)
        for call in source.calls(Wanted(task=(task,), model=model, since=since, limit=MOST_CALLS))
    ]


def _say(planned: Upgrade, *, written: bool) -> None:
    done = "is moved" if written else "would be moved"
    click.echo(f"models.{safe(planned.model)} {done}; {FILE} is then {planned.lock.lock_id[:SHORT]}.")
    say_differences(tuple(map(told, planned.differences)), "trimtab lock diff --json")
    for note in planned.notes:
        click.echo(f"Note: {safe(note)}")


def _say_evidence(evidence: Evidence, missing: str) -> None:
    if missing:
        click.echo(f"\nNothing is compared: {safe(missing)}.")
        return
    from rich import box  # noqa: PLC0415 - only a table needs it
    from rich.table import Table  # noqa: PLC0415

    table = Table("task", "measure", "old", "new", "new less old (95 %)", box=box.SIMPLE_HEAD, pad_edge=False)
    for row in evidence.rows:
        measure = row.measure if row.unit == "share" else f"{row.measure}, {row.unit}"
        old, new = _side(row.before, row.n_before, row.unit), _side(row.after, row.n_after, row.unit)
        table.add_row(row.task, measure, old, new, _interval(row))
    say(table)
    click.echo("Calls of the old and the new model had different inputs; each interval holds by itself.")


def _side(value: float | None, n: int, unit: str) -> str:
    return f"{_number(value, unit)}, n {n:,}" if value is not None else "no calls"


def _interval(row: Row) -> str:
    if row.before is None or row.after is None:
        return ""
    low, high = row.difference
    if not math.isfinite(low):
        return "too few calls"
    return f"{_plus(low, row.unit)} to {_plus(high, row.unit)}"


def _plus(value: float, unit: str) -> str:
    return f"{'-' if value < 0 else '+'}{_number(abs(value), unit)}"


def _number(value: float, unit: str) -> str:
    from trimtab.reports.numbers import three_digits  # noqa: PLC0415

    return f"{three_digits(value * 100)} %" if unit == "share" else three_digits(value)
