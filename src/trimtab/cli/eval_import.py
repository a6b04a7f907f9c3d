"""`trimtab eval import`: suites of other tools become the suite of a task."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
import msgspec
from msgspec import Struct

from trimtab.cli.parts import Commands
from trimtab.cli.screen import PROJECT, next_verb, safe, say_json, visible
from trimtab.errors import DataNotTaken
from trimtab.evals.words import count
from trimtab.lock.writing import write_file

if TYPE_CHECKING:
    from trimtab.evals.imports.suite import Imported

CASES: Final = "cases.jsonl"
EPILOG: Final = "Exit status: 0 done, 1 it was not and the message says why, 2 not understood."
SOURCE: Final = click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
TASK: Final = click.option("--task", required=True, metavar="NAME", help="The task whose suite it becomes.")
JUDGE: Final = click.option("--judge", default="", metavar="MODEL", help="The model that judges rubrics.")
REPLACE: Final = click.option("--replace", "may_replace", is_flag=True, help="Write over the task's cases.")
JSON: Final = click.option("--json", "as_json", is_flag=True, help="The same as one JSON document.")


class Taken(Struct, frozen=True):
    """What `eval import --json` tells: how many cases stand in which file, the suite's table, whether it was written
    into task.toml, and what could not be taken over.
    """

    cases: int
    file: str
    table: str
    is_written: bool
    left: tuple[str, ...]


@click.group("import", cls=Commands)
def command() -> None:
    """Turn a suite of another tool into that of a task: its cases, its scorers, and a list of what is left."""


def _verb(take: Callable[..., None]) -> click.Command:
    """A verb for the suites of one tool, with what all of them take."""
    for parameter in (JSON, REPLACE, JUDGE, PROJECT, TASK, SOURCE):
        take = parameter(take)
    return command.command(epilog=EPILOG)(take)


@_verb
def promptfoo(file: Path, judge: str, **given: Any) -> None:
    """Take over the tests of a promptfoo configuration (YAML or JSON). Nothing in it is run."""
    from trimtab.evals.imports.promptfoo import promptfoo as read  # noqa: PLC0415 - after what is quick to refuse

    _take(partial(read, file, judge), **given)


@_verb
def inspect(file: Path, judge: str, **given: Any) -> None:
    """Take over the samples of a log of Inspect AI (.json or .eval)."""
    from trimtab.evals.imports.inspect_ai import inspect_ai as read  # noqa: PLC0415 - after what is quick to refuse

    _take(partial(read, file, judge), **given)


def _take(read: Callable[[], Imported], project: Path, task: str, *, may_replace: bool, as_json: bool) -> None:
    folder = project / "tasks" / task
    name = f"tasks/{task}/cases"
    if Path(task).name != task or not (folder / "task.toml").is_file():
        raise DataNotTaken(name=name, detail="the project has no such task", instead="declare it first")
    if (folder / CASES).exists() and not may_replace:
        raise DataNotTaken(name=name, detail="the task has cases", instead="give --replace to write over them")
    found = read()
    write_file(folder / CASES, found.cases())
    is_written = _declare(folder / "task.toml", found)
    taken = Taken(len(found.rows), f"tasks/{task}/{CASES}", found.table(), is_written, found.left)
    if as_json:
        say_json(msgspec.json.encode(taken))
    else:
        _say(taken, task)


def _declare(place: Path, found: Imported) -> bool:
    """Adds the suite's table to a task that has none, if there is a scorer in it; whether it did."""
    import tomllib  # noqa: PLC0415 - for this verb alone

    try:
        text = place.read_text(encoding="utf-8")
        declared = tomllib.loads(text)
    except (UnicodeDecodeError, tomllib.TOMLDecodeError):
        return False
    if "evals" in declared or not found.scorers:
        return False
    write_file(place, f"{text.rstrip()}\n\n{found.table()}".encode())
    return True


def _say(taken: Taken, task: str) -> None:
    are = "is" if taken.cases == 1 else "are"
    click.echo(f"{count(taken.cases, 'case')} {are} in {safe(taken.file)}.")
    if taken.is_written:
        click.echo(f"The suite stands at the end of tasks/{safe(task)}/task.toml:")
    else:
        click.echo("task.toml is as it was; its suite would be:" if "scorers" in taken.table else "It has no scorers:")
    click.echo(f"\n{visible(taken.table)}")
    if taken.left:
        click.echo("Not taken over:")
        for words in taken.left:
            click.echo(f"  {safe(words)}")
    next_verb("trimtab check", f"trimtab eval {safe(task)}")
