"""Conversations in ClickHouse: statements of `sql/search.sql` and their rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from trimtab.store import statements
from trimtab.store.clickhouse_search import MINUTE_NS, Ask, CallSearcher
from trimtab.store.conversations import MAX_TASKS, ConversationLine, ConversationPage, ConversationQuery
from trimtab.store.search import DEFAULT_BUDGET, Cursor
from trimtab.store.windows import HOUR_NS, windows, within

TOKEN_CLASSES: Final = ("input", "cache_read", "cache_write", "output", "reasoning")
LAST_HOUR: Final = (1 << 63) // HOUR_NS
EVER: Final = {"first_minute": 0, "end_minute": LAST_HOUR * 60, "tasks": [], "end_user": ""}


class ConversationReader:
    """Lists conversations, over one way to ask: first which are wanted, then what they came to."""

    def __init__(self, ask: Ask, searcher: CallSearcher) -> None:
        self._ask = ask
        self._searcher = searcher
        self._texts = statements.load("search.sql")

    def conversations(self, query: ConversationQuery) -> ConversationPage:
        """A page of conversations."""
        cursor = query.cursor or Cursor(query.order, 0.0, 0, "")
        narrowed = {"tasks": list(query.tasks), "end_user": query.end_user}
        asked: dict[str, Any] = {
            **narrowed,
            "is_first": query.cursor is None,
            "after_ns": cursor.at_ns,
            "after_id": cursor.call,
            "limit": query.limit + 1,
        }
        if query.order == "newest":
            found = self._newest(query, asked)
        else:
            statement = self._texts["largest_conversations"]
            result = self._ask(
                statement,
                order=query.order,
                after_figure=cursor.figure,
                **asked,
                **_hours(query.since_ns, query.until_ns),
            )
            found = list(result.named_results())
        shown = found[: query.limit]
        window = _hours(query.since_ns, query.until_ns) | narrowed
        lines = {line.conversation: line for line in self._lines([row["id"] for row in shown], window)}
        after = ""
        if len(found) > query.limit:
            last = shown[-1]
            after = Cursor(query.order, last["measured"], last["last_at"], last["id"]).text()
        return ConversationPage(tuple(lines[row["id"]] for row in shown if row["id"] in lines), after)

    def conversation(self, conversation: str) -> ConversationLine | None:
        """One conversation; None if none of its calls is here."""
        lines = self._lines([conversation], EVER) if conversation else ()
        return lines[0] if lines else None

    def _newest(self, query: ConversationQuery, asked: Mapping[str, Any]) -> list[Mapping[str, Any]]:
        """Looks back further and further: what of a conversation is seen first is its last call."""
        hours, _ = within(self._searcher.hours(query.since_ns, query.until_ns, query.tasks), DEFAULT_BUDGET)
        found: list[Mapping[str, Any]] = []
        until_ns = -(-query.until_ns // HOUR_NS) * HOUR_NS
        for part in windows(hours, query.since_ns // HOUR_NS * HOUR_NS, until_ns):
            result = self._ask(self._texts["newest_conversations"], **asked, **_hours(part.since_ns, until_ns))
            found = list(result.named_results())
            if len(found) > query.limit:
                break
        return found

    def _lines(self, ids: Sequence[str], window: Mapping[str, Any]) -> tuple[ConversationLine, ...]:
        if not ids:
            return ()
        result = self._ask(self._texts["conversations"], ids=list(ids), most_tasks=MAX_TASKS, **window).named_results()
        scored = self._ask(self._texts["completed_conversations"], ids=list(ids)).named_results()
        completed = {row["conversation"]: row["completed"] for row in scored}
        return tuple(_line(row, completed.get(row["id"])) for row in result)


def _hours(since_ns: int, until_ns: int) -> dict[str, int]:
    """A window of whole hours, in minutes."""
    hour = HOUR_NS // MINUTE_NS
    return {"first_minute": since_ns // HOUR_NS * hour, "end_minute": -(-until_ns // HOUR_NS) * hour}


def _line(row: Mapping[str, Any], completed: int | None) -> ConversationLine:
    return ConversationLine(
        conversation=row["id"],
        end_user=row["end_users"],
        tasks=tuple(row["tasks"]),
        first_ns=row["first_at"],
        last_ns=row["last_at"],
        calls=row["calls"],
        failed=row["failed"],
        invalid=row["invalid"],
        worst=row["worst"] or "ok",
        tokens={name: row[name] for name in TOKEN_CLASSES},
        cost=dict(row["cost"]),
        completed=None if completed is None else bool(completed),
    )
