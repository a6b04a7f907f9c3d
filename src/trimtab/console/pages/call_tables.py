"""The tables of a call's page: attempts, tokens, tools, confidence and judgements."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from markupsafe import Markup
from msgspec import Struct

from trimtab.console import format as written
from trimtab.console.charts import meter
from trimtab.console.marks import TOOL_OUTCOMES, mark, outcome_mark
from trimtab.console.page import Asked
from trimtab.console.pages.call_facts import around
from trimtab.console.pages.calls import cost, when
from trimtab.console.tables import Column, Table
from trimtab.console.text import short, shown, wrapped
from trimtab.record.events import Attempt, Confidence, Score, Settled, ToolOutcome, ToolResult

TOKENS: Final[Mapping[str, str]] = {
    "input": "input, not from a cache",
    "cache_read": "input out of a cache",
    "cache_write": "input written to a cache",
    "output": "output",
    "reasoning": "of it reasoning",
}
NO_ATTEMPT: Final = "No replica was asked: the call ended before that. What happened stands above."
NOT_STORED: Final = "The records of its tries are not stored here: they may still be on their way."


class TokenLine(Struct, frozen=True):
    """How many tokens of one kind."""

    kind: str
    tokens: int


class FieldLine(Struct, frozen=True):
    """How sure the model was of a field."""

    field: str
    confidence: Confidence


def tables_of(
    asked: Asked, call: Settled, attempts: Sequence[Attempt], scores: Sequence[Score]
) -> tuple[Table[Any], ...]:
    """All of them."""
    return (
        attempt_table(asked, call, attempts, NOT_STORED if call.attempts else NO_ATTEMPT),
        token_table(call),
        outcome_table(call.tool_outcomes),
        result_table(call.tool_results),
        confidence_table(call.confidence),
        score_table(asked, scores),
    )


def attempt_table(asked: Asked, call: Settled, attempts: Sequence[Attempt], none: str) -> Table[Attempt]:
    """One row for each try."""

    def seconds(key: str, head: str, says: str) -> Column[Attempt]:
        return Column(
            key,
            head,
            lambda one: getattr(one, f"{key}_s"),
            lambda one: written.duration(getattr(one, f"{key}_s")),
            says=says,
            numeric=True,
        )

    columns: tuple[Column[Attempt], ...] = (
        Column("number", "try", lambda one: one.number),
        Column("model", "model", lambda one: one.model),
        Column(
            "replica", "replica", lambda one: one.replica, href=lambda one: around(asked, call, replica=one.replica)
        ),
        Column("cause", "ended", lambda one: one.cause, lambda one: outcome_mark(one.cause)),
        Column("status", "status", lambda one: one.status or None, numeric=True),
        seconds("connect", "connect", "Until the connection stood; nothing where one was used again."),
        seconds("first_byte", "first byte", "From the beginning of this try."),
        seconds("ttft", "first token", "From the beginning of this try."),
        seconds("duration", "in all", "From the beginning of this try to its end."),
        Column("reused", "connection", lambda one: "used again" if one.reused_connection else "new"),
        Column("input", "in", lambda one: one.usage.input if one.usage else None, unit="tokens", numeric=True),
        Column("output", "out", lambda one: one.usage.output if one.usage else None, unit="tokens", numeric=True),
        Column(
            "cost",
            "cost",
            lambda one: one.cost_pusd / 1e12 if one.cost_pusd is not None else None,
            lambda one: cost(one.cost_pusd, one.cost_label),
            numeric=True,
        ),
        Column("detail", "detail", lambda one: one.detail, wide),
    )
    return Table("attempts", "Attempts", columns, attempts, none)


def wide(attempt: Attempt) -> Markup:
    """What an attempt says of itself, over several lines."""
    return wrapped(attempt.detail, 400)


def token_table(call: Settled) -> Table[TokenLine]:
    """Tokens of each class, of all attempts together."""
    usage, lines = call.usage, []
    if usage is not None:
        counts = {name: getattr(usage, name) for name in TOKENS} | usage.modalities
        lines = [TokenLine(TOKENS.get(name, name), count) for name, count in counts.items() if count]
    columns: tuple[Column[TokenLine], ...] = (
        Column("kind", "tokens", lambda line: line.kind),
        Column("tokens", "how many", lambda line: line.tokens, lambda line: written.exact(line.tokens), numeric=True),
    )
    return Table("tokens", "Tokens", columns, lines, "How many tokens this call took is not known.")


def outcome_table(outcomes: Sequence[ToolOutcome]) -> Table[ToolOutcome]:
    """The tool calls of the answers, held against the tools there were."""
    columns: tuple[Column[ToolOutcome], ...] = (
        Column("tool", "tool called", lambda one: one.tool),
        Column(
            "outcome",
            "outcome",
            lambda one: one.outcome,
            lambda one: mark(TOOL_OUTCOMES.get(one.outcome, "bad"), one.outcome),
        ),
        Column("attempt", "try", lambda one: one.attempt, numeric=True),
    )
    return Table("tool_calls", "Tool calls", columns, outcomes, "The answer called no tool.")


def result_table(results: Sequence[ToolResult]) -> Table[ToolResult]:
    """The tools' answers that came with the request."""
    columns: tuple[Column[ToolResult], ...] = (
        Column("tool", "tool", lambda one: one.tool),
        Column(
            "error",
            "said",
            lambda one: one.error,
            lambda one: mark("bad", "an error") if one.error else mark("good", "a result"),
        ),
        Column("size", "size", lambda one: one.size, lambda one: written.size(one.size), numeric=True),
        Column("shape", "shape", lambda one: one.shape, lambda one: shown(short(one.shape, 100))),
    )
    return Table(
        "tool_results", "Tool results that came in", columns, results, "No tool's result came with the request."
    )


def confidence_table(confidence: Mapping[str, Confidence]) -> Table[FieldLine]:
    """How sure the model was, of the whole answer and of its fields."""

    def part(value: float | None) -> Markup:
        return Markup("{} {}").format(meter(value), written.share(value))

    lines = [FieldLine(name or "(whole answer)", one) for name, one in confidence.items()]
    columns: tuple[Column[FieldLine], ...] = (
        Column("field", "field", lambda line: line.field),
        Column(
            "mean", "mean", lambda line: line.confidence.mean, lambda line: part(line.confidence.mean), numeric=True
        ),
        Column(
            "lowest",
            "lowest",
            lambda line: line.confidence.lowest,
            lambda line: part(line.confidence.lowest),
            says="Of the token the model was least sure of.",
            numeric=True,
        ),
        Column(
            "margin",
            "margin",
            lambda line: line.confidence.margin,
            lambda line: written.share(line.confidence.margin),
            says="How far the value lies ahead of the likeliest other one.",
            numeric=True,
        ),
    )
    return Table("confidence", "Confidence", columns, lines, "No confidence was asked for.")


def score_table(asked: Asked, scores: Sequence[Score]) -> Table[Score]:
    """What was said of the call afterwards."""
    columns: tuple[Column[Score], ...] = (
        Column("at", "given", lambda one: written.stamp(one.at_ns), lambda one: when(asked, one.at_ns)),
        Column("name", "of", lambda one: one.name),
        Column("value", "score", lambda one: one.value, numeric=True),
        Column("label", "label", lambda one: one.label),
        Column("source", "by way of", lambda one: one.source),
        Column("by", "by", lambda one: one.by),
        Column("explanation", "comment", lambda one: one.explanation, _comment),
        Column("correction", "corrected", lambda one: bool(one.correction)),
    )
    return Table("judgements", "Judgements", columns, scores, "Nobody has judged this call yet.")


def _comment(score: Score) -> Markup:
    return wrapped(score.explanation, 600)
