"""The columns that slices are stored in: which of them each question needs, and a row back as a slice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, Final, cast

from trimtab.record.events import CostLabel, Outcome
from trimtab.store.slices import Fact, Slice, SliceQuery, few
from trimtab.store.sums import CostSum

Row = Mapping[str, Any]
LOWEST: Final = -(1 << 31)
"""The bucket in which the roll-up counts calls that measured 0 or less."""
TOKEN_CLASSES: Final = {
    "input": "input_tokens",
    "cache_read": "cache_read_tokens",
    "cache_write": "cache_write_tokens",
    "output": "output_tokens",
    "reasoning": "reasoning_tokens",
}
LABELS: Final[tuple[CostLabel, ...]] = ("exact", "estimated", "unknown")
ANSWERS: Final = ("valid_first", "repaired", "rejected", "passed_invalid", "truncated", "refused", "repairs", "cut")
TRIES: Final = ("attempts", "retried", "fallbacks")
COLUMNS: Final[Mapping[Fact, tuple[str, ...]]] = {
    "answers": (*ANSWERS, "flagged", "stopped"),
    "ends": ("outcomes", "finish_reasons"),
    "tools": ("tool_results", "tool_errors", "tool_calls"),
    "tries": TRIES,
    "tokens": tuple(TOKEN_CLASSES.values()),
    "cost": tuple(f"{label}_{what}" for label in LABELS for what in ("calls", "pusd")),
}
"""What each fact is read from."""
REPORTED: Final = (
    *("contracts", "resumed", "seams", "prefill_tokens", "prefill_s", "decode_tokens", "decode_s"),
    *("first_ns", "last_ns"),
)
"""Columns that only reports look at."""
MERGED_BY: Final = {
    "first_ns": "min",
    "last_ns": "max",
    **dict.fromkeys(("outcomes", "finish_reasons", "tool_calls"), "sumMap"),
}
"""How columns of several rows are put together; those that are not named are added up."""


def columns_of(query: SliceQuery) -> tuple[str, ...]:
    """The columns that a question needs beside its histograms."""
    return ("calls", *(name for fact in query.facts for name in COLUMNS[fact]))


def slice_of(row: Row, query: SliceQuery) -> Slice:
    """The slice that a row holds."""
    facts = {name: value for fact in query.facts for name, value in _READ[fact](row).items()}
    found = {name: _without_lowest(row[f"spread_{name}"]) for name in query.spreads}
    spreads = {name: histogram for name, histogram in found.items() if histogram}
    return Slice(row["task"], row["at_ns"], row["value"], row["calls"], spreads=spreads, **facts)


def _answers(row: Row) -> dict[str, Any]:
    return {name: row[name] for name in ANSWERS} | {"repetition": row["flagged"] + row["stopped"]}


def _tools(row: Row) -> dict[str, Any]:
    outcomes: Counter[Outcome] = Counter()
    tools: Counter[str] = Counter()
    for told, count in row["tool_calls"].items():
        outcome, _, tool = told.partition(" ")
        outcomes[cast("Outcome", outcome)] += count
        tools[tool] += count
    counts = {name: row[name] for name in ("tool_results", "tool_errors")}
    return counts | {"tool_outcomes": dict(outcomes), "tools": few(tools)}


def _tokens(row: Row) -> dict[str, int]:
    return {name: row[column] for name, column in TOKEN_CLASSES.items() if row[column]}


def _cost(row: Row) -> dict[CostLabel, CostSum]:
    return {label: CostSum(row[f"{label}_calls"], row[f"{label}_pusd"]) for label in LABELS if row[f"{label}_calls"]}


_READ: Final[Mapping[Fact, Callable[[Row], dict[str, Any]]]] = {
    "answers": _answers,
    "ends": lambda row: {"outcomes": row["outcomes"], "finish_reasons": few(row["finish_reasons"])},
    "tools": _tools,
    "tries": lambda row: {name: row[name] for name in TRIES},
    "tokens": lambda row: {"tokens": _tokens(row)},
    "cost": lambda row: {"cost": _cost(row)},
}


def _without_lowest(histogram: dict[int, int]) -> dict[int, int]:
    histogram.pop(LOWEST, None)
    return histogram
