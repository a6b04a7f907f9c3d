"""`trimtab eval slices` and `trimtab eval cases`: which cases are hard, and which tell nothing any more."""

from __future__ import annotations

from pathlib import Path

import click
import msgspec

from trimtab.cli.screen import PROJECT, SINCE, next_verb, say, say_json

EXIT = "Exit status: 0 done, 1 it could not be done and the message says why, 2 the command was not understood."
JSON = click.option("--json", "as_json", is_flag=True, help="The same as one JSON document.")


@click.command(epilog=EXIT)
@click.argument("task")
@PROJECT
@click.option("--evaluation", default="", metavar="ID", help="This one; the task's latest unless given.")
@click.option("--seed", default=0, type=int, show_default=True, help="Other deals.")
@JSON
def slices(task: str, project: Path, evaluation: str, seed: int, as_json: bool) -> None:
    """Tell which inputs part the cases that come out right from those that come out wrong.

    Looked at are length, language, every typed input and every tag. The p-value holds for all of them together.
    """
    from trimtab.cli.eval_standing import hard_cases, parts_text  # noqa: PLC0415 - brings the stores

    report, found = hard_cases(project, task, evaluation, seed)
    if as_json:
        say_json(msgspec.json.encode({"evaluation": report.id, **msgspec.to_builtins(found)}))
        return
    say(parts_text(found, report))
    next_verb(f"trimtab eval cases {task}")


@click.command(epilog=EXIT)
@click.argument("task")
@PROJECT
@click.option("--last", default=5, type=click.IntRange(1, 100), show_default=True, help="How many evaluations count.")
@click.option(
    "--since", default="7d", metavar="TIME", callback=SINCE, show_default=True, help="Traffic since 1h, 7d, 2026-11-01."
)
@click.option("--sample", default=2000, type=click.IntRange(1, 10_000), show_default=True, help="Calls looked at.")
@JSON
def cases(task: str, project: Path, last: int, since: str, sample: int, as_json: bool) -> None:
    """Name the cases that tell nothing any more: always right, always wrong, or unlike all recent calls."""
    from trimtab.cli.eval_standing import standing, standing_text  # noqa: PLC0415 - brings the stores

    found = standing(project, task, last, since, sample)
    if as_json:
        say_json(msgspec.json.encode(found))
        return
    say(standing_text(found))
    next_verb(f"trimtab data coverage --task {task} --propose 20")
