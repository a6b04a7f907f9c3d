"""The databases a journal of runs can lie in: the same named statements, one transaction at a time."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, Final, Protocol

from trimtab.database.connection import connect, connect_read_only, mapped, path_of
from trimtab.database.migrate import Migration, migrate
from trimtab.database.statements import statements

SQL_FILES: Final = (
    *("runs.sql", "find.sql", "steps.sql", "reviews.sql", "background.sql"),
    *("retention.sql", "erasure.sql"),
)
MIGRATIONS: Final = ("0001_runs.sql", "0002_background.sql", "0003_tries.sql", "0004_retention.sql", "0005_erasure.sql")
CHECKPOINT_PAGES: Final = 4000
"""Pages of the write-ahead log after which SQLite moves them into the database."""
SHRUNK_PAGES: Final = 1024
VACUUMED_BYTES: Final = 256 << 20
"""A larger journal of an earlier release keeps its size; the room of what is deleted is used again."""
INCREMENTAL: Final = 2
PART: Final = re.compile(r"\{(part_[a-z_]+)\}")
NO_FACTS: Final[Mapping[str, Any]] = {}
Rows = list[tuple[Any, ...]]


class Database(Protocol):
    """One connection. Statements are named; `mapped` turns what the driver raises into `StoreError`."""

    def begin(self) -> None:
        """Starts a transaction that may write."""
        ...

    def at_once(self) -> AbstractContextManager[None]:
        """All that is read inside stands as it did at the first of it, whatever is written meanwhile."""
        ...

    def rows(self, name: str, facts: Mapping[str, Any] = NO_FACTS) -> Rows:
        """What a statement gives."""
        ...

    def run(self, name: str, facts: Mapping[str, Any] = NO_FACTS) -> None:
        """Runs a statement that gives nothing."""
        ...

    def commit(self) -> None:
        """All that was written is on disk when this returns."""
        ...

    def write_soon(self, name: str, many: Sequence[Mapping[str, Any]]) -> None:
        """Runs a statement with each of these facts in a transaction of its own that does not wait for the disk.

        A crash of this process does not lose it, one of the machine may.
        """
        ...

    def rollback(self) -> None:
        """Nothing was written. Does nothing where no transaction is open."""
        ...

    def shrink(self) -> None:
        """Gives room that deleted rows have left back to the disk, a portion at a time, where the database can."""
        ...

    def purge(self) -> None:
        """Nothing of what was overwritten is left in the write-ahead log, as far as that is the database's to say."""
        ...

    def mapped(self) -> AbstractContextManager[None]:
        """Errors of the driver inside become `StoreError`."""
        ...

    def close(self) -> None:
        """Lets go of the database."""
        ...


@cache
def named() -> dict[str, str]:
    """All statements by name; a part that several of them share stands in its place, and is none itself."""
    found = {name: sql for file in SQL_FILES for name, sql in statements("trimtab.journal.runs", file).items()}
    whole = {name: PART.sub(lambda part: found[part[1]], sql) for name, sql in found.items()}
    return {name: sql for name, sql in whole.items() if not name.startswith("part_")}


@cache
def migrations() -> tuple[Migration, ...]:
    """The schema in its steps."""
    folder = resources.files("trimtab.journal.runs")
    return tuple(Migration(int(name[:4]), (folder / name).read_text("utf-8")) for name in MIGRATIONS)


class SqliteDatabase:
    """SQLite in WAL mode; a commit is on disk when it returns."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._execute = connection.execute
        self._path = path_of(connection)
        self._sql = named()

    def __repr__(self) -> str:
        return f"SqliteDatabase({self._path})"

    def begin(self) -> None:
        """Starts a transaction that may write."""
        self._execute("BEGIN IMMEDIATE")

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """All that is read inside stands as it did at the first of it."""
        self._execute("BEGIN")
        try:
            yield
        finally:
            self.rollback()

    def rows(self, name: str, facts: Mapping[str, Any] = NO_FACTS) -> Rows:
        """What a statement gives."""
        return self._execute(self._sql[name], facts).fetchall()

    def run(self, name: str, facts: Mapping[str, Any] = NO_FACTS) -> None:
        """Runs a statement that gives nothing."""
        self._execute(self._sql[name], facts)

    def commit(self) -> None:
        """All that was written is on disk when this returns."""
        self._execute("COMMIT")

    def write_soon(self, name: str, many: Sequence[Mapping[str, Any]]) -> None:
        """Runs a statement with each of these facts in a transaction of its own that does not wait for the disk."""
        self._execute("PRAGMA synchronous = NORMAL")
        try:
            self._execute("BEGIN IMMEDIATE")
            self._connection.executemany(self._sql[name], many)
            self._execute("COMMIT")
        finally:
            self.rollback()
            self._execute("PRAGMA synchronous = FULL")

    def rollback(self) -> None:
        """Nothing was written."""
        if self._connection.in_transaction:
            self._execute("ROLLBACK")

    def shrink(self) -> None:
        """Gives free pages back to the disk, 4 MiB of them at the most."""
        self._connection.executescript(f"PRAGMA incremental_vacuum({SHRUNK_PAGES})")  # `execute` ends after one page

    def purge(self) -> None:
        """Empties the write-ahead log, unless somebody reads from it; what comes next is written over it then."""
        (waits_ms,) = self._execute("PRAGMA busy_timeout").fetchone()
        self._execute("PRAGMA busy_timeout = 0")
        try:
            self._execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        finally:
            self._execute(f"PRAGMA busy_timeout = {waits_ms:d}")

    def mapped(self) -> AbstractContextManager[None]:
        """Errors of SQLite inside become `StoreError`."""
        return mapped(self._path)

    def close(self) -> None:
        """Lets go of the database."""
        self._connection.close()


def open_runs(path: Path) -> SqliteDatabase:
    """Opens the journal of runs for its one writer, made and brought to the newest schema; raises `StoreError`."""
    connection = connect(path)
    try:
        with mapped(path):
            _shrinking(connection)
        migrate(connection, path, migrations())
        with mapped(path):
            connection.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES:d}")
        return SqliteDatabase(connection)
    except BaseException:
        connection.close()
        raise


def open_runs_to_read(path: Path) -> SqliteDatabase:
    """Opens it beside its writer, for reading; raises `StoreError`, also when there is none."""
    return SqliteDatabase(connect_read_only(path))


def _shrinking(connection: sqlite3.Connection) -> None:
    """Has the database give room back; one that was made without is written anew for it, unless it is large.

    Where the disk has no room for that, it stays as it is until the next start, and what was begun is given back.
    """
    if connection.execute("PRAGMA auto_vacuum").fetchone()[0] == INCREMENTAL:
        return
    (pages,), (size,) = (connection.execute(f"PRAGMA {name}").fetchone() for name in ("page_count", "page_size"))
    if pages * size <= VACUUMED_BYTES:
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        try:
            connection.execute("VACUUM")
        except sqlite3.OperationalError:
            with suppress(sqlite3.OperationalError):
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
