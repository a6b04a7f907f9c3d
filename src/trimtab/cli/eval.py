"""`trimtab eval`: how good a task's answers are, and whether a change made them worse."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Final

import click
import msgspec

from trimtab.cli.eval_cases import cases, slices
from trimtab.cli.eval_import import command as imports
from trimtab.cli.eval_run import command as run
from trimtab.cli.parts import Commands
from trimtab.cli.screen import PROJECT, next_verb, say, say_json
from trimtab.cli.verdicts import FILE, write_reports

HELP: Final = frozenset({"--help", "-h"})


class OfTasks(Commands):
    """A verb with commands, whose first word is a task where it names none of them."""

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of this name, else the one that takes a task."""
        return self.commands.get(cmd_name, run)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Puts the command in front of a task."""
        named = bool(args) and (args[0] in self.commands or args[0] in HELP)
        return super().parse_args(ctx, args if named or not args else [str(run.name), *args])


@click.group(
    cls=OfTasks,
    epilog="`trimtab eval TASK` asks a suite; `trimtab eval TASK --help` lists its options.",
)
def command() -> None:
    """Ask the suites of tasks, compare versions, and show what came of it."""


command.add_command(run)
command.add_command(imports)
command.add_command(slices)
command.add_command(cases)


@command.command("list", epilog="Exit status: 0 done, 1 it could not be done and the message says why.")
@PROJECT
@click.option("--task", default="", metavar="NAME", help="Only of this task.")
@click.option("--limit", default=20, type=click.IntRange(1, 1000), show_default=True, help="How many evaluations.")
@click.option("--json", "as_json", is_flag=True, help="The same as one JSON document.")
def list_evaluations(project: Path, task: str, limit: int, as_json: bool) -> None:
    """The evaluations that were begun here, the latest first."""
    from trimtab.cli.eval_list import found, listed_text  # noqa: PLC0415 - after what is quick to refuse

    rows = found(project, task, limit)
    if as_json:
        say_json(msgspec.json.encode({"evaluations": rows}))
        return
    say(listed_text(rows, time.time_ns()))
    next_verb(f"trimtab eval show {rows[0].id}" if rows else "trimtab eval TASK")


@command.command(epilog="Exit status: 0 done, 1 there is no such report and the message says why.")
@click.argument("evaluation", metavar="ID")
@PROJECT
@click.option("--markdown", "markdown_file", type=FILE, help="Add the report to a file, for a pull request.")
@click.option("--junit", "junit_file", type=FILE, help="Write the report as JUnit XML.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as one JSON document.")
def show(evaluation: str, project: Path, markdown_file: Path | None, junit_file: Path | None, as_json: bool) -> None:
    """The report of an evaluation, by its id or the beginning of it."""
    from trimtab.cli.eval_list import report_of  # noqa: PLC0415 - after what is quick to refuse
    from trimtab.cli.evaluation_text import report_text  # noqa: PLC0415

    report = report_of(project, evaluation)
    write_reports([report], markdown_file, junit_file)
    if as_json:
        say_json(msgspec.json.encode(report))
        return
    say(report_text(report))


@command.command(epilog="Exit status: 0 done, 1 it could not be done and the message says why.")
@click.argument("task", metavar="TASK")
@PROJECT
@click.option("--since", default="30d", show_default=True, metavar="AGE", help="Live figures since then (7d, 30d).")
@click.option("--json", "as_json", is_flag=True, help="The same as one JSON document.")
def history(task: str, project: Path, since: str, as_json: bool) -> None:
    """For each lock of a task, what it scored in its evaluation beside what it does live."""
    from trimtab.cli.eval_history import history as found_history  # noqa: PLC0415 - after what is quick to refuse
    from trimtab.cli.eval_history import history_text  # noqa: PLC0415

    found = found_history(project, task, since)
    if as_json:
        say_json(msgspec.json.encode(found))
        return
    say(history_text(found))
    next_verb(f"trimtab eval list --task {task}")
