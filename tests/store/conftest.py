"""Stores to test: each is opened once for the whole folder and gives every test a database of its own."""

from __future__ import annotations

import itertools
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from trimtab.store.clickhouse import ClickHouseTelemetry, open_embedded, open_server
from trimtab.store.memory import MemoryTelemetry
from trimtab.store.telemetry import Telemetry

ROOT = Path(__file__).parents[2]
KINDS = ("memory", "chdb", "http")
databases = (f"test_{number}" for number in itertools.count(1))


@pytest.fixture(scope="package")
def chdb_path(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The one directory this process opens chDB on; one client keeps the engine alive between tests."""
    path = tmp_path_factory.mktemp("chdb")
    keeper = open_embedded(path)
    yield path
    keeper.close()


@pytest.fixture(scope="package")
def clickhouse_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a process that speaks ClickHouse's HTTP interface."""
    command = [sys.executable, "-m", "tests.store.clickhouse_http", str(tmp_path_factory.mktemp("clickhouse")), "0"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.terminate()


@pytest.fixture
def embedded(chdb_path: Path) -> Iterator[ClickHouseTelemetry]:
    """chDB with nothing in it."""
    telemetry = open_embedded(chdb_path, next(databases))
    telemetry.migrate()
    yield telemetry
    telemetry.close()


def opener(request: pytest.FixtureRequest) -> Callable[[], Telemetry]:
    """Opens one and the same empty store of the kind that a fixture is made for, as often as it is called."""
    database = next(databases)
    match request.param:
        case "chdb":
            path = request.getfixturevalue("chdb_path")
            return lambda: open_embedded(path, database)
        case "http":
            url = request.getfixturevalue("clickhouse_url")
            return lambda: open_server(f"{url}/{database}")
    memory = MemoryTelemetry()
    return lambda: memory


@pytest.fixture(params=KINDS)
def open_again(request: pytest.FixtureRequest) -> Callable[[], Telemetry]:
    """Opens one and the same empty store of each kind, as often as it is called."""
    return opener(request)


@pytest.fixture
def telemetry(open_again: Callable[[], Telemetry]) -> Iterator[Telemetry]:
    """An empty store of each kind."""
    store = open_again()
    store.migrate()
    yield store
    store.close()
