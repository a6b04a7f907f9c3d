"""`trimtab lock skew`: what differs between two locks, or between a lock and the calls that were made."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import click
import msgspec
from msgspec import Struct

from trimtab.cli.screen import PROJECT, SINCE, TASKS, next_verb, safe, say_json
from trimtab.declare.load import read
from trimtab.errors import LockMissing
from trimtab.lock.lockfile import FILE
from trimtab.lock.named import SHORT, Named, named
from trimtab.lock.skew import Skew, between
from trimtab.processes.directory import DataDirectory

MOST: Final = 100
"""Skews that are shown; `--json` has them all."""
FAILED: Final = 1
LIVE: Final = "live calls"


class Side(Struct, frozen=True):
    """What was compared: a lock, by its id and where it was found, or `calls` that were made."""

    place: str
    lock_id: str = ""
    calls: int | None = None
    since_ns: int | None = None
    until_ns: int | None = None


class Told(Struct, frozen=True):
    """What `lock skew --json` tells."""

    before: Side
    after: Side
    skews: tuple[Skew, ...]
    notes: tuple[str, ...] = ()


@click.command("skew", epilog="Exit status: 0 there is none, 1 there is or it could not be told, 2 not understood.")
@click.argument("before", metavar="[A", default="")
@click.argument("after", metavar="[B]]", default="")
@PROJECT
@click.option("--live", is_flag=True, help="Hold calls that were made against A.")
@click.option(
    "--since", default="", metavar="TIME", callback=SINCE, help="Calls since 1h, 7d, 2026-11-01; 24h unless given."
)
@TASKS
@click.option("--json", "as_json", is_flag=True, help="The same as one JSON document.")
@click.pass_context
def command(
    context: click.Context,
    before: str,
    after: str,
    project: Path,
    live: bool,
    since: str,
    task: tuple[str, ...],
    as_json: bool,
) -> None:
    """What differs between what was evaluated and what runs: between locks A and B, or A and calls that were made.

    A lock is named by a revision, a file, or the id of one that was committed (its first 8 digits do); the one of the
    project where none is named. Of calls, prompts, models, contexts and schemas are known by records, sampling and
    tools by a sample of requests, as far as their tasks' redaction keeps them.
    """
    if live and after:
        raise click.UsageError("with --live one lock is enough: its calls are the other side")
    if since and not live:
        raise click.UsageError("--since is for --live")
    first = _named(project, before)
    told = _live(first, project, since, task) if live else _between(first, _named(project, after), task)
    if as_json:
        say_json(msgspec.json.encode(told))
    else:
        _say(told)
    if told.skews:
        context.exit(FAILED)


def _named(project: Path, name: str) -> Named:
    """The lock that a name means, also one that was in force in this data directory and is committed nowhere."""
    if not name and not (project / FILE).exists():
        raise LockMissing(path=FILE, root=str(project))
    directory = read(project).data_directory
    kept = [DataDirectory(directory).run / FILE] if directory is not None else []
    return named(project, name or str(project / FILE), kept)


def _between(first: Named, second: Named, tasks: Sequence[str]) -> Told:
    found = between(first.lock, second.lock)
    wanted = tuple(skew for skew in found if not tasks or set(tasks) & set(skew.tasks))
    return Told(_side(first), _side(second), wanted)


def _live(first: Named, project: Path, since: str, tasks: tuple[str, ...]) -> Told:
    from trimtab.cli.answers import Wanted, answers  # noqa: PLC0415 - two locks are compared without any store
    from trimtab.lock.skew_live import against  # noqa: PLC0415

    with answers(project) as source:
        seen = source.seen(Wanted(task=tasks, since=since))
    found = against(first.lock, seen.kinds, seen.sampled)
    notes = found.notes
    left_out = seen.calls - sum(kind.calls for kind in seen.kinds)
    if left_out:
        notes = (*notes, f"{left_out} calls of rarer kinds were not looked at")
    calls = Side(LIVE, calls=seen.calls, since_ns=seen.since_ns, until_ns=seen.until_ns)
    return Told(_side(first), calls, found.skews, notes)


def _side(found: Named) -> Side:
    return Side(found.place, found.lock.lock_id)


def _say(told: Told) -> None:
    what = f"{len(told.skews)} differences" if len(told.skews) != 1 else "1 difference"
    tasks = {task for skew in told.skews for task in skew.tasks}
    where = f" in {len(tasks)} task{'' if len(tasks) == 1 else 's'}" if tasks else ""
    click.echo(f"{_name(told.before)} against {_name(told.after)}: {what if told.skews else 'no difference'}{where}.")
    if told.skews:
        click.echo("")
    for line in _table(told.skews[:MOST]):
        click.echo(line)
    if len(told.skews) > MOST:
        click.echo(f"and {len(told.skews) - MOST} more, with --json")
    for note in told.notes:
        click.echo(f"Note: {safe(note)}")
    if told.after.calls is None:
        next_verb("trimtab lock skew --live")
    else:
        next_verb("trimtab report --by-lock" if told.skews else "trimtab lock --check")


def _name(side: Side) -> str:
    if side.calls is None:
        return f"Lock {side.lock_id[:SHORT]} ({safe(side.place)})"
    from trimtab.reports.window import clock_text  # noqa: PLC0415 - it is for live calls alone

    return f"{side.calls:,} calls since {clock_text(side.since_ns or 0)}"


def _table(skews: Sequence[Skew]) -> Iterator[str]:
    """One difference a line: the tasks, the aspect, how many calls, and the sentence."""
    rows = [(_tasks(skew.tasks), skew.aspect, _share(skew), safe(skew.words)) for skew in skews]
    widths = [max((len(row[column]) for row in rows), default=0) for column in range(3)]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row[:3], widths, strict=True) if width]
        yield "  ".join([*cells, row[3]])


def _tasks(tasks: Sequence[str]) -> str:
    shown = ", ".join(tasks[:3])
    return f"{shown} and {len(tasks) - 3} more" if len(tasks) > 3 else shown or "-"


def _share(skew: Skew) -> str:
    return f"{skew.calls:,} of {skew.of:,}" if skew.calls is not None and skew.of is not None else ""
