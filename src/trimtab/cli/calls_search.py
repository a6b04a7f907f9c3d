"""`trimtab calls search`: calls by what they are and by what was said."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import click
from rich.text import Text

from trimtab.cli.answers import answers
from trimtab.cli.call_text import calls_table
from trimtab.cli.screen import PROJECT, SINCE, console, next_verb, plain, say
from trimtab.console.call_query import LISTS, MARKS, NAMES, UNITS
from trimtab.reports.window import clock_text
from trimtab.store.search import MAX_LIMIT, ORDERS, CallPage

EXIT = "Exit status: 0 done, 1 nobody could answer, 2 the command was not understood."
MEASURES = ", ".join(f"{name} ({unit})" for name, unit in UNITS.items())

Verb = Callable[..., object]


def _dashed(name: str) -> str:
    return "--" + name.replace("_", "-")


def _filters(command: Verb) -> Verb:
    """One option for each parameter that narrows a search."""
    for name, says in reversed([*MARKS.items()]):
        words = f"Only {says.removeprefix('true keeps ')}."
        command = click.option(_dashed(name), name, is_flag=True, help=words)(command)
    for name, says in reversed([*NAMES.items()]):
        words = f"{says[0].upper()}{says[1:]}."
        command = click.option(_dashed(name), name, default="", metavar="NAME", help=words)(command)
    for name, (_, says) in reversed([*LISTS.items()]):
        words = f"{says[0].upper()}{says[1:]}; may be given several times."
        command = click.option(_dashed(name), name, multiple=True, metavar="NAME", help=words)(command)
    return command


def _bound(context: click.Context, option: click.Parameter, values: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    """Pairs of a measure and a number."""
    found = []
    for value in values:
        name, _, number = value.partition("=")
        if name not in UNITS or not number:
            raise click.BadParameter(f"{value!r} is not NAME=NUMBER; the names are {MEASURES}", context, option)
        found.append((name, number))
    return tuple(found)


@click.command(epilog=EXIT)
@click.argument("text", default="")
@PROJECT
@_filters
@click.option("--min", "least", multiple=True, metavar="NAME=N", callback=_bound, help=f"At least: {MEASURES}.")
@click.option("--max", "most", multiple=True, metavar="NAME=N", callback=_bound, help="At most, likewise.")
@click.option("--order", type=click.Choice(ORDERS), default="newest", show_default=True, help="Which come first.")
@click.option("--since", default="", metavar="TIME", callback=SINCE, help="1h, 7d, 2026-11-01.")
@click.option("--until", default="", metavar="TIME", callback=SINCE, help="Calls that ended before it.")
@click.option("--limit", default=20, type=click.IntRange(1, MAX_LIMIT), show_default=True, help="How many calls.")
@click.option("--after", default="", metavar="PLACE", help="Go on behind an earlier page, as it said.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document: the calls, and where the page ends.")
def search(project: Path, as_json: bool, **given: object) -> None:
    """Calls by what they are, and by TEXT in the beginning of the last question or of the answer."""
    with answers(project) as source:
        page = source.search(list(_asked(given)))
    if as_json:
        click.echo(plain(page))
        return
    say(calls_table(page.calls, console().width) if page.calls else Text("No such call has ended."))
    if page.looked_back_ns and not page.calls:
        say(Text(f"Looked back to {clock_text(page.looked_back_ns)}.", style="dim"))
    next_verb(_next(page))


def _asked(given: dict[str, object]) -> Iterable[tuple[str, str]]:
    """The options as parameters of a search."""
    for name, value in given.items():
        if name in ("least", "most"):
            prefix = "min" if name == "least" else "max"
            yield from ((f"{prefix}_{measure}", number) for measure, number in value)  # type: ignore[attr-defined]
        elif isinstance(value, tuple):
            yield from ((name, one) for one in value)
        elif value:
            yield name, "true" if value is True else str(value)


def _next(page: CallPage) -> str:
    if page.after:
        return f"the same with --after {page.after}"
    return f"trimtab calls show {page.calls[0].admitted.call}" if page.calls else "trimtab calls tail"
