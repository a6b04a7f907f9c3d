"""Telemetry in ClickHouse: chDB inside this process, or a server by URL, with the same statements.

chDB lets one process hold one path, and a process that forks after opening it deadlocks its child: open it in a
process that was spawned and forks no more.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import clickhouse_connect
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError, DataError
from clickhouse_connect.driver.query import QueryResult

from trimtab.errors import StoreError
from trimtab.record.events import Change, CostLabel, Settled
from trimtab.store import filling, rows, statements
from trimtab.store.clickhouse_searching import SearchReader
from trimtab.store.contract_figures import ANSWER_RESULTS, ContractFigures, ToolResult
from trimtab.store.engine_samples import EngineSample
from trimtab.store.lock_figures import MAX_KINDS, CallKind, CallKinds, LockUse
from trimtab.store.readings import tallied
from trimtab.store.slice_pieces import quarters
from trimtab.store.telemetry import (
    DAY_NS,
    MAX_LEVELS,
    MEASURES,
    MINUTE_NS,
    Batch,
    CallDetail,
    CallFilter,
    CostSum,
    Counts,
    Distribution,
    Figures,
    PromptFigures,
    ReportQuery,
    Sample,
    SampleQuery,
    Work,
)

DATABASE = "trimtab"
CONNECT_S = 5
ANSWER_S = 60
EXACT_BELOW_TOKENS = 50
SCHEMA_VERSION = 5
MIGRATIONS: dict[int, tuple[str, ...]] = {
    1: ("create_calls", "create_attempts", "create_changes", "create_calls_by_minute", "create_calls_to_minute"),
    2: (
        *("add_contract_to_calls", "create_contracts_by_minute", "create_contracts_to_minute"),
        *("create_tool_calls_by_minute", "create_tool_calls_to_minute"),
    ),
    3: ("add_context_to_calls",),
    4: (
        *("add_signals_to_calls", "create_scores", "create_readings_by_minute", "create_engine_samples"),
        *("create_slices", "create_calls_to_slices"),
    ),
    5: (
        *("index_calls_for_search", "create_texts", "create_spend_by_hour", "create_spend_to_hour"),
        *("create_conversations_by_hour", "create_conversations_to_hour", "create_spend_of_calls"),
        *("create_undeclared_by_hour", "create_undeclared_to_hour"),
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
TABLES = (
    *("calls", "attempts", "changes", "calls_by_minute", "contracts_by_minute", "tool_calls_by_minute"),
    *("scores", "readings_by_minute", "engine_samples", "texts", "spend_by_hour", "conversations_by_hour"),
    *("undeclared_by_hour", "slices"),
)
WINDOWS_MINUTES = (10, 120, 1440, 14_400)
"""How far back `tail` looks, window by window, before it reads everything: newest-first over all rows is dear."""
TOKEN_CLASSES = {
    "input": "input",
    "cache_read": "cache_read",
    "cache_write": "cache_write",
    "output": "output_sum",
    "reasoning": "reasoning",
}
BINARY: dict[str, str | dict[str, str]] = dict.fromkeys(rows.CHUNKS, "bytes")
PLAIN = re.compile(r"LowCardinality\((\w+)\)")
Group = tuple[str, str, str, str]
"""Task, model, prompt and lock."""
COST_LABELS: tuple[CostLabel, ...] = ("exact", "estimated", "unknown")


def open_embedded(path: Path, database: str = DATABASE) -> ClickHouseTelemetry:
    """Opens chDB on a directory, which is made if need be; raises `StoreError` if another process holds it."""
    path.mkdir(parents=True, exist_ok=True)
    where = f"chDB at {path}"
    with _mapped(where):
        client = clickhouse_connect.get_client(interface="chdb", path=str(path))
    return ClickHouseTelemetry(client, database, where)


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


class ClickHouseTelemetry(SearchReader):
    """The contract `Telemetry` over one clickhouse-connect client."""

    def __init__(self, client: Client, database: str, where: str) -> None:
        super().__init__()
        self._client = client
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

    def report(self, query: ReportQuery) -> tuple[Figures, ...]:
        """Sums the roll-up over a window, by task and perhaps by model and by lock, in their alphabetical order."""
        result = self._query("report", **_narrowed(query), **_quantiles(query))
        return tuple(_figures(row, len(query.levels)) for row in result.named_results())

    def prompts(self, query: ReportQuery) -> tuple[PromptFigures, ...]:
        """Figures by task and prompt, of each task the prompt first that was rendered first; 10,000 at most."""
        result = self._query("prompts", **_narrowed(query), **_quantiles(query), limit=MAX_KINDS)
        return tuple(_of_prompt(row, len(query.levels)) for row in result.named_results())

    def contracts(self, query: ReportQuery) -> tuple[ContractFigures, ...]:
        """Sums what became of answers and tool calls, by task and perhaps by model, prompt and lock, in that order."""
        narrowed = _narrowed(query) | {"by_prompt": query.by_prompt}
        by_lock = "_by_lock" if query.by_lock else ""
        found = {_group(row): row for row in self._query(f"contracts{by_lock}", **narrowed).named_results()}
        tools: defaultdict[Group, defaultdict[str, dict[ToolResult, int]]] = defaultdict(lambda: defaultdict(dict))
        for row in self._query(f"tool_calls{by_lock}", **narrowed).named_results():
            tools[_group(row)][row["tool"]][row["outcome"]] = row["tool_calls"]
        return tuple(_contract(group, found.get(group, {}), tools[group]) for group in sorted({*found, *tools}))

    def locks(self, query: ReportQuery) -> tuple[LockUse, ...]:
        """The locks that calls of a window were made under, the one first in force first."""
        narrowed = _narrowed(query)
        first, end = quarters(narrowed["first_minute"], narrowed["end_minute"])
        if query.model:
            first = end = narrowed["end_minute"]
        result = self._query("locks", **narrowed, first_quarter=first, end_quarter=end, limit=MAX_KINDS)
        return tuple(LockUse(**row) for row in result.named_results())

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
def _mapped(where: str) -> Iterator[None]:
    try:
        yield
    except ClickHouseError as error:
        raise StoreError(store=where, detail=" ".join(str(error).split())[:500]) from error


def _narrowed(query: ReportQuery) -> dict[str, Any]:
    """The parameters that say which part of a roll-up is looked at."""
    return {
        "first_minute": query.since_ns // MINUTE_NS,
        "end_minute": -(-query.until_ns // MINUTE_NS),
        "tasks": list(query.tasks),
        "model": query.model,
        "by_model": query.by_model,
        "by_lock": query.by_lock,
    }


def _quantiles(query: ReportQuery) -> dict[str, float]:
    """The levels as parameters; statements take as many as there can be."""
    padded = (*query.levels, *([0.5] * (MAX_LEVELS - len(query.levels))))
    return {f"q{place}": level for place, level in enumerate(padded, 1)}


def _group(row: rows.Row) -> Group:
    return row["task"], row["served_by"], row["prompted_by"], row.get("locked_by", "")


def _contract(group: Group, row: rows.Row, tool_calls: dict[str, dict[ToolResult, int]]) -> ContractFigures:
    counts = ("repairs", "flagged", "stopped", "resumed", "seams")
    return ContractFigures(
        *group,
        answers={result: row.get(result, 0) for result in ANSWER_RESULTS},
        tool_calls=dict(tool_calls),
        **{name: row.get(name, 0) for name in counts},
    )


def _of_prompt(row: Mapping[str, Any], levels: int) -> PromptFigures:
    answers = {result: row[result] for result in ANSWER_RESULTS}
    return PromptFigures(row["prompted_by"], _figures(row, levels), answers, row["first_ns"], row["last_ns"])


def _figures(row: Mapping[str, Any], levels: int) -> Figures:
    return Figures(
        task=row["task"],
        model=row["served_by"],
        lock=row["locked_by"],
        outcomes=dict(row["outcomes"]),
        distributions={measure: _distribution(row, measure, levels) for measure in MEASURES},
        tokens={token_class: row[column] for token_class, column in TOKEN_CLASSES.items()},
        cost={label: CostSum(row[f"{label}_calls"], row[f"{label}_pusd"]) for label in COST_LABELS},
        prefill=Work(row["prefill_tokens"], row["prefill_s"]),
        decode=Work(row["decode_tokens"], row["decode_s"]),
    )


def _distribution(row: Mapping[str, Any], measure: str, levels: int) -> Distribution:
    calls = row[f"{measure}_n"]
    values = row[f"{measure}_q"][:levels] if calls else ()
    return Distribution(calls, tuple(map(_tokens if measure == "output" else _seconds, values)))


def _seconds(sketched_us: float) -> float:
    return sketched_us * 1e-6


def _tokens(sketched: float) -> float:
    """Below 50 the error is less than half a token, so that the nearest whole number is the true one."""
    return round(sketched) if sketched < EXACT_BELOW_TOKENS else sketched
