"""Rows as the words they have, numbered once for all comparisons of a data set."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Final

from trimtab.data.vocabulary import Vocabulary

MOST_IN_ORDER: Final = 5_000
"""Words of a row whose order is looked at."""


class Bags:
    """Rows as sets of words, and as words in their order.

    The texts of a row may stand in any order, so the pairs of words at their borders need not be kept: of so many pairs
    `inner` tells how many lie within texts, at the least.
    """

    def __init__(self) -> None:
        self.vocabulary = Vocabulary()
        self.sets: list[array[int]] = []
        self.orders: list[array[int]] = []
        self._texts: list[int] = []

    def __repr__(self) -> str:
        return f"Bags({len(self.sets)} rows, {self.vocabulary!r})"

    @classmethod
    def of(cls, rows: Iterable[Sequence[str]]) -> Bags:
        """The bags of rows that are one text each, given as their words."""
        bags = cls()
        for words in rows:
            bags.take(words)
        return bags

    def take(self, words: Sequence[str], texts: int = 1) -> None:
        """Takes in one row."""
        self.sets.append(self.vocabulary.take(words))
        self.orders.append(self.vocabulary.order(words[:MOST_IN_ORDER]))
        self._texts.append(texts)

    def pairs(self, place: int) -> set[tuple[int, int]]:
        """The pairs of neighbouring words of a row."""
        return set(pairwise(self.orders[place]))

    def inner(self, place: int, pairs: int) -> int:
        """Of so many different pairs of a row, those that lie within its texts, at the least."""
        return max(0, pairs - self._texts[place] + 1)
