"""What only the ClickHouse stores can get wrong."""

from __future__ import annotations

import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import clickhouse_connect
import pytest

from tests.store.conftest import ROOT, databases
from tests.store.samples import attempt, call
from trimtab.errors import StoreError
from trimtab.record.events import ToolOutcome
from trimtab.store import statements
from trimtab.store.clickhouse import SCHEMA_VERSION, TABLES, ClickHouseTelemetry, open_embedded, open_server
from trimtab.store.telemetry import Batch, Counts


def test_a_newer_schema_is_refused(chdb_path: Path) -> None:
    """A directory that a newer release wrote is left alone, and the message says which versions differ."""
    database = next(databases)
    telemetry = open_embedded(chdb_path, database)
    telemetry.migrate()
    beside = clickhouse_connect.get_client(interface="chdb", path=str(chdb_path), database=database)
    beside.command(f"INSERT INTO schema_version VALUES ({SCHEMA_VERSION + 1})")
    with pytest.raises(StoreError, match=f"version {SCHEMA_VERSION + 1}, this release knows {SCHEMA_VERSION}"):
        telemetry.migrate()
    beside.close()
    telemetry.close()


def test_an_insert_goes_through_the_folder_it_is_given(
    chdb_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its file lies there and is gone afterwards; other temporary files of the process lie where they did."""
    telemetry = open_embedded(chdb_path, next(databases), tmp_path)
    telemetry.migrate()
    nowhere = str(tmp_path / "nowhere")
    monkeypatch.setattr(tempfile, "tempdir", nowhere)
    telemetry.insert(Batch(calls=(call("a"),)), "t")
    assert telemetry.count().calls == 1
    assert tempfile.tempdir == nowhere
    assert list(tmp_path.iterdir()) == []
    telemetry.close()


@pytest.mark.parametrize("roll_up", ["slices", "spend_by_hour", "conversations_by_hour"])
def test_an_insert_that_died_before_a_roll_up_is_made_whole(chdb_path: Path, roll_up: str) -> None:
    """The base table has the batch and a roll-up has not: sending it again fills that one and counts once in all."""
    database = next(databases)
    telemetry = open_embedded(chdb_path, database)
    telemetry.migrate()
    beside = clickhouse_connect.get_client(interface="chdb", path=str(chdb_path), database=database)
    beside.command(f"ALTER TABLE {roll_up} ADD CONSTRAINT broken CHECK task != 'route'")
    tools = (ToolOutcome("find", "valid", 1),)
    batch = Batch(calls=(call("a", verdict="valid"), call("b", tool_outcomes=tools)), attempts=(attempt("a"),))
    with pytest.raises(StoreError, match="broken"):
        telemetry.insert(batch, "t")
    assert telemetry.count().calls == 2
    assert beside.query(f"SELECT count() FROM {roll_up}").result_rows == [(0,)]
    beside.command(f"ALTER TABLE {roll_up} DROP CONSTRAINT broken")
    whole = Counts(2, 1, contracts=1, tool_calls=1, rolled_up=2, contracts_rolled_up=1, tool_calls_rolled_up=1)
    for _ in range(2):
        telemetry.insert(batch, "t")
        assert telemetry.count() == whole
    beside.close()
    telemetry.close()


def test_a_server_that_is_not_there_is_a_store_error() -> None:
    """A refused connection is our own error, with the address and without the password."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port = bound.getsockname()[1]
        with pytest.raises(StoreError, match=str(port)) as caught:
            open_server(f"http://someone@127.0.0.1:{port}/trimtab", "hunter2")
    assert "hunter2" not in str(caught.value)


def test_a_directory_another_process_holds_is_refused(chdb_path: Path) -> None:
    """chDB lets one process hold a directory; a second one gets an error that names it."""
    second = (
        "import sys, pathlib\n"
        "from trimtab.errors import StoreError\n"
        "from trimtab.store.clickhouse import open_embedded\n"
        "try:\n    open_embedded(pathlib.Path(sys.argv[1])).migrate()\n"
        "except StoreError as error:\n    print(error)\n"
    )
    command = [sys.executable, "-c", second, str(chdb_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=60)
    assert str(chdb_path) in done.stdout


def test_values_never_become_statements(embedded: ClickHouseTelemetry) -> None:
    """A call id made of SQL is an id like any other."""
    name = "a' OR 1=1; DROP TABLE calls; --\\"
    embedded.insert(Batch(calls=(call(name), call("b"))), "it's a 'token'\\")
    found = embedded.call(name)
    assert found is not None
    assert found.call.admitted.call == name
    assert embedded.count().calls == 2


@pytest.mark.parametrize("file", ["schema.sql", "queries.sql"])
def test_statements_are_named_and_explained(file: str) -> None:
    """Every statement has a name of its own, a purpose, and no comment or semicolon left in it."""
    loaded = statements.load(file)
    assert loaded
    assert all(text and "--" not in text and not text.endswith(";") for text in loaded.values())


def test_no_table_is_left_out_of_retention(embedded: ClickHouseTelemetry) -> None:
    """Every table that has rows of a day drops them by the day."""
    found = embedded._client.query(
        "SELECT name FROM system.tables WHERE database = currentDatabase() AND engine LIKE '%MergeTree'"
    )
    assert {name for (name,) in found.result_rows} == {*TABLES, "schema_version"}
