"""What became of one call's answer and tool calls, as lines for a terminal."""

from __future__ import annotations

import math
from collections.abc import Iterator

from trimtab.record.events import Confidence, Settled
from trimtab.reports.numbers import NONE, three_digits, whole

MOST_FIELDS = 10
MOST_TOOL_CALLS = 40

Fact = tuple[str, tuple[str, ...]]
"""What stands at the left, and its lines at the right."""


def verdict_facts(call: Settled) -> Iterator[Fact]:
    """Everything a call's record says of this; nothing for a call without a schema, tool call, loop or seam."""
    admitted = call.admitted
    if admitted.redrive_of:
        yield "redrive of", (admitted.redrive_of,)
    if admitted.schema:
        yield "schema", (admitted.schema,)
    if call.verdict or call.repairs:
        asked = f"   asked again {whole(call.repairs)}" if call.repairs else ""
        yield "verdict", (f"{call.verdict or NONE}{asked}",)
    if call.failing:
        yield "failing", tuple(f"(whole){place}" if place.startswith(":") else place for place in call.failing)
    if call.tool_outcomes:
        yield "tool calls", tuple(_tool_calls(call))
    if call.repetition:
        yield "repetition", (f"{call.repetition}, {'stopped' if call.repetition_stopped else 'flagged'}",)
    if call.seams:
        yield "resumed", (f"{whole(len(call.seams))}   at byte {', '.join(map(str, call.seams))}",)
    if call.confidence:
        yield "confidence", tuple(_confidence(call.confidence))


def _tool_calls(call: Settled) -> Iterator[str]:
    for one in call.tool_outcomes[:MOST_TOOL_CALLS]:
        yield f"try {one.attempt}   {one.outcome}   {one.tool}"
    if len(call.tool_outcomes) > MOST_TOOL_CALLS:
        yield f"and {whole(len(call.tool_outcomes) - MOST_TOOL_CALLS)} more, with --json"


def _confidence(confidence: dict[str, Confidence]) -> Iterator[str]:
    """The whole answer, then its fields, those with the least likely token first."""
    if "" in confidence:
        yield f"{_of(confidence[''])}   whole answer"
    fields = sorted((one.lowest, field) for field, one in confidence.items() if field)
    for _, field in fields[:MOST_FIELDS]:
        yield f"{_of(confidence[field])}   {field}"
    if len(fields) > MOST_FIELDS:
        yield f"and {whole(len(fields) - MOST_FIELDS)} fields more, with --json"


def _of(one: Confidence) -> str:
    margin = "" if one.margin is None else f"   margin {_probability(one.margin)}"
    return f"mean {_probability(one.mean)}   lowest {_probability(one.lowest)}{margin}"


def _probability(value: float) -> str:
    return three_digits(value) if math.isfinite(value) else NONE
