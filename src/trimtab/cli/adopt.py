"""`trimtab adopt`: calls that belong to no task, and a task made of them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

import click
import msgspec
from msgspec import Struct

from trimtab.advice.seen import Proposal, ProposedFile
from trimtab.cli.adopt_client import proposal, undeclared
from trimtab.cli.adopt_text import listed_text, proposal_text
from trimtab.cli.screen import PROJECT, SINCE, next_verb, say, say_json
from trimtab.declare.load import read
from trimtab.declare.values import NAME
from trimtab.errors import TrimtabError
from trimtab.policy.compile import schema_mistakes

SEVEN_DAYS: Final = "7d"
OWN_FILE: Final = re.compile(r"tasks/[a-z0-9._-]{1,64}/(?:task\.toml|output\.schema\.json)")
TOOL_FILE: Final = re.compile(r"tools/[A-Za-z0-9_-]{1,64}\.json")


class NotAdopted(TrimtabError):
    """{detail}; nothing was written."""


class Adopted(Struct, frozen=True):
    """What `adopt --json` tells: the proposal, the files written, and those that were there already and were kept."""

    proposal: Proposal
    written: tuple[str, ...]
    kept: tuple[str, ...]


def _named(context: click.Context, option: click.Parameter, value: str) -> str:
    if value and not NAME.fullmatch(value):
        raise click.BadParameter("a task's name has 1 to 64 of the characters a-z 0-9 . _ -", context, option)
    return value


@click.command(epilog="Exit status: 0 done, 1 it could not be done, 2 the command was not understood.")
@click.argument("cluster", default="")
@PROJECT
@click.option("--name", default="", callback=_named, metavar="NAME", help="What to call the task.")
@click.option(
    "--since", default=SEVEN_DAYS, callback=SINCE, metavar="TIME", help="Calls since then: 1h, 7d, 2026-11-01; 7d."
)
@click.option("--dry-run", is_flag=True, help="Show the files and write none.")
@click.option("--json", "as_json", is_flag=True, help="The same as one JSON document.")
def command(cluster: str, project: Path, name: str, since: str, dry_run: bool, as_json: bool) -> None:
    """List the calls that belong to no task, by system prompt and tools; or write the task that CLUSTER could be.

    The files say how many calls each value comes from. Files that exist are never overwritten.
    """
    if not cluster:
        _list(project, since, as_json=as_json)
        return
    found = proposal(project, cluster, name, since)
    written, kept = plan(project, found.files)
    if not dry_run:
        write(project, written)
    if as_json:
        paths = tuple(one.path for one in written)
        say_json(msgspec.json.encode(Adopted(found, () if dry_run else paths, tuple(one.path for one in kept))))
        return
    if dry_run:
        say(proposal_text(found))
    for one in () if dry_run else written:
        click.echo(f"wrote {project / one.path}")
    for one in kept:
        click.echo(f"{project / one.path} is there already and stays as it is")
    for why in found.left_out:
        click.echo(f"not proposed: {why}")
    if dry_run:
        next_verb(f"trimtab adopt {found.cluster}" + (f" --name {name}" if name else ""))
        return
    click.echo(
        "\nRead what was written; a gateway that runs takes it up within a second, in production once it is locked."
    )
    next_verb("trimtab check", "trimtab lock")


def _list(project: Path, since: str, *, as_json: bool) -> None:
    found = undeclared(project, since)
    if as_json:
        say_json(msgspec.json.encode(found))
        return
    say(listed_text(found))
    first = next((one.id for one in found.clusters if not one.task), "")
    next_verb(f"trimtab adopt {first} --dry-run" if first else "trimtab report")


def plan(root: Path, files: Sequence[ProposedFile]) -> tuple[list[ProposedFile], list[ProposedFile]]:
    """The files to write, and those of tools that are there already; raises `NotAdopted` where a task's is."""
    written: list[ProposedFile] = []
    kept: list[ProposedFile] = []
    for one in files:
        is_tool = TOOL_FILE.fullmatch(one.path) is not None
        if not is_tool and not OWN_FILE.fullmatch(one.path):
            raise NotAdopted(detail=f"{one.path[:80]!a} is no file of a task; update trimtab on the host that runs")
        there = (root / one.path).exists() if is_tool else (root / one.path).parent.exists()
        if there and not is_tool:
            folder = (root / one.path).parent
            raise NotAdopted(detail=f"{folder} exists already; choose another --name")
        (kept if there else written).append(one)
    return written, kept


def write(root: Path, files: Sequence[ProposedFile]) -> None:
    """Writes files into the project; takes them back and raises `NotAdopted` where the project would have a mistake.

    The task's own file is written last: a gateway that looks at the project takes a task whole.
    """
    done: list[Path] = []
    try:
        for one in sorted(files, key=lambda one: one.path.endswith("/task.toml")):
            path = root / one.path
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("x", encoding="utf-8") as file:
                done.append(path)
                file.write(one.text)
    except OSError as failure:
        _take_back(done)
        raise NotAdopted(detail=f"the task cannot be written ({failure})") from failure
    reading = read(root)
    ours = {one.path for one in files}
    wrong = [one for one in (*reading.mistakes, *schema_mistakes(reading.schemas)) if one.path in ours]
    if wrong:
        _take_back(done)
        raise NotAdopted(detail=f"the project would have a mistake: {wrong[0]}")


def _take_back(written: Sequence[Path]) -> None:
    for path in written:
        path.unlink(missing_ok=True)
    for path in written:
        with suppress(OSError):
            path.parent.rmdir()
