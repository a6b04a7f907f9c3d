"""Which words changed between two texts, in one short line."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from difflib import SequenceMatcher
from typing import Final

SHOWN: Final = 3
"""Changed places that are quoted; how many more there are is told."""
LONGEST: Final = 100
"""Characters of a quotation."""
MOST_WORK: Final = 20_000
"""Pairs of equal lines or words between two texts that are looked at; beyond it the texts are told by their lengths."""
_WORD: Final = re.compile(r"\{[{%#]|[}%#]\}|(?:(?!\{[{%#]|[}%#]\})\S)+")
"""A word, or a mark of the template language, which may touch one."""


def changed_words(before: str, after: str) -> str:
    """What changed from one text to another: `"sort" -> "order"`, `"please" is new`, `"please" is gone`.

    Only words count; where all of them are the same, white space changed.
    """
    if _WORD.findall(before) == _WORD.findall(after):
        return "white space alone"
    changes = list(_changes(before, after))
    told = "; ".join(changes[:SHOWN])
    more = len(changes) - SHOWN
    return f"{told}; and {more} more {'place' if more == 1 else 'places'}" if more > 0 else told


def quote(text: str) -> str:
    """A text in quotation marks, in one line of printable characters, its middle cut out where it is long."""
    if len(text) > LONGEST:
        text = f"{text[: LONGEST * 2 // 3]} ... {text[-LONGEST // 4 :]}"
    plain = "".join(sign if sign.isprintable() else " " for sign in text)
    return f'"{plain}"'


def _changes(before: str, after: str) -> Iterator[str]:
    """Lines are compared first, and of those that changed the words."""
    for old, new in _changed(before.split("\n"), after.split("\n")):
        left, right = _WORD.findall("\n".join(old)), _WORD.findall("\n".join(new))
        for gone, come in _changed(left, right):
            if _work(gone, come) > MOST_WORK:
                yield f"{len(gone):,} words, from {quote(' '.join(gone[:5]))} on, became {len(come):,}"
            elif gone and come:
                yield f"{quote(' '.join(gone))} -> {quote(' '.join(come))}"
            else:
                yield f"{quote(' '.join(gone or come))} is {'gone' if gone else 'new'}"


def _changed(old: list[str], new: list[str]) -> Iterator[tuple[list[str], list[str]]]:
    """The stretches that differ; all between the first and the last difference is one where there is too much of it."""
    start = _alike(old, new)
    old, new = old[start:], new[start:]
    end = _alike(old[::-1], new[::-1])
    old, new = old[: len(old) - end], new[: len(new) - end]
    if _work(old, new) > MOST_WORK:
        yield old, new
        return
    for tag, i, j, k, m in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if tag != "equal":
            yield old[i:j], new[k:m]


def _work(old: list[str], new: list[str]) -> int:
    """How many pairs of equal parts a comparison has to look at."""
    there = Counter(new)
    return sum(there[part] for part in old)


def _alike(old: list[str], new: list[str]) -> int:
    """How many parts two texts begin with alike."""
    for count, (one, other) in enumerate(zip(old, new, strict=False)):
        if one != other:
            return count
    return min(len(old), len(new))
