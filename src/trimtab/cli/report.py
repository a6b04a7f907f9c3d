"""`trimtab report`: what the calls of each task did over a window."""

from __future__ import annotations

from pathlib import Path

import click
import msgspec

from trimtab.cli.answers import Wanted, answers
from trimtab.cli.screen import PROJECT, SINCE, TASKS, next_verb, say, say_json, tell_undeclared
from trimtab.reports.terminal import report_text


@click.command(epilog="Exit status: 0 the report was made, 1 it could not be, 2 the command was not understood.")
@PROJECT
@TASKS
@click.option("--model", default="", metavar="NAME", help="Only calls that this model served.")
@click.option("--since", default="", metavar="TIME", callback=SINCE, help="1h, 7d, 2026-11-01; 24h unless given.")
@click.option("--by-model", is_flag=True, help="Each task apart by the model that served it.")
@click.option("--by-prompt", is_flag=True, help="What became of answers and tool calls apart by the task's prompt.")
@click.option("--by-lock", is_flag=True, help="Each task apart by the lock that its calls were made under.")
@click.option("--json", "as_json", is_flag=True, help="The same figures as JSON: seconds, picodollars, shares of 1.")
def command(project: Path, as_json: bool, **asked: object) -> None:
    """Requests, errors, latency against objectives, tokens, cost, throughput, answers and tool calls of each task."""
    wanted = Wanted(**asked)  # type: ignore[arg-type]  # click hands over exactly the options above
    with answers(project) as source:
        report = source.report(wanted)
    if as_json:
        say_json(msgspec.json.encode(report))
        return
    say(report_text(report))
    if not report.tasks:
        tell_undeclared(project, wanted.task)
    failing = next((one for one in report.tasks if one.errors), None)
    if failing is not None:
        worst = max(failing.errors, key=lambda code: failing.errors[code])
        next_verb(f"trimtab calls tail --task '{failing.task}' --outcome {worst}")
    else:
        next_verb("trimtab calls tail")
