"""`trimtab dead`: calls that failed for good and records that could not be read, until somebody deals with them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import click
import msgspec
from msgspec import Struct
from rich.text import Text

from trimtab.cli.dead_client import DeadOffice, Wanted, dead_office
from trimtab.cli.dead_text import letter_text, listed_text, redriven_text
from trimtab.cli.parts import Commands
from trimtab.cli.screen import PROJECT, SINCE, be_sure, console, next_verb, plain, say, say_json
from trimtab.errors import TrimtabError
from trimtab.processes.dead import MOST_AT_ONCE, Redriven

EXIT = "Exit status: 0 done, 1 not all of it could be done, 2 the command was not understood."
ALL_AT_MOST = 10_000
"""Letters that `--all` takes at a time."""
AT_ONCE = 4
FAILED = 1
TASK = click.option("--task", default="", metavar="NAME", help="Only letters of this task.")
MODEL = click.option("--model", default="", metavar="NAME", help="Only letters of this model.")
CAUSE = click.option("--cause", default="", metavar="CODE", help="Only letters with this error code.")
SINCE_WHEN = click.option("--since", default="", metavar="TIME", callback=SINCE, help="1h, 7d, 2026-11-01.")
EVERY = click.option("--all", "every", is_flag=True, help="All letters that the filters leave.")


class Dropped(Struct, frozen=True):
    """What `dead drop --json` tells: the letters that are gone, and those that were not there."""

    dropped: tuple[str, ...]
    missing: tuple[str, ...]


@click.group(cls=Commands)
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
    say(listed_text(found, time.time_ns(), console().width))
    first = next((letter.id for letter in found.letters), "")
    next_verb(f"trimtab dead show {first}" if first else "trimtab status")


@command.command(epilog=EXIT)
@click.argument("letter")
@PROJECT
@click.option("--whole", is_flag=True, help="The request to its end.")
@click.option("--json", "as_json", is_flag=True, help="The same as one JSON document.")
def show(letter: str, project: Path, whole: bool, as_json: bool) -> None:
    """One letter: who called, how it ended, and the request that a redrive would send."""
    with dead_office(project) as office:
        found = office.show(letter)
    if as_json:
        say_json(msgspec.json.encode(found))
        return
    say(letter_text(found, time.time_ns(), to_the_end=whole))
    can_be_sent = found.request is not None or found.letter.kind != "call"
    next_verb(f"trimtab dead {'redrive' if can_be_sent else 'drop'} {letter}")


@command.command(epilog=EXIT)
@click.argument("letters", nargs=-1)
@PROJECT
@TASK
@MODEL
@CAUSE
@SINCE_WHEN
@EVERY
@click.option(
    "--at-once", default=AT_ONCE, type=click.IntRange(1, MOST_AT_ONCE), show_default=True, help="Calls at a time."
)
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
    """Send calls again, each under its own names, the oldest first; what arrives is no dead letter any more."""
    failed = 0
    with dead_office(project) as office:
        found = _chosen(office, letters, every=every, asked=asked)
        chosen = tuple(letter for letter, can_be_sent in found.items() if can_be_sent)
        for place, done in enumerate(_redriven(office, chosen, at_once), 1):
            failed += not done.ok
            click.echo(plain(done)) if as_json else say(redriven_text(done, place, len(chosen)))
    if not as_json:
        say(Text(f"{len(chosen) - failed} of {len(chosen)} done."))
        if len(chosen) < len(found):
            say(Text(f"{len(found) - len(chosen)} left out: the redaction of the task keeps no whole request."))
        _tell_rest(len(found))
        next_verb("trimtab dead list" if failed else "trimtab calls tail")
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
@click.option("--json", "as_json", is_flag=True, help="The same as one JSON document.")
@click.pass_context
def drop(
    context: click.Context,
    /,
    letters: tuple[str, ...],
    project: Path,
    every: bool,
    yes: bool,
    as_json: bool,
    **asked: str,
) -> None:
    """Take letters out for good. The records of their calls stay; a damaged segment goes with its letter."""
    with dead_office(project) as office:
        chosen = tuple(_chosen(office, letters, every=every, asked=asked))
        if every and chosen and not yes:
            be_sure(f"Drop {len(chosen)} letters?")
        dropped = office.drop(chosen) if chosen else ()
    missing = tuple(letter for letter in chosen if letter not in set(dropped))
    if as_json:
        say_json(msgspec.json.encode(Dropped(dropped, missing)))
    else:
        say(Text(f"{len(dropped)} dropped."))
        for letter in missing:
            click.echo(f"There is no dead letter {letter}.", err=True)
        _tell_rest(len(chosen))
        next_verb("trimtab dead list")
    if missing:
        context.exit(FAILED)


def _chosen(office: DeadOffice, named: tuple[str, ...], *, every: bool, asked: dict[str, str]) -> dict[str, bool]:
    """The letters a verb is about, the oldest first, and whether they can be re-driven as far as is known."""
    if bool(named) == every:
        raise click.UsageError("name letters, or say --all (with --task, --model, --cause, --since to narrow it)")
    if not every and any(asked.values()):
        raise click.UsageError("--task, --model, --cause and --since narrow --all")
    if named:
        return dict.fromkeys(named, True)
    return {letter.id: letter.kept for letter in reversed(office.list(Wanted(**asked, limit=ALL_AT_MOST)).letters)}


def _redriven(office: DeadOffice, letters: tuple[str, ...], at_once: int) -> Iterator[Redriven]:
    """Re-drives letters, so many at the same time; an interrupt begins no more of them."""

    def one(letter: str) -> Redriven:
        try:
            return office.redrive(letter)
        except TrimtabError as failure:
            return Redriven(letter, False, detail=str(failure))

    with ThreadPoolExecutor(at_once) as threads:
        yield from threads.map(one, letters)


def _tell_rest(found: int) -> None:
    if found == ALL_AT_MOST:
        say(Text(f"These were the newest {ALL_AT_MOST}; say it again for the rest."))
