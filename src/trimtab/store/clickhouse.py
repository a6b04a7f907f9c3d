"""Telemetry in ClickHouse: chDB inside this process, or a server by URL, with the same statements.

chDB lets one process hold one path, and a process that forks after opening it deadlocks its child: open it in a
process that was spawned and forks no more.
"""

from __future__ import annotations

import re
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import clickhouse_connect
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError, DataError
from clickhouse_connect.driver.query import QueryResult

from trimtab.errors import StoreError
from trimtab.record.events import Change, Settled
from trimtab.store import filling, rows, statements
from trimtab.store.clickhouse_erasing import Eraser
from trimtab.store.clickhouse_figures import FigureReader
from trimtab.store.clickhouse_searching import SearchReader
from trimtab.store.engine_samples import EngineSample
from trimtab.store.lock_figures import MAX_KINDS, CallKind, CallKinds, LockUse, PromptUse
from trimtab.store.readings import tallied
from trimtab.store.slice_pieces import quarters
from trimtab.store.telemetry import (
    DAY_NS,
    MINUTE_NS,
    Batch,
    CallDetail,
    CallFilter,
    Counts,
    ReportQuery,
    Sample,
    SampleQuery,
)

DATABASE = "trimtab"
CONNECT_S = 5
ANSWER_S = 60
SCHEMA_VERSION = 7
MIGRATIONS: dict[int, tuple[str, ...]] = {
    1: ("create_calls", "create_attempts", "create_changes"),
    2: ("add_contract_to_calls",),
    3: ("add_context_to_calls",),
    4: (
        *("add_signals_to_calls", "create_scores", "create_readings_by_minute", "create_engine_samples"),
        *("create_slices", "create_calls_to_slices", "drop_calls_to_minute", "drop_calls_by_minute"),
        *("drop_contracts_to_minute", "drop_contracts_by_minute", "drop_tool_calls_to_minute"),
        "drop_tool_calls_by_minute",
    ),
    5: (
        *("index_calls_for_search", "create_texts", "create_spend_by_hour", "create_spend_to_hour"),
        *("create_conversations_by_hour", "create_conversations_to_hour", "create_spend_of_calls"),
        *("create_undeclared_by_hour", "create_undeclared_to_hour"),
    ),
    6: ("add_piece_to_scores",),
    7: (
        *("drop_texts_anew", "create_texts_anew", "drop_words_of_texts_anew", "index_words_of_texts_anew"),
        *("copy_texts", "exchange_texts", "drop_texts_anew"),
    ),
}
"""The statements that bring the schema from the version before to this one."""
FILLED = {
    "create_calls_to_slices": "slices",
    "create_spend_to_hour": "spend_by_hour",
    "create_conversations_to_hour": "conversations_by_hour",
    "create_undeclared_to_hour": "undeclared_by_hour",
}
"""Views whose roll-up is first filled from the calls that an earlier release stored."""
COPIED = {"copy_texts": "texts"}
"""Statements that copy some minutes of a table, and the table."""
TABLES = (
    *("calls", "attempts", "changes", "slices", "scores", "readings_by_minute", "engine_samples"),
    *("texts", "spend_by_hour", "conversations_by_hour", "undeclared_by_hour"),
)
WINDOWS_MINUTES = (10, 120, 1440, 14_400)
"""How far back `tail` looks, window by window, before it reads everything: newest-first over all rows is dear."""
BINARY: dict[str, str | dict[str, str]] = dict.fromkeys(rows.CHUNKS, "bytes")
UNCOMPILED = dict.fromkeys(("compile_expressions", "compile_aggregate_expressions", "compile_sort_description"), 0)
"""Compiling a statement's expressions to machine code takes 0.1 s when it is asked the third time, and wins nothing:
what is asked here takes less."""
PLAIN = re.compile(r"LowCardinality\((\w+)\)")


def open_embedded(path: Path, database: str = DATABASE, inserts: Path | None = None) -> ClickHouseTelemetry:
    """Opens chDB on a directory, which is made if need be; raises `StoreError` if another process holds it.

    Each insert goes through a file, in `inserts` or else where temporary files lie.
    """
    path.mkdir(parents=True, exist_ok=True)
    where = f"chDB at {path}"
    with _mapped(where):
        client = clickhouse_connect.get_client(interface="chdb", path=str(path), settings=UNCOMPILED)
    return ClickHouseTelemetry(client, database, where, inserts)


def open_server(url: str, password: str = "") -> ClickHouseTelemetry:
    """Connects to a server at `http(s)://user@host:port/database`; raises `StoreError` if it does not answer."""
    parts = urlsplit(url)
    where = f"{parts.scheme}://{parts.hostname}:{parts.port or 8123}"
    with _mapped(where):
        client = clickhouse_connect.get_client(
            interface=parts.scheme,
            host=parts.hostname or "localhost",
            port=parts.port or (8443 if parts.scheme == "https" else 8123),
            username=unquote(parts.username or "default"),
            password=password,
            connect_timeout=CONNECT_S,
            send_receive_timeout=ANSWER_S,
            autogenerate_session_id=False,
        )
    return ClickHouseTelemetry(client, parts.path.strip("/") or DATABASE, where)


class ClickHouseTelemetry(SearchReader, FigureReader, Eraser):
    """The contract `Telemetry` over one clickhouse-connect client."""

    def __init__(self, client: Client, database: str, where: str, inserts: Path | None = None) -> None:
        super().__init__()
        self._client = client
        self._inserts = inserts
        self._database = database
        self._where = where
        self._queries = statements.load("queries.sql")
        self._types: dict[str, dict[str, str]] = {}
        self._is_after_fill = False
        """Whether roll-ups were filled and nothing was inserted since. The batch that an earlier release did not live
        to note may come again: the roll-ups hold it and do not know it as one that they were sent."""

    def __repr__(self) -> str:
        return f"ClickHouseTelemetry({self._where}, database {self._database})"

    def migrate(self) -> None:
        """Brings the schema to this release's version; raises `StoreError` if a newer release wrote it."""
        schema = statements.schema()
        with _mapped(self._where):
            self._client.command(schema["create_database"], {"database": self._database})
            self._client.database = self._database
            self._client.command(schema["create_schema_version"])
            ((version,),) = self._client.query(schema["read_schema_version"]).result_rows
            if version > SCHEMA_VERSION:
                detail = f"its schema has version {version}, this release knows {SCHEMA_VERSION}; use a newer release"
                raise StoreError(store=self._where, detail=detail)
            for step in range(version + 1, SCHEMA_VERSION + 1):
                for name in MIGRATIONS[step]:
                    if name in COPIED:
                        filling.copy(self._client, COPIED[name], schema[name], self._queries)
                        continue
                    if name in FILLED and version:
                        self._client.command(schema["create_after_fill"])
                        filling.fill(self._client, FILLED[name], schema[name], self._queries)
                    self._client.command(schema[name])
                self._client.command(schema["write_schema_version"], {"version": step})
            self._is_after_fill = bool(self._query("is_after_fill").result_rows)

    def insert(self, batch: Batch, token: str) -> None:
        """Stores the batch exactly once, however often it is sent whole under the same token."""
        with _mapped(self._where):
            self._insert("calls", batch.calls, rows.call_columns, token)
            self._note_inserted()
            self._insert("attempts", batch.attempts, rows.attempt_columns, token)
            self._insert("changes", batch.changes, rows.change_columns, token)
            self._insert("scores", batch.scores, rows.score_columns, token)
            self._insert("readings_by_minute", tallied(batch.readings), rows.reading_columns, token)
            self._insert("texts", batch.texts, rows.text_columns, token)

    def count(self) -> Counts:
        """Counts the base tables and, apart from them, what the roll-ups have seen."""
        (counted,) = self._query("count").named_results()
        return Counts(**counted)

    def locks(self, query: ReportQuery) -> tuple[LockUse, ...]:
        """The locks that calls of a window were made under, the one first in force first."""
        return tuple(LockUse(**row) for row in self._query("locks", **_quartered(query)).named_results())

    def prompt_uses(self, query: ReportQuery) -> tuple[PromptUse, ...]:
        """When each task's prompts were used, in the order of `prompts`."""
        return tuple(PromptUse(**row) for row in self._query("prompt_uses", **_quartered(query)).named_results())

    def call_kinds(self, query: ReportQuery) -> CallKinds:
        """The calls of a window, grouped by all that a lock pins and a record tells."""
        result = self._query("call_kinds", **_narrowed(query), limit=MAX_KINDS)
        kinds: list[CallKind] = []
        calls = 0
        for row in map(dict, result.named_results()):
            calls = row.pop("all_calls")
            kinds.append(CallKind(**row))
        return CallKinds(tuple(kinds), calls)

    def tail(self, wanted: CallFilter) -> tuple[Settled, ...]:
        """The calls that ended last, newest first, without their chunk delays and lengths."""
        ((newest,),) = self._query("newest_minute").result_rows
        oldest = wanted.since_ns // MINUTE_NS
        found: list[Settled] = []
        for first in [max(newest - back, oldest) for back in WINDOWS_MINUTES] + [oldest]:
            result = self._query(
                "tail",
                first_minute=first,
                since_ns=wanted.since_ns,
                tasks=list(wanted.tasks),
                model=wanted.model,
                outcome=wanted.outcome,
                locks=list(wanted.locks),
                limit=wanted.limit,
            )
            found = [rows.call_of(row) for row in result.named_results()]
            if len(found) == wanted.limit or first == oldest:
                break
        return tuple(found)

    def sample(self, wanted: SampleQuery) -> Sample:
        """Calls drawn without regard to what they are."""
        window = {
            "since_ns": wanted.since_ns,
            "until_ns": wanted.until_ns,
            "first_minute": wanted.since_ns // MINUTE_NS,
        }
        ((of,),) = self._query("calls_in_window", tasks=list(wanted.tasks), **window).result_rows
        result = self._query(
            "sample", tasks=list(wanted.tasks), seed=str(wanted.seed), limit=wanted.limit, **window
        ).named_results()
        return Sample(tuple(rows.call_of(row) for row in result), int(of))

    def call(self, call: str) -> CallDetail | None:
        """One whole call by its id; None if it is not here."""
        found = list(self._query("call", call=call).named_results())
        if not found:
            return None
        attempts = self._query("attempts_of_call", call=call).named_results()
        return CallDetail(rows.call_of(found[0]), tuple(rows.attempt_of(row) for row in attempts))

    def answered_as(self, upstream_id: str, since_ns: int) -> str:
        """The call whose answer bears this id of the model's server."""
        found = self._query("answered_as", upstream_id=upstream_id, since_ns=since_ns).result_rows
        return str(found[0][0]) if found else ""

    def changes(self, since_ns: int, until_ns: int, limit: int) -> tuple[Change, ...]:
        """What took effect in [since, until), newest first."""
        result = self._query("changes", since_ns=since_ns, until_ns=until_ns, limit=limit)
        return tuple(rows.change_of(row) for row in result.named_results())

    def insert_engine_samples(self, samples: Sequence[EngineSample]) -> None:
        """Stores samples; those sent again are stored again."""
        with _mapped(self._where):
            self._insert("engine_samples", samples, rows.sample_columns, "")

    def retain(self, since_ns: int) -> None:
        """Drops every whole day (UTC) that ended before `since_ns` from base tables and roll-up alike."""
        with _mapped(self._where):
            for table in TABLES:
                for (partition,) in self._query("days_before", table=table, day=since_ns // DAY_NS).result_rows:
                    self._client.command(self._queries["drop_day"], {"table": table, "partition": partition})

    def close(self) -> None:
        """Lets go of the store; no other operation may follow."""
        with _mapped(self._where):
            self._client.close()

    def _query(self, name: str, **parameters: Any) -> QueryResult:
        return self._ask(self._queries[name], **parameters)

    def _ask(self, text: str, **parameters: Any) -> QueryResult:
        with _mapped(self._where):
            return self._client.query(text, parameters, column_formats=BINARY)

    def _tell(self, text: str, **parameters: Any) -> None:
        with _mapped(self._where):
            self._client.command(text, parameters)

    def _insert(self, table: str, events: Sequence[Any], columns_of: Callable[[Any], rows.Columns], token: str) -> None:
        """One insert for each day: a part lies in one day, and one part is stored whole or not at all."""
        days: defaultdict[int, list[Any]] = defaultdict(list)
        for event in events:
            days[min(max(event.at_ns, 0), rows.LARGEST) // DAY_NS].append(event)
        for day, of_day in days.items():
            if table == "calls" and self._is_after_fill and self._holds(of_day[0]):
                continue
            columns = columns_of(of_day)
            settings = {
                "insert_deduplication_token": f"{token}/{table}/{day}" if token else "",
                "deduplicate_blocks_in_dependent_materialized_views": 1,
                "async_insert": 0,
            }
            try:
                self._send(table, columns, settings)
            except DataError:
                self._send(table, rows.storable(columns), settings)

    def _holds(self, call: Settled) -> bool:
        """Whether a call of the first batch behind a fill is stored; if not, that is no batch that came before."""
        is_stored = bool(self._query("call", call=call.admitted.call).result_rows)
        if not is_stored:
            self._note_inserted()
        return is_stored

    def _note_inserted(self) -> None:
        if self._is_after_fill:
            self._client.command(self._queries["drop_after_fill"])
            self._is_after_fill = False

    def _send(self, table: str, columns: rows.Columns, settings: dict[str, Any]) -> None:
        types = self._types_of(table)
        with _temporary_files_in(self._inserts):
            self._client.insert(
                table,
                list(columns.values()),
                column_names=list(columns),
                column_type_names=[types[name] for name in columns],
                column_oriented=True,
                settings=settings,
            )

    def _types_of(self, table: str) -> dict[str, str]:
        """What each column is sent as: the store makes dictionaries of plain strings itself, and faster."""
        if table not in self._types:
            described = self._query("columns", table=table).result_rows
            self._types[table] = {name: PLAIN.sub(r"\1", kind) for name, kind in described}
        return self._types[table]


@contextmanager
def _temporary_files_in(folder: Path | None) -> Iterator[None]:
    """The client cannot be told where to put its file, but takes the process's folder of temporary files."""
    before = tempfile.tempdir
    tempfile.tempdir = str(folder) if folder else before
    try:
        yield
    finally:
        tempfile.tempdir = before


@contextmanager
def _mapped(where: str) -> Iterator[None]:
    try:
        yield
    except ClickHouseError as error:
        raise StoreError(store=where, detail=" ".join(str(error).split())[:500]) from error


def _quartered(query: ReportQuery) -> dict[str, Any]:
    """The same, and which quarters of an hour the roll-up tells of: it knows no models."""
    narrowed = _narrowed(query)
    first, end = quarters(narrowed["first_minute"], narrowed["end_minute"])
    if query.model:
        first = end = narrowed["end_minute"]
    return {**narrowed, "first_quarter": first, "end_quarter": end, "limit": MAX_KINDS}


def _narrowed(query: ReportQuery) -> dict[str, Any]:
    """The parameters that say which calls are looked at."""
    return {
        "first_minute": query.since_ns // MINUTE_NS,
        "end_minute": -(-query.until_ns // MINUTE_NS),
        "tasks": list(query.tasks),
        "model": query.model,
    }
