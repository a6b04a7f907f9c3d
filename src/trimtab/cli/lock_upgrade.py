"""`trimtab lock upgrade`: one model is moved, with what recorded calls say of the old one and the new one."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec
from msgspec import Struct
from msgspec.structs import replace

from trimtab.assemble.evidence import Evidence, Row
from trimtab.assemble.upgrade import Ask, Upgrade, apply, declared, plan
from trimtab.cli.lock_text import Told, say_differences, today, told
from trimtab.cli.lock_write import locked, put, with_authors
from trimtab.cli.screen import PROJECT, SINCE, next_verb, safe, say_json
from trimtab.cli.verdicts import STATUSES, VerdictCommand, status_of
from trimtab.evals.report import Report, Verdict
from trimtab.lock.lockfile import FILE, Entry, Lock

if TYPE_CHECKING:
    from trimtab.cli.lock_evidence import Asked
    from trimtab.cli.lock_sample import Sampled

SHORT = 12


class Upgraded(Struct, frozen=True):
    """What `lock upgrade --json` tells. `no_evidence` says why no recorded calls could be compared.

    `verdict`, `reports` and `shipped_on`, the file with the evidence, are those of --sample.
    """

    model: str
    written: bool
    lock_id: str
    differences: tuple[Told, ...]
    notes: tuple[str, ...]
    calls_before: int
    calls_after: int
    no_evidence: str
    rows: tuple[Row, ...]
    verdict: Verdict | None = None
    reports: tuple[Report, ...] = ()
    shipped_on: str = ""


class Upgrading(VerdictCommand):
    """Exits with the verdict where suites are asked."""

    flag = "--sample"


@click.command(
    "upgrade",
    cls=Upgrading,
    epilog="Exit status: 0 moved (or could be), 1 it was not and the message says why, 2 not understood. "
    f"With --sample: {STATUSES}",
)
@click.argument("model")
@click.option("--to", default="", metavar="NAME", help="What its servers call the new model.")
@click.option("--revision", default="", metavar="HASH", help="The commit of its weights.")
@click.option(
    "--since", default="7d", metavar="TIME", callback=SINCE, help="Compare calls from then on; 7d unless given."
)
@click.option("--live", is_flag=True, help="Ask the model's servers who they are, and lock that too.")
@click.option("--sample", is_flag=True, help="Ask the suites of the tasks that it touches, and move it only on ship.")
@click.option(
    "--samples", type=click.IntRange(1, 100), metavar="N", help="With --sample: how often each case is asked."
)
@click.option("--cases", type=click.IntRange(1), metavar="N", help="With --sample: how many cases at most.")
@click.option("--budget", type=click.FloatRange(0, min_open=True), metavar="USD", help="The most for each task.")
@click.option("--dry-run", is_flag=True, help="Write nothing.")
@PROJECT
@click.option("--json", "as_json", is_flag=True, help="The same as one JSON document.")
def command(model: str, project: Path, since: str, **given: Any) -> int:
    """Move MODEL ("models.small") to another name or revision, in trimtab.toml and the lock, and nothing else.

    Comments and order of trimtab.toml stay. Recorded calls of the old model are compared with those of the new one:
    answers that keep their schema, tool calls, refusals, length and cost. Without --to, --revision and --live nothing
    is moved, and calls from before the last move are compared with those since. With --sample the suites of the tasks
    that it touches are asked of both first; it is moved if all of them ship, and what they found is kept beside the
    lock, in trimtab.evidence.
    """
    from trimtab.cli.lock_evidence import Asked, gathered, say_evidence  # noqa: PLC0415 - after what is quick to refuse

    name = model.removeprefix("models.").removeprefix("models/")
    held = locked(project)
    planned = None
    if given["live"] or given["to"] or given["revision"]:
        asking = _asking(name) if given["live"] else None
        planned = plan(project, held, name, given["to"], given["revision"], today(), asking)
        asked = Asked(planned.project, planned.lock, name, since)
    else:
        asked = Asked(declared(project, held, name), held, name, since)
    sampled = _sampled(planned, held, project, given) if given["sample"] else None
    evidence, missing = gathered(project, asked, held)
    is_written = planned is not None and not given["dry_run"] and (sampled is None or sampled.verdict == "ship")
    shipped_on = ""
    if planned is not None and is_written:
        moved = planned
        apply(project, moved, lambda: put(project, _signed(project, moved, held)))
        shipped_on = str(sampled.attach(project, time.time_ns())) if sampled is not None else ""
    if given["as_json"]:
        told = _upgraded(asked, planned, evidence, missing, written=is_written)
        if sampled is not None:
            told = replace(told, verdict=sampled.verdict, reports=sampled.reports, shipped_on=shipped_on)
        say_json(msgspec.json.encode(told))
    else:
        if sampled is not None:
            sampled.say()
        if sampled is not None and sampled.verdict != "ship":
            click.echo(f"models.{safe(name)} is not moved.")
        else:
            _say(asked, planned, written=is_written)
        say_evidence(evidence, missing)
        if shipped_on:
            click.echo(f"What it was moved on is in {safe(shipped_on)}; commit it with the lock.")
        next_verb("the same without --dry-run" if planned and given["dry_run"] else "trimtab lock diff")
    return 0 if sampled is None else status_of(sampled.verdict)


def _sampled(planned: Upgrade | None, held: Lock, root: Path, given: Mapping[str, Any]) -> Sampled:
    from trimtab.cli.lock_sample import Sampled  # noqa: PLC0415 - only --sample evaluates

    if planned is None:
        raise click.UsageError("--sample needs --to, --revision or --live: nothing would be moved")
    return Sampled(planned, held, root, {name: given[name] for name in ("samples", "cases", "budget")})


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
