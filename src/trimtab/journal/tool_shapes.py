"""What was learned of the shapes of tools' answers, kept in `state.db` over restarts."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final, NamedTuple

from trimtab.database.connection import connect_read_only, mapped, path_of, transaction
from trimtab.database.statements import statements
from trimtab.errors import StoreError

SQL: Final = ("trimtab.journal", "tool_shapes.sql")


class Kept(NamedTuple):
    """What is known of one tool, as bytes that its reader understands, and when that was last added to."""

    last_ns: int
    learned: bytes


class ToolShapeStore:
    """Keeps them; used from one thread. Every operation raises `StoreError`."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        """Works on a connection of its own, which it closes."""
        self._connection = connection
        self._path = path_of(connection)
        self._sql = statements(*SQL)

    def all(self) -> dict[str, bytes]:
        """What is known, by tool."""
        with mapped(self._path):
            return dict(self._connection.execute(self._sql["all"]).fetchall())

    def taken(self) -> str:
        """The token of the batch that was taken in last; empty before the first."""
        with mapped(self._path):
            row = self._connection.execute(self._sql["taken"]).fetchone()
        return str(row[0]) if row else ""

    def keep(self, token: str, tools: Mapping[str, Kept], gone: Iterable[str] = ()) -> None:
        """Keeps what a batch has added, and lets go of tools, all at once."""
        with mapped(self._path), transaction(self._connection):
            if token:
                self._connection.execute(self._sql["take"], {"token": token})
            for tool in gone:
                self._connection.execute(self._sql["forget"], {"tool": tool})
            for tool, kept in tools.items():
                self._connection.execute(self._sql["keep"], {"tool": tool, **kept._asdict()})

    def close(self) -> None:
        """Lets go of the database."""
        self._connection.close()

    def __repr__(self) -> str:
        return f"ToolShapeStore({self._path})"


def read_tool_shapes(state: Path) -> dict[str, bytes]:
    """What is known, by tool, read beside whoever writes it; nothing where there is no `state.db` of this release.

    Raises `StoreError` for one that cannot be read.
    """
    if not state.exists():
        return {}
    connection = connect_read_only(state)
    try:
        with mapped(state):
            return dict(connection.execute(statements(*SQL)["all"]).fetchall())
    except StoreError as failure:
        if "no such table" in str(failure):
            return {}
        raise
    finally:
        connection.close()
