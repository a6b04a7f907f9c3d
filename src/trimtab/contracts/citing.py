"""Whether what an answer cites stands in its sources: an id as a whole word, a passage by its words in a row."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from typing import Any, Final

WORD: Final = re.compile(r"\w+")
PASSAGE_WORDS: Final = 3
"""From so many words on a citation is a passage, whose case and punctuation do not count."""
MOST_CITATIONS: Final = 256
MOST_CHARACTERS: Final = 4_000_000
"""Of a source that are looked at."""
BEFORE: Final = r"(?<![\w-])(?<!\w[./:@])"
BEHIND: Final = r"(?![\w-]|[./:@]\w)"
"""What does not stand around an id: `doc` is no part of `doc-1` and `doc.1`."""
QUOTED: Final = re.compile(
    r"\"([^\"\n]{1,2000})\"|\u201c([^\u201c\u201d\n]{1,2000})\u201d|\u00ab([^\u00ab\u00bb\n]{1,2000})\u00bb"
)
BRACKETED: Final = re.compile(r"\[([^\[\]\s]{1,128})\]")


class Source:
    """A text in which citations are looked for."""

    def __init__(self, text: str) -> None:
        self.text = unicodedata.normalize("NFKC", text[:MOST_CHARACTERS])
        self._words = ""

    def __repr__(self) -> str:
        return f"Source({len(self.text)} characters)"

    def has(self, citation: str) -> bool:
        """Whether the citation stands in it."""
        plain = unicodedata.normalize("NFKC", citation).strip()
        words = _words(plain)
        if words.count(" ") < PASSAGE_WORDS + 1:
            return bool(plain) and re.search(BEFORE + re.escape(plain) + BEHIND, self.text) is not None
        self._words = self._words or _words(self.text)
        return words in self._words


def citations(value: Any) -> list[tuple[str, ...]]:
    """What a value cites: each citation as texts that must stand in one source together.

    A text, a number or a list of them are ids or passages, an object is all its texts and numbers.
    """
    values = value if isinstance(value, list) else [value]
    found = [_parts(one) for one in values[:MOST_CITATIONS]]
    return [parts for parts in found if parts]


def texts_of(value: Any) -> str:
    """All names, texts and numbers of a JSON value, one a line."""
    found: list[str] = []
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            waiting.extend(item for pair in reversed(one.items()) for item in reversed(pair))
        elif isinstance(one, list):
            waiting.extend(reversed(one))
        elif one is not None and not isinstance(one, bool):
            found.append(str(one))
    return "\n".join(found)


def cited_in(text: str) -> list[tuple[str, ...]]:
    """What a plain text cites: passages in quotation marks, of three words or more, and ids in square brackets."""
    quoted = ["".join(groups) for groups in QUOTED.findall(text)]
    passages = [one for one in quoted if len(WORD.findall(one)) >= PASSAGE_WORDS]
    found: list[str] = [*passages, *BRACKETED.findall(text)]
    return [(one,) for one in found[:MOST_CITATIONS]]


def unfounded(cited: Iterable[tuple[str, ...]], sources: Iterable[Source]) -> list[str]:
    """The citations that no source has, each as the first of its texts."""
    known = list(sources)
    return [parts[0] for parts in cited if not any(all(one.has(part) for part in parts) for one in known)]


def _parts(value: Any) -> tuple[str, ...]:
    values = list(value.values()) if isinstance(value, dict) else [value]
    return tuple(
        str(one) for one in values if isinstance(one, str | int | float) and not isinstance(one, bool) and str(one)
    )


def _words(text: str) -> str:
    """The words of a text, one space around each."""
    return f" {' '.join(WORD.findall(text.casefold()))} "
