"""`trimtab demo`: what the demo can be made to show, while `trimtab up --demo` runs."""

from __future__ import annotations

from pathlib import Path

import click
import msgspec

from trimtab.cli.parts import Commands
from trimtab.cli.screen import next_verb, plain, say, say_json
from trimtab.reports.window import span_s

NOT_FOUND = 1
DEMO = click.option(
    "--project",
    default="demo",
    show_default=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="The folder of the demo's project.",
)
JSON = click.option("--json", "as_json", is_flag=True, help="The same as one JSON document, and no progress.")


def _length(context: click.Context, option: click.Parameter, value: str) -> float:
    """A length of time in seconds."""
    try:
        return float(span_s(value))
    except ValueError as wrong:
        raise click.BadParameter(str(wrong), context, option) from wrong


@click.group(cls=Commands)
def command() -> None:
    """Show what goes wrong, and how it is noticed, in a demo that runs (`trimtab up --demo`)."""


@command.command(
    epilog="Exit status: 0 the alert opened, 1 it did not or it could not be tried, 2 not understood, 130 interrupted."
)
@DEMO
@click.option(
    "--before",
    default="90s",
    show_default=True,
    callback=_length,
    metavar="TIME",
    help="How long calls go well at first.",
)
@click.option(
    "--give-up",
    default="6m",
    show_default=True,
    callback=_length,
    metavar="TIME",
    help="How long the alert is waited for.",
)
@click.option("--rate", default=8.0, show_default=True, type=click.FloatRange(0.5, 50), help="Calls a second.")
@click.option("--seed", default=1, show_default=True, help="Which sentences are sent.")
@click.option("--keep", is_flag=True, help="Leave the change in place; `trimtab demo restore` takes it back.")
@JSON
def regress(project: Path, before: float, give_up: float, rate: float, seed: int, keep: bool, as_json: bool) -> None:
    """Plant a change that does harm while every engine stays healthy, and wait for the alert.

    Sends calls of the demo's tasks, rewrites the prompt of `extract` so that a part of its answers is no JSON any more,
    locks that, and goes on until an alert opens: about five minutes. Then the prompt is put back.
    """
    from trimtab.cli.demo_regress import Plan, Stage  # noqa: PLC0415 - only this sends calls
    from trimtab.cli.demo_text import shown_text  # noqa: PLC0415

    plan = Plan(before_s=before, give_up_s=give_up, rate=rate, seed=seed, keep=keep)
    shown = Stage(project, plan, quiet=as_json).play()
    if as_json:
        say_json(msgspec.json.encode(shown))
    else:
        say(shown_text(shown, project))
        next_verb(f"trimtab alerts show {shown.alert.id}" if shown.alert is not None else "trimtab alerts rules")
    if shown.alert is None:
        raise click.exceptions.Exit(NOT_FOUND)


@command.command()
@DEMO
@click.option("--json", "as_json", is_flag=True, help="The same as one JSON document.")
def restore(project: Path, as_json: bool) -> None:
    """Take back the change that `trimtab demo regress` left, and lock that."""
    from trimtab.cli.demo_regress import regression_of, restored  # noqa: PLC0415 - only this writes the project

    found = regression_of(project)
    done = restored(project, found)
    if as_json:
        click.echo(plain({"restored": done}))
        return
    if done:
        click.echo(f"{found.prompt} is as it was before, and locked.")
    else:
        click.echo("Nothing to take back: the prompt is not the one that `trimtab demo regress` writes.")
    next_verb("trimtab lock --check")
