"""Events as columns of a table, and rows back as events. Column names and types are those of `sql/schema.sql`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from operator import attrgetter
from typing import Any

from msgspec.structs import astuple

from trimtab.record.events import (
    Admitted,
    Attempt,
    Change,
    Confidence,
    ContextUse,
    LogprobSummary,
    Score,
    Settled,
    ToolOutcome,
    ToolResult,
    Usage,
)
from trimtab.store.engine_samples import EngineSample
from trimtab.store.readings import ReadingGroup, ReadingTally, Tallied
from trimtab.store.texts import CallText, bounded

LARGEST = (1 << 63) - 1

ADMITTED = {name: name for name in Admitted.__struct_fields__ if name != "context"} | {
    "at_ns": "admitted_ns",
    "model": "asked_model",
}
NESTED = ("admitted", "usage", "logprobs", "tool_outcomes", "confidence", "tool_results")
SETTLED = {name: name for name in Settled.__struct_fields__ if name not in NESTED} | {
    "at_ns": "settled_ns",
    "model": "served_model",
}
ATTEMPT = {name: name for name in Attempt.__struct_fields__ if name != "usage"} | {"at_ns": "ended_ns"}
CHANGE = {name: name for name in Change.__struct_fields__}
SCORE = {name: name for name in Score.__struct_fields__}
READING_GROUP = {name: name for name in ReadingGroup._fields}
READING_TALLY = {field.name: field.name for field in fields(ReadingTally)}
SAMPLE = {field.name: field.name for field in fields(EngineSample)}
USAGE = {
    "input": "input_tokens",
    "cache_read": "cache_read_tokens",
    "cache_write": "cache_write_tokens",
    "output": "output_tokens",
    "reasoning": "reasoning_tokens",
    "modalities": "modalities",
}
TEXT = {field.name: field.name for field in fields(CallText)} | {"at_ns": "ended_ns"}
LOGPROBS = {"tokens": "logprob_tokens", "mean": "logprob_mean", "lowest": "logprob_lowest"}
CONTEXT = {name: f"context_{name}" for name in ContextUse.__struct_fields__}
CHUNKS = ("chunk_delays_us", "chunk_lengths")

NO_USAGE = Usage()
NO_LOGPROBS = LogprobSummary()
NO_CONTEXT = ContextUse("", "", 0)
"""What is stored of a call whose messages no strategy looked at: its strategy has no name."""

Columns = dict[str, list[Any]]
Row = Mapping[str, Any]


def call_columns(calls: Sequence[Settled]) -> Columns:
    """The columns of table `calls`, one value for each call."""
    columns = _columns(ADMITTED, [call.admitted for call in calls]) | _columns(SETTLED, calls)
    columns |= _usage_columns([call.usage for call in calls])
    columns["logprobs_known"] = [call.logprobs is not None for call in calls]
    columns["tool_outcomes"] = [[astuple(one) for one in call.tool_outcomes] for call in calls]
    columns["tool_results"] = [[astuple(one) for one in call.tool_results] for call in calls]
    columns |= _columns(CONTEXT, [call.admitted.context or NO_CONTEXT for call in calls])
    columns["confidence"] = [{field: astuple(one) for field, one in call.confidence.items()} for call in calls]
    return columns | _columns(LOGPROBS, [call.logprobs or NO_LOGPROBS for call in calls])


def attempt_columns(attempts: Sequence[Attempt]) -> Columns:
    """The columns of table `attempts`."""
    return _columns(ATTEMPT, attempts) | _usage_columns([attempt.usage for attempt in attempts])


def change_columns(changes: Sequence[Change]) -> Columns:
    """The columns of table `changes`."""
    return _columns(CHANGE, changes)


def score_columns(scores: Sequence[Score]) -> Columns:
    """The columns of table `scores`."""
    return _columns(SCORE, scores)


def reading_columns(tallies: Sequence[Tallied]) -> Columns:
    """The columns of table `readings_by_minute`, one value for each group."""
    columns = _columns(READING_GROUP, [group for group, _ in tallies])
    return columns | _columns(READING_TALLY, [tally for _, tally in tallies])


def sample_columns(samples: Sequence[EngineSample]) -> Columns:
    """The columns of table `engine_samples`."""
    return _columns(SAMPLE, samples)


def text_columns(texts: Sequence[CallText]) -> Columns:
    """The columns of table `texts`, cut to their bounds."""
    return _columns(TEXT, list(map(bounded, texts)))


def storable(columns: Columns) -> Columns:
    """The same columns with every integer inside 0..2^63-1.

    An engine may claim any count of tokens; one absurd answer must not keep every later record out of the store.
    """
    return {name: [_clamped(value) for value in values] for name, values in columns.items()}


def call_of(row: Row) -> Settled:
    """The call a row of `calls` holds; columns that were not asked for are left empty."""
    admitted = _facts(ADMITTED, row) | {"retrieval_ids": tuple(row["retrieval_ids"])}
    if row["context_strategy"]:
        admitted["context"] = ContextUse(**_facts(CONTEXT, row) | {"kept": tuple(row["context_kept"])})
    facts = _facts(SETTLED, row) | {"admitted": Admitted(**admitted), "usage": _usage_of(row)}
    facts |= {"failing": tuple(row["failing"]), "seams": tuple(row["seams"])}
    facts["tool_outcomes"] = tuple(ToolOutcome(**one) for one in row["tool_outcomes"])
    facts["tool_results"] = tuple(ToolResult(**one) for one in row["tool_results"])
    facts["confidence"] = {field: Confidence(**one) for field, one in row["confidence"].items()}
    if row["logprobs_known"]:
        facts["logprobs"] = LogprobSummary(**_facts(LOGPROBS, row))
    return Settled(**facts)


def brief_of(row: Row) -> Settled:
    """The call of which a row holds what a list shows, as `search.brief_of` leaves it."""
    usage = Usage(*(row[USAGE[name]] for name in ("input", "cache_read", "cache_write", "output")))
    return Settled(
        Admitted(row["call"], 0, "", "", "", row["task"], "", "", row["asked_model"]),
        row["settled_ns"],
        row["outcome"],
        0,
        row["attempts"],
        model=row["served_model"],
        total_s=row["total_s"],
        ttft_s=row["ttft_s"],
        usage=usage if row["usage_known"] else None,
        cost_pusd=row["cost_pusd"],
        cost_label=row["cost_label"],
        verdict=row["verdict"],
    )


def attempt_of(row: Row) -> Attempt:
    """The attempt a row of `attempts` holds."""
    return Attempt(**_facts(ATTEMPT, row), usage=_usage_of(row))


def change_of(row: Row) -> Change:
    """The change a row of `changes` holds."""
    return Change(**_facts(CHANGE, row))


def score_of(row: Row) -> Score:
    """The score a row of `scores` holds."""
    return Score(**_facts(SCORE, row))


def _columns(names: Mapping[str, str], structs: Sequence[object]) -> Columns:
    readers: dict[str, Callable[[object], Any]] = {column: attrgetter(field) for field, column in names.items()}
    return {column: list(map(read, structs)) for column, read in readers.items()}


def _usage_columns(usages: Sequence[Usage | None]) -> Columns:
    known = [usage is not None for usage in usages]
    return {"usage_known": known, **_columns(USAGE, [usage or NO_USAGE for usage in usages])}


def _facts(names: Mapping[str, str], row: Row) -> dict[str, Any]:
    return {field: row[column] for field, column in names.items() if column in row}


def _usage_of(row: Row) -> Usage | None:
    return Usage(**_facts(USAGE, row)) if row["usage_known"] else None


def _clamped(value: Any) -> Any:
    if type(value) is int:
        return min(max(value, 0), LARGEST)
    if type(value) is dict:
        return {name: _clamped(count) for name, count in value.items()}
    if type(value) in (tuple, list):
        return tuple(map(_clamped, value))
    return value
