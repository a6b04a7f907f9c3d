"""What the rows of a data set are made of: the fields there are, how many rows have each, of which types."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any, Final

from msgspec import Struct

from trimtab.data.rows import Row, RowFault

DEEPEST: Final = 3
MOST: Final = 200
OTHERS: Final = "(others)"


class Column(Struct, frozen=True):
    """A field by its path with dots: the rows that have it, and how many values of each JSON type it has there."""

    path: str
    rows: int
    types: dict[str, int]


def columns(rows: Iterable[Row | RowFault]) -> tuple[Column, ...]:
    """The fields of all rows that can be read, three levels deep, in the order they are met; 200 at most, then one for
    all others.
    """
    found: dict[str, Counter[str]] = {}
    for row in rows:
        if isinstance(row, Row):
            _note(row.value, "", 1, found)
    return tuple(Column(path, types.total(), dict(types.most_common())) for path, types in found.items())


def _note(value: dict[str, Any], before: str, depth: int, found: dict[str, Counter[str]]) -> None:
    for key, one in value.items():
        path = f"{before}{key}"
        if path not in found:
            path = path if len(found) < MOST else OTHERS
            found.setdefault(path, Counter())
        found[path][type_of(one)] += 1
        if isinstance(one, dict) and depth < DEEPEST:
            _note(one, f"{path}.", depth + 1, found)


def type_of(value: Any) -> str:
    """The JSON type of a value."""
    if value is None or isinstance(value, bool):
        return "null" if value is None else "boolean"
    for kind, name in ((str, "string"), (int, "integer"), (float, "number"), (list, "array")):
        if isinstance(value, kind):
            return name
    return "object"
