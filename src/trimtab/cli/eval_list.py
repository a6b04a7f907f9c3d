"""The evaluations of a project: which there are, how each ended, and their reports."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich import box
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from trimtab.cli.dead_text import age_text
from trimtab.cli.evaluation_text import STYLES
from trimtab.cli.fitted import Fitted
from trimtab.declare.load import load
from trimtab.errors import EvaluationUnknown
from trimtab.evals.kept import Evaluations
from trimtab.evals.listed import Listed, listed_all
from trimtab.evals.report import Report
from trimtab.evals.words import amount_text, plain


def found(root: Path, task: str, limit: int) -> list[Listed]:
    """The evaluations of a project, the latest first; what cannot be read is passed over."""
    evaluations = Evaluations(Path(load(root).data.directory))
    return listed_all(evaluations, lambda plan: task in {"", plan.task}, limit)


def listed_text(rows: Sequence[Listed], now_ns: int) -> RenderableType:
    """Evaluations as a table."""
    if not rows:
        return Text("No suite was asked here yet.")
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for head in ("id", "when", "task", "candidate", "base", "ended", "cases", "samples", "cost"):
        table.add_column(head, justify="right" if head in {"cases", "samples", "cost"} else "left", overflow="fold")
    for one in rows:
        ended = Text(one.verdict or one.state, STYLES[one.verdict or ""])
        cost = "" if one.cost_usd is None else amount_text(one.cost_usd, "USD")
        table.add_row(
            one.id,
            f"{age_text(now_ns - one.at_ns)} ago",
            plain(one.task),
            plain(one.candidate),
            plain(one.base),
            ended,
            f"{one.cases:,}",
            f"{one.samples:,}",
            cost,
        )
    return Fitted(table)


def reports_of(evaluations: Evaluations, latest: int | None = None) -> Iterator[Report]:
    """The reports of all evaluations or so many of the latest, the latest first, each read when it is its turn; of
    those that have not ended or cannot be read there is none.
    """
    for name in evaluations.ids()[:latest]:
        with contextlib.suppress(EvaluationUnknown):
            report = evaluations.report(name)
            if report is not None:
                yield report


def report_of(root: Path, name: str) -> Report:
    """The report of an evaluation by its id, or the beginning of one alone. Raises `EvaluationUnknown`."""
    evaluations = Evaluations(Path(load(root).data.directory))
    found = evaluations.named(name)
    report = evaluations.report(found)
    if report is None:
        raise EvaluationUnknown(id=found, detail="it has not ended; `trimtab eval --resume` goes on with it")
    return report
