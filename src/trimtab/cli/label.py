"""`trimtab label`: answers that people judge, two of them by themselves, and how well they agree."""

from __future__ import annotations

import getpass
import json
import os
import shlex
from pathlib import Path

import click
import msgspec
from rich import box
from rich.table import Table
from rich.text import Text

from trimtab.cli.data_calls import write_lines
from trimtab.cli.parts import Commands
from trimtab.cli.screen import PROJECT, next_verb, say, say_json
from trimtab.console.label_desk import SetDetail
from trimtab.data.rows import RowFault, read_rows
from trimtab.errors import DataInvalid
from trimtab.journal.labels import MOST_REVIEWERS, MOST_ROWS, MOST_SCALE, LabelItem
from trimtab.reports.foreign import plain_text


def own_name() -> str:
    """The user's name; the number of one who has no name, as in containers."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"user {os.getuid()}"


EXIT = "Exit status: 0 done, 1 it could not be done and the message says why, 2 the command was not understood."
JSON = click.option("--json", "as_json", is_flag=True, help="The same as one JSON document.")
REVIEWER = click.option(
    "--reviewer", default=own_name, metavar="NAME", show_default="your user name", help="Who labels."
)
MOST_SHOWN = 20_000
HEADS = ("inputs", "messages", "expected", "answer", "first", "second")


@click.group(cls=Commands)
def command() -> None:
    """Answers that people label. Nobody is told what another said of one before all that are asked have said it."""


@command.command("list", epilog=EXIT)
@PROJECT
@JSON
def list_sets(project: Path, as_json: bool) -> None:
    """The sets, and how far each is."""
    from trimtab.cli.label_client import label_office  # noqa: PLC0415 - brings the stores

    with label_office(project) as office:
        found = office.sets()
    if as_json:
        say_json(msgspec.json.encode({"sets": found}))
        return
    table = Table("set", "task", "question", "rows", "done", "disputed", box=box.SIMPLE_HEAD, pad_edge=False)
    for one in found:
        of = one.labelling
        counts = (f"{one.rows:,}", f"{one.labelled:,}", f"{one.disputed:,}")
        table.add_row(of.name, plain_text(of.task), plain_text(of.question, 80), *counts)
    say(table if found else Text("There are no sets."))
    next_verb(f"trimtab label next {found[0].labelling.name}" if found else "trimtab label new NAME --task TASK")


@command.command(epilog=EXIT)
@click.argument("name")
@click.option("--task", required=True, metavar="NAME", help="The task whose answers are judged.")
@click.option("--question", required=True, metavar="WORDS", help="What is asked of each answer.")
@click.option("--pairwise", is_flag=True, help="Two answers are compared: the first, the second, neither.")
@click.option(
    "--scale", default=2, type=click.IntRange(2, MOST_SCALE), show_default=True, help="2 is yes or no, 5 one to five."
)
@click.option(
    "--reviewers", default=2, type=click.IntRange(1, MOST_REVIEWERS), show_default=True, help="How many label each row."
)
@PROJECT
@JSON
def new(
    name: str, task: str, question: str, pairwise: bool, scale: int, reviewers: int, project: Path, as_json: bool
) -> None:
    """Make a set of answers to label."""
    from trimtab.cli.label_client import label_office  # noqa: PLC0415 - brings the stores
    from trimtab.processes.label_api import NewSet  # noqa: PLC0415

    kind, values = ("pairwise", 3) if pairwise else ("rubric", scale)
    with label_office(project) as office:
        made = office.make(NewSet(name, task, question, kind, values, reviewers))  # type: ignore[arg-type]
    if as_json:
        say_json(msgspec.json.encode(made))
        return
    say(Text(f"{made.name} is made."))
    next_verb(f"trimtab label add {made.name} --evaluation ID")


@command.command(epilog=EXIT)
@click.argument("name")
@click.argument("file", required=False, type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--evaluation", default="", metavar="ID", help="Answers of this evaluation, drawn at random.")
@click.option("--count", default=100, type=click.IntRange(1, MOST_ROWS), show_default=True, help="How many of them.")
@click.option("--seed", default=0, type=int, show_default=True, help="Another draw.")
@PROJECT
@JSON
def add(name: str, file: Path | None, evaluation: str, count: int, seed: int, project: Path, as_json: bool) -> None:
    """Put rows into a set: of a FILE of JSON Lines, as `trimtab data from-calls` writes it, or of an evaluation."""
    from trimtab.cli.label_client import label_office  # noqa: PLC0415 - brings the stores
    from trimtab.processes.label_api import NewRows  # noqa: PLC0415

    if (file is None) == (not evaluation):
        raise click.UsageError("name a FILE, or say --evaluation ID")
    rows = _rows_of(file) if file is not None else ()
    source = file.name if file is not None else ""
    with label_office(project) as office:
        added = office.add(name, NewRows(rows, source, evaluation, count, seed))
    if as_json:
        say_json(msgspec.json.encode(added))
        return
    say(Text(f"{added.added} rows are in; {added.known} were there already."))
    next_verb(f"trimtab label next {name}")


@command.command("next", epilog=EXIT)
@click.argument("name")
@REVIEWER
@PROJECT
@JSON
def next_row(name: str, reviewer: str, project: Path, as_json: bool) -> None:
    """The row that waits for a reviewer, and with what to label it."""
    from trimtab.cli.label_client import label_office  # noqa: PLC0415 - brings the stores

    with label_office(project) as office:
        found = office.detail(name, reviewer)
    if as_json:
        say_json(msgspec.json.encode({"next": found.next, "keys": found.shown.labelling.keys}))
        return
    _say_next(found, name, reviewer)


@command.command(epilog=EXIT)
@click.argument("name")
@click.argument("item")
@click.argument("key")
@click.option("--note", default="", metavar="WORDS", help="Why.")
@REVIEWER
@PROJECT
@JSON
def put(name: str, item: str, key: str, note: str, reviewer: str, project: Path, as_json: bool) -> None:
    """Label a row (y, n, or 1 to 9), and see the next."""
    from trimtab.cli.label_client import label_office  # noqa: PLC0415 - brings the stores
    from trimtab.processes.label_api import Said  # noqa: PLC0415

    with label_office(project) as office:
        row = office.put(name, Said(item, key, note, reviewer))
        found = office.detail(name, reviewer)
    if as_json:
        say_json(msgspec.json.encode(row))
        return
    _say_next(found, name, reviewer)


@command.command(epilog=EXIT)
@click.argument("name")
@REVIEWER
@PROJECT
@JSON
def agreement(name: str, reviewer: str, project: Path, as_json: bool) -> None:
    """How well reviewers agree beyond chance, and the rows on which they do not."""
    from trimtab.cli.label_client import label_office  # noqa: PLC0415 - brings the stores
    from trimtab.console.pages.labelling import agreement_text  # noqa: PLC0415

    with label_office(project) as office:
        found = office.detail(name, reviewer)
    if as_json:
        say_json(msgspec.json.encode({"agreement": found.agreement, "disputed": found.disputed}))
        return
    say(Text(agreement_text(found.agreement)))
    for pair in found.agreement.pairs:
        kappa = "not known" if pair.kappa is None else f"{pair.kappa:.2f} ({pair.low:.2f} to {pair.high:.2f})"
        say(plain_text(f"  {pair.first} and {pair.second}: {pair.rows} rows, kappa {kappa}"))
    for one in found.disputed:
        said = ", ".join(f"{label.who} {label.value:g}" for label in one.labels)
        say(plain_text(f"  row {one.item.place + 1} is disputed: {said}"))
    next_verb(f"trimtab label export {name} --to FILE")


@command.command(epilog=EXIT)
@click.argument("name")
@click.option("--to", "target", type=click.Path(path_type=Path), help="A new file; else standard output.")
@PROJECT
@JSON
def export(name: str, target: Path | None, project: Path, as_json: bool) -> None:
    """Write the rows that have all their labels, as the data set that a judge is held against."""
    from trimtab.cli.label_client import label_office  # noqa: PLC0415 - brings the stores

    with label_office(project) as office:
        found = office.labelled(name)
    if as_json:
        say_json(msgspec.json.encode({"rows": found}))
        return
    lines = [json.dumps(row, ensure_ascii=False) for row in found]
    if target is None:
        for line in lines:
            click.echo(line)
        return
    write_lines(target, lines)
    say(Text(f"{len(lines)} rows are in {target}."))
    next_verb(f"trimtab data add {target} --name {name}")


def _rows_of(file: Path) -> tuple[dict[str, object], ...]:
    found = []
    with file.open("rb") as source:
        for row in read_rows(source):
            if isinstance(row, RowFault):
                raise DataInvalid(name=file.name, detail=f"row {row.number} {row.words}")
            found.append(row.value)
            if len(found) > MOST_ROWS:
                raise DataInvalid(name=file.name, detail=f"it has more than {MOST_ROWS:,} rows; draw as many at random")
    return tuple(found)


def _say_next(found: SetDetail, name: str, reviewer: str) -> None:
    of, item = found.shown.labelling, found.next
    whose = "" if reviewer == own_name() else f" --reviewer {shlex.quote(reviewer)}"
    if not found.shown.rows:
        say(Text("The set has no rows yet."))
        next_verb(f"trimtab label add {name} --evaluation ID")
        return
    if item is None:
        say(Text("Nothing waits for you in this set."))
        next_verb(f"trimtab label agreement {name}{whose}")
        return
    say(plain_text(of.question, 2_000))
    _say_row(item)
    say(Text(", ".join(f"{key} {word}" for key, (word, _) in of.keys.items())))
    next_verb(f"trimtab label put {name} {item.id} {next(iter(of.keys))}{whose}")


def _say_row(item: LabelItem) -> None:
    row = json.loads(item.line)
    for key in HEADS:
        if key in row:
            value = row[key]
            words = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=1)
            say(Text(key, style="bold"))
            say(Text("\n").join(plain_text(line, MOST_SHOWN) for line in words[:MOST_SHOWN].split("\n")))
