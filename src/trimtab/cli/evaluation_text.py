"""An evaluation's report as text for a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, Literal

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from trimtab.evals.renderings import lines
from trimtab.evals.report import Metric, Report
from trimtab.evals.words import count, plain

GOOD, BAD, DOUBTFUL, QUIET = "green", "red", "yellow", "dim"
STYLES: Final = {"ship": GOOD, "block": BAD, "inconclusive": DOUBTFUL, "": ""}
MOST_CHANGES: Final = 8
MOST_REASON: Final = 1_000


def report_text(report: Report) -> RenderableType:
    """A report: the verdict and why, figures with what stands beside them, slices, cases that turned, what it took."""
    return Group(*_head(report), *_figures(report), *_cases(report), *_changes(report), *_foot(report))


def _head(report: Report) -> Iterator[Text]:
    yield Text(lines.headline(report), "bold")
    if report.verdict:
        first, *others = report.reasons or ("",)
        yield Text(report.verdict, f"bold {STYLES[report.verdict]}").append(
            f"   {plain(first, MOST_REASON)}", "not bold"
        )
        yield from (Text(f"   {plain(reason, MOST_REASON)}") for reason in others)


def _figures(report: Report) -> Iterator[RenderableType]:
    if report.metrics:
        yield _table(report, lines.whole(report))
    sliced = lines.sliced(report)
    if sliced:
        yield Text(f"{count(len(sliced), 'slice')}, each judged by itself", "bold")
        yield _table(report, sliced)
    if report.price:
        yield Text(plain(report.price, MOST_REASON))


def _table(report: Report, metrics: Iterable[Metric]) -> Table:
    table, heads = Table(box=box.SIMPLE_HEAD, pad_edge=False), lines.heads(report)
    for head in heads:
        side: Literal["left", "right"] = "left" if head in lines.IN_WORDS else "right"
        table.add_column(head, justify=side, overflow="fold", no_wrap=head == "verdict")
    for one in lines.rows(report, metrics):
        styles = (STYLES[one.decision] if head == "verdict" else "" for head in heads)
        table.add_row(*map(Text, one.cells, styles))
    return table


def _cases(report: Report) -> Iterator[RenderableType]:
    summary = lines.flipped_summary(report)
    if not summary:
        return
    yield Text(summary, "bold")
    changed = lines.flipped(report)
    if not changed:
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for head in ("case", "base", "candidate", ""):
        table.add_column(head, justify="right" if head in {"base", "candidate"} else "left", overflow="fold")
    for row in lines.case_rows(report, changed[: lines.MOST_CASES]):
        table.add_row(*map(Text, row))
    yield table
    if len(changed) > lines.MOST_CASES:
        yield Text(f"and {len(changed) - lines.MOST_CASES} more, with --json", QUIET)


def _changes(report: Report) -> Iterator[Text]:
    if report.changes:
        yield Text("what differs", "bold")
        yield from (Text(f"  {one}") for one in lines.changes(report, MOST_CHANGES))


def _foot(report: Report) -> Iterator[Text]:
    yield from (Text(one, QUIET) for one in lines.facts(report))
    yield Text(f"To run it again: {lines.again(report)}", QUIET)
