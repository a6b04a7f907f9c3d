"""`trimtab data from-feedback` and `from-alert`: cases of what people corrected, and of what went wrong."""

from __future__ import annotations

from pathlib import Path

import click

from trimtab.cli.data_calls import JSON, TASK, told_cases
from trimtab.cli.screen import PROJECT, SINCE
from trimtab.data.drawn import MOST_CASES

EXIT = "Exit status: 0 done, 1 it could not be done and the message says why, 2 the command was not understood."
TO = click.option(
    "--to", "target", type=click.Path(path_type=Path), help="A file that is not there yet; else standard output."
)
MOST_CORRECTED = 1_000


@click.command("from-feedback", epilog=EXIT)
@TASK
@PROJECT
@click.option("--since", default="28d", metavar="TIME", callback=SINCE, show_default=True, help="1h, 7d, 2026-11-01.")
@click.option(
    "--sample",
    default=200,
    type=click.IntRange(1, MOST_CORRECTED),
    show_default=True,
    help="How many cases, the newest.",
)
@TO
@JSON
def from_feedback(task: str, project: Path, since: str, sample: int, target: Path | None, as_json: bool) -> None:
    """Cases of the calls that people corrected: what they said would have been right is `expected`.

    The last correction of each call counts. Look at them before they decide anything: whoever gives feedback may err.
    """
    wish = {"task": task, "since": since, "sample": sample, "corrected": True}
    told_cases(project, wish, target, as_json=as_json)


@click.command("from-alert", epilog=EXIT)
@click.argument("alert")
@PROJECT
@TO
@JSON
def from_alert(alert: str, project: Path, target: Path | None, as_json: bool) -> None:
    """Cases of the calls that show an alert worst, the answer as `observed`."""
    from trimtab.cli.alerts_client import AlertsRefused, alert_office  # noqa: PLC0415 - brings the stores

    with alert_office(project.absolute()) as office:
        found = office.show(alert).alert
    if not found.task or not found.worst:
        raise AlertsRefused(
            detail=f"the alert {alert[:80]} names no calls of a task; `trimtab data from-calls` draws some"
        )
    wish = {"task": found.task, "calls": tuple(found.worst), "sample": min(MOST_CASES, len(found.worst))}
    told_cases(project, wish, target, as_json=as_json)
