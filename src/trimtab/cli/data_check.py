"""`trimtab data check` and `trimtab data split`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from pathlib import Path

import click
import msgspec
from rich.text import Text

from trimtab.cli.data_show import checked_text, looked_text
from trimtab.cli.screen import PROJECT, next_verb, say, say_json
from trimtab.data.check import Checked, Finding
from trimtab.data.check import check as check_one
from trimtab.data.examples import references
from trimtab.data.manifest import NAME, Held, held, names
from trimtab.data.splitting import plan, write
from trimtab.declare.load import read
from trimtab.declare.project import Project
from trimtab.errors import DataInvalid
from trimtab.reports.foreign import plain_text

FAULTS = 1
JSON = click.option("--json", "as_json", is_flag=True, help="The same as one JSON document.")
NOT_READ = "the project has mistakes (`trimtab check` tells them), so prompts and models were not looked at"


@click.command(
    epilog="Exit status: 0 no faults, 1 faults (with --strict warnings too), 2 the command was not understood."
)
@click.argument("chosen", nargs=-1, metavar="[NAME]...")
@PROJECT
@click.option("--strict", is_flag=True, help="Take warnings for faults.")
@JSON
@click.pass_context
def check(context: click.Context, chosen: tuple[str, ...], project: Path, strict: bool, as_json: bool) -> None:
    """Hold data sets, all unless some are named, against their schema, themselves, and what has seen them.

    Faults: rows that cannot be read, breaks of the schema, the same inputs with different expected answers, a file that
    is not the manifest's, and contamination: cases in the prompt's examples, in what its model or adapter was trained
    on or the prompt was tuned on, or on the other side of a split. Warnings: duplicates, near duplicates, stale
    sources, rows without words, control characters.
    """
    root = project.absolute()
    declared = read(root).project
    found = tuple(_checked(root, name, declared) for name in chosen or names(root))
    if as_json:
        say_json(msgspec.json.encode({"data_sets": found}))
    else:
        for checked in found:
            say(checked_text(checked))
        looked = next((checked for checked in found if checked.looked), None)
        say(looked_text(looked) if looked else Text("" if found else "There is no data set yet."))
        next_verb("trimtab data show" if found else "trimtab data add FILE --name NAME")
    if any(checked.faults or (strict and checked.warnings) for checked in found):
        context.exit(FAULTS)


def _checked(root: Path, name: str, project: Project | None) -> Checked:
    try:
        tried = held(root, name)
        others = _others(root)
        against = references(project, tried, others) if project else ()
        checked = check_one(root, tried, against, date.today())
    except DataInvalid as wrong:
        finding = Finding("missing", str(wrong.facts["detail"]))
        return Checked(name, 0, 1, 0, {"missing": 1}, (finding,), {})
    if project is None and tried.purpose == "cases":
        counts = {**checked.counts, "unchecked": checked.counts.get("unchecked", 0) + 1}
        more = Finding("unchecked", NOT_READ)
        return msgspec.structs.replace(
            checked, warnings=checked.warnings + 1, counts=counts, findings=(*checked.findings, more)
        )
    return checked


def _others(root: Path) -> tuple[Held, ...]:
    found = []
    for name in names(root):
        try:
            found.append(held(root, name))
        except DataInvalid:  # its own check tells
            continue
    return tuple(found)


def _sides(context: click.Context, option: click.Parameter, value: str) -> dict[str, float]:
    found: dict[str, float] = {}
    for part in value.split(","):
        side, _, share = part.strip().partition("=")
        try:
            found[side] = float(share)
        except ValueError:
            raise click.BadParameter(f"{part!r} is no share; write dev=0.5,test=0.5", context, option) from None
        if not NAME.fullmatch(side):
            raise click.BadParameter(f"{side!r} is no name; use a-z 0-9 . _ -", context, option)
    if len(found) != value.count(",") + 1 or len(found) < 2:
        raise click.BadParameter("name two sides or more, each once", context, option)
    if abs(sum(found.values()) - 1.0) > 1e-9 or min(found.values()) <= 0:
        raise click.BadParameter("the shares are over 0 and add up to 1", context, option)
    return found


@click.command(epilog="Exit status: 0 done, 1 it could not be done, 2 the command was not understood.")
@click.argument("name")
@PROJECT
@click.option("--into", "sides", required=True, callback=_sides, metavar="SIDES", help="dev=0.5,test=0.5")
@click.option(
    "--by", default="", metavar="FIELD", help="Rows with the same value of it stay together: inputs.customer."
)
@click.option("--stratify", default="", metavar="FIELD", help="Share out each value of it by itself: expected.label.")
@click.option("--seed", default=0, type=click.IntRange(-(2**62), 2**62), show_default=True, help="Another split.")
@JSON
def split(
    name: str, project: Path, sides: Mapping[str, float], by: str, stratify: str, seed: int, as_json: bool
) -> None:
    """Split a data set so that near duplicates are on one side. A side is a data set of its own, NAME-SIDE.

    Sides follow from what rows say, so rows keep theirs when others are added.
    """
    root = project.absolute()
    one = held(root, name)
    planned, strata = plan(root, one, sides, by, stratify, seed)
    written = write(root, one, planned, strata)
    if as_json:
        say_json(msgspec.json.encode({"of": name, "clusters": planned.clusters, "sides": written}))
        return
    for side in written:
        share = f"{side.rows / max(1, len(planned.sides)):.1%}"
        say(Text(f"{side.name}: {side.rows} rows ({share})"))
        for stratum, count in side.strata.items():
            say(plain_text(f"  {stratify} {stratum}: {count}"))
    say(Text(f"{planned.clustered} rows in {planned.clusters} clusters of near duplicates were kept together."))
    next_verb(f"trimtab data check {written[0].name}" if written else "trimtab data show")
