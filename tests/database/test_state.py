"""The state database: how it is opened, brought up to date, and what it says when it cannot."""

import contextlib
import sqlite3
from pathlib import Path

import pytest

from trimtab.access.keys import Key, KeyStore
from trimtab.clock import SystemClock
from trimtab.database.connection import connect, connect_read_only, mapped, path_of, transaction
from trimtab.database.migrate import Migration, known, migrate, open_state
from trimtab.database.statements import statements
from trimtab.errors import StoreError
from trimtab.ids import IdSource

ONE = Migration(1, "CREATE TABLE first (a INTEGER);\n-- a comment; with a semicolon\nCREATE TABLE second (b TEXT);\n")
TWO = Migration(2, "ALTER TABLE first ADD COLUMN c TEXT;\n")

KEPT = {
    1: f"INSERT INTO keys (id, name, digest, tasks, created_ns) VALUES ('k', 'app', x'{'ab' * 32}', '[\"chat\"]', 5)",
    2: "INSERT INTO dead_letters (id, kind, task, model, cause, detail, attempts, first_ns, last_ns, last_call,"
    " size_bytes, kept, admitted) VALUES ('d', 'call', 'chat', 'small', 'timeout', '', 3, 1, 2, 'c', 9, 1, x'00')",
    5: "INSERT INTO scores_waiting (id, added_ns, score) VALUES ('s', 7, x'00')",
    6: "INSERT INTO outbox (id, alert, kind, receiver, body, made_ns, due_ns)"
    " VALUES ('o', 'a', 'opened', 'r', x'00', 1, 2)",
    7: "INSERT INTO saved_views (name, filter, by, at_ns) VALUES ('v', 'task=chat', 'app', 3)",
}
"""A row as each earlier version kept it, by the version that brought its table."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "state.db"


def opened(path: Path) -> contextlib.closing[sqlite3.Connection]:
    return contextlib.closing(connect(path))


def pragma(connection: sqlite3.Connection, name: str) -> object:
    return connection.execute(f"PRAGMA {name}").fetchone()[0]


def tables(connection: sqlite3.Connection) -> set[str]:
    return {row[0] for row in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}


def test_durable_settings(path: Path) -> None:
    """A connection is in WAL mode with full synchronisation (2) and foreign keys held."""
    with opened(path) as connection:
        assert (pragma(connection, "journal_mode"), pragma(connection, "synchronous")) == ("wal", 2)
        assert pragma(connection, "foreign_keys") == 1
        assert path_of(connection) == path


def test_only_the_owner_may_read(path: Path) -> None:
    """The file and the folder made for it are the owner's alone."""
    with opened(path):
        assert path.stat().st_mode & 0o777 == 0o600
        assert path.parent.stat().st_mode & 0o777 == 0o700


def test_migrations_apply_once_and_in_order(path: Path) -> None:
    """Each migration runs once; the version is recorded."""
    with opened(path) as connection:
        migrate(connection, path, (ONE,))
        assert pragma(connection, "user_version") == 1
        migrate(connection, path, (ONE, TWO))
        migrate(connection, path, (ONE, TWO))
        assert pragma(connection, "user_version") == 2
        assert tables(connection) == {"first", "second"}
        connection.execute("INSERT INTO first (a, c) VALUES (1, 'x')")


def test_failed_migration_leaves_the_old_schema(path: Path) -> None:
    """When a statement fails, nothing of the upgrade remains and the error names the database."""
    broken = Migration(2, "CREATE TABLE third (c TEXT);\nCREATE TABLE first (again TEXT);\n")
    with opened(path) as connection:
        migrate(connection, path, (ONE,))
        with pytest.raises(StoreError, match=r"state\.db.*already exists"):
            migrate(connection, path, (ONE, broken))
        assert pragma(connection, "user_version") == 1
        assert tables(connection) == {"first", "second"}


def test_newer_schema_is_refused(path: Path) -> None:
    """A database of a newer release is left alone, and the message says to upgrade."""
    with opened(path) as connection:
        connection.execute("PRAGMA user_version = 9999")
    with pytest.raises(StoreError, match=r"version 9999 .* upgrade trimtab"):
        open_state(path)
    with opened(path) as connection:
        assert pragma(connection, "user_version") == 9999


def test_numbers_have_no_gap() -> None:
    """The migrations of this release count up from 1."""
    numbers = [migration.number for migration in known()]
    assert numbers == list(range(1, len(numbers) + 1))
    assert numbers


def test_state_has_the_keys_table(path: Path) -> None:
    """Opening the state database brings it to the newest schema."""
    with contextlib.closing(open_state(path)) as connection:
        assert "keys" in tables(connection)


@pytest.mark.parametrize("version", range(1, len(known())))
def test_what_an_earlier_release_kept_is_there(path: Path, version: int) -> None:
    """A database of any earlier version comes to the newest schema with all its rows."""
    kept = {since: row for since, row in KEPT.items() if since <= version}
    with opened(path) as connection:
        migrate(connection, path, known()[:version])
        for row in kept.values():
            connection.execute(row)
    with contextlib.closing(open_state(path)) as connection:
        assert pragma(connection, "user_version") == len(known())
        (key,) = KeyStore(connection, SystemClock(), IdSource()).list()
        assert key == Key("k", "app", 5, None, ("chat",), "client")
        rows = {
            2: connection.execute("SELECT id, attempts, last_call, redrives FROM dead_letters").fetchall(),
            5: connection.execute("SELECT id, added_ns, due_ns FROM scores_waiting").fetchall(),
            6: connection.execute("SELECT id, receiver, state FROM outbox").fetchall(),
            7: connection.execute("SELECT name, filter FROM saved_views").fetchall(),
        }
        expected = {2: ("d", 3, "c", 0), 5: ("s", 7, 0), 6: ("o", "r", "waiting"), 7: ("v", "task=chat")}
        assert rows == {since: [row] if since in kept else [] for since, row in expected.items()}


@pytest.mark.parametrize("content", [b"this is no database" * 100, b"SQLite format 3\0" + b"\xff" * 4096])
def test_corrupt_file(path: Path, content: bytes) -> None:
    """A file that is no database is a StoreError that names it, and is not overwritten."""
    path.parent.mkdir()
    path.write_bytes(content)
    with pytest.raises(StoreError, match=r"state\.db"):
        open_state(path)
    assert path.read_bytes() == content


def test_folder_that_cannot_be_made(tmp_path: Path) -> None:
    """A data directory below a plain file is a StoreError, not a traceback of the system's."""
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="File exists"):
        connect(tmp_path / "file" / "state.db")


def test_full_disk(path: Path) -> None:
    """A write for which there is no room is a StoreError, and what was there before stays readable."""
    with opened(path) as connection:
        migrate(connection, path, (ONE,))
        pages = pragma(connection, "page_count")
        connection.execute(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(StoreError, match="full"), mapped(path), transaction(connection):
            connection.execute("INSERT INTO second (b) VALUES (?)", ("x" * 100_000,))
        assert connection.execute("SELECT count(*) FROM second").fetchone() == (0,)


def test_transaction_is_all_or_nothing(path: Path) -> None:
    """An exception inside a transaction takes back what was written in it."""
    with opened(path) as connection:
        migrate(connection, path, (ONE,))
        with pytest.raises(RuntimeError), transaction(connection):
            connection.execute("INSERT INTO first (a) VALUES (1)")
            raise RuntimeError
        with transaction(connection):
            connection.execute("INSERT INTO first (a) VALUES (2)")
        assert connection.execute("SELECT a FROM first").fetchall() == [(2,)]


def test_reader_cannot_write(path: Path) -> None:
    """A read-only connection reads what others commit and refuses to write."""
    with opened(path) as writer:
        migrate(writer, path, (ONE,))
        with contextlib.closing(connect_read_only(path)) as reader:
            writer.execute("INSERT INTO first (a) VALUES (7)")
            assert reader.execute("SELECT a FROM first").fetchall() == [(7,)]
            with pytest.raises(sqlite3.OperationalError, match="readonly"):
                reader.execute("DELETE FROM first")


def test_reader_of_nothing(path: Path) -> None:
    """Opening a database that does not exist for reading is a StoreError and makes none."""
    with pytest.raises(StoreError, match="unable to open"):
        connect_read_only(path)
    assert not path.exists()


def test_named_statements() -> None:
    """Every statement of a file is found under its name, without its comment and semicolon."""
    found = statements("trimtab.access", "keys.sql")
    assert set(found) == {"insert_key", "all_keys", "live_keys", "live_keys_without_roles", "revoke_keys"}
    assert all("--" not in sql and ";" not in sql for sql in found.values())
