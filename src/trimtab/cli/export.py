"""`trimtab export`: the same signals and alerts for Prometheus and Grafana."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import msgspec
from msgspec import Struct

from trimtab.cli.parts import Commands
from trimtab.cli.screen import PROJECT, next_verb, say_json
from trimtab.declare.load import load
from trimtab.errors import TrimtabError
from trimtab.policy.watch import watch_of
from trimtab.signals.export.dashboards import dashboards
from trimtab.signals.export.rule_file import objects_of, text_of
from trimtab.signals.export.rules import Exported, rules_of

JSON = click.option("--json", "as_json", is_flag=True, help="What was written, as one JSON document.")
EPILOG = "Exit status: 0 it was written, 1 it could not be, 2 the command was not understood."


class NotExported(TrimtabError):
    """{path} cannot be written: {detail}; name another place with `--out`"""


class Written(Struct, frozen=True):
    """What `--json` tells: the files that were written, and the rules that only Trimtab itself keeps.

    `groups` are those of the rules in the form of Prometheus's own files, where no file was asked for.
    """

    files: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    groups: tuple[dict[str, Any], ...] = ()


@click.group(cls=Commands, epilog=EPILOG)
def command() -> None:
    """Write rules and dashboards from the signals and alerts of a project."""


@command.command("prometheus", epilog=EPILOG)
@PROJECT
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Standard output without.")
@JSON
def prometheus(project: Path, out: Path | None, as_json: bool) -> None:
    """Recording and alerting rules, behaviour first; write them anew when tasks, objectives or alerts changed."""
    rules = rules_of(watch_of(load(project)))
    if out is not None:
        _write(out, rules_text(rules))
    if as_json:
        files = (str(out),) if out is not None else ()
        told = Written(files, rules.left_out, () if files else objects_of(rules.groups))
        say_json(msgspec.json.encode(told))
        return
    if out is None:
        click.echo(rules_text(rules), nl=False)
        return
    click.echo(f"wrote {out}")
    next_verb(f"promtool check rules {out}")


@command.command("grafana", epilog=EPILOG)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="FOLDER",
    default="grafana",
    show_default=True,
    help="One file for each dashboard.",
)
@JSON
def grafana(out: Path, as_json: bool) -> None:
    """Dashboards: all tasks, one task, replicas; they ask whichever data source is chosen in Grafana."""
    places = []
    for name, board in dashboards().items():
        place = out / f"{name}.json"
        _write(place, msgspec.json.format(msgspec.json.encode(board), indent=2).decode() + "\n")
        places.append(str(place))
    if as_json:
        say_json(msgspec.json.encode(Written(tuple(places))))
        return
    for written in places:
        click.echo(f"wrote {written}")
    next_verb("trimtab export prometheus --out trimtab.rules.yml")


def rules_text(rules: Exported) -> str:
    """The file of rules, which says at its head what it is and what it cannot hold."""
    head = ["Written by `trimtab export prometheus` from the project's signals, objectives and alerts."]
    if rules.left_out:
        head.append(f"Only Trimtab itself keeps: {', '.join(rules.left_out)}.")
    return text_of(rules.groups, tuple(head))


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    except OSError as failure:
        raise NotExported(path=str(path), detail=failure.strerror or str(failure)) from failure
