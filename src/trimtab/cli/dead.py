"""`trimtab dead`: calls that failed for good and records that could not be read, until somebody deals with them."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import click
import msgspec
from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from trimtab.cli.dead_client import DeadOffice, DeadRefused, Listed, Wanted, dead_office
from trimtab.cli.screen import PROJECT, SINCE, next_verb, say, say_json
from trimtab.errors import TrimtabError
from trimtab.processes.dead import Redriven, Shown
from trimtab.reports.foreign import plain_text
from trimtab.reports.numbers import NONE, whole
from trimtab.reports.window import clock_text

EXIT = "Exit status: 0 done, 1 it could not be done or some failed again, 2 the command was not understood."
ALL_AT_MOST = 10_000
AT_ONCE = 4
FAILED = 1
SHOWN_LINES = 40
TASK = click.option("--task", default="", metavar="NAME", help="Only letters of this task.")
MODEL = click.option("--model", default="", metavar="NAME", help="Only letters of this model.")
CAUSE = click.option("--cause", default="", metavar="CODE", help="Only letters with this error code.")
SINCE_WHEN = click.option("--since", default="", metavar="TIME", callback=SINCE, help="1h, 7d, 2026-11-01.")
EVERY = click.option("--all", "every", is_flag=True, help="All letters that the filters leave.")


@click.group()
def command() -> None:
    """Calls that failed for good, and records that could not be read."""


@command.command("list", epilog=EXIT)
@PROJECT
@TASK
@MODEL
@CAUSE
@SINCE_WHEN
@click.option("--limit", default=20, type=click.IntRange(1, ALL_AT_MOST), show_default=True, help="How many letters.")
@click.option("--json", "as_json", is_flag=True, help="The same as one JSON document.")
def list_letters(project: Path, as_json: bool, **asked: object) -> None:
    """The letters, newest first, and how many there are of each cause."""
    with dead_office(project) as office:
        found = office.list(Wanted(**asked))  # type: ignore[arg-type]  # click hands over exactly these options
    if as_json:
        say_json(msgspec.json.encode(found))
        return
    say(listed_text(found, time.time_ns()))
    first = next((letter.id for letter in found.letters), "")
    next_verb(f"trimtab dead show {first}" if first else "trimtab status")


@command.command(epilog=EXIT)
@click.argument("letter")
@PROJECT
@click.option("--json", "as_json", is_flag=True, help="The same as one JSON document.")
def show(letter: str, project: Path, as_json: bool) -> None:
    """One letter: who called, how it ended, and the request that a redrive would send."""
    with dead_office(project) as office:
        found = office.show(letter)
    if as_json:
        say_json(msgspec.json.encode(found))
        return
    say(letter_text(found))
    next_verb(f"trimtab dead redrive {letter}" if found.letter.kept else f"trimtab dead drop {letter}")


@command.command(epilog=EXIT)
@click.argument("letters", nargs=-1)
@PROJECT
@TASK
@MODEL
@CAUSE
@SINCE_WHEN
@EVERY
@click.option("--at-once", default=AT_ONCE, type=click.IntRange(1, 64), show_default=True, help="Calls at a time.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@click.pass_context
def redrive(
    context: click.Context,
    /,
    letters: tuple[str, ...],
    project: Path,
    every: bool,
    at_once: int,
    as_json: bool,
    **asked: str,
) -> None:
    """Send calls again, each under its own names; what arrives is no dead letter any more."""
    with dead_office(project) as office:
        chosen = _chosen(office, letters, every=every, asked=asked)
        failed = 0
        with ThreadPoolExecutor(at_once) as threads:
            for place, done in enumerate(threads.map(lambda letter: _redriven(office, letter), chosen), 1):
                failed += not done.ok
                if as_json:
                    click.echo(msgspec.json.encode(done).decode())
                else:
                    say(redriven_text(done, place, len(chosen)))
    if not as_json:
        say(Text(f"{len(chosen) - failed} of {len(chosen)} arrived."))
        next_verb("trimtab dead list" if failed else "trimtab report --since 1h")
    if failed:
        context.exit(FAILED)


@command.command(epilog=EXIT)
@click.argument("letters", nargs=-1)
@PROJECT
@TASK
@MODEL
@CAUSE
@SINCE_WHEN
@EVERY
@click.option("--yes", is_flag=True, help="Do not ask.")
def drop(letters: tuple[str, ...], project: Path, every: bool, yes: bool, **asked: str) -> None:
    """Take letters out for good; the records of their calls stay."""
    with dead_office(project) as office:
        chosen = _chosen(office, letters, every=every, asked=asked)
        if every and not yes:
            click.confirm(f"Drop {len(chosen)} letters?", abort=True)
        dropped = office.drop(chosen)
    missing = [letter for letter in chosen if letter not in dropped]
    say(Text(f"{len(dropped)} dropped."))
    if missing:
        raise DeadRefused(detail=f"there is no dead letter {missing[0]}; `trimtab dead list` lists them")
    next_verb("trimtab dead list")


def _chosen(office: DeadOffice, named: tuple[str, ...], *, every: bool, asked: dict[str, str]) -> tuple[str, ...]:
    if bool(named) == every:
        raise click.UsageError("name letters, or say --all (with --task, --model, --cause, --since to narrow it)")
    if not every and any(asked.values()):
        raise click.UsageError("--task, --model, --cause and --since narrow --all")
    if named:
        return named
    return tuple(letter.id for letter in office.list(Wanted(**asked, limit=ALL_AT_MOST)).letters)


def _redriven(office: DeadOffice, letter: str) -> Redriven:
    try:
        return office.redrive(letter)
    except TrimtabError as failure:
        return Redriven(letter, False, detail=str(failure))


def listed_text(found: Listed, now_ns: int) -> RenderableType:
    """Letters as a table, and the tally under it."""
    if not found.tally:
        return Text("No dead letters.")
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("letter", "task", "model", "cause"):
        table.add_column(name, overflow="fold")
    for name in ("attempts", "redrives", "age", "bytes"):
        table.add_column(name, justify="right")
    table.add_column("request")
    for letter in found.letters:
        table.add_row(
            letter.id,
            letter.task or NONE,
            letter.model or NONE,
            letter.cause,
            whole(letter.attempts),
            whole(letter.redrives),
            age_text(now_ns - letter.first_ns),
            whole(letter.size_bytes),
            "kept" if letter.kept else Text("not kept", style="dim"),
        )
    total = sum(one.letters for one in found.tally)
    causes = ", ".join(f"{one.letters} {one.cause}{f' of {one.task}' if one.task else ''}" for one in found.tally[:8])
    return Group(table, Text(f"{total} in all: {causes}"))


def letter_text(found: Shown) -> RenderableType:
    """One letter for a terminal."""
    letter = found.letter
    lines = [
        Text.assemble((letter.id, "bold"), f"   {letter.cause}   {clock_text(letter.first_ns)}"),
        plain_text(letter.detail, len(letter.detail)),
        Text(f"task {letter.task or NONE}   model {letter.model or NONE}   attempts {letter.attempts}"),
        Text(f"redrives {letter.redrives}   latest call {letter.last_call or NONE}   {clock_text(letter.last_ns)}"),
    ]
    admitted = letter.admitted
    if admitted is not None:
        named = ("key", "run", "step", "conversation", "end_user", "surface")
        lines.append(Text("   ".join(f"{name} {getattr(admitted, name) or NONE}" for name in named)))
    if letter.kind == "call":
        told = "request: not kept, so it cannot be sent again" if found.request is None else _indented(found.request)
        shown = told.splitlines()
        more = [f"... {len(shown) - SHOWN_LINES} lines more, with --json"] if len(shown) > SHOWN_LINES else []
        lines += [Text(), *(plain_text(line, len(line)) for line in [*shown[:SHOWN_LINES], *more])]
    return Text("\n").join(lines)


def _indented(text: str) -> str:
    try:
        return json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    except ValueError:
        return text


def redriven_text(done: Redriven, place: int, of: int) -> Text:
    """What became of one letter."""
    mark = ("arrived", "green") if done.ok else ("! failed again", "red")
    text = Text.assemble(f"{place}/{of}  {done.id}  ", mark)
    if done.call:
        text.append(f"  as {done.call}")
    if done.detail:
        text.append("  ").append_text(plain_text(done.detail, 200))
    return text


def age_text(age_ns: int) -> str:
    """An age in its largest unit."""
    seconds = max(0, age_ns) / 1e9
    for unit, size in (("d", 86_400.0), ("h", 3600.0), ("min", 60.0)):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
