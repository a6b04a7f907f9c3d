"""`trimtab runs`: what runs did, what differs between two of them, and what is to become of one."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, get_args

import click
import msgspec
from msgspec import Struct
from rich.text import Text

from trimtab.cli.parts import Commands
from trimtab.cli.runs_acts import ACTS
from trimtab.cli.runs_background import calls_listed
from trimtab.cli.runs_bisect import bisect
from trimtab.cli.runs_client import RunsHere, runs_here
from trimtab.cli.runs_text import Said, compared_text, listed_text, run_text, step_text, tree_text
from trimtab.cli.screen import PROJECT, SINCE, console, next_verb, say, say_json
from trimtab.console.run_desk import Compared
from trimtab.journal.asks import Find, RunRow
from trimtab.journal.entries import Body, RunState, Tried
from trimtab.journal.ledger import ledgers
from trimtab.journal.reading import body_read, log_read, row_of, rows_of
from trimtab.journal.refusals import StepUnknown
from trimtab.journal.run_counts import Verified, Verify
from trimtab.journal.steps import Log, Step, without_pause
from trimtab.processes.run_book import compared, output_of, tree_of
from trimtab.reports.window import since_ns

EXIT: Final = "Exit status: 0 done, 1 it could not be done, 2 the command was not understood."
DIFFERS: Final = 3
SHOWN_STEPS: Final = 100
JSON = click.option("--json", "as_json", is_flag=True, help="The same as one JSON document.")
STATES: Final = get_args(RunState)


class Shown(Struct, frozen=True):
    """What `runs show --json` tells."""

    run: RunRow
    log: Log


class ShownStep(Struct, frozen=True):
    """What `runs show --step --json` tells; bodies are None where they are not kept. `tries` is the attempt ledger."""

    run: str
    step: Step
    asked: str | None
    answered: str | None
    tries: tuple[Tried, ...] = ()


class Listed(Struct, frozen=True):
    """What `runs list --json` tells."""

    runs: tuple[RunRow, ...]


@click.group(cls=Commands)
def command() -> None:
    """Runs of agents: what they did, step by step; replay, fork, compare and stop them."""


@command.command("list", epilog=EXIT)
@PROJECT
@click.option("--task", default="", metavar="NAME", help="Only runs of this task.")
@click.option("--state", "states", multiple=True, type=click.Choice(STATES), help="Only in this state; several times.")
@click.option("--parent", default="", metavar="RUN", help="Only runs that this one began.")
@click.option("--fork-of", default="", metavar="RUN", help="Only forks of this one.")
@click.option("--conversation", default="", metavar="ID", help="Only of this conversation.")
@click.option("--user", "end_user", default="", metavar="ID", help="Only of this end user.")
@click.option("--since", default="", metavar="TIME", callback=SINCE, help="1h, 7d, 2026-11-01.")
@click.option("--before", default="", metavar="RUN", help="Only those that began before this one: the next page.")
@click.option("--limit", default=20, type=click.IntRange(1, 1000), show_default=True, help="How many runs.")
@click.option("--background", is_flag=True, help="Only background calls, with their tries and ages.")
@JSON
def list_runs(project: Path, since: str, limit: int, background: bool, as_json: bool, **asked: Any) -> None:
    """The runs, those that began last first."""
    now_ns = time.time_ns()
    since_when = since_ns(since, now_ns) if since else 0
    wanted = Find(**asked, through="background" if background else "", since_ns=since_when, limit=limit)
    with runs_here(project) as here:
        rows = rows_of(here.reads, wanted)
        if background:
            calls_listed(here, rows, now_ns, as_json=as_json)
            return
    if as_json:
        say_json(msgspec.json.encode(Listed(rows)))
        return
    say(listed_text(rows, now_ns, console().width))
    next_verb(f"trimtab runs show {rows[0].run}" if rows else "trimtab calls tail")


@command.command(epilog=EXIT)
@click.argument("run")
@PROJECT
@click.option("--step", "seq", type=int, metavar="SEQ", help="One step with what it asked and answered.")
@click.option("--from", "first", type=int, default=0, metavar="SEQ", help="Steps from this one on.")
@click.option(
    "--limit", default=SHOWN_STEPS, type=click.IntRange(1, 100_000), show_default=True, help="How many steps."
)
@click.option("--whole", is_flag=True, help="Bodies to their end.")
@JSON
def show(run: str, project: Path, seq: int | None, first: int, limit: int, whole: bool, as_json: bool) -> None:
    """One run: what became of it, and its steps."""
    with runs_here(project) as here:
        row, log = row_of(here.reads, run), log_read(here.reads, run)
        if seq is not None:
            _show_step(here, log, seq, _parked_at(row), whole=whole, as_json=as_json)
            return
    if as_json:
        say_json(msgspec.json.encode(Shown(row, log)))
        return
    log = without_pause(log)
    wanted = [step for step in log.steps if step.seq >= first]
    say(run_text(row, log, wanted[:limit], max(0, len(wanted) - limit)))
    failed = _parked_at(row) or next(
        (step.seq for step in log.steps if step.is_failed), wanted[-1].seq if wanted else 0
    )
    next_verb(f"trimtab runs show {run} --step {failed}" if failed else f"trimtab runs tree {run}")


def _parked_at(row: RunRow) -> int:
    """The step of which a parked run waits for somebody to say what became; 0 where it waits for none."""
    seq = row.waits_for.removeprefix("step ")
    return int(seq) if row.state == "parked" and seq.isdecimal() else 0


def _show_step(here: RunsHere, log: Log, seq: int, parked_at: int, *, whole: bool, as_json: bool) -> None:
    step = log.step(seq)
    if step is None:
        raise StepUnknown(run=log.run, seq=seq)
    said = Said(_text(here, log.run, step.intent.input), _text(here, log.run, output_of(step)))
    tries = ledgers(log)[step.seq]
    if as_json:
        say_json(msgspec.json.encode(ShownStep(log.run, step, *said, tries)))
        return
    say(step_text(step, said, tries, to_the_end=whole))
    unknown = step.seq == parked_at
    next_verb(f"trimtab runs {f'reconcile {log.run} {seq} --help' if unknown else f'fork {log.run} --at {step.seq}'}")


def _text(here: RunsHere, run: str, body: Body | None) -> str | None:
    content = body_read(here.reads, run, body)
    return content.decode("utf-8", "replace") if content is not None else None


@command.command(epilog=EXIT)
@click.argument("run")
@PROJECT
@JSON
def tree(run: str, project: Path, as_json: bool) -> None:
    """A run with the runs that it began, and those that were forked off it."""
    with runs_here(project) as here:
        found = tree_of(here.reads, run)
    if as_json:
        say_json(msgspec.json.encode(found))
        return
    say(tree_text(found))
    next_verb(f"trimtab runs show {run}")


@command.command(epilog=f"{EXIT[:-1]}, {DIFFERS} they differ and --exit-code was given.")
@click.argument("left")
@click.argument("right")
@PROJECT
@click.option("--all", "every", is_flag=True, help="Steps that are the same too.")
@click.option("--exit-code", "tells", is_flag=True, help="Tell by the exit status whether they differ.")
@JSON
@click.pass_context
def diff(
    context: click.Context, /, left: str, right: str, project: Path, every: bool, tells: bool, as_json: bool
) -> None:
    """Two runs side by side, and the first difference that matters: time, money and retries do not."""
    with runs_here(project) as here:
        found = compared(here.reads, left, right)
    if as_json:
        say_json(msgspec.json.encode(found))
    else:
        say(compared_text(found, every=every))
        next_verb(_next_of(found))
    if tells and found.alignment.first is not None:
        context.exit(DIFFERS)


def _next_of(found: Compared) -> str:
    first = found.alignment.first
    pair = first.pair if first is not None else None
    if pair is not None and pair.left:
        return f"trimtab runs show {found.left.run} --step {pair.left}"
    return f"trimtab runs show {found.right.run}"


@command.command(epilog=EXIT)
@click.argument("runs", nargs=-1)
@PROJECT
@JSON
@click.pass_context
def verify(context: click.Context, /, runs: Sequence[str], project: Path, as_json: bool) -> None:
    """Whether logs are whole: each entry names the one before it by its digest, and every body is what it should be."""
    with runs_here(project) as here:
        found = [one for run in runs or _all(here) if isinstance(one := here.reads.do(Verify(run)), Verified)]
    if as_json:
        say_json(msgspec.json.encode(found))
    else:
        for one in found:
            gone = f", of its bodies {one.gone} are not kept" if one.gone else ""
            say(Text(f"{one.run} {'whole' if not one.faults else '! ' + '; '.join(one.faults)}{gone}"))
        say(Text(f"{sum(not one.faults for one in found)} of {len(found)} whole."))
        next_verb("trimtab runs list")
    if any(one.faults for one in found):
        context.exit(1)


def _all(here: RunsHere) -> list[str]:
    found: list[str] = []
    while rows := rows_of(here.reads, Find(before=found[-1] if found else "", limit=1000)):
        found += [row.run for row in rows]
    return found


for act in (*ACTS, bisect):
    command.add_command(act)
