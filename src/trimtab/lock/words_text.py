"""Which words changed between two texts, in one short line."""

from __future__ import annotations

import re
from collections.abc import Iterator
from difflib import SequenceMatcher
from typing import Final

SHOWN: Final = 3
"""Changed places that are quoted; how many more there are is told."""
LONGEST: Final = 100
"""Characters of a quotation."""
MOST_COMPARED: Final = 1_000_000
"""Words before times words after; beyond it only where the change begins and how long it is is told."""

_WORD: Final = re.compile(r"\{[{%#]|[}%#]\}|(?:(?!\{[{%#]|[}%#]\})\S)+")
"""A word, or a mark of the template language, which may touch one."""


def changed_words(before: str, after: str) -> str:
    """What changed from one text to another: `"sort" -> "order"`, `"please" is new`, `"please" is gone`.

    Only words count; where all of them are the same, white space changed.
    """
    old, new = _WORD.findall(before), _WORD.findall(after)
    if old == new:
        return "white space alone"
    changes = list(_changes(old, new))
    told = "; ".join(changes[:SHOWN])
    more = len(changes) - SHOWN
    return f"{told}; and {more} more {'place' if more == 1 else 'places'}" if more > 0 else told


def quote(text: str) -> str:
    """A text in quotation marks, in one line of printable characters, its middle cut out where it is long."""
    plain = "".join(sign if sign.isprintable() else " " for sign in text)
    if len(plain) > LONGEST:
        plain = f"{plain[: LONGEST * 2 // 3]} ... {plain[-LONGEST // 4 :]}"
    return f'"{plain}"'


def _changes(old: list[str], new: list[str]) -> Iterator[str]:
    start = _common(old, new)
    old, new = old[start:], new[start:]
    end = _common(old[::-1], new[::-1])
    old, new = old[: len(old) - end], new[: len(new) - end]
    if len(old) * len(new) > MOST_COMPARED:
        yield f"{len(old):,} words, from {quote(' '.join(old[:5]))} on, became {len(new):,}"
        return
    for tag, i, j, k, m in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        gone, come = quote(" ".join(old[i:j])), quote(" ".join(new[k:m]))
        if tag == "replace":
            yield f"{gone} -> {come}"
        elif tag == "delete":
            yield f"{gone} is gone"
        elif tag == "insert":
            yield f"{come} is new"


def _common(old: list[str], new: list[str]) -> int:
    """How many words two texts begin with alike."""
    count = 0
    for one, other in zip(old, new, strict=False):
        if one != other:
            break
        count += 1
    return count
