"""The parts of `trimtab runs` that do something: fork, orders, findings, failed runs, and what is taken along."""

from __future__ import annotations

import getpass
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import BinaryIO, Final, cast

import click
import msgspec
from msgspec import Struct
from msgspec.structs import replace
from rich.text import Text

from trimtab.cli.replaying import replaying
from trimtab.cli.runs_client import runs_here
from trimtab.cli.runs_keep import keep
from trimtab.cli.runs_text import listed_text
from trimtab.cli.screen import PROJECT, SINCE, console, next_verb, plain, say, say_json
from trimtab.console.run_desk import Redriven, Wanted
from trimtab.declare.load import load
from trimtab.declare.volatile import volatile_in
from trimtab.ids import IdSource
from trimtab.journal.asks import Find, RunRow
from trimtab.journal.entries import Order, Reconciliation, RunState
from trimtab.journal.keeping import Hold
from trimtab.journal.recording import Recording
from trimtab.processes.run_acts import MOST_AT_ONCE, dead, forked, ordered, reconciled, redriven
from trimtab.processes.run_export import case_line, exported, pytest_text
from trimtab.reports.foreign import plain_text
from trimtab.reports.window import since_ns

EXIT: Final = "Exit status: 0 done, 1 not all of it could be done, 2 the command was not understood."
FAILED: Final = 1
DIVERGED: Final = 3
MOST_DIVERGED: Final = 20
JSON = click.option("--json", "as_json", is_flag=True, help="The same as one JSON document.")
REASON = click.option("--reason", default="", metavar="WORDS", help="Why; kept in the log.")
BY = click.option("--by", default="", metavar="NAME", help="Who says so; whoever is signed in here unless given.")
FOUND: Final = {"happened": "happened", "did-not-happen": "did_not_happen", "repeat": "repeat"}


class Reached(Struct, frozen=True):
    """What an order's `--json` tells."""

    order: Order
    runs: tuple[str, ...]


def _who(given: str) -> str:
    try:
        return given or getpass.getuser()
    except (KeyError, OSError):
        return "cli"


def _override(context: click.Context, option: click.Parameter, given: tuple[str, ...]) -> dict[str, str]:
    found: dict[str, str] = {}
    for one in given:
        name, mark, value = one.partition("=")
        if not mark or not name.strip():
            raise click.BadParameter(f"{one} is no NAME=VALUE", context, option)
        found[name.strip()] = value
    return found


@click.command(epilog=EXIT)
@click.argument("run")
@PROJECT
@click.option(
    "--at", type=click.IntRange(0), default=0, metavar="SEQ", help="The step to be taken again; its end unless given."
)
@click.option("--id", "fork", default="", metavar="ID", help="The new run's id; one is made unless given.")
@click.option(
    "--answer",
    type=click.File("rb"),
    metavar="FILE",
    help="The answer of that step, instead of taking it; - is standard input.",
)
@click.option("--with", "overrides", multiple=True, callback=_override, metavar="NAME=VALUE",
              help="What is changed: model, prompt (a revision or a file), sampling.temperature ...; several times. "
                   "triage.model is of the steps of triage alone, code names a revision, an empty value takes one "
                   "back.")  # fmt: skip
@JSON
def fork(
    run: str,
    project: Path,
    at: int,
    fork: str,
    answer: BinaryIO | None,
    overrides: dict[str, str],
    as_json: bool,
) -> None:
    """Make a run that has the steps before one as its own, and goes on from there."""
    now_ns = time.time_ns()
    content = answer.read() if answer is not None else None
    wanted = Wanted(run, fork or IdSource().new(now_ns), at, content, overrides)
    with runs_here(project) as here:
        made = forked(here.writes, wanted, now_ns, partial(load, project))
    if as_json:
        say_json(msgspec.json.encode(made))
        return
    say(Text(f"{made.run} has the {made.steps} steps of {run} before entry {made.fork_seq}."))
    if made.through == "gateway":
        say(Text(f"Send its calls with x-trimtab-run: {made.run}; those it has are answered as they were."))
    else:
        say(Text(f"Whatever works off task {made.task or '(none)'} takes it up."))
    next_verb(f"trimtab runs diff {run} {made.run}")


def _order(order: Order, says: str) -> click.Command:
    @click.command(order, epilog=EXIT, help=says)
    @click.argument("run", required=False, default="")
    @PROJECT
    @click.option("--task", default="", metavar="NAME", help="All runs of this task that have not ended.")
    @click.option("--all", "every", is_flag=True, help="All runs that have not ended.")
    @REASON
    @BY
    @JSON
    def give(run: str, project: Path, task: str, every: bool, reason: str, by: str, as_json: bool) -> None:
        if sum((bool(run), bool(task), every)) != 1:
            raise click.UsageError("name one run, or say --task NAME, or --all")
        with runs_here(project) as here:
            reached = ordered(here.writes, order, _who(by), reason, run=run, task=task)
        if as_json:
            say_json(msgspec.json.encode(Reached(order, reached)))
            return
        say(Text(f"{len(reached)} run{'' if len(reached) == 1 else 's'} to {order}."))
        next_verb(f"trimtab runs show {run}" if run else "trimtab runs list")

    return give


@click.command(epilog=EXIT)
@click.argument("run")
@click.argument("step", type=click.IntRange(1))
@click.argument("found", type=click.Choice(list(FOUND)))
@PROJECT
@click.option(
    "--output",
    type=click.File("rb"),
    metavar="FILE",
    help="What the step answered, if it happened; - is standard input.",
)
@REASON
@BY
@JSON
def reconcile(
    run: str,
    step: int,
    found: str,
    project: Path,
    output: BinaryIO | None,
    reason: str,
    by: str,
    as_json: bool,
) -> None:
    """Say what became of a step that may or may not have had its effect, so that its run goes on."""
    if output is not None and found != "happened":
        raise click.UsageError("--output is of a step that happened")
    content = output.read() if output is not None else None
    what = cast("Reconciliation", FOUND[found])
    with runs_here(project) as here:
        row = reconciled(here.writes, run, step, what, _who(by), reason, content, time.time_ns())
    if as_json:
        say_json(msgspec.json.encode(row))
        return
    say(Text(f"{row.run} is {row.state}."))
    next_verb(f"trimtab runs show {run}")


@click.command(epilog=EXIT)
@click.argument("runs", nargs=-1)
@PROJECT
@click.option("--task", default="", metavar="NAME", help="Only runs of this task.")
@click.option("--error", default="", metavar="CODE", help="Only runs that failed with this error.")
@click.option("--since", default="", metavar="TIME", callback=SINCE, help="1h, 7d, 2026-11-01.")
@click.option("--all", "every", is_flag=True, help="All that the filters leave; without, they are listed.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@click.pass_context
def redrive(
    context: click.Context,
    /,
    runs: tuple[str, ...],
    project: Path,
    task: str,
    error: str,
    since: str,
    every: bool,
    as_json: bool,
) -> None:
    """List the runs that failed or are parked; named, or with --all, take them up again at the step that went wrong.

    Each goes on as a fork, RUN.again1, that whatever works off its task takes up; a thousand at most at once, the
    latest of them, so that the next time takes up the next thousand.

    A background call is made again as itself.
    """
    if runs and (every or task or error or since):
        raise click.UsageError("name runs, or narrow --all with --task, --error and --since")
    now_ns = time.time_ns()
    states: tuple[RunState, ...] = ("failed",) if every else ()
    wanted = Find(
        task=task,
        error=error,
        states=states,
        through="sdk" if every else "",
        since_ns=since_ns(since, now_ns) if since else 0,
        limit=MOST_AT_ONCE,
    )
    with runs_here(project) as here:
        rows = [row for name in runs for row in dead(here.reads, Find(run=name))]
        rows = rows if runs else list(dead(here.reads, wanted))
        if not runs and not every:
            _list(rows, now_ns, as_json=as_json)
            return
        done = [redriven(here.writes, row, now_ns) for row in reversed(rows)]
        more = len(rows) == MOST_AT_ONCE and bool(dead(here.reads, replace(wanted, before=rows[-1].run, limit=1)))
    for one in done:
        click.echo(plain(one)) if as_json else say(_redriven_text(one))
    if not as_json:
        say(Text(f"{sum(one.ok for one in done)} of {len(done)} taken up again."))
        next_verb("trimtab runs redrive --all" if more else "trimtab runs list")
    if not all(one.ok for one in done) or len(done) < len(runs):
        context.exit(FAILED)


def _list(rows: list[RunRow], now_ns: int, *, as_json: bool) -> None:
    if as_json:
        for row in rows:
            click.echo(plain(row))
        return
    say(listed_text(rows, now_ns, console().width))
    next_verb("trimtab runs redrive --all" if rows else "trimtab runs list")


def _redriven_text(done: Redriven) -> Text:
    if done.ok:
        return Text(f"{done.run} is made again" if done.fork == done.run else f"{done.run} goes on as {done.fork}")
    return Text.assemble(f"{done.run} ", ("! ", "red"), plain_text(done.detail, 400))


@click.command(epilog=f"{EXIT[:-1]}, {DIVERGED} the command asked for something else.")
@click.argument("run")
@click.argument("command", nargs=-1, required=True)
@PROJECT
@JSON
@click.pass_context
def replay(context: click.Context, /, run: str, command: tuple[str, ...], project: Path, as_json: bool) -> None:
    """Have a command do a run again: models answer what they answered then, byte for byte, and nobody else is asked.

    Write -- before the command. Its OPENAI_BASE_URL, ANTHROPIC_BASE_URL and TRIMTAB_URL lead to the recorded answers. A
    @run in it is that run: its tools and steps give what they gave, and do nothing. With --json what the command prints
    goes to stderr.
    """
    with tempfile.TemporaryDirectory(prefix="trimtab-replay-") as folder:
        path = Path(folder) / "run.jsonl"
        with runs_here(project) as here:
            _write(path, exported(here.reads, run, volatile_in(project)), "wb")
        with replaying(Recording.load(path), Path(folder)) as again:
            try:
                told = sys.stderr if as_json else None
                status = subprocess.run(
                    command, env=os.environ | again.environment, stdout=told, check=False
                ).returncode
            except OSError as failure:
                raise click.UsageError(f"{command[0]} cannot be run: {failure.strerror}") from failure
            diverged, served, left = again.diverged, again.served, again.left
    if as_json:
        found = {"run": run, "diverged": list(diverged), "served": served, "left": left, "status": status}
        say_json(msgspec.json.encode(found))
    else:
        for words in diverged[:MOST_DIVERGED]:
            say(Text.assemble(("! ", "red"), plain_text(words, 1000)))
        say(Text(f"{served} answers given again, {left} not asked for, exit status {status}."))
        next_verb(f"trimtab runs fork {run}" if diverged else f"trimtab runs export {run} --as pytest")
    if diverged:
        context.exit(DIVERGED)
    context.exit(FAILED if status or left else 0)


@click.command(epilog=EXIT)
@click.argument("run")
@PROJECT
@click.option(
    "--as",
    "form",
    type=click.Choice(["case", "pytest", "json"]),
    default="json",
    show_default=True,
    help="A case for a suite, of one step; a test beside the recorded run; or the run alone, as lines of JSON.",
)
@click.option(
    "--at",
    type=click.IntRange(0),
    default=0,
    metavar="SEQ",
    help="The step a case is made of; unless given the last of a model before the first that failed.",
)
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="A file, to which a case is added; standard output unless given.",
)
@click.option("--call", default="", metavar="MODULE:NAME", help="With --as pytest: the function that does it again.")
@JSON
def export(run: str, project: Path, form: str, at: int, output: Path | None, call: str, as_json: bool) -> None:
    """Take a run along: as a case, as a test, or whole.

    Without --output what is exported goes to standard output, JSON in every form but pytest. With --json the files that
    were written are told as JSON.
    """
    if form == "pytest":
        _written(_export_test(project, run, call, output), "trimtab runs list", as_json=as_json)
        return
    with runs_here(project) as here:
        if form == "case":
            _write(output, [f"{case_line(here.reads, run, at)}\n".encode()], "ab")
            here.writes.do(Hold(run, "exported", _who("")))
        else:
            _write(output, exported(here.reads, run, volatile_in(project)), "wb")
    if output is not None:
        _written([output], "trimtab eval TASK" if form == "case" else f"trimtab runs show {run}", as_json=as_json)


def _written(files: list[Path], then: str, *, as_json: bool) -> None:
    if as_json:
        say_json(msgspec.json.encode({"written": [str(file) for file in files]}))
        return
    say(Text(f"Written to {' and '.join(str(file) for file in files)}."))
    next_verb(then)


def _export_test(project: Path, run: str, call: str, output: Path | None) -> list[Path]:
    """Writes the test, and the run beside it."""
    names = call.partition(":")
    if not all(part.isidentifier() for part in (*names[0].split("."), names[2])):
        raise click.UsageError("name the function that does it again: --call MODULE:NAME")
    if output is None or output.suffix != ".py":
        raise click.UsageError("name the test's file: --output tests/test_refund_run.py")
    recording = output.with_suffix(".jsonl")
    with runs_here(project) as here:
        _write(recording, exported(here.reads, run, volatile_in(project)), "wb")
        output.write_text(pytest_text(here.reads, run, call, recording.name), "utf-8")
        here.writes.do(Hold(run, "exported", _who("")))
    return [output, recording]


def _write(output: Path | None, lines: Iterable[bytes], mode: str) -> None:
    if output is None:
        for line in lines:
            sys.stdout.buffer.write(line)
        sys.stdout.buffer.flush()
        return
    with output.open(mode) as file:
        for line in lines:
            file.write(line)


ORDERS: Final[tuple[tuple[Order, str], ...]] = (
    ("pause", "Let runs take no further step until they are resumed."),
    ("resume", "Let runs go on that were paused."),
    ("stop", "Stop runs, with what is under way, for good."),
    ("cancel", "Cancel runs: as stop, but whoever began them is told that they were cancelled."),
)
ACTS: Final[tuple[click.Command, ...]] = (
    fork,
    *(_order(order, says) for order, says in ORDERS),
    reconcile,
    redrive,
    replay,
    export,
    keep,
)
