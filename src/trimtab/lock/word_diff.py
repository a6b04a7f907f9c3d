"""What changed between two texts, word by word."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from typing import Final, Literal, NamedTuple

MAX_LINES: Final = 4_000
"""Lines between the first and the last change, on either side, that are compared; more are one piece."""
MAX_WORDS: Final = 2_000
"""Words of a changed block that are compared; more are taken out and put in whole."""
MOST_WORK: Final = 20_000_000
"""Steps that a comparison of two blocks may take at the worst: for each part of the shorter one, all of the first and
all pairs of equal parts are looked at. Where it would take more, the common parts (over 1 % of a block of 200) are left
out at first; where it still would, the block is taken out and put in whole.
"""
_WORD: Final = re.compile(r"\w+|[^\w\s]|\n|[^\S\n]+")

Kind = Literal["same", "out", "in"]


class Piece(NamedTuple):
    """A part of both texts ("same"), of the first ("out") or of the second ("in")."""

    kind: Kind
    text: str


def word_diff(before: str, after: str) -> tuple[Piece, ...]:
    """The pieces in order: those that are not "in" make the first text, those that are not "out" the second.

    Lines are compared first, and of changed ones the words; a space between two changed words counts as changed. Of
    blocks over 4,000 lines or 2,000 words, and of those that repeat themselves too much, all is taken out and put in.
    """
    return _joined(_by_lines(before.splitlines(keepends=True), after.splitlines(keepends=True)))


def _by_lines(before: list[str], after: list[str]) -> Iterator[Piece]:
    start = _common(before, after)
    end = _common(before[start:][::-1], after[start:][::-1])
    left, right = before[start : len(before) - end], after[start : len(after) - end]
    yield Piece("same", "".join(before[:start]))
    for tag, a, b, c, d in _blocks(left, right, MAX_LINES):
        if tag == "equal":
            yield Piece("same", "".join(left[a:b]))
        elif b - a > MAX_LINES or d - c > MAX_LINES:
            yield from _replaced(left[a:b], right[c:d])
        else:
            yield from _by_words("".join(left[a:b]), "".join(right[c:d]))
    yield Piece("same", "".join(before[len(before) - end :]))


def _by_words(before: str, after: str) -> Iterator[Piece]:
    left, right = _WORD.findall(before), _WORD.findall(after)
    out: list[str] = []
    come: list[str] = []
    blocks = _blocks(left, right, MAX_WORDS)
    for place, (tag, a, b, c, d) in enumerate(blocks):
        same = "".join(left[a:b])
        if tag == "equal" and not (out and place + 1 < len(blocks) and same.strip(" \t") == ""):
            yield from _replaced(out, come)
            out, come = [], []
            yield Piece("same", same)
        else:
            out += left[a:b]
            come += right[c:d]
    yield from _replaced(out, come)


def _blocks(left: list[str], right: list[str], most: int) -> Sequence[tuple[str, int, int, int, int]]:
    """Which parts are equal and which are not, as `SequenceMatcher` tells it; all are one block where they are many."""
    if max(len(left), len(right)) <= most:
        there = Counter(right)
        counts, rare = [there[part] for part in left], len(right) // 100 + 1
        shorter = min(len(left), len(right))
        for is_rough in (False, True):
            pairs = sum(count for count in counts if count <= rare or not is_rough)
            if (len(left) + pairs) * shorter <= MOST_WORK:
                return SequenceMatcher(None, left, right, autojunk=is_rough).get_opcodes()
    return [("replace", 0, len(left), 0, len(right))]


def _replaced(before: Sequence[str], after: Sequence[str]) -> Iterator[Piece]:
    yield Piece("out", "".join(before))
    yield Piece("in", "".join(after))


def _common(before: Sequence[str], after: Sequence[str]) -> int:
    """How many of the first elements both have."""
    for place, (left, right) in enumerate(zip(before, after, strict=False)):
        if left != right:
            return place
    return min(len(before), len(after))


def _joined(pieces: Iterator[Piece]) -> tuple[Piece, ...]:
    """Without empty pieces, and neighbours of one kind in one."""
    joined: list[Piece] = []
    for piece in pieces:
        if joined and joined[-1].kind == piece.kind:
            joined[-1] = Piece(piece.kind, joined[-1].text + piece.text)
        elif piece.text:
            joined.append(piece)
    return tuple(joined)
