"""Pairs that are worth most together, against all pairings there are."""

from __future__ import annotations

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.statistics.assignment import best_total


@st.composite
def tables(draw: st.DrawFn) -> list[list[float]]:
    rows, columns = draw(st.integers(1, 5)), draw(st.integers(1, 5))
    worth = st.sampled_from([0.0, 0.25, 0.5, 1.0]) | st.floats(0, 1)
    return [[draw(worth) for _ in range(columns)] for _ in range(rows)]


@given(tables())
def test_no_pairing_is_worth_more(worth: list[list[float]]) -> None:
    """The total is that of the best of all pairings."""
    rows = worth if len(worth) <= len(worth[0]) else [list(row) for row in zip(*worth, strict=True)]
    every = permutations(range(len(rows[0])), len(rows))
    best = max(sum(rows[row][column] for row, column in enumerate(pairing)) for pairing in every)
    assert best_total(worth) == pytest.approx(best)


def test_nothing_to_pair() -> None:
    """Without rows or columns the total is 0."""
    assert best_total([]) == best_total([[]]) == 0.0
