"""Mistakes in a declaration, gathered until all are known."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from trimtab.declare.masks import without_secrets


class Mistake(NamedTuple):
    """What is wrong at a line of a file (relative to the project), and what to write instead."""

    path: str
    line: int
    what: str
    instead: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.what}; {self.instead}"


class Mistakes:
    """Every mistake of one reading, in the order of files and lines."""

    def __init__(self) -> None:
        self._found: set[Mistake] = set()

    def add(self, path: str, line: int, what: str, instead: str) -> None:
        """Takes one mistake; the same one twice counts once.

        What cannot be printed of a file's name is escaped, and what looks like a secret is masked: mistakes are logged.
        """
        place = "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in path)
        told = (without_secrets(text.encode(errors="backslashreplace").decode()) for text in (what, instead))
        self._found.add(Mistake(without_secrets(place), line, *told))

    def __iter__(self) -> Iterator[Mistake]:
        return iter(sorted(self._found))

    def __len__(self) -> int:
        return len(self._found)

    def __repr__(self) -> str:
        return f"Mistakes({len(self._found)})"


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that `word` was probably meant to be, or None."""
    close = difflib.get_close_matches(word, sorted(known), n=1, cutoff=0.6)
    return close[0] if close else None


def one_of(known: Iterable[str]) -> str:
    """The known words as a phrase: `a`, `a or b`, `a, b or c`."""
    *rest, last = sorted(known)
    return f"{', '.join(rest)} or {last}" if rest else last
