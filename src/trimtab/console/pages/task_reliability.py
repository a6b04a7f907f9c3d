"""Tables of how well a task's confidence tells what is right."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from markupsafe import Markup

from trimtab.console import format as written
from trimtab.console.charts import meter
from trimtab.console.page import Asked
from trimtab.console.tables import Column, Table, Value
from trimtab.signals.calibration import ReliabilityBin, ReliabilityShown

NO_LABELS: Final = Markup(
    "No label of this range is of an answer with a confidence. Write <code>output.confidence = true</code> into the "
    "task's task.toml, and tell what was right with <code>trimtab feedback CALL --label VALUE</code> or "
    "<code>POST /api/feedback</code>."
)


@dataclass(frozen=True)
class BinRow:
    """One bin of one field."""

    field: str
    bin: ReliabilityBin


def errors(asked: Asked, task: str, found: Sequence[ReliabilityShown]) -> Table[ReliabilityShown]:
    """A row for each field: both errors, the means, and how late labels came."""
    columns: tuple[Column[ReliabilityShown], ...] = (
        Column("field", "field", lambda row: row.field, _named, lambda row: asked.calls(task=task)),
        Column("n", "labelled", lambda row: row.n, numeric=True),
        Column("accuracy", "right", lambda row: row.accuracy, lambda row: written.share(row.accuracy), numeric=True),
        Column(
            "confidence",
            "confidence",
            lambda row: row.confidence,
            lambda row: written.share(row.confidence),
            says="The mean confidence.",
            numeric=True,
        ),
        Column(
            "ece",
            "expected error",
            lambda row: {"value": row.ece, "low": row.ece_low, "high": row.ece_high},
            lambda row: _with_ends(row.ece, row.ece_low, row.ece_high),
            says="Expected calibration error: how far confidence lies from the share that was right. 0 is best.",
            numeric=True,
        ),
        Column(
            "brier",
            "Brier score",
            lambda row: {"value": row.brier, "low": row.brier_low, "high": row.brier_high},
            lambda row: _with_ends(row.brier, row.brier_low, row.brier_high),
            says="Mean squared distance of the confidence from 1 (right) or 0 (wrong). 0 is best.",
            numeric=True,
        ),
        _lag("lag_p50", "labels after, p50", lambda row: row.lag_p50_s),
        _lag("lag_p95", "p95", lambda row: row.lag_p95_s),
    )
    return Table("reliability", "Whether confidence tells what is right", columns, found, NO_LABELS)


def bins(found: Sequence[ReliabilityShown]) -> Table[BinRow]:
    """How often answers of each confidence were right, a row for each bin."""
    rows = [BinRow(one.field, each) for one in found for each in one.bins]

    def share(row: BinRow) -> Value:
        return {"value": row.bin.share, "low": row.bin.below, "high": row.bin.above, "n": row.bin.n}

    columns: tuple[Column[BinRow], ...] = (
        Column("field", "field", lambda row: row.field, lambda row: row.field or "the whole answer", sortable=False),
        Column("low", "confidence", lambda row: row.bin.low, _between, numeric=True),
        Column("n", "labelled", lambda row: row.bin.n, numeric=True),
        Column("right", "right", lambda row: row.bin.right, numeric=True),
        Column("share", "share right", share, _share, numeric=True),
        Column("bar", "", lambda row: None, lambda row: meter(row.bin.share), sortable=False),
    )
    return Table("reliability_bins", "Right by confidence", columns, rows, NO_LABELS)


def _lag(key: str, head: str, value: Callable[[ReliabilityShown], float | None]) -> Column[ReliabilityShown]:
    says = "How long after the end of their calls labels came."
    return Column(key, head, value, lambda row: written.duration(value(row)), says=says, numeric=True)


def _named(row: ReliabilityShown) -> str:
    return row.field or "the whole answer"


def _with_ends(value: float, low: float, high: float) -> Markup:
    ends = f"({written.significant(low)}-{written.significant(high)})"
    return Markup('{} <span class="ci">{}</span>').format(written.significant(value), ends)


def _between(row: BinRow) -> str:
    return f"{row.bin.low:.2f}-{row.bin.high:.2f}"


def _share(row: BinRow) -> Markup:
    one = row.bin
    ends = written.interval(one.below, one.above)
    return Markup('{} <span class="ci">({})</span>').format(written.share(one.share), ends)
