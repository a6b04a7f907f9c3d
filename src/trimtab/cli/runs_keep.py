"""`trimtab runs keep`: runs that stay longer than their age allows."""

from __future__ import annotations

import getpass
from pathlib import Path
from typing import Final

import click
import msgspec
from rich.text import Text

from trimtab.cli.runs_client import runs_here
from trimtab.cli.screen import PROJECT, next_verb, say, say_json
from trimtab.journal.asks import Written
from trimtab.journal.client import BlockingAsking
from trimtab.journal.keeping import FindHolds, Hold, Holds
from trimtab.reports.foreign import plain_text

EXIT: Final = "Exit status: 0 done, 1 it could not be done, 2 the command was not understood."


@click.command(epilog=EXIT)
@click.argument("run", required=False, default="")
@PROJECT
@click.option("--off", is_flag=True, help="Let go of it: it stays only as long as it is declared.")
@click.option("--reason", default="", metavar="WORDS", help="Why.")
@click.option("--json", "as_json", is_flag=True, help="The same as one JSON document.")
def keep(run: str, project: Path, off: bool, reason: str, as_json: bool) -> None:
    """Keep a run whatever its age; without RUN, list what is kept so."""
    with runs_here(project) as here:
        if not run:
            _list(here.reads, as_json=as_json)
            return
        told = here.writes.do(Hold(run, "pinned", _who(), reason, off))
    if as_json:
        say_json(msgspec.json.encode({"run": run, "kept": not off, "changed": bool(getattr(told, "changed", False))}))
        return
    changed = isinstance(told, Written) and told.changed
    says = ("is let go" if changed else "was not kept") if off else ("is kept" if changed else "was kept already")
    say(Text(f"{plain_text(run)} {says}."))
    next_verb("trimtab runs keep")


def _list(journal: BlockingAsking, *, as_json: bool) -> None:
    told = journal.do(FindHolds())
    holds = told.holds if isinstance(told, Holds) else ()
    if as_json:
        say_json(msgspec.json.encode(holds))
        return
    for one in holds:
        why = f": {plain_text(one.reason)}" if one.reason else ""
        say(Text(f"{plain_text(one.run)} {one.kind} by {plain_text(one.by)}{why}"))
    say(Text(f"{len(holds)} kept."))
    next_verb("trimtab runs list")


def _who() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "cli"
