"""Searching calls in ClickHouse: statements of `sql/search.sql` and their rows."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol

from clickhouse_connect.driver.query import QueryResult

from trimtab.record.events import Settled
from trimtab.store import rows, statements
from trimtab.store.search import MEASURES, CallOrder, CallPage, CallSearch, Cursor, Example, Range, ReadingMatch
from trimtab.store.texts import CallText
from trimtab.store.windows import HOUR_NS, Hour, Window, windows, within

MINUTE_NS: Final = 60_000_000_000
FIGURES: Final[Mapping[CallOrder, str]] = {
    "newest": "total_s",
    "slowest": "total_s",
    "slowest_first_token": "ttft_s",
    "dearest": "cost_pusd",
    "longest": "answer_tokens",
}
"""The column each order goes by; `newest` goes by none and reads none."""
LISTS: Final = (
    *("tasks", "models", "replicas", "outcomes", "verdicts", "finish_reasons", "environments", "keys", "prompts"),
    "locks",
)
PLAIN: Final = (
    *("run", "conversation", "end_user", "system_prompt", "tools", "tool", "failing", "bad_tool_call", "tool_error"),
    *("retried", "order"),
)
Place = tuple[int, str]
"""Where a call lies: the minute it ended in, and its id."""


class Ask(Protocol):
    """Sends a statement's text with its parameters."""

    def __call__(self, text: str, **parameters: Any) -> QueryResult:
        """The rows it answers with."""


class CallSearcher:
    """Finds calls, over one way to ask: first where they lie, then what they are."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._texts = statements.load("search.sql")

    def search(self, wanted: CallSearch) -> CallPage:
        """A page of the calls that are wanted."""
        found, after, looked_back_ns = self._found(wanted, None)
        return CallPage(self._calls(found), after, looked_back_ns)

    def examples(self, wanted: CallSearch, reading: ReadingMatch | None = None) -> tuple[Example, ...]:
        """The same calls, as few fields."""
        found, _, _ = self._found(wanted, reading)
        places = [(row["at_minute"], row["id"]) for row in found]
        if not places:
            return ()
        result = self._ask(self._texts["found_examples"], places=places).named_results()
        facts = {row["id"]: dict(row) for row in result}
        excerpts = {text.call: text.answered for text in self._kept(places)}
        return tuple(_example(facts[call], excerpts.get(call, "")) for _, call in places if call in facts)

    def text(self, call: str) -> CallText | None:
        """What is kept of a call's question and answer for searching."""
        places = self._ask(self._texts["place_of_call"], call=call).result_rows
        kept = self._kept([(minute, name) for minute, name in places]) if places else ()
        return kept[0] if kept else None

    def texts(self, calls: Sequence[Settled]) -> tuple[CallText, ...]:
        """What is kept of these calls for searching."""
        return self._kept([(call.at_ns // MINUTE_NS, call.admitted.call) for call in calls]) if calls else ()

    def hours(
        self, since_ns: int, until_ns: int, tasks: Sequence[str] = (), models: Sequence[str] = ()
    ) -> tuple[Hour, ...]:
        """The hours of a window in which these tasks and models had calls, with all calls that ended in them."""
        window = {
            "first_minute": since_ns // HOUR_NS * 60,
            "end_minute": -(-until_ns // HOUR_NS) * 60,
        }
        result = self._ask(self._texts["calls_by_hour"], tasks=list(tasks), models=list(models), **window)
        return tuple(Hour(hour, int(calls)) for hour, calls in result.result_rows)

    def _found(self, wanted: CallSearch, reading: ReadingMatch | None) -> tuple[list[dict[str, Any]], str, int]:
        """Where the calls of a page lie; the cursor behind it; and how far back was looked."""
        cursor = wanted.cursor
        until_ns = wanted.until_ns
        if cursor is not None and wanted.order == "newest":
            until_ns = min(until_ns, cursor.at_ns + 1)
        hours, whole = within(self.hours(wanted.since_ns, until_ns, wanted.tasks, wanted.models), wanted.budget)
        looked_back_ns = wanted.since_ns if whole else max(wanted.since_ns, hours[-1].hour * HOUR_NS)
        parts = windows(hours, wanted.since_ns, until_ns)
        if wanted.order != "newest" and parts:
            parts = [Window(parts[-1].since_ns, parts[0].until_ns)]
        asked = _asked(wanted) | _read(reading) | _behind(cursor)
        found: list[dict[str, Any]] = []
        for part in parts:
            result = self._ask(
                self._texts["search"],
                **asked,
                **_bounds(part),
                figure=FIGURES[wanted.order],
                limit=wanted.limit + 1 - len(found),
            )
            found += map(dict, result.named_results())
            if len(found) > wanted.limit:
                break
        return found[: wanted.limit], _after(wanted, found, looked_back_ns), looked_back_ns

    def _calls(self, found: Sequence[Mapping[str, Any]]) -> tuple[Settled, ...]:
        places = [(row["at_minute"], row["id"]) for row in found]
        if not places:
            return ()
        result = self._ask(self._texts["found_calls"], places=places).named_results()
        calls = {(row["settled_ns"], row["call"]): rows.call_of(row) for row in result}
        return tuple(call for row in found if (call := calls.get((row["ended_ns"], row["id"]))) is not None)

    def _kept(self, places: Sequence[Place]) -> tuple[CallText, ...]:
        result = self._ask(self._texts["found_texts"], places=list(places)).named_results()
        return tuple(CallText(**row) for row in result)


def _asked(wanted: CallSearch) -> dict[str, Any]:
    asked: dict[str, Any] = {name: list(getattr(wanted, name)) for name in LISTS}
    asked |= {name: getattr(wanted, name) for name in PLAIN}
    asked["said"] = escaped(wanted.text)
    ranges = {one.measure: one for one in wanted.ranges}
    for measure in MEASURES:
        found = ranges.get(measure, Range(measure))
        asked[f"by_{measure}"] = measure in ranges
        asked[f"{measure}_least"] = -math.inf if found.least is None else found.least
        asked[f"{measure}_most"] = math.inf if found.most is None else found.most
    return asked


def _read(reading: ReadingMatch | None) -> dict[str, Any]:
    match = reading or ReadingMatch("")
    return {
        "field": match.field,
        "by_value": match.least is None and match.most is None,
        "value": match.value,
        "value_least": -math.inf if match.least is None else match.least,
        "value_most": math.inf if match.most is None else match.most,
    }


def _behind(cursor: Cursor | None) -> dict[str, Any]:
    place = cursor or Cursor("", 0.0, 0, "")
    return {
        "is_first": cursor is None,
        "after_figure": place.figure,
        "after_ns": place.at_ns,
        "after_call": place.call,
    }


def _bounds(window: Window) -> dict[str, int]:
    return {
        "since_ns": window.since_ns,
        "until_ns": window.until_ns,
        "first_minute": window.since_ns // MINUTE_NS,
        "end_minute": -(-window.until_ns // MINUTE_NS),
    }


def _after(wanted: CallSearch, found: Sequence[Mapping[str, Any]], looked_back_ns: int) -> str:
    if len(found) > wanted.limit:
        last = found[wanted.limit - 1]
        return Cursor(wanted.order, last["measured"], last["ended_ns"], last["id"]).text()
    if wanted.order == "newest" and looked_back_ns > wanted.since_ns:
        return Cursor("newest", 0.0, looked_back_ns, "").text()
    return ""


def escaped(text: str) -> str:
    """A text in which nothing has a meaning of its own to LIKE."""
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def _example(facts: dict[str, Any], excerpt: str) -> Example:
    failing, tokens = tuple(facts.pop("failing")), facts.pop("output_tokens")
    return Example(call=facts.pop("id"), failing=failing, output_tokens=tokens or 0, excerpt=excerpt, **facts)
