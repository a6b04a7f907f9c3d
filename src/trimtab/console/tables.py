"""Tables: the columns are declared once, and HTML, CSV and JSON are made of them.

A column's `value` is the bare figure, for sorting, CSV and JSON; `show` writes it for people. Where a figure has
several parts (a rate with its interval) its value is a mapping, which makes a column of CSV for each part.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Generic, TypeVar

from markupsafe import Markup

from trimtab.console import format as written
from trimtab.console.text import clean, shown
from trimtab.errors import InvalidRequest

R = TypeVar("R")
Scalar = str | int | float | bool | None
Value = Scalar | Mapping[str, Scalar]
FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""How a text begins that a spreadsheet would run."""


@dataclass(frozen=True)
class Column(Generic[R]):
    """One column. `key` names it in JSON, CSV and `?sort=`; `unit` stands in the head; `says` on hover.

    `show` writes a row's cell (by default its value as text), `href` leads to what lies behind it. `numeric` cells
    stand right. `group` is a head over several columns that follow each other. `by` is what is sorted by, where that
    is not the value.
    """

    key: str
    head: str
    value: Callable[[R], Value]
    show: Callable[[R], str | Markup] | None = None
    href: Callable[[R], str | None] | None = None
    unit: str = ""
    says: str = ""
    numeric: bool = False
    sortable: bool = True
    group: str = ""
    by: Callable[[R], Scalar] | None = None

    def cell(self, row: R) -> Markup:
        """A row's cell for HTML."""
        written_as = self.show(row) if self.show is not None else _plain(self.value(row))
        cell = written_as if isinstance(written_as, Markup) else shown(written_as)
        href = self.href(row) if self.href is not None else None
        return Markup('<a href="{}">{}</a>').format(href, cell) if href else cell

    def order(self, row: R) -> tuple[bool, Any]:
        """What rows are sorted by; those without a figure come last."""
        value = self.by(row) if self.by is not None else self.value(row)
        if isinstance(value, Mapping):
            value = next(iter(value.values()), None)
        return value is None, value if value is not None else 0


@dataclass(frozen=True)
class Table(Generic[R]):
    """Rows under their columns. `empty` says what fills it; `opens` is where `enter` on a row leads.

    `sort` is the key it is sorted by, `-` before it for the largest first; empty leaves the rows as they come.
    """

    name: str
    caption: str
    columns: tuple[Column[R], ...]
    rows: Sequence[R]
    empty: str | Markup = "Nothing yet."
    opens: Callable[[R], str | None] | None = None
    sort: str = ""
    more: str | Markup = ""
    """What the table leaves out, and where the rest is."""

    @property
    def groups(self) -> tuple[tuple[str, int], ...]:
        """The heads over its columns, each with how many it spans; none where no column has one."""
        if not any(column.group for column in self.columns):
            return ()
        found: list[tuple[str, int]] = []
        for column in self.columns:
            if found and found[-1][0] == column.group:
                found[-1] = (column.group, found[-1][1] + 1)
            else:
                found.append((column.group, 1))
        return tuple(found)

    def classes(self, number: int) -> str:
        """The classes of a column's cells: on which side they stand, and whether a group begins there."""
        column = self.columns[number]
        begins = number > 0 and column.group != self.columns[number - 1].group
        return ("num" if column.numeric else "txt") + (" edge" if begins else "")

    def sorted_as(self, asked: str) -> Table[R]:
        """The same in the order that `?sort=TABLE.KEY` or `?sort=TABLE.-KEY` asks for, if it asks for this table.

        Raises `InvalidRequest` for a column that there is not.
        """
        table, _, wanted = asked.partition(".")
        sort = wanted if table == self.name else self.sort
        if not sort:
            return self
        down, key = sort.startswith("-"), sort.removeprefix("-")
        column = next((one for one in self.columns if one.key == key and one.sortable), None)
        if column is None:
            raise InvalidRequest(detail=f"?sort={asked[:80]}: {self.name} has no such column to sort by")
        known = [row for row in self.rows if not column.order(row)[0]]
        unknown = [row for row in self.rows if column.order(row)[0]]
        known.sort(key=lambda row: column.order(row)[1], reverse=down)
        return replace(self, rows=(*known, *unknown), sort=sort)

    def records(self) -> list[dict[str, Value]]:
        """The rows as they go into JSON."""
        return [{column.key: column.value(row) for column in self.columns} for row in self.rows]

    def csv(self) -> bytes:
        """The rows as CSV (RFC 4180) in UTF-8; texts that a spreadsheet would run get an apostrophe in front, and
        what a terminal would obey, or nobody could see, is made visible.
        """
        out = io.StringIO()
        writer = csv.writer(out)
        flat = [_flat(record) for record in self.records()]
        heads = list(dict.fromkeys(name for record in flat for name in record)) or [one.key for one in self.columns]
        writer.writerow(heads)
        writer.writerows([_cell(record.get(name)) for name in heads] for record in flat)
        return out.getvalue().encode("utf-8", "replace")


def share_of(figure: written.Share | None) -> Value:
    """A share's value for a column: with its interval and n."""
    if figure is None:
        return {"value": None, "low": None, "high": None, "n": 0}
    return {"value": figure.value, "low": figure.low, "high": figure.high, "n": figure.n}


def _flat(record: Mapping[str, Value]) -> dict[str, Scalar]:
    flat: dict[str, Scalar] = {}
    for name, value in record.items():
        if isinstance(value, Mapping):
            flat |= {name if part == "value" else f"{name}_{part}": one for part, one in value.items()}
        else:
            flat[name] = value
    return flat


def _cell(value: Scalar) -> Scalar:
    if not isinstance(value, str):
        return value
    text = clean(value)
    return "'" + text if text.startswith(FORMULA) else text


def _plain(value: Value) -> str:
    if isinstance(value, Mapping):
        value = next(iter(value.values()), None)
    match value:
        case None | "":
            return written.NOTHING
        case bool():
            return "yes" if value else "no"
        case int() | float():
            return written.number(value)
        case str():
            return value
