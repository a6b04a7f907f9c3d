"""The journal of runs in each database it can lie in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.journal_runs.cluster import cluster
from tests.journal_runs.world import World
from trimtab.journal.runs.database import Database, open_runs

DATABASES = ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)]


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """A PostgreSQL for all tests."""
    with cluster() as url:
        yield url


@pytest.fixture(params=DATABASES)
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[], Database]]:
    """Opens an empty database, and then the same one again; what is still open is closed in the end."""
    postgres = request.param == "postgres"
    opening = fresh(request.getfixturevalue("server")) if postgres else lambda: open_runs(tmp_path / "journal.db")
    made: list[Database] = []

    def open_one() -> Database:
        made.append(opening())
        return made[-1]

    yield open_one
    for database in made:
        database.close()


def fresh(url: str) -> Callable[[], Database]:
    """Opens the journal on a server that has none yet."""
    import psycopg  # noqa: PLC0415 - comes with an extra

    from trimtab.journal.runs.postgres import PostgresDatabase  # noqa: PLC0415

    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE pid <> pg_backend_pid() AND datname = current_database() AND backend_type = 'client backend'"
        )
        connection.execute("DROP SCHEMA IF EXISTS trimtab CASCADE")
    return lambda: PostgresDatabase(url)


@pytest.fixture
def world(opened: Callable[[], Database]) -> Iterator[World]:
    """A journal of runs."""
    made = World(opened)
    yield made
    made.store.close()
