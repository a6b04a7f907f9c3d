"""`trimtab rollout`: a candidate lock gets a part of the calls, or copies of them, beside the lock in force."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import click
import msgspec
from msgspec.structs import replace

from trimtab.cli.parts import Commands
from trimtab.cli.screen import PROJECT, next_verb, safe, say_json
from trimtab.processes.rollout_desk import NewRollout, RolloutShown

JSON = click.option("--json", "as_json", is_flag=True, help="The same as one JSON document.")
STATUSES: Final = "Exit status: 0 done, 1 it could not be done, 2 the command was not understood."
ROLLED_BACK: Final = 4
EXPOSED: Final = 200
LOCK_DIGITS: Final = 12


def _share(ctx: click.Context, param: click.Parameter, value: str | None) -> float | None:
    """A share of calls as a number from 0 to 1, given as `5%` or `0.05`."""
    if value is None:
        return None
    text = value.strip()
    try:
        number = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        number = -1.0
    if not 0 < number <= 1:
        raise click.BadParameter(f"{text} is no share of calls; give one as 5% or 0.05", ctx, param)
    return number


@click.group(cls=Commands)
def command() -> None:
    """Try a lock on a part of the calls, beside the one in force; it is rolled back by itself when it does harm."""


@command.command(epilog=STATUSES)
@PROJECT
@click.option("--rev", default="", metavar="REV", help="The revision to try, such as HEAD~1 or a branch; or a folder.")
@click.option("--lock", "lock", default="", metavar="LOCK", help="A lock that was committed: its file, or its id.")
@click.option("--canary", callback=_share, metavar="SHARE", help="Answer this share of users with it, such as 5%.")
@click.option("--shadow", callback=_share, metavar="SHARE", help="Ask it a copy of this share of calls, for nobody.")
@click.option("--exposed", default=EXPOSED, show_default=True, type=click.IntRange(1, 100_000), metavar="N",
              help="The most users a canary may reach.")  # fmt: skip
@click.option("--margin", default=2.0, show_default=True, type=click.FloatRange(0, 99), metavar="POINTS",
              help="How much worse a rate may be.")  # fmt: skip
@click.option("--task", "tasks", multiple=True, metavar="NAME", help="Only this task; may be given several times.")
@click.option("--without-evaluation", "without", default="", metavar="REASON", help="Begin without one; kept.")
@JSON
def start(
    project: Path, rev: str, lock: str, canary: float | None, shadow: float | None, as_json: bool, **given: Any
) -> None:
    """Begin. Needs an evaluation of this lock against the one in force that says ship, for each task that differs."""
    if bool(rev) == bool(lock):
        raise click.UsageError("name what is to be tried: --rev REV or --lock LOCK")
    if (canary is None) == (shadow is None):
        raise click.UsageError("name how: --canary SHARE or --shadow SHARE")
    from trimtab.assemble.rollout import laid_out  # noqa: PLC0415 - after what is quick to refuse
    from trimtab.declare.load import load  # noqa: PLC0415

    kind, share = ("canary", canary) if canary is not None else ("shadow", shadow)
    declared = load(project)
    new = laid_out(declared, rev or lock, kind, share or 0.0, tasks=tuple(given["tasks"]), without=given["without"])  # type: ignore[arg-type]  # one of the two kinds
    exposed = given["exposed"] if kind == "canary" else 0
    _say(_ask(project, "", replace(new, exposed=exposed, margin=given["margin"] / 100)), as_json=as_json)


@command.command(epilog=f"{STATUSES[:-1]}, {ROLLED_BACK} it was rolled back.")
@PROJECT
@JSON
@click.pass_context
def status(context: click.Context, project: Path, as_json: bool) -> None:
    """The latest rollout: whom it reached, and how it compares."""
    shown = _ask(project, "", None)
    _say(shown, as_json=as_json)
    if shown is not None and shown.rollout.state == "rolled_back":
        context.exit(ROLLED_BACK)


@command.command(epilog=STATUSES)
@PROJECT
@click.option("--why", default="", metavar="TEXT", help="The reason, kept with it.")
@JSON
def stop(project: Path, why: str, as_json: bool) -> None:
    """End it: all calls are answered by what is in force."""
    _say(_ask(project, "/stop", _why(why)), as_json=as_json)


@command.command(epilog=STATUSES)
@PROJECT
@click.option("--without-evaluation", "without", default="", metavar="REASON", help="Promote without one; kept.")
@JSON
def promote(project: Path, without: str, as_json: bool) -> None:
    """Say that the candidate may come into force. Needs the evaluation, no alarm, and all the users declared."""
    from trimtab.assemble.rollout import ships  # noqa: PLC0415 - after what is quick to refuse
    from trimtab.declare.load import load  # noqa: PLC0415
    from trimtab.processes.rollout_api import Promoting  # noqa: PLC0415

    shown = _ask(project, "", None)
    tried = shown.rollout if shown is not None and shown.rollout.is_live else None
    since: tuple[str, ...] = ()
    if tried is not None and tried.kind == "canary" and not tried.evaluations and not without:
        since = ships(load(project), tried.lock, tried.base_lock, tried.tasks)
    shown = _ask(project, "/promote", Promoting(without, since))
    _say(shown, as_json=as_json, ends=False)
    if shown is not None and not as_json:
        click.echo(
            f"Bring {safe(shown.rollout.source)} into the project to put it in force; its share goes on until then."
        )
        next_verb("trimtab promote --to ENVIRONMENT")


def _why(text: str) -> msgspec.Struct:
    from trimtab.processes.rollout_api import Why  # noqa: PLC0415 - loads what serves pages

    return Why(text)


def _ask(project: Path, what: str, body: NewRollout | msgspec.Struct | None) -> RolloutShown | None:
    from trimtab.cli.rollout_client import ask  # noqa: PLC0415 - after what is quick to refuse

    return ask(project, what, body)


def _say(shown: RolloutShown | None, *, as_json: bool, ends: bool = True) -> None:
    """How it stands; where that `ends` what a verb says, with the next one."""
    if as_json:
        say_json(msgspec.json.encode({"rollout": shown}))
        return
    if shown is None:
        click.echo("Nothing was rolled out here.")
        next_verb("trimtab rollout start")
        return
    click.echo(safe(shown.words))
    for one in shown.standings:
        click.echo(f"    {safe(one.words)}")
    if not ends:
        return
    if shown.rollout.is_live:
        next_verb("trimtab rollout status")
    elif shown.rollout.state == "rolled_back":
        next_verb(f"trimtab calls tail --lock {shown.rollout.lock[:LOCK_DIGITS]}")
