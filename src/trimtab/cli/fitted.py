"""Tables that stay readable on a narrow terminal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from copy import copy
from dataclasses import dataclass
from typing import Final

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.measure import Measurement
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from trimtab.reports.numbers import NONE

INDENT: Final = 4
GAP: Final = "   "
WRAPS_FROM: Final = 120
"""Columns from which cells are rather wrapped."""
UNBOUNDED: Final = 100_000


@dataclass(frozen=True)
class Fitted:
    """A table; where it is too wide for the terminal also with its columns closer together, its rows one below the
    other: the `keys` first cells in a line, and below it each other cell that says something after its head.
    """

    table: Table
    keys: int = 1

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        close = copy(self.table)
        close.collapse_padding = True
        for table in (self.table, close):
            wanted = Measurement.get(console, options.update_width(UNBOUNDED), table).maximum
            if options.max_width >= min(wanted, WRAPS_FROM):
                yield table
                return
        heads = [str(column.header).rpartition("\n")[2] for column in self.table.columns]
        yield Text()
        for row in zip(*(column.cells for column in self.table.columns), strict=True):
            cells = [_line(console, cell) for cell in row]
            yield Text(GAP).join(Text(cell.plain, "bold") for cell in cells[: self.keys])
            pairs = zip(heads[self.keys :], cells[self.keys :], strict=True)
            told = [Text.assemble(f"{head} ", cell) for head, cell in pairs if cell.plain not in {"", NONE}]
            yield from (Padding(line, (0, 0, 0, INDENT)) for line in _lines(told, options.max_width - INDENT))
        yield Text()


def _lines(words: Iterable[Text], width: int) -> Iterator[Text]:
    """As many as a line has room for, none of them broken that fits into one."""
    line = Text()
    for one in words:
        if line and line.cell_len + len(GAP) + one.cell_len > width:
            yield line
            line = Text()
        line = line + GAP + one if line else one
    if line:
        yield line


def _line(console: Console, cell: RenderableType) -> Text:
    """A cell in one line."""
    text = cell if isinstance(cell, Text) else console.render_str(str(cell))
    return Text(" ").join(part for part in text.split("\n") if part.plain)
