"""Which characters of an answer's text each of its tokens stands for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

LOST = 24
"""How many tokens in a row may differ from the text before the search for where they fit again is given up."""
LOST_PART = "\ufffd"
"""What engines show of a part of a character."""
ANCHOR = 6
"""Characters that must agree for tokens and text to count as fitting again."""


class Span(NamedTuple):
    """Tokens `first` to `last`, without `last`, stand for characters `start` to `end` of the text, without `end`."""

    first: int
    last: int
    start: int
    end: int


def align(text: str, tokens: Sequence[str]) -> list[Span]:
    """Spans in the order of the text, one a token where it fits.

    If the joined tokens hold the text, the tokens around it (reasoning before, an end marker after) get no span. Else,
    as where an engine shows a part of a character as U+FFFD, tokens that do not fit share one span up to where they
    fit again; what lies behind a place from which they never do has none.
    """
    start = "".join(tokens).rfind(text) if text else -1
    if start >= 0:
        return _exact(len(text), tokens, start)
    return _resynchronised(text, tokens)


def _exact(length: int, tokens: Sequence[str], start: int) -> list[Span]:
    spans = []
    at = -start
    for index, token in enumerate(tokens):
        end = at + len(token)
        if token and end > 0 and at < length:
            spans.append(Span(index, index + 1, max(at, 0), min(end, length)))
        at = end
    return spans


def _resynchronised(text: str, tokens: Sequence[str]) -> list[Span]:
    spans = []
    at = index = 0
    while index < len(tokens) and at < len(text):
        token = tokens[index]
        if text.startswith(token, at):
            if token:
                spans.append(Span(index, index + 1, at, at + len(token)))
            at += len(token)
            index += 1
            continue
        found = _fits_again(text, at, tokens, index)
        if found is None:
            break
        spans.append(found)
        index, at = found.last, found.end
    return spans


def _fits_again(text: str, at: int, tokens: Sequence[str], index: int) -> Span | None:
    """The span of the tokens from `index` on that do not fit: as few as possible."""
    reach = at
    for last in range(index + 1, min(index + LOST, len(tokens)) + 1):
        reach += len(tokens[last - 1]) + 4
        rest = _joined(tokens, last)
        if not rest:
            parts = any(LOST_PART in token for token in tokens[index:last])
            return Span(index, last, at, len(text)) if parts and len(text) <= reach else None
        end = text.find(rest, at, reach + len(rest))
        if end >= at and (len(rest) >= ANCHOR or end + len(rest) == len(text)):
            return Span(index, last, at, end)
    return None


def _joined(tokens: Sequence[str], first: int) -> str:
    """Tokens from `first` on, until they have the characters of an anchor or are about to be unlike any text."""
    joined = ""
    for token in tokens[first : first + ANCHOR]:
        if LOST_PART in token and joined:
            break
        joined += token
        if len(joined) >= ANCHOR:
            break
    return joined
