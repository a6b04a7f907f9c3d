"""Brings a state database to the schema this release knows: numbered `.sql` files, each applied once, in order."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import NamedTuple

from trimtab.database.connection import connect, mapped, transaction
from trimtab.errors import StoreError

FILE_NAME = re.compile(r"(\d{4})_[a-z_]+\.sql")


class Migration(NamedTuple):
    """The statements that lead from version `number - 1` to `number`."""

    number: int
    sql: str


def known() -> tuple[Migration, ...]:
    """The migrations of this release, numbered from 1 without a gap."""
    folder = resources.files("trimtab.database") / "migrations"
    found = []
    for entry in folder.iterdir():
        match = FILE_NAME.fullmatch(entry.name)
        if match is not None:
            found.append(Migration(int(match[1]), entry.read_text("utf-8")))
    return tuple(sorted(found))


def open_state(path: Path) -> sqlite3.Connection:
    """Opens `state.db` for writing, at the newest schema; raises `StoreError`."""
    connection = connect(path)
    try:
        migrate(connection, path, known())
    except BaseException:
        connection.close()
        raise
    return connection


def migrate(connection: sqlite3.Connection, path: Path, migrations: tuple[Migration, ...]) -> None:
    """Applies what is missing, all in one transaction, so that a failure leaves the old schema.

    Raises `StoreError` for a failed statement, and for a database that a newer release has written.
    """
    newest = migrations[-1].number if migrations else 0
    with mapped(path), transaction(connection):
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if version > newest:
            raise StoreError(
                store=str(path),
                detail=f"its schema is version {version} and this release knows {newest}; upgrade trimtab",
            )
        for migration in migrations:
            if migration.number > version:
                for statement in statements_of(migration.sql):
                    connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {max(version, newest):d}")


def statements_of(sql: str) -> Iterator[str]:
    """The statements of a file one by one, each with its semicolon."""
    pending = ""
    for line in sql.splitlines(keepends=True):
        pending += line
        if sqlite3.complete_statement(pending):
            yield pending
            pending = ""
    if pending.strip():
        yield pending
