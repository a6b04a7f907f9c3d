"""Of which rows a question for slices is answered: pieces of its window, each from the coarsest rows that fit it."""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

from trimtab.store.slices import Dimension, SliceQuery
from trimtab.store.telemetry import MINUTE_NS

COARSE_MINUTES: Final = 15
"""What time the coarse rows of the roll-up hold; those by task have fine ones of a minute beside them."""
BY_TASK: Final[tuple[Dimension, ...]] = ("task", "environment")
"""What rows by task tell apart."""


Rows = Literal["minute", "task", "model", "replica", "prompt", "lock", "key", "models", "replicas", "calls"]
"""Rows of the roll-up by their dimension, or the calls themselves."""


class Piece(NamedTuple):
    """A part of a window, [first, end) in minutes since 1970, and the rows it is summed of."""

    first_minute: int
    end_minute: int
    of: Rows


def pieces(query: SliceQuery) -> list[Piece]:
    """The pieces of a query's window, without empty ones."""
    first, end = query.since_ns // MINUTE_NS, -(-query.until_ns // MINUTE_NS)
    coarse = _coarse(query)
    fine: Literal["minute", "calls"] = "minute" if query.by in BY_TASK else "calls"
    if query.step_s % (60 * COARSE_MINUTES):
        return [Piece(first, end, fine)] if first < end else []
    low, high = quarters(first, end)
    if low == high:
        return [Piece(first, end, fine)] if first < end else []
    found = [Piece(first, low, fine), Piece(low, high, coarse), Piece(high, end, fine)]
    return [piece for piece in found if piece.first_minute < piece.end_minute]


def _coarse(query: SliceQuery) -> Rows:
    if query.across and not query.tasks and query.by == "model":
        return "models"
    if query.across and not query.tasks and query.by == "replica":
        return "replicas"
    return "task" if query.by == "environment" else query.by


def quarters(first: int, end: int) -> tuple[int, int]:
    """The whole quarters of an hour in minutes [first, end); where there is none, both are `end`."""
    low, high = -(-first // COARSE_MINUTES) * COARSE_MINUTES, end // COARSE_MINUTES * COARSE_MINUTES
    return (low, high) if low < high else (end, end)
