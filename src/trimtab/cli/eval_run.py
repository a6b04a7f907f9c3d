"""`trimtab eval TASK`: a suite is asked, in the working tree or against another version, and reported."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import msgspec

from trimtab.cli.screen import PROJECT, next_verb, say, say_json
from trimtab.cli.verdicts import FILE, LATEST, STATUSES, VerdictCommand, status_of, write_reports


@click.command("run", cls=VerdictCommand, epilog=f"Exit status, with --against: {STATUSES} Without: 0 done, 3 not.")
@click.argument("task", required=False, default="")
@PROJECT
@click.option("--against", default="", metavar="REV", help="Compare with a revision, a committed lock, or a folder.")
@click.option("--rev", default="", metavar="REV", help="Ask this revision, lock or folder, and not the working tree.")
@click.option("--samples", type=click.IntRange(1, 100), metavar="N", help="How often each case is asked.")
@click.option("--cases", type=click.IntRange(1), metavar="N", help="How many cases at most, drawn at random.")
@click.option(
    "--drop", type=click.FloatRange(0, 100, min_open=True), metavar="POINTS", help="As many cases as show such a loss."
)
@click.option("--budget", type=click.FloatRange(0, min_open=True), metavar="USD", help="Stop before it costs more.")
@click.option("--early", is_flag=True, help="Stop as soon as enough is known; error rates hold.")
@click.option("--concurrency", type=click.IntRange(1, 256), metavar="N", help="Most calls at a time.")
@click.option(
    "--resume", is_flag=False, flag_value=LATEST, default="", metavar="[ID]", help="Go on with one that was cut short."
)
@click.option("--new", "is_new", is_flag=True, help="Begin anew, though one just like it was cut short.")
@click.option("--dry-run", is_flag=True, help="Say what it would ask and cost, and ask nothing.")
@click.option("--markdown", "markdown_file", type=FILE, help="Add the report to a file, for a pull request.")
@click.option("--junit", "junit_file", type=FILE, help="Write the report as JUnit XML.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as one JSON document.")
def command(task: str, project: Path, **given: Any) -> int:
    """Ask the suite of TASK, mark the answers, and say how good they are, or whether they are worse than another's.

    Every call goes through a gateway of the evaluation's own, so that users, budgets and figures are not touched. It
    says what it will cost before it asks. Ctrl-C keeps what was answered; --resume goes on there.
    """
    from trimtab.assemble.evaluation_plan import Options  # noqa: PLC0415 - after what is quick to refuse
    from trimtab.cli.evaluating import Asked, Evaluating  # noqa: PLC0415
    from trimtab.cli.evaluation_text import report_text  # noqa: PLC0415

    evaluating = Evaluating.of(project)
    resume: str = given["resume"]
    named = given["against"], given["samples"], given["cases"], given["early"], given["drop"], given["budget"]
    wanted = evaluating.asked(resume, Asked(task, *named, rev=given["rev"]))
    if not wanted.task:
        raise click.UsageError("name a task, or --resume one that was cut short")
    with evaluating.sides(wanted.against, wanted.rev) as sides:
        options = Options(wanted.samples, wanted.cases, wanted.budget, given["concurrency"], is_early=wanted.early)
        prepared = evaluating.taken_up(evaluating.prepare(wanted, sides, options), resume, is_new=given["is_new"])
        evaluating.announce(prepared)
        if given["dry_run"]:
            return 0
        report = evaluating.carry_out(prepared, wanted).report
    if report is None:
        raise click.Abort
    write_reports([report], given["markdown_file"], given["junit_file"])
    if given["as_json"]:
        say_json(msgspec.json.encode(report))
    else:
        say(report_text(report))
        next_verb(f"trimtab eval show {report.id}")
    return status_of(report.verdict)
