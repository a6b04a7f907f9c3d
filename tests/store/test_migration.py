"""A store that an earlier release made is opened by this one, with everything in it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import clickhouse_connect
import pytest
from clickhouse_connect.driver.client import Client

from tests.store.conftest import databases
from tests.store.samples import MINUTE_NS, NOON_NS, SECOND_NS, SOME_USAGE, attempt, call
from trimtab.record.events import Score, ToolOutcome
from trimtab.store import rows
from trimtab.store.clickhouse import SCHEMA_VERSION, ClickHouseTelemetry, open_embedded
from trimtab.store.scores import ScoreQuery
from trimtab.store.search import CallSearch
from trimtab.store.slices import SliceQuery
from trimtab.store.spend import SpendQuery
from trimtab.store.telemetry import Batch, Counts, ReportQuery
from trimtab.store.texts import CallText

SCHEMAS = Path(__file__).parent / "data"
HOUR = ReportQuery(NOON_NS - 30 * MINUTE_NS, NOON_NS + 30 * MINUTE_NS)
OLD = call("old", ttft_s=0.5, detail="as it was")
OF_CONTRACTS = {"schema", "redrive_of", "verdict", "failing", "repairs", "tool_outcomes", "repetition", "seams", "wire"}
OF_CONTRACTS |= {"repetition_stopped", "confidence"}
OF_CONTEXT = {"tool_results", *rows.CONTEXT.values()}
OF_SIGNALS = {"tools", "first_model"}
MISSING = {1: OF_CONTRACTS | OF_CONTEXT | OF_SIGNALS, 2: OF_CONTEXT | OF_SIGNALS, 3: OF_SIGNALS, 5: set()}
"""The columns that calls do not have in each earlier version; version 4 is on the way from 3."""


@pytest.fixture(params=MISSING)
def earlier(request: pytest.FixtureRequest, chdb_path: Path) -> Iterator[tuple[Client, str]]:
    """A database of each earlier version, made by its own statements, with a batch in it that was sent under `t`."""
    database = next(databases)
    client = clickhouse_connect.get_client(interface="chdb", path=str(chdb_path))
    client.command(f"CREATE DATABASE {database}")
    client.database = database
    schema = (SCHEMAS / f"schema_v{request.param}.sql").read_text()
    statements = "\n".join(line for line in schema.splitlines() if not line.startswith("--"))
    for statement in filter(str.strip, statements.split(";")):
        client.command(statement)
    calls = {name: values for name, values in rows.call_columns([OLD]).items() if name not in MISSING[request.param]}
    for table, columns in (("calls", calls), ("attempts", rows.attempt_columns([attempt("old")]))):
        settings = {
            "insert_deduplication_token": f"t/{table}/{NOON_NS // (1440 * MINUTE_NS)}",
            "deduplicate_blocks_in_dependent_materialized_views": 1,
        }
        client.insert(table, list(columns.values()), list(columns), column_oriented=True, settings=settings)
    yield client, database
    client.close()


@pytest.fixture
def migrated(earlier: tuple[Client, str], chdb_path: Path) -> Iterator[ClickHouseTelemetry]:
    telemetry = open_embedded(chdb_path, earlier[1])
    telemetry.migrate()
    yield telemetry
    telemetry.close()


def test_what_was_stored_is_read(migrated: ClickHouseTelemetry) -> None:
    """Calls of before come back as they were, with nothing said of contracts, and the figures still hold them."""
    found = migrated.call("old")
    assert found is not None
    assert (found.call, found.attempts) == (OLD, (attempt("old"),))
    (figures,) = migrated.report(HOUR)
    assert (figures.outcomes, figures.tokens["input"]) == ({"ok": 1}, SOME_USAGE.input)
    assert migrated.contracts(HOUR) == ()


def test_what_was_stored_is_found_and_summed(migrated: ClickHouseTelemetry) -> None:
    """The roll-ups that this release adds hold the calls of before; new calls come on top."""
    for number in range(2):
        (spent,) = migrated.spend(SpendQuery(HOUR.since_ns, HOUR.until_ns))
        (whole,) = migrated.slices(SliceQuery(HOUR.since_ns, HOUR.until_ns, by="lock"))
        assert whole.calls == 1 + number
        (by_user,) = migrated.spend(SpendQuery(HOUR.since_ns, HOUR.until_ns, by=("end_user",)))
        assert (spent.calls, by_user.calls) == (1 + number, 1 + number)
        migrated.insert(Batch((call(f"new {number}"),)), f"u{number}")
    page = migrated.search(CallSearch(HOUR.since_ns, HOUR.until_ns))
    assert {one.admitted.call for one in page.calls} == {"old", "new 0", "new 1"}


@pytest.mark.parametrize("earlier", [5], indirect=True)
def test_of_judgements_of_before_one_of_each_piece_counts(earlier: tuple[Client, str], chdb_path: Path) -> None:
    """Two of one run and one of another lie in the store; after the upgrade one more of the first run comes."""

    def done(ident: str, second: int, run: str, value: float) -> Score:
        return Score(ident, NOON_NS + second * SECOND_NS, "completion", "feedback", task="chat", run=run, value=value)

    client, database = earlier
    before = rows.score_columns([done("s1", 0, "r1", 1.0), done("s2", 1, "r1", 1.0), done("s3", 2, "r2", 1.0)])
    client.insert("scores", list(before.values()), list(before), column_oriented=True)
    telemetry = open_embedded(chdb_path, database)
    telemetry.migrate()
    telemetry.insert(Batch(scores=(done("s4", 3, "r1", 0.0),)), "u")
    (counted,) = telemetry.scores(ScoreQuery(HOUR.since_ns, HOUR.until_ns))
    assert (counted.n, counted.passed) == (2, 1)
    telemetry.close()


@pytest.mark.parametrize("earlier", [5], indirect=True)
def test_words_of_before_are_found(earlier: tuple[Client, str], chdb_path: Path) -> None:
    """Texts are found after the upgrade, those of an upgrade cut short on the way too, each once."""
    client, database = earlier
    said = rows.text_columns([CallText("old", OLD.at_ns, "chat", asked="where is order 4711?")])
    client.insert("texts", list(said.values()), list(said), column_oriented=True)
    client.command("CREATE TABLE texts_anew AS texts")
    for _ in range(2):
        telemetry = open_embedded(chdb_path, database)
        telemetry.migrate()
        (found,) = telemetry.search(CallSearch(HOUR.since_ns, HOUR.until_ns, text="order 4711")).calls
        assert found.admitted.call == "old"
        assert client.query("SELECT count() FROM texts").result_rows == [(1,)]
        assert not client.query("EXISTS texts_anew").result_rows[0][0]
        client.command("ALTER TABLE schema_version DELETE WHERE version > 6 SETTINGS mutations_sync = 2")
        telemetry.close()


def test_it_takes_what_is_new(migrated: ClickHouseTelemetry) -> None:
    """Calls with contracts are stored and counted beside those of before."""
    migrated.insert(Batch((call("new", verdict="valid", tool_outcomes=(ToolOutcome("find", "valid", 1),)),)), "u")
    assert migrated.count() == Counts(
        *(2, 1, 0), contracts=1, tool_calls=1, rolled_up=2, contracts_rolled_up=1, tool_calls_rolled_up=1
    )


def test_a_batch_on_the_way_at_the_upgrade_counts_once(migrated: ClickHouseTelemetry) -> None:
    """The earlier release stored a batch and did not live to note it: sent again, it is not stored twice."""
    migrated.insert(Batch((OLD,), (attempt("old"),)), "t")
    assert migrated.count() == Counts(calls=1, attempts=1, rolled_up=1)
    (spent,) = migrated.spend(SpendQuery(HOUR.since_ns, HOUR.until_ns))
    assert spent.calls == 1
    assert [one.calls for one in migrated.slices(SliceQuery(HOUR.since_ns, HOUR.until_ns))] == [1]


def test_the_same_token_counts_once_after_the_upgrade(migrated: ClickHouseTelemetry, chdb_path: Path) -> None:
    """Batches are told apart as ever, by the store that brought the schema forward and by one opened behind it."""
    again = open_embedded(chdb_path, migrated._database)
    again.migrate()
    for telemetry in (migrated, again, migrated):
        telemetry.insert(Batch((call("new"),), (attempt("new"),)), "u")
        telemetry.insert(Batch((call("newer"),)), "v")
    assert migrated.count() == Counts(calls=3, attempts=2, rolled_up=3)
    assert [one.calls for one in migrated.slices(SliceQuery(HOUR.since_ns, HOUR.until_ns))] == [3]
    again.close()


def test_it_is_a_store_like_any_other(
    earlier: tuple[Client, str], migrated: ClickHouseTelemetry, embedded: ClickHouseTelemetry
) -> None:
    """After the migration every table has the columns, types and views of a store that this release made."""
    client, database = earlier
    fresh = embedded._database
    migrated.insert(Batch((call("new"),)), "u")
    facts = "table, name, type, default_expression, compression_codec"
    described = f"SELECT {facts} FROM system.columns WHERE database = '{{}}' ORDER BY ALL"
    columns = [client.query(described.format(name)).result_rows for name in (database, fresh)]
    assert columns[0] == columns[1]
    engines = "SELECT name, engine_full FROM system.tables WHERE database = '{}' ORDER BY name"
    made, brought = (client.query(engines.format(name)).result_rows for name in (fresh, database))
    assert brought == made
    indices = "SELECT table, name, type_full, expr FROM system.data_skipping_indices WHERE database = '{}' ORDER BY ALL"
    made, brought = (client.query(indices.format(name)).result_rows for name in (fresh, database))
    assert brought == made
    views = (
        "SELECT name, as_select FROM system.tables WHERE database = '{}' AND engine = 'MaterializedView' ORDER BY name"
    )
    made, migrated_views = (client.query(views.format(name)).result_rows for name in (fresh, database))
    assert [(name, text.replace(database, fresh)) for name, text in migrated_views] == made
    assert client.query("SELECT max(version) FROM schema_version").result_rows == [(SCHEMA_VERSION,)]


def test_a_migration_that_was_cut_short_is_finished(earlier: tuple[Client, str], chdb_path: Path) -> None:
    """Each statement of a step may have run before: the step begins anew and loses nothing."""
    client, database = earlier
    for _ in range(2):
        telemetry = open_embedded(chdb_path, database)
        telemetry.migrate()
        client.command("TRUNCATE TABLE schema_version")
        client.command("INSERT INTO schema_version SELECT 1")
        assert telemetry.count() == Counts(calls=1, attempts=1, rolled_up=1)
        (spent,) = telemetry.spend(SpendQuery(HOUR.since_ns, HOUR.until_ns))
        assert spent.calls == 1
        telemetry.close()
