"""Spend and undeclared traffic in ClickHouse: statements of `sql/search.sql` and their rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from trimtab.store import statements
from trimtab.store.clickhouse_search import Ask
from trimtab.store.spend import HOUR_NS, Spend, SpendDimension, SpendQuery
from trimtab.store.undeclared import MAX_CLUSTERS, SPREADS, Cluster, Undeclared

TOKEN_CLASSES: Final = ("input", "cache_read", "cache_write", "output", "reasoning")
OF_CONVERSATIONS: Final[frozenset[SpendDimension]] = frozenset({"task", "conversation", "end_user"})
NOT_BY_HOUR: Final[frozenset[SpendDimension]] = frozenset({"conversation", "end_user"})
PLAIN: Final = (
    *("system_prompt", "tools", "calls", "first_ns", "last_ns", "streamed", "with_tool_calls", "largest_output"),
)
COUNTS: Final = ("keys", "asked", "surfaces", "outcomes", "finish_reasons", "limits", "schemas")


class SpendReader:
    """Sums tokens and cost, and puts undeclared calls together, over one way to ask."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._texts = statements.load("search.sql")

    def spend(self, query: SpendQuery) -> tuple[Spend, ...]:
        """Tokens and cost, by step and then the dearest first."""
        asked = _asked(query)
        top: list[tuple[str, str]] = []
        if query.by:
            top = [(one, other) for one, other in self._ask(self._texts["top_spenders"], **asked).result_rows]
        result = self._ask(self._texts["spend"], **asked | {"top": top}, step_h=query.step_s // 3600)
        return query.ordered(_spend(row, len(query.by)) for row in result.named_results())

    def undeclared(self, since_ns: int, until_ns: int) -> Undeclared:
        """The undeclared calls of whole hours by system prompt and tools."""
        result = self._ask(
            self._texts["undeclared"],
            first_hour=since_ns // HOUR_NS,
            end_hour=-(-until_ns // HOUR_NS),
            limit=MAX_CLUSTERS,
        )
        found = list(result.named_results())
        return Undeclared(tuple(map(_cluster, found)), found[0]["all_calls"] if found else 0)


def _asked(query: SpendQuery) -> dict[str, Any]:
    wanted = set(query.by)
    if not wanted & NOT_BY_HOUR:
        source = "spend_by_hour"
    elif wanted <= OF_CONVERSATIONS and not query.models and not query.keys:
        source = "conversations_by_hour"
    else:
        source = "spend_of_calls"
    first, second = (*query.by, "task", "task")[:2]
    return {
        "source": source,
        "count": len(query.by),
        "first": first,
        "second": second,
        "first_hour": query.since_ns // HOUR_NS,
        "end_hour": -(-query.until_ns // HOUR_NS),
        "tasks": list(query.tasks),
        "models": list(query.models),
        "keys": list(query.keys),
        "model": "model" if query.models else "task",
        "key": "key" if query.keys else "task",
        "top": query.top,
    }


def _spend(row: Mapping[str, Any], values: int) -> Spend:
    return Spend(
        at_ns=row["step"] * HOUR_NS,
        values=(row["value_1"], row["value_2"])[:values],
        calls=row["all_calls"],
        tokens={name: row[name] for name in TOKEN_CLASSES},
        cost=dict(row["cost"]),
        labelled=dict(row["labelled"]),
    )


def _cluster(row: Mapping[str, Any]) -> Cluster:
    facts: dict[str, Any] = {name: row[name] for name in PLAIN} | {name: dict(row[name]) for name in COUNTS}
    return Cluster(
        **facts,
        spreads={name: dict(row[name]) for name in SPREADS if row[name]},
        examples=tuple(row["examples"]),
    )
