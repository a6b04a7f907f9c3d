"""`trimtab lock`: pins all that can drift, or tells whether anything did."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import click

from trimtab.cli.parts import Part, Parts
from trimtab.cli.screen import PROJECT

EXIT = "Exit status: 0 done or nothing changed, 1 something did or it could not be done, 2 not understood."


PARTS: Final = {
    "diff": Part("trimtab.cli.lock_diff", "What changed since a revision."),
    "why": Part("trimtab.cli.lock_why", "What an entry pins, and who changed it last."),
    "skew": Part("trimtab.cli.lock_skew", "What differs between two locks, or a lock and live calls."),
    "verify": Part("trimtab.cli.lock_verify", "Ask the servers whether they serve what was locked."),
    "upgrade": Part("trimtab.cli.lock_upgrade", "Move one model, and compare it with the old one."),
}


@click.group(cls=Parts, parts=PARTS, invoke_without_command=True, subcommand_metavar="[COMMAND [ARGS]...]", epilog=EXIT)
@PROJECT
@click.option("--check", is_flag=True, help="Write nothing; exit 1 if anything is not as it was locked. Works offline.")
@click.option("--live", is_flag=True, help="Ask the servers of models who they are before it is written.")
@click.option("--json", "as_json", is_flag=True, help="The same as one JSON document.")
@click.pass_context
def command(context: click.Context, project: Path, check: bool, live: bool, as_json: bool) -> None:
    """Pin all that can drift in trimtab.lock, and tell what changed since it was written.

    Prompts, models, sampling, context strategies, tools, schemas, policies, packages and data are resolved and written
    with their digests; the same declaration always gives the same bytes. A model by a name that moves is refused.
    """
    if context.invoked_subcommand is not None:
        if check or live or as_json:
            after = context.invoked_subcommand
            raise click.UsageError(f"say --check and --live without a command, and other options after {after}")
        context.default_map = {name: {"project": str(project)} for name in PARTS}
        return
    if check and live:
        raise click.UsageError("--check asks nobody; `trimtab lock verify --live` asks the servers")
    from trimtab.cli.lock_write import check_lock, write_lock  # noqa: PLC0415 - the other commands do without it

    done = check_lock(project, as_json=as_json) if check else write_lock(project, live=live, as_json=as_json)
    if not done:
        context.exit(1)
