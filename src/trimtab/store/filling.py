"""Filling a table with what was stored before there was one: a roll-up with calls, a copy with rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from clickhouse_connect.driver.client import Client

QUARTER_MINUTES: Final = 15
DAY_MINUTES: Final = 1440
MOST_CALLS: Final = 500_000
"""How many calls are summed at a time, so that memory stays bounded; never less than those of a quarter of an hour."""


class Quarter(NamedTuple):
    """A quarter of an hour since 1970, and how many calls ended in it."""

    quarter: int
    calls: int


def pieces(quarters: Iterable[Quarter]) -> Iterator[tuple[int, int]]:
    """Minutes [first, end) of so many calls at a time, each within one day; what follows one another is given so."""
    first = end = calls = 0
    for quarter in quarters:
        minute = quarter.quarter * QUARTER_MINUTES
        is_full = calls + quarter.calls > MOST_CALLS or minute // DAY_MINUTES != first // DAY_MINUTES
        if calls and is_full:
            yield first, end
        if not calls or is_full:
            first, calls = minute, 0
        end, calls = minute + QUARTER_MINUTES, calls + quarter.calls
    if calls:
        yield first, end


def fill(client: Client, table: str, view: str, texts: dict[str, str]) -> None:
    """Empties a table and fills it with what its materialised view makes of all calls there are.

    `view` is the statement that makes the view; it selects from `calls AS c` and groups.
    """
    client.command(texts["empty_table"], {"table": table})
    selected, grouped, keys = view.partition(" AS\n")[2].rpartition("\nGROUP BY")
    joined = "AND" if "\nWHERE " in selected else "WHERE"
    text = f"INSERT INTO {table} {selected}\n{joined} {texts['in_minutes']}{grouped}{keys}"
    copy(client, "calls", text, texts)


def copy(client: Client, table: str, text: str, texts: dict[str, str]) -> None:
    """Runs a statement that inserts what lies in some minutes of a table, for all its minutes in turn."""
    quarters = client.query(texts["quarters"], {"table": table}).result_rows
    for first, end in pieces(Quarter(*row) for row in quarters):
        client.command(text, {"first_minute": first, "end_minute": end}, settings={"insert_deduplicate": 0})
