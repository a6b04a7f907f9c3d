"""`trimtab lock upgrade`: one model is moved, with what recorded calls say of the old one and the new one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec
from msgspec import Struct
from msgspec.structs import replace

from trimtab.assemble.evidence import Evidence, Row
from trimtab.assemble.upgrade import Ask, Upgrade, apply, declared, plan
from trimtab.cli.lock_text import Told, say_differences, today, told
from trimtab.cli.lock_write import locked, put, with_authors
from trimtab.cli.screen import PROJECT, SINCE, next_verb, safe, say_json
from trimtab.lock.lockfile import FILE, Entry, Lock

if TYPE_CHECKING:
    from trimtab.cli.lock_evidence import Asked

SHORT = 12


class Upgraded(Struct, frozen=True):
    """What `lock upgrade --json` tells. `no_evidence` says why nothing could be compared."""

    model: str
    written: bool
    lock_id: str
    differences: tuple[Told, ...]
    notes: tuple[str, ...]
    calls_before: int
    calls_after: int
    no_evidence: str
    rows: tuple[Row, ...]


@click.command(
    "upgrade", epilog="Exit status: 0 moved (or could be), 1 it was not and the message says why, 2 not understood."
)
@click.argument("model")
@click.option("--to", default="", metavar="NAME", help="What its servers call the new model.")
@click.option("--revision", default="", metavar="HASH", help="The commit of its weights.")
@click.option(
    "--since", default="7d", metavar="TIME", callback=SINCE, help="Compare calls from then on; 7d unless given."
)
@click.option("--live", is_flag=True, help="Ask the model's servers who they are, and lock that too.")
@click.option("--dry-run", is_flag=True, help="Write nothing.")
@PROJECT
@click.option("--json", "as_json", is_flag=True, help="The same as one JSON document.")
def command(model: str, project: Path, since: str, live: bool, dry_run: bool, as_json: bool, **where: str) -> None:
    """Move MODEL ("models.small") to another name or revision, in trimtab.toml and the lock, and nothing else.

    Comments and order of trimtab.toml stay. Recorded calls of the old model are compared with those of the new one:
    answers that keep their schema, tool calls, refusals, length and cost. Without --to, --revision and --live nothing
    is moved, and calls from before the last move are compared with those since.
    """
    from trimtab.cli.lock_evidence import Asked, gathered, say_evidence  # noqa: PLC0415 - after what is quick to refuse

    name = model.removeprefix("models.").removeprefix("models/")
    held = locked(project)
    planned = None
    if live or any(where.values()):
        planned = plan(project, held, name, where["to"], where["revision"], today(), _asking(name) if live else None)
        asked = Asked(planned.project, planned.lock, name, since)
    else:
        asked = Asked(declared(project, held, name), held, name, since)
    evidence, missing = gathered(project, asked, held)
    is_written = planned is not None and not dry_run
    if planned is not None and is_written:
        apply(project, planned, lambda: put(project, _signed(project, planned, held)))
    if as_json:
        say_json(msgspec.json.encode(_upgraded(asked, planned, evidence, missing, written=is_written)))
        return
    _say(asked, planned, written=is_written)
    say_evidence(evidence, missing)
    next_verb("the same without --dry-run" if planned and dry_run else "trimtab lock diff")


def _signed(root: Path, planned: Upgrade, held: Lock) -> Lock:
    """The lock with authors; entries that did not move are left exactly as they are."""
    signed, _ = with_authors(planned.project, root, planned.lock, held)
    before = {one.key: one for one in held.entries}
    entries = (before[one.key] if _is_same(before.get(one.key), one) else one for one in signed.entries)
    return replace(signed, entries=tuple(entries))


def _is_same(before: Entry | None, after: Entry) -> bool:
    return before is not None and before.digest == after.digest


def _asking(name: str) -> Ask:
    from trimtab.cli.lock_live import learned  # noqa: PLC0415 - only --live asks servers

    return lambda project, resolved: learned(project, resolved, (name,))


def _upgraded(asked: Asked, planned: Upgrade | None, evidence: Evidence, missing: str, *, written: bool) -> Upgraded:
    return Upgraded(
        asked.name,
        written,
        asked.lock.lock_id,
        tuple(map(told, planned.differences)) if planned else (),
        planned.notes if planned else (),
        evidence.calls_before,
        evidence.calls_after,
        missing,
        evidence.rows,
    )


def _say(asked: Asked, planned: Upgrade | None, *, written: bool) -> None:
    lock = asked.lock.lock_id[:SHORT]
    if planned is None:
        resolved, revision = asked.now
        at = f" at {safe(revision[:SHORT])}" if revision else ""
        click.echo(f"models.{safe(asked.name)} is {safe(resolved)}{at} in {FILE} {lock}; nothing is moved.")
        return
    click.echo(f"models.{safe(asked.name)} {'is' if written else 'would be'} moved; {FILE} is then {lock}.")
    say_differences(tuple(map(told, planned.differences)), "trimtab lock diff --json")
    for note in planned.notes:
        click.echo(f"Note: {safe(note)}")
