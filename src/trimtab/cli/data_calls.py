"""`trimtab data from-calls` and `trimtab data coverage`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import msgspec
from msgspec import Struct
from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from trimtab.cli.screen import PROJECT, SINCE, next_verb, say, say_json
from trimtab.data.cases import case
from trimtab.data.check import rows_of
from trimtab.data.coverage import LIKENESS, Coverage
from trimtab.data.coverage import coverage as covered
from trimtab.data.drawn import DEFAULT_WINDOW, MOST_CASES, STRATA, Drawn
from trimtab.data.manifest import held
from trimtab.data.rows import Row
from trimtab.errors import TrimtabError
from trimtab.reports.foreign import plain_text

EXIT = "Exit status: 0 done, 1 it could not be done and the message says why, 2 the command was not understood."
JSON = click.option("--json", "as_json", is_flag=True, help="The same as one JSON document.")
TASK = click.option("--task", required=True, metavar="NAME", help="The task whose calls are looked at.")
SEED = click.option("--seed", default=0, type=int, show_default=True, help="Another draw.")
WHERE = click.option(
    "--where", multiple=True, metavar="CONDITIONS", help="outcome = ok and repairs > 0; may be given several times."
)
PASSED_OVER = {
    "not_kept": "of which the record kept no request (redaction digest or none, or it is past retention)",
    "preview": "of which the record kept the beginning alone (redaction preview)",
    "not_read": "whose request could not be read as a case",
    "too_large": "whose request is over 1 MiB",
}
TOUCHED = "Answers are `observed`, not `expected`: what they should be is for a person to say."
CORRECTED = "What is `expected` is what somebody said would have been right; look at it before it decides anything."


class NotWritten(TrimtabError):
    """{path} cannot be written ({detail}); name a file that is not there yet."""


class Covered(Struct, frozen=True):
    """What `data coverage --json` tells: the figures, the calls of the clusters, and proposed cases."""

    task: str
    data_set: str
    cases: int
    coverage: Coverage
    examples: tuple[Any, ...]
    proposed: tuple[Any, ...]
    in_window: int
    passed_over: dict[str, int]
    looked: dict[str, float | int]


@click.command("from-calls", epilog=EXIT)
@TASK
@PROJECT
@WHERE
@click.option("--sample", default=200, type=click.IntRange(1, MOST_CASES), show_default=True, help="How many cases.")
@click.option(
    "--by", default="", type=click.Choice(["", *STRATA]), metavar="FIELD", help="As many of each value of it."
)
@SEED
@click.option(
    "--since", default=DEFAULT_WINDOW, metavar="TIME", callback=SINCE, show_default=True, help="1h, 7d, 2026-11-01."
)
@click.option(
    "--to", "target", type=click.Path(path_type=Path), help="A file that is not there yet; else standard output."
)
@JSON
def from_calls(project: Path, target: Path | None, as_json: bool, **asked: Any) -> None:
    """Draw cases from recorded calls, as JSON Lines: inputs and messages as they were asked, the answer as `observed`.

    Only what the redaction of the task kept can be drawn; what looks like a key or a password is taken out. Conditions
    name a field, one of = != > >= < <= ~ and a value, joined by `and`.
    """
    told_cases(project, asked, target, as_json=as_json)


def told_cases(project: Path, asked: dict[str, Any], target: Path | None, *, as_json: bool) -> None:
    """Draws cases, writes them, and tells what they are."""
    found = _drawn(project.absolute(), asked)
    if target is not None:
        write_lines(target, found.cases)
    if as_json:
        told = msgspec.to_builtins(found) | {"cases": [json.loads(line) for line in found.cases]}
        say_json(json.dumps(told).encode())
        return
    if target is None:
        for line in found.cases:
            click.echo(line)
    click.echo(_drawn_text(found, CORRECTED if asked.get("corrected") else TOUCHED), err=target is None)
    if target is not None:
        next_verb(f"trimtab data add {target} --name {asked['task']}-calls")


@click.command(epilog=EXIT)
@TASK
@PROJECT
@click.option("--cases", "data_set", metavar="NAME", help="The data set of cases; tasks/TASK/cases unless given.")
@click.option(
    "--since", default=DEFAULT_WINDOW, metavar="TIME", callback=SINCE, show_default=True, help="1h, 7d, 2026-11-01."
)
@click.option("--sample", default=2000, type=click.IntRange(1, MOST_CASES), show_default=True, help="Calls looked at.")
@WHERE
@click.option(
    "--propose", default=0, type=click.IntRange(0, 1000), metavar="COUNT", help="Cases to add, at most so many."
)
@click.option("--to", "target", type=click.Path(path_type=Path), help="A new file for the proposed cases.")
@SEED
@JSON
def coverage(
    project: Path, data_set: str | None, propose: int, target: Path | None, as_json: bool, **asked: Any
) -> None:
    """Tell what share of live traffic no case represents, and which cases to add.

    A case represents a call if their words are alike; numbers count as one word, so that calls of one form are.
    """
    root, task = project.absolute(), asked["task"]
    name = data_set or f"tasks/{task}/cases"
    cases = _words_of_cases(root, name) if data_set or (root / f"{name}.jsonl").exists() else []
    found = _drawn(root, asked)
    calls = [json.loads(line) for line in found.cases]
    figures = covered(cases, [case(call).words for call in calls], propose)
    proposed = tuple(calls[place] for place in figures.proposed)
    if target is not None:
        write_lines(target, [found.cases[place] for place in figures.proposed])
    if as_json:
        examples = tuple(calls[cluster.example] for cluster in figures.clusters)
        seen = (found.in_window, found.passed_over, LIKENESS.told)
        told = Covered(task, name, len(cases), figures, examples, proposed, *seen)
        say_json(json.dumps(msgspec.to_builtins(told)).encode())
        return
    say(_coverage_text(name, len(cases), figures, found, calls))
    if propose and target is None:
        say(Text(f"\n{len(proposed)} proposed:", style="bold"))
        for place in figures.proposed:
            click.echo(found.cases[place])
    next_verb(f"trimtab data from-calls --task {task}" if not propose else f"trimtab data check {name}")


def _words_of_cases(root: Path, name: str) -> list[list[str]]:
    return [case(row.value).words for row in rows_of(root, held(root, name)) if isinstance(row, Row)]


def _drawn(root: Path, asked: dict[str, Any]) -> Drawn:
    from trimtab.cli.data_client import draw  # noqa: PLC0415 - brings the stores, which other verbs do without
    from trimtab.processes.draw import Wish  # noqa: PLC0415

    return draw(root, Wish(**asked))


def write_lines(target: Path, lines: Sequence[str]) -> None:
    """Writes lines into a new file. Raises `NotWritten`."""
    try:
        with target.open("x", encoding="utf-8") as file:
            file.writelines(f"{line}\n" for line in lines)
    except OSError as failure:
        raise NotWritten(path=target, detail=failure.strerror) from None


def _drawn_text(found: Drawn, remark: str = TOUCHED) -> str:
    lines = [f"{len(found.cases)} cases. {_looked_text(found)}", *_passed_text(found.passed_over)]
    lines += [f"  {stratum}: {count}" for stratum, count in found.strata.items()]
    lines += [] if found.full else ["The cases came to 64 MiB, and no more were drawn."]
    return "\n".join(plain_text(line).plain for line in [*lines, remark])


def _looked_text(found: Drawn) -> str:
    drawn = "" if found.looked_at == found.in_window else f", of which {found.looked_at} were looked at, at random"
    return f"{found.in_window} calls in the window{drawn}; {found.matching} keep the conditions."


def _passed_text(passed_over: dict[str, int]) -> list[str]:
    return [f"Passed over: {count} {PASSED_OVER.get(why, why)}." for why, count in sorted(passed_over.items())]


def _coverage_text(name: str, cases: int, figures: Coverage, found: Drawn, calls: Sequence[Any]) -> RenderableType:
    if not figures.calls:
        return Text("\n".join(["No call of the window gives a case.", *_passed_text(found.passed_over)]))
    looked = LIKENESS.told
    head = Text(
        f"{figures.share:.1%} of calls are represented by no case of {name} "
        f"(95 % interval {figures.low:.1%} to {figures.high:.1%}, n = {figures.calls}, {cases} cases)."
    )
    how = Text(
        f"A case represents a call at a similarity of {looked['threshold']} or more; MinHash with "
        f"{looked['permutations']} permutations in {looked['bands']} bands finds one at it with probability "
        f"{looked['recall_at_threshold']}. {_looked_text(found)}",
        style="dim",
    )
    table = Table("calls", "share", "nearest case", "for example", box=box.SIMPLE_HEAD, pad_edge=False)
    for cluster in figures.clusters[:10]:
        words = " ".join(case(calls[cluster.example]).words)
        table.add_row(str(cluster.calls), f"{cluster.share:.1%}", f"{cluster.nearest:.2f}", plain_text(words, 100))
    parts: list[RenderableType] = [head, *map(Text, _passed_text(found.passed_over)), how]
    return Group(*parts, *([table] if figures.clusters else []))
