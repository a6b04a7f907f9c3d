"""Words as numbers, how many rows each is in, and what that makes each worth when rows are compared.

Two filled-in copies of one form share most of their words and are still different cases; a case that somebody rewrote
shares its rare words. So a word weighs by how rare it is among the rows (the square of its inverse document frequency:
K. Sparck Jones, "A statistical interpretation of term specificity", Journal of Documentation 28, 1972), digits more.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable, Sequence
from typing import Final

from msgspec import Struct

MOST_WORDS: Final = 5_000
"""Different words of one row that count, the first ones; the rest of a longer row is not compared."""


UNKNOWN: Final = 0xFFFFFFFF
"""Stands for a word that has no number."""


class Weighing(Struct, frozen=True):
    """A word in `df` of `n` rows weighs ln(1 + n / df) to the power `power`; more by `digits` if it holds one.

    A word of one row alone can be shared by none. It speaks for a difference, less (`alone`) unless it holds a digit:
    a slip of the pen or a synonym makes such words too.
    """

    power: float = 2.0
    digits: float = 2.0
    alone: float = 0.5

    def weight(self, word: str, df: int, n: int) -> float:
        """The weight of one word, over 0."""
        worth: float = math.log(1.0 + n / df) ** self.power
        if not word.isalpha():
            return worth * self.digits
        return worth * self.alone if df == 1 else worth


class Vocabulary:
    """Numbers words in the order they come and counts the rows each is in."""

    def __init__(self) -> None:
        self.words: list[str] = []
        self.df = array("L")
        self.rows = 0
        self._numbers: dict[str, int] = {}

    def __repr__(self) -> str:
        return f"Vocabulary({len(self.words)} words of {self.rows} rows)"

    def take(self, words: Iterable[str]) -> array[int]:
        """The numbers of a row's different words, sorted; counts the row."""
        numbers, df = self._numbers, self.df
        found = array("L")
        for word in dict.fromkeys(words):
            number = numbers.get(word)
            if number is None:
                number = numbers[word] = len(self.words)
                self.words.append(word)
                df.append(0)
            df[number] += 1
            found.append(number)
            if len(found) == MOST_WORDS:
                break
        self.rows += 1
        return array("L", sorted(found))

    def order(self, words: Iterable[str]) -> array[int]:
        """The numbers of these words as they follow each other, `UNKNOWN` for others; counts nothing."""
        get = self._numbers.get
        return array("L", [get(word, UNKNOWN) for word in words])

    def weights(self, weighing: Weighing, df: Sequence[int] | None = None, rows: int | None = None) -> list[float]:
        """The weight of each word, by its number; by other counts of rows where they are given."""
        n = max(1, self.rows if rows is None else rows)
        counts = self.df if df is None else df
        return [weighing.weight(word, max(1, count), n) for word, count in zip(self.words, counts, strict=True)]


def similarity(one: Sequence[int], other: Sequence[int], weights: Sequence[float]) -> float:
    """The weighted Jaccard similarity of two sets of words: weight of what both have over weight of what either has."""
    mine, theirs = set(one), set(other)
    either = sum(weights[word] for word in mine | theirs)
    return sum(weights[word] for word in mine & theirs) / either if either else 1.0
