"""`trimtab signals`: whether tasks do what they should, and how fast; behaviour beside infrastructure."""

from __future__ import annotations

from pathlib import Path
from shlex import quote

import click
import msgspec

from trimtab.cli.screen import PROJECT, SINCE, console, next_verb, say, say_json, tell_undeclared
from trimtab.cli.signals_client import Wish, told_signals
from trimtab.cli.signals_text import catalogue_text, signals_text
from trimtab.signals.catalogue import BY_NAME
from trimtab.signals.telling import catalogue
from trimtab.store.slices import DIMENSIONS

LIST = "list"
EPILOG = "Exit status: 0 the figures were told, 1 they could not be, 2 the command was not understood."


@click.command(epilog=EPILOG)
@click.argument("task", default="")
@PROJECT
@click.option("--task", "tasks", multiple=True, metavar="NAME", help="Only this task; may be given several times.")
@click.option("--signal", multiple=True, type=click.Choice(tuple(BY_NAME)), metavar="NAME", help="Only this signal.")
@click.option("--by", default="", type=click.Choice(("", *DIMENSIONS)), metavar="WHAT", help=", ".join(DIMENSIONS))
@click.option("--only", default="", metavar="VALUE", help="One value of what tells calls apart.")
@click.option("--since", default="", metavar="TIME", callback=SINCE, help="1h, 7d, 2026-11-01; 24h unless given.")
@click.option("--step", default="", metavar="LENGTH", help="Cut the window into steps: 5m, 1h, 1d.")
@click.option("--json", "as_json", is_flag=True, help="The same as JSON: seconds, US dollars, shares of 1.")
def command(task: str, project: Path, tasks: tuple[str, ...], as_json: bool, **asked: object) -> None:
    """Figures of TASK, or of every task in a row, each with its interval and how many calls lie behind it.

    `trimtab signals list` tells what each signal is.
    """
    if task == LIST:
        say_json(msgspec.json.encode(catalogue())) if as_json else say(catalogue_text())
        return
    wish = Wish(task=(*tasks, *((task,) if task else ())), **asked)  # type: ignore[arg-type]  # click's own options
    found = told_signals(project, wish)
    if as_json:
        say_json(msgspec.json.encode(found))
        return
    say(signals_text(found, whole_tasks=bool(wish.task), width=console().width))
    if not found.figures.cells:
        tell_undeclared(project, wish.task)
        return
    worst = next(
        (one for cell in found.figures.cells for one in cell.figures if one.change and one.change.verdict == "worse"),
        None,
    )
    if worst is not None and not wish.by:
        next_verb(f"trimtab signals --signal {worst.signal} --by prompt")
    else:
        next_verb(f"trimtab signals {quote(found.figures.cells[0].task)}" if not wish.task else "trimtab report")
