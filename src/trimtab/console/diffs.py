"""Differences of texts for people: what is gone and what is new has a sign and a line, not only a colour."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from markupsafe import Markup

from trimtab.console.format import exact
from trimtab.console.text import shown
from trimtab.lock.word_diff import Piece

AROUND: Final = 2
"""Unchanged lines that are shown beside changed ones."""
MOST_SHOWN: Final = 100_000
"""Characters of one difference that are shown."""
MARKS: Final = {
    "in": Markup('<ins><span class="sign">+</span>{}</ins>'),
    "out": Markup('<del><span class="sign">\u2212</span>{}</del>'),
}


def difference(pieces: Sequence[Piece]) -> Markup:
    """The pieces of a word diff in order; of long unchanged stretches only the lines beside changes."""
    told: list[Markup] = []
    room = MOST_SHOWN
    for place, piece in enumerate(pieces):
        if room <= 0:
            left = sum(len(one.text) for one in pieces[place:])
            told.append(Markup('<span class="gap">{} characters more</span>').format(exact(left)))
            break
        text = piece.text[:room]
        room -= len(text)
        if piece.kind == "same":
            told += _same(text, is_first=place == 0, is_last=place == len(pieces) - 1)
        else:
            told.append(MARKS[piece.kind].format(shown(_seen(text))))
    return Markup("").join(told)


def _seen(text: str) -> str:
    """A change of white space alone is made to be seen."""
    return text if text.strip() else text.replace("\n", "\u21b5\n").replace(" ", "\u00b7").replace("\t", "\u2192")


def _same(text: str, *, is_first: bool, is_last: bool) -> list[Markup]:
    lines = text.split("\n")
    head = [] if is_first else lines[: AROUND + 1]
    tail = [] if is_last else lines[-AROUND - 1 :]
    hidden = len(lines) - len(head) - len(tail)
    if hidden <= 1 or (is_first and is_last):
        return [shown(text)]
    gap = Markup('<span class="gap">{} lines the same</span>\n').format(exact(hidden))
    begin = Markup("{}\n").format(shown("\n".join(head))) if head else Markup("")
    return [begin, gap, shown("\n".join(tail))]
