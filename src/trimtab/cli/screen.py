"""What the verbs share in speaking to a person: the console, options, and the last line."""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from trimtab.reports.window import since_ns

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

PIPED_WIDTH = 160
"""Columns where nobody's terminal says how many there are."""


def _checked(context: click.Context, option: click.Parameter, value: str) -> str:
    """The time as it was given, once it is known to be one."""
    try:
        since_ns(value or "1h", time.time_ns())
    except ValueError as wrong:
        raise click.BadParameter(str(wrong), context, option) from wrong
    return value


SINCE: Callable[[click.Context, click.Parameter, str], str] = _checked
PROJECT = click.option(
    "--project",
    default=".",
    type=click.Path(path_type=Path, file_okay=False),
    help="The folder of trimtab.toml; this one unless given.",
)
TASKS = click.option("--task", multiple=True, metavar="NAME", help="Only this task; may be given several times.")


def console() -> Console:
    """Standard output: colours and its own width on a terminal, neither when piped."""
    from rich.console import Console  # noqa: PLC0415 - verbs that print lines only do without it

    found = Console(highlight=False)
    return found if found.is_terminal else Console(highlight=False, width=PIPED_WIDTH)


def error_console() -> Console:
    """Standard error, for what is said beside the answer; lines stay whole where nobody's terminal is, and words of
    others are no markup.
    """
    from rich.console import Console  # noqa: PLC0415 - as above

    found = Console(stderr=True, highlight=False, markup=False)
    return found if found.is_terminal else Console(stderr=True, highlight=False, markup=False, soft_wrap=True)


def say(what: RenderableType) -> None:
    """Prints something for a person."""
    console().print(what)


def say_json(document: bytes) -> None:
    """Prints one JSON document for a machine."""
    click.echo(msgspec.json.format(document, indent=2).decode())


def visible(text: str) -> str:
    """A text of several lines in which control codes are shown (ESC as `\\x1b`) and not obeyed."""
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() or letter in "\n\t" else ascii(letter)[1:-1] for letter in text)


def tell_undeclared(project: Path, tasks: Iterable[str]) -> None:
    """Says of tasks that nothing was found of and that the project does not declare, beside the answer, which was
    probably meant. Names in parentheses, such as (undeclared), are of no project.
    """
    from trimtab.declare.load import read  # noqa: PLC0415 - only where nothing was found
    from trimtab.declare.mistakes import nearest  # noqa: PLC0415 - as above

    found = read(project, data=False).project
    declared = found.tasks if found is not None else {}
    for name in tasks:
        if declared and name not in declared and not name.startswith("("):
            close = nearest(name, declared)
            meant = f"did you mean {close}?" if close else "`trimtab check` lists those there are"
            click.echo(f"Note: this project declares no task {safe(name)}; {meant}", err=True)


def be_sure(question: str) -> None:
    """Asks a person; goes on after a yes alone. Raises `click.UsageError` where nobody is there to answer."""
    try:
        is_sure = click.confirm(question, err=True)
    except click.Abort:
        if sys.stdin.isatty():
            raise
        raise click.UsageError("nobody is there to be asked; say --yes to do it all the same") from None
    if not is_sure:
        raise click.Abort


def next_verb(*verbs: str, once: str = "") -> None:
    """Ends the output with what is useful next: a command, or several in their order; `once` says when."""
    told = ", then ".join(map(here, verbs))
    click.secho(f"\nNext: {told}, {once}" if once else f"\nNext: {told}", dim=True)


def here(verb: str) -> str:
    """A command as it has to be typed where this one was: one of ours with the `--project` that this one has."""
    context = click.get_current_context(silent=True)
    project = context.params.get("project") if context is not None else None
    if project in {None, Path()} or not verb.startswith("trimtab ") or " --project " in verb:
        return verb
    return f"{verb} --project {shlex.quote(str(project))}"


def plain(value: Any) -> str:
    """A value as one JSON line."""
    return msgspec.json.encode(value).decode()


def safe(words: str, most: int = 500) -> str:
    """Words of others as one line without control codes (those are escaped, ESC as `\\x1b`), cut at `most`."""
    cut = words if len(words) <= most else words[: most - 3] + "..."
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in cut)
