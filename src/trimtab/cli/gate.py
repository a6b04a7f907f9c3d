"""`trimtab gate`: whether a change may ship, by the suites, cases and baseline of the branch it is to go into."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import msgspec
from msgspec import Struct

from trimtab.cli.screen import PROJECT, safe, say, say_json
from trimtab.cli.verdicts import FILE, STATUSES, VerdictCommand, status_of, verdict_of, write_reports
from trimtab.evals.renderings.junit import whole
from trimtab.evals.report import Report, Verdict


class Gated(Struct, frozen=True):
    """What `trimtab gate --json` tells: the verdict of all, a report for each task that was evaluated, and why others
    were not.

    `unevaluated` are tasks that changed and have no suite on the base, which makes the verdict inconclusive.
    """

    base: str
    verdict: Verdict
    reports: tuple[Report, ...]
    changes: tuple[str, ...]
    unevaluated: tuple[str, ...]
    notes: tuple[str, ...]


@click.command("gate", cls=VerdictCommand, epilog=f"Exit status: {STATUSES}")
@PROJECT
@click.option("--base", required=True, metavar="REV", help="The revision to compare with, such as origin/main.")
@click.option("--task", "tasks", multiple=True, metavar="NAME", help="Only this task; may be given several times.")
@click.option("--samples", type=click.IntRange(1, 100), metavar="N", help="How often each case is asked.")
@click.option("--cases", type=click.IntRange(1), metavar="N", help="How many cases at most, drawn at random.")
@click.option("--budget", type=click.FloatRange(0, min_open=True), metavar="USD", help="The most for each task.")
@click.option("--early", is_flag=True, help="Stop as soon as enough is known; error rates hold.")
@click.option("--concurrency", type=click.IntRange(1, 256), metavar="N", help="Most calls at a time.")
@click.option("--dry-run", is_flag=True, help="Say what changed and what would be asked, and ask nothing.")
@click.option("--markdown", "markdown_file", type=FILE, help="Add the reports to a file, for a pull request.")
@click.option("--junit", "junit_file", type=FILE, help="Write the reports as JUnit XML.")
@click.option("--json", "as_json", is_flag=True, help="Print the verdict and all reports as one JSON document.")
def command(project: Path, base: str, **given: Any) -> int:
    """Find which entries of the lock differ from those of REV and which tasks they touch, and evaluate these tasks.

    Cases, suite and baseline are those of REV, so that a change cannot move its own goal. A task that changed and has
    no suite there cannot be judged, and makes the verdict inconclusive.
    """
    from trimtab.cli.evaluating import Evaluating  # noqa: PLC0415 - after what is quick to refuse
    from trimtab.cli.gating import Gating  # noqa: PLC0415

    evaluating = Evaluating.of(project)
    with evaluating.sides(base) as sides:
        gating = Gating(evaluating, sides, tuple(given["tasks"]))
        for line in gating.found():
            evaluating.screen.print(line)
        reports = list(gating.reports({**given, "base": base}))
    if given["dry_run"]:
        return 0
    verdict = verdict_of([*(one.verdict for one in reports), *(None for _ in gating.unevaluated)])
    gated = Gated(base, verdict, tuple(reports), gating.changes, gating.unevaluated, tuple(gating.found()))
    in_junit = whole(f"gate against {base}", verdict, _words(gated))
    write_reports(reports, given["markdown_file"], given["junit_file"], "\n".join(_head(gated)), in_junit)
    if given["as_json"]:
        say_json(msgspec.json.encode(gated))
    else:
        _say(gated)
    return status_of(verdict)


def _say(gated: Gated) -> None:
    from trimtab.cli.evaluation_text import report_text  # noqa: PLC0415 - for people only

    for one in gated.reports:
        say(report_text(one))
        click.echo()
    for name in gated.unevaluated:
        click.echo(f"inconclusive   {safe(name)} changed and has no suite on {safe(gated.base)}.")
    click.echo(f"{gated.verdict}   {_words(gated)}")


def _words(gated: Gated) -> str:
    if not gated.reports and not gated.unevaluated:
        return f"nothing that bears on an answer differs from {safe(gated.base)}."
    told = [f"{safe(one.task)}: {one.verdict or 'not decided'}" for one in gated.reports]
    told += [f"{safe(name)}: not evaluated" for name in gated.unevaluated]
    more = [f"{safe(one.task)}: about {one.needed:,} more cases would settle it" for one in gated.reports if one.needed]
    return ", ".join(told) + "." + "".join(f" {words}." for words in more)


def _head(gated: Gated) -> Iterator[str]:
    from trimtab.evals.renderings.markdown import escaped  # noqa: PLC0415 - where a file is asked for

    yield f"## {gated.verdict.capitalize()}"
    yield ""
    yield escaped(_words(gated))
    yield ""
    yield from (f"- {escaped(words)}" for words in gated.notes)
    yield ""
