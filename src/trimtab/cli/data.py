"""`trimtab data`: data sets with what they were made from, and what is wrong with them."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import click
import msgspec
from rich.text import Text

from trimtab.cli.data_calls import coverage, from_calls
from trimtab.cli.data_check import check, split
from trimtab.cli.data_making import from_alert, from_feedback
from trimtab.cli.data_show import list_text, shown_text
from trimtab.cli.parts import Commands
from trimtab.cli.screen import PROJECT, next_verb, say, say_json
from trimtab.data.adding import Facts, add
from trimtab.data.changes import RowChanges
from trimtab.data.manifest import held, names
from trimtab.data.shown import brief, shown
from trimtab.data.snapshots import FOLDER, Snapshots
from trimtab.declare.load import read
from trimtab.errors import DataInvalid
from trimtab.reports.foreign import plain_text

EXIT = "Exit status: 0 done, 1 it could not be done and the message says why, 2 the command was not understood."
JSON = click.option("--json", "as_json", is_flag=True, help="The same as one JSON document.")


@click.group(cls=Commands)
def command() -> None:
    """Data sets: rows of JSON Lines or any file, each with its digest and where it comes from."""


@command.command("add", epilog=EXIT)
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--name", required=True, metavar="NAME", help="What it is called; its manifest is data/NAME.json.")
@PROJECT
@click.option("--parent", "parents", multiple=True, metavar="NAME", help="A data set that it was made from.")
@click.option("--transform", type=click.Path(path_type=Path), help="The script of the project that made it.")
@click.option("--schema", type=click.Path(path_type=Path), help="The JSON Schema of the project that its rows keep.")
@click.option("--licence", metavar="WORDS", help="Under which terms it may be used.")
@click.option("--source", metavar="WORDS", help="Where it comes from.")
@click.option(
    "--seen", "source_seen", metavar="DAY", help="When it was taken from there, 2026-11-01; today unless given."
)
@click.option("--fresh-for", metavar="TIME", help="How long after that it is good: 90d.")
@click.option(
    "--purpose",
    type=click.Choice(["cases", "training", "few_shot", "other"]),
    help="What it is for; cases unless given.",
)
@click.option("--update", is_flag=True, help="Take a changed file in; what is not told stays.")
@JSON
def add_file(
    file: Path, name: str, project: Path, parents: tuple[str, ...], update: bool, as_json: bool, **told: Any
) -> None:
    """Take a file in: it is copied into data/ if it lies elsewhere, and its manifest is written."""
    root = project.absolute()
    facts = Facts(parents=parents or None, **told)
    added = add(root, file, name, facts, Snapshots(data_directory(root) / FOLDER), date.today(), update=update)
    if as_json:
        say_json(msgspec.json.encode(added))
        return
    rows = f", {added.held.rows} rows" if added.held.rows is not None else ""
    say(Text(f"{added.held.name}: {added.held.path}{rows}, {added.held.digest[:19]}"))
    if update:
        say(_changes_text(added.changes))
    next_verb(f"trimtab data check {name}")


@command.command(epilog=EXIT)
@click.argument("name", required=False)
@PROJECT
@JSON
def show(name: str | None, project: Path, as_json: bool) -> None:
    """All data sets, or one: what it was made from, its fields, its splits, and where it is used."""
    root = project.absolute()
    declared = read(root).project
    if name is None:
        every = tuple(brief(root, each) for each in names(root))
        if as_json:
            say_json(msgspec.json.encode({"data_sets": every}))
            return
        say(list_text(every))
        next_verb(f"trimtab data show {every[0].name}" if every else "trimtab data add FILE --name NAME")
        return
    found = shown(root, name, declared, Snapshots(data_directory(root) / FOLDER))
    if as_json:
        say_json(msgspec.json.encode(found))
        return
    say(shown_text(found))
    next_verb(f"trimtab data check {name}")


@command.command(epilog=EXIT)
@click.argument("name")
@PROJECT
@click.option("--restore", metavar="DIGEST", help="Bring the bytes of this digest back (8 digits of it are enough).")
@click.option("--to", "target", type=click.Path(path_type=Path), help="Where to write them; a file that is not there.")
@JSON
def snapshot(name: str, project: Path, restore: str | None, target: Path | None, as_json: bool) -> None:
    """Keep the bytes of a data set under their digest, in the data directory; or bring earlier bytes back."""
    if (restore is None) != (target is None):
        raise click.UsageError("--restore DIGEST and --to FILE go together")
    root = project.absolute()
    store = Snapshots(data_directory(root) / FOLDER)
    if restore is not None and target is not None:
        digest, fresh = store.restore(name, restore, target), False
        words = f"{digest} is in {target}."
    else:
        one = held(root, name)
        if not one.path:
            raise DataInvalid(name=name, detail="its manifest names no file, so there are no bytes to keep")
        digest, fresh = store.keep(name, root / one.path)
        words = f"{digest} is kept." if fresh else f"{digest} was kept already."
    if as_json:
        say_json(msgspec.json.encode({"name": name, "digest": digest, "fresh": fresh}))
        return
    say(Text(words))
    next_verb(f"trimtab data show {name}")


command.add_command(check)
command.add_command(split)
command.add_command(from_calls)
command.add_command(from_feedback)
command.add_command(from_alert)
command.add_command(coverage)


def data_directory(root: Path) -> Path:
    """The project's data directory; the usual one where `trimtab.toml` cannot be read."""
    return read(root).data_directory or root / ".trimtab"


def _changes_text(changes: RowChanges | None) -> Text:
    if changes is None:
        return Text(
            "The rows of before are kept nowhere, so changes cannot be told; `trimtab data snapshot` keeps them."
        )
    lines = [f"{changes.added} added, {changes.removed} removed, {changes.changed} changed, {changes.same} as before."]
    for word, numbers, total in (
        ("added", changes.added_rows, changes.added),
        ("changed", changes.changed_rows, changes.changed),
        ("removed", changes.removed_rows, changes.removed),
    ):
        if numbers:
            more = f" and {total - len(numbers)} more" if total > len(numbers) else ""
            lines.append(f"  {word}: row {', '.join(map(str, numbers))}{more}")
    return Text("\n").join(plain_text(line) for line in lines)
