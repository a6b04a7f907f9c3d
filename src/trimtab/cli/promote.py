"""`trimtab promote`: the identical lock moves from environment to environment, as a file for a pull request."""

from __future__ import annotations

import getpass
from datetime import UTC, datetime
from pathlib import Path

import click
import msgspec

from trimtab.cli.screen import PROJECT, safe, say_json
from trimtab.declare.project import Project
from trimtab.errors import ControlUnreachable, PromotionRefused
from trimtab.gateway.exposure import Exposed
from trimtab.processes.directory import DataDirectory
from trimtab.processes.rollout_desk import RolloutShown

PROMOTED = frozenset({"promoted", "in_force"})
STATUSES = "Exit status: 0 done, 1 it may not, 2 the command was not understood."


@click.command(epilog=STATUSES)
@PROJECT
@click.option("--to", "environment", required=True, metavar="ENVIRONMENT", help="Where the lock is to serve.")
@click.option("--check", "is_check", is_flag=True, help="Only say whether the lock that lies here was promoted there.")
@click.option("--without-rollout", "why", default="", metavar="REASON", help="Promote without a canary; kept.")
@click.option("--json", "as_json", is_flag=True, help="The promotion as JSON.")
def command(project: Path, environment: str, is_check: bool, why: str, as_json: bool) -> None:
    """Write `promotions/ENVIRONMENT.json`: the id of the lock in this project, and the evidence for it.

    The evidence is the rollout that was promoted here with this very lock. Commit the file where ENVIRONMENT is
    deployed from; there `trimtab promote --to ENVIRONMENT --check` fails unless the lock is the identical one.
    """
    from trimtab.declare.load import load  # noqa: PLC0415 - after what is quick to refuse
    from trimtab.lock import lockfile, promotions  # noqa: PLC0415

    declared = load(project)
    root = Path(declared.root)
    promotions.place(root, environment)
    try:
        lock = lockfile.decode((root / lockfile.FILE).read_bytes())
    except FileNotFoundError:
        raise PromotionRefused(detail=f"there is no {lockfile.FILE} here; write it with `trimtab lock`") from None
    if is_check:
        wrong = promotions.mismatch(root, environment, lock.lock_id)
        if wrong:
            raise PromotionRefused(detail=wrong)
        click.echo(f"Lock {lock.lock_id[:12]} was promoted to {safe(environment)}.")
        return
    found = _evidence(project, declared, lock.lock_id, why)
    made = promotions.Promotion(
        environment,
        lock.lock_id,
        declared.environment,
        _who(),
        datetime.now(UTC).isoformat(timespec="seconds"),
        found.rollout.evaluations if found is not None else (),
        found.rollout.id if found is not None else "",
        found.exposed.reached if found is not None else 0,
        why or (found.rollout.without if found is not None else ""),
    )
    path = promotions.write(root, made)
    if as_json:
        say_json(msgspec.json.encode(made))
    else:
        click.echo(f"Lock {lock.lock_id[:12]} may serve in {safe(environment)}: {safe(str(path))}")
        click.echo(
            f"For a pull request: git switch -c promote-{environment} && git add {promotions.FOLDER} && git commit"
        )


def _evidence(project: Path, declared: Project, lock: str, why: str) -> RolloutShown | None:
    """The rollout of this lock that was promoted here; None where a reason stands for it."""
    from trimtab.cli.rollout_client import ask  # noqa: PLC0415 - asks control

    try:
        shown = ask(project, "", None)
    except ControlUnreachable:
        if not why:
            raise
        shown = _rolled_back(declared)
    if shown is not None and shown.rollout.lock == lock:
        rollout = shown.rollout
        if rollout.state == "rolled_back":
            raise PromotionRefused(detail=f"lock {lock[:12]} was rolled back here: {rollout.why}; mend it first")
        if rollout.kind == "canary" and rollout.state in PROMOTED:
            return shown
    if not why:
        detail = f"no rollout of lock {lock[:12]} was promoted here"
        raise PromotionRefused(
            detail=f"{detail}; `trimtab rollout promote` does, or say why not with --without-rollout"
        )
    return None


def _rolled_back(declared: Project) -> RolloutShown | None:
    """The latest rollout, if it was rolled back: that is known where nothing runs too."""
    from trimtab.policy.rollout import read  # noqa: PLC0415 - where nothing runs

    kept = read(DataDirectory.of(declared).run)
    return RolloutShown(kept, Exposed()) if kept is not None and kept.state == "rolled_back" else None


def _who() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return ""
