"""Tables: one declaration of columns, three forms."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as some

from trimtab.console.tables import Column, Table, Value
from trimtab.errors import InvalidRequest


@dataclass(frozen=True)
class Row:
    name: str
    calls: int | None = 1
    rate: float | None = None


def rate(row: Row) -> Value:
    return {"value": row.rate, "low": 0.1, "high": 0.9, "n": 7}


COLUMNS: tuple[Column[Row], ...] = (
    Column("name", "task", lambda row: row.name, href=lambda row: f"/tasks/{row.name}" if row.calls else None),
    Column("calls", "calls", lambda row: row.calls, numeric=True),
    Column("rate", "parse", rate, sortable=True, group="Behaviour"),
    Column("bar", "", lambda row: None, sortable=False, group="Behaviour"),
)


def table(*rows: Row, sort: str = "") -> Table[Row]:
    return Table("tasks", "Tasks", COLUMNS, rows, sort=sort)


def names(found: Table[Row]) -> list[str]:
    return [row.name for row in found.rows]


def test_sorting() -> None:
    """Rows are sorted by a column either way; those without a figure come last both ways, equal ones stay in order."""
    rows = (Row("b", 2), Row("none", None), Row("a", 3), Row("c", 2))
    assert names(table(*rows).sorted_as("tasks.calls")) == ["b", "c", "a", "none"]
    assert names(table(*rows).sorted_as("tasks.-calls")) == ["a", "b", "c", "none"]
    assert names(table(*rows).sorted_as("")) == ["b", "none", "a", "c"]
    assert names(table(*rows, sort="-name").sorted_as("")) == ["none", "c", "b", "a"]
    assert names(table(*rows, sort="-name").sorted_as("tasks.name")) == ["a", "b", "c", "none"]


def test_sorting_by_a_figure_with_parts() -> None:
    """A rate is sorted by its value, not by its interval."""
    assert names(table(Row("a", 1, 0.9), Row("b", 1, 0.1)).sorted_as("tasks.rate")) == ["b", "a"]


def test_another_tables_order_is_no_matter() -> None:
    """What asks for the order of another table changes nothing here."""
    assert names(table(Row("b"), Row("a")).sorted_as("others.nothing")) == ["b", "a"]


@pytest.mark.parametrize("asked", ["tasks.nothing", "tasks.bar", "tasks.-", "tasks.--calls"])
def test_what_is_no_column(asked: str) -> None:
    """A column that is not there, or that nothing can be sorted by, is a mistake."""
    with pytest.raises(InvalidRequest, match="no such column"):
        table(Row("a")).sorted_as(asked)


def test_json() -> None:
    """Each row is an object of bare figures."""
    assert table(Row("a", 3, 0.5)).records() == [
        {"name": "a", "calls": 3, "rate": {"value": 0.5, "low": 0.1, "high": 0.9, "n": 7}, "bar": None}
    ]


def test_csv() -> None:
    """A figure with parts has a column for each; the bare value has the column's own name."""
    assert table(Row("a, b", 3, 0.5)).csv() == (
        b'name,calls,rate,rate_low,rate_high,rate_n,bar\r\n"a, b",3,0.5,0.1,0.9,7,\r\n'
    )


def test_an_empty_table_as_csv() -> None:
    """Without rows the heads are there all the same."""
    assert table().csv() == b"name,calls,rate,bar\r\n"


@pytest.mark.parametrize(
    "text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\n=1", "\uff1d1", "\uff0b1", "=cmd|' /C calc'!A0"]
)
def test_no_formula_gets_into_a_spreadsheet(text: str) -> None:
    """A text that a spreadsheet would run begins with an apostrophe; numbers stay numbers."""
    rows = list(csv.reader(io.StringIO(table(Row(text, -5)).csv().decode(), newline="")))
    assert rows[1][:2] == ["'" + text, "-5"]


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("\x1b[31mred\x07", "\u241b[31mred\u2407"),
        ("\u202egnp.exe", "[U+202E]gnp.exe"),
        ("\r=1", "\u240d=1"),
        ("half \ud800", "half \ufffd"),
        ("two\nlines\t", "two\nlines\t"),
    ],
)
def test_nothing_in_a_file_is_obeyed_by_a_terminal(text: str, cell: str) -> None:
    """Escapes, controls and what turns the direction of text are visible signs in CSV; tabs and line ends stay."""
    rows = list(csv.reader(io.StringIO(table(Row(text)).csv().decode(), newline="")))
    assert rows[1][0] == cell


@given(some.lists(some.tuples(some.text(some.characters(), max_size=20), some.none() | some.integers())))
def test_csv_holds_every_row_whatever_is_in_it(found: list[tuple[str, int | None]]) -> None:
    """As many rows come out as went in, and none of them begins a formula."""
    text = table(*(Row(name, calls) for name, calls in found)).csv().decode("utf-8")
    rows = list(csv.reader(io.StringIO(text, newline="")))[1:]
    assert len(rows) == len(found)
    assert all(not row[0].startswith(("=", "+", "-", "@", "\t", "\r")) for row in rows)


def test_cells() -> None:
    """A cell leads to what is behind it; hostile text is text, and what cannot be seen is marked."""
    name, calls = COLUMNS[0], COLUMNS[1]
    assert name.cell(Row("<b>")) == '<a href="/tasks/&lt;b&gt;">&lt;b&gt;</a>'
    assert name.cell(Row("a\u202e", None)) == 'a<span class="unseen">[U+202E]</span>'
    assert calls.cell(Row("a", 1234)) == "1.23 k"
    assert calls.cell(Row("a", None)) == "\u2013"


def test_heads_over_several_columns() -> None:
    """Columns of one group that follow each other share a head, and the first of them has an edge."""
    found = table()
    assert found.groups == (("", 2), ("Behaviour", 2))
    assert [found.classes(number) for number in range(4)] == ["txt", "num", "txt edge", "txt"]
    assert Table("t", "T", COLUMNS[:2], ()).groups == ()
