"""Which of one set goes with which of another so that the pairs are worth most together."""

from __future__ import annotations

import math
from collections.abc import Sequence


def best_total(worth: Sequence[Sequence[float]]) -> float:
    """The largest sum over pairs of a row and a column, each in at most one pair; rows all have the same length.

    H. W. Kuhn, "The Hungarian method for the assignment problem", Naval Research Logistics Quarterly 2 (1955) 83-97, by
    shortest augmenting paths (R. Jonker and A. Volgenant, Computing 38 (1987) 325-340): rows^2 * columns steps, with
    the shorter side as rows.
    """
    if not worth or not worth[0]:
        return 0.0
    rows = worth if len(worth) <= len(worth[0]) else list(zip(*worth, strict=True))
    taken = _assigned(rows)
    return math.fsum(rows[row][column] for column, row in taken.items())


def _assigned(rows: Sequence[Sequence[float]]) -> dict[int, int]:
    """The row of each column that is in a pair; there are no more rows than columns."""
    columns = range(len(rows[0]))
    of_rows, of_columns = [0.0] * len(rows), [0.0] * len(rows[0])
    taken: dict[int, int] = {}
    for start in range(len(rows)):
        least = [math.inf] * len(columns)
        back: list[int | None] = [None] * len(columns)
        seen: set[int] = set()
        row: int | None = start
        column: int | None = None
        while row is not None:
            if column is not None:
                seen.add(column)
            for other in columns:
                if other not in seen:
                    reduced = -rows[row][other] - of_rows[row] - of_columns[other]
                    if reduced < least[other]:
                        least[other], back[other] = reduced, column
            column = min((one for one in columns if one not in seen), key=least.__getitem__)
            step = least[column]
            of_rows[start] += step
            for one in seen:
                of_rows[taken[one]] += step
                of_columns[one] -= step
            for other in columns:
                if other not in seen:
                    least[other] -= step
            row = taken.get(column)
        while column is not None:
            before = back[column]
            taken[column] = start if before is None else taken[before]
            column = before
    return taken
