"""How sure a model was of its answer, and of each field of it, by the probabilities of the tokens that it chose."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import islice
from typing import NamedTuple

from trimtab.contracts.alignment import Span, align
from trimtab.contracts.compiling import pointer
from trimtab.contracts.fields import MAX_FIELDS, Field, Names, options, scalars
from trimtab.contracts.jsontext import NotJson, parse
from trimtab.contracts.reply import TokenProb

BLANK = " \t\n\r"
MAX_SCALARS = 1_000
"""Scalars of an answer that are looked at for fields that the schema names."""


class Confidence(NamedTuple):
    """Probabilities, 0 to 1: the arithmetic mean of the chosen tokens', and the lowest of them.

    `margin`, of a field that must be one of several values: the probability of the first token that rules another value
    out, less that of the likeliest token at its place that would have begun another value; 0 is taken for that where
    none of the tokens told does. None where only the chosen token was told. Negative where another one was likelier.
    """

    mean: float
    lowest: float
    margin: float | None = None


def confidences(text: str, tokens: Sequence[TokenProb], schema: object) -> dict[str, Confidence]:
    """The confidence in the whole answer under "", and in each scalar field that the schema names by its JSON pointer.

    `tokens` are those of the answer in their order, `schema` is the parsed schema. A field counts the tokens that
    overlap its value, quotes left out unless it is an empty string; items of arrays are fields by index; the first 64
    fields are kept. Without tokens there is nothing; a text that is not JSON, or that its tokens do not spell, has the
    whole alone. Raises nothing.
    """
    if not tokens:
        return {}
    spans = align(text, [token.token for token in tokens])
    whole = _of([token for span in spans for token in tokens[span.first : span.last]] or tokens)
    try:
        parse(text)
    except NotJson:
        return {"": whole}
    names = Names(schema)
    found = {"": whole}
    starts, ends = [span.start for span in spans], [span.end for span in spans]
    for field in islice(scalars(text), MAX_SCALARS):
        if len(found) > MAX_FIELDS:
            break
        held = spans[bisect_right(ends, field.start) : bisect_left(starts, field.end)]
        if not _covers(held, field) or not (allowed := names.at(field.tokens)):
            continue
        margin = _margin(text, field, held, tokens, options(allowed))
        place = pointer(tuple(str(token) for token in field.tokens))
        inner = [token for span in _within(text, field, held) for token in tokens[span.first : span.last]]
        found[place] = _of(inner)._replace(margin=margin) if place else whole._replace(margin=margin)
    return found


def _of(tokens: Sequence[TokenProb]) -> Confidence:
    chosen = [_probability(token.logprob) for token in tokens]
    return Confidence(math.fsum(chosen) / len(chosen), min(chosen))


def _probability(logprob: float) -> float:
    return 0.0 if math.isnan(logprob) else math.exp(min(logprob, 0.0))


def _covers(held: list[Span], field: Field) -> bool:
    at = field.start
    for span in held:
        if span.start > at:
            return False
        at = max(at, span.end)
    return at >= field.end


def _within(text: str, field: Field, held: list[Span]) -> list[Span]:
    """The spans that overlap what stands between the quotes of a string; all of them for other values."""
    if text[field.start] != '"' or field.end - field.start == 2:
        return held
    return [span for span in held if span.start < field.end - 1 and span.end > field.start + 1]


def _margin(text: str, field: Field, held: list[Span], tokens: Sequence[TokenProb], allowed: list[str]) -> float | None:
    chosen = text[field.start : field.end]
    others = [other for other in allowed if other != chosen]
    if not others or len(others) == len(allowed):
        return None
    for span in held:
        if span.last - span.first != 1:
            return None
        told = chosen[: max(span.start - field.start, 0)]
        after = chosen[: span.end - field.start]
        possible = [other for other in others if other.startswith(told)]
        if all(other.startswith(after) for other in possible):
            continue
        lead = text[span.start : field.start] if span.start < field.start else ""
        begun = [lead + other[len(told) :] for other in possible]
        return _lead_over(tokens[span.first], lead + chosen[len(told) :], begun, first=not told)
    return None


def _lead_over(token: TokenProb, chosen: str, others: list[str], *, first: bool) -> float | None:
    """By how much a token is likelier than the likeliest that goes on as one of `others` and not as `chosen`.

    White space before the value, which says nothing, is left out of account where the token is its `first`.
    """
    rivals = [(text, logprob) for text, logprob in token.top if text != token.token]
    if first:
        chosen, others = chosen.lstrip(BLANK), [other.lstrip(BLANK) for other in others]
        rivals = [(text.lstrip(BLANK), logprob) for text, logprob in rivals]
    if not rivals:
        return None
    likeliest = max(
        (
            _probability(logprob)
            for text, logprob in rivals
            if not _goes_on(text, chosen) and any(_goes_on(text, other) for other in others)
        ),
        default=0.0,
    )
    return _probability(token.logprob) - likeliest


def _goes_on(token: str, rest: str) -> bool:
    """Whether a token says a beginning of the rest, or all of it and more."""
    return bool(token) and (rest.startswith(token) or token.startswith(rest))
