"""`trimtab lock verify`: asks the servers whether they still serve what was locked."""

from __future__ import annotations

from pathlib import Path

import click
import msgspec
from msgspec import Struct
from rich import box
from rich.table import Table
from rich.text import Text

from trimtab.assemble.identity import Verified, verify
from trimtab.assemble.tool_identity import VerifiedTool, declared_tools, tools_now
from trimtab.cli.screen import PROJECT, next_verb, safe, say, say_json
from trimtab.cli.tools_text import tools_table
from trimtab.declare.load import load
from trimtab.errors import EntryUnknown, LockMissing
from trimtab.lock.lockfile import FILE, read

GOOD, BAD, QUIET = "green", "red", "dim"


class Verdict(Struct, frozen=True):
    """What `lock verify --json` tells: `ok` when everything was tested and is as locked, but for what is minor."""

    ok: bool
    lock_id: str
    models: tuple[Verified, ...]
    tools: tuple[VerifiedTool, ...] = ()


@click.command(
    "verify", epilog="Exit status: 0 all is as locked, 1 something is not or was not tested, 2 not understood."
)
@PROJECT
@click.option("--live", is_flag=True, help="Ask the servers; there is no other way to verify yet.")
@click.option("--model", "models", multiple=True, metavar="NAME", help="Only this model; may be given several times.")
@click.option("--tool", "tools", multiple=True, metavar="NAME", help="Only this tool; may be given several times.")
@click.option("--json", "as_json", is_flag=True, help="The same as one JSON document.")
@click.pass_context
def command(
    context: click.Context, project: Path, live: bool, models: tuple[str, ...], tools: tuple[str, ...], as_json: bool
) -> None:
    """Put the locked questions to every replica, and ask the MCP servers of tools what these are and answer.

    It needs nothing that runs here; requests go to the declared replicas, with their own keys, and to the declared MCP
    servers. What costs how much, and how often it is wrong, is in docs/drift.md.
    """
    if not live:
        raise click.UsageError("verify asks the servers, which costs tokens; say --live")
    declared = load(project)
    lock = read(project)
    if lock is None:
        raise LockMissing(path=FILE, root=str(project))
    for name in models:
        if name not in declared.models:
            raise EntryUnknown(asked=f"models/{name}", meant="")
    for name in tools:
        if name not in declared_tools(declared):
            raise EntryUnknown(asked=f"tools/{name}", meant="")
    found = verify(declared, lock, models=models) if models or not tools else ()
    looked = tools_now(declared, lock, tools) if tools or not models else ()
    same = all(one.check and one.standing.state == "same" for one in found)
    verdict = Verdict(same and all(one.ok for one in looked), lock.lock_id, found, looked)
    if as_json:
        say_json(msgspec.json.encode(verdict))
    else:
        if found:
            say(_table(found))
        if looked:
            say(tools_table(looked))
        next_verb("trimtab status") if verdict.ok else next_verb("trimtab lock --live", once="you know why")
    if not verdict.ok:
        context.exit(1)


def _table(found: tuple[Verified, ...]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("model", "replica", "identity", "by", "locked", "now", "evidence"):
        table.add_column(name, overflow="fold")
    for one in found:
        standing = one.standing
        table.add_row(
            one.model, one.replica, _state(one), standing.rung, *map(_cell, (standing.before, standing.after)),
            _cell(one.trouble or standing.detail),
        )  # fmt: skip
    return table


def _state(one: Verified) -> Text:
    if one.trouble:
        return Text("! not tested", BAD)
    words = {"same": ("as locked", GOOD), "changed": ("! changed", BAD)}
    return Text(*words.get(one.standing.state, (f"! {one.standing.state}", "yellow")))


def _cell(words: str) -> Text:
    return Text(safe(words))
