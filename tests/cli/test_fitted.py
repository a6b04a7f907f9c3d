"""Tables on narrow terminals."""

from __future__ import annotations

import io

import pytest
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from trimtab.cli.fitted import Fitted

CALL = "01a2197e3f4d73e2a76cd3c2e7c6b936"


def printed(width: int) -> list[str]:
    """A table of two replicas on a terminal of so many columns; blank lines and space at the ends left out."""
    table = Table("model", "replica", "\nqueue", "tokens out", "latest", box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_row("mid", "http://10.0.0.11:8000", "0", Text("12\n(9-15) n 4"), CALL)
    table.add_row("small", "http://10.0.0.12:8000", "3", "-", "")
    out = io.StringIO()
    Console(file=out, width=width).print(Fitted(table, keys=2))
    return [line.rstrip() for line in out.getvalue().splitlines() if line.strip()]


@pytest.mark.parametrize("width", [100, 90, 120])
def test_a_table_that_has_room_stays_one(width: int) -> None:
    """It has a line of heads, and nothing of it is cut; its columns move together first."""
    told = printed(width)
    assert told[0].split() == ["model", "replica", "queue", "tokens", "out", "latest"]
    assert CALL in told[2]
    assert "…" not in "".join(told)


def test_a_table_that_has_none_becomes_its_rows() -> None:
    """Each row names what it is of, and below it what there is to say, each after its head."""
    assert printed(60) == [
        "mid   http://10.0.0.11:8000",
        "    queue 0   tokens out 12 (9-15) n 4",
        f"    latest {CALL}",
        "small   http://10.0.0.12:8000",
        "    queue 3",
    ]
