"""Filters of calls that somebody named, kept in `state.db` for all who look at the console."""

from __future__ import annotations

import sqlite3
from typing import Final

from msgspec import Struct, structs

from trimtab.database.connection import mapped, path_of, transaction
from trimtab.database.statements import statements
from trimtab.errors import InvalidRequest

MOST_VIEWS: Final = 200
MOST_NAME: Final = 60
MOST_FILTER: Final = 4000


class SavedView(Struct, frozen=True):
    """A filter as the query of an address, `task=route&failing=true`; who saved it, and when (ns since 1970).

    Raises `InvalidRequest` for a name that is empty, too long or not printable, and for a filter that is too long.
    """

    name: str
    filter: str
    by: str
    at_ns: int

    def __post_init__(self) -> None:
        if not 0 < len(self.name) <= MOST_NAME or not self.name.isprintable() or self.name != self.name.strip():
            raise InvalidRequest(detail=f"a view's name has 1 to {MOST_NAME} printable characters; choose another")
        if len(self.filter) > MOST_FILTER:
            raise InvalidRequest(detail=f"the filter is over {MOST_FILTER} characters long; take some of it out")


class SavedViews:
    """Keeps them; used from one thread. Every operation raises `StoreError`."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        """Works on a connection that it shares, and leaves open."""
        self._connection = connection
        self._path = path_of(connection)
        self._sql = statements("trimtab.journal", "saved_views.sql")

    def __repr__(self) -> str:
        return f"SavedViews({self._path})"

    def all(self) -> tuple[SavedView, ...]:
        """All of them, by name."""
        with mapped(self._path):
            return tuple(SavedView(*row) for row in self._connection.execute(self._sql["all"]).fetchall())

    def keep(self, view: SavedView) -> None:
        """Keeps one, in the place of one of the same name; raises `InvalidRequest` for one too many."""
        with mapped(self._path), transaction(self._connection):
            others = self._connection.execute(self._sql["others"], {"name": view.name}).fetchone()[0]
            if others >= MOST_VIEWS:
                raise InvalidRequest(detail=f"there are {MOST_VIEWS} views already; delete one first")
            self._connection.execute(self._sql["keep"], structs.asdict(view))

    def drop(self, name: str) -> bool:
        """Lets go of one; whether there was one of that name."""
        with mapped(self._path):
            return self._connection.execute(self._sql["drop"], {"name": name}).rowcount > 0
