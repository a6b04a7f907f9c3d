"""Connections to a state database: SQLite in WAL mode, every commit on disk before it returns."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from trimtab.errors import StoreError

BUSY_TIMEOUT_S = 5.0
READER_TIMEOUT_S = 0.05
OWNER_ONLY = 0o600
FOLDER_OWNER_ONLY = 0o700


@contextmanager
def mapped(path: Path) -> Iterator[None]:
    """Turns what SQLite and the file system raise into a `StoreError` that names the database."""
    try:
        yield
    except (sqlite3.Error, OSError) as failure:
        raise StoreError(store=str(path), detail=str(failure)) from failure


def connect(path: Path) -> sqlite3.Connection:
    """Opens a database for reading and writing; it is made, readable by its owner only, if there is none.

    Statements commit by themselves unless they stand in a `transaction`. A writer waits up to 5 s for another one.
    May be handed from thread to thread, but used by one at a time. Raises `StoreError`.
    """
    with mapped(path):
        path.parent.mkdir(mode=FOLDER_OWNER_ONLY, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, OWNER_ONLY))
        connection = sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute("PRAGMA secure_delete = ON")
        except sqlite3.Error:
            connection.close()
            raise
        return connection


def connect_read_only(path: Path) -> sqlite3.Connection:
    """Opens a database that exists, for reading; raises `StoreError`, also when there is none.

    In WAL mode a reader waits for nobody; the short timeout is for the moment in which a new database enters it.
    """
    address = f"file:{quote(str(path))}?mode=ro"
    with mapped(path):
        return sqlite3.connect(
            address, uri=True, timeout=READER_TIMEOUT_S, isolation_level=None, check_same_thread=False
        )


def path_of(connection: sqlite3.Connection) -> Path:
    """The file a connection is open on."""
    return Path(connection.execute("PRAGMA database_list").fetchone()[2])


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """All that happens inside is committed, or none of it; takes the write lock at once."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")
