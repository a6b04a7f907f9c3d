"""Searching calls in ClickHouse: statements of `sql/search.sql` and their rows."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol

from clickhouse_connect.driver.query import QueryResult

from trimtab.record.events import Settled
from trimtab.store import rows, statements
from trimtab.store.search import CallOrder, CallPage, CallSearch, Cursor, Example, ReadingMatch
from trimtab.store.texts import CallText
from trimtab.store.windows import FIRST_CALLS, HOUR_NS, Hour, Window, look, next_least, within

MINUTE_NS: Final = 60_000_000_000
FIGURES: Final[Mapping[CallOrder, str]] = {
    "newest": "0.",
    "slowest": "toFloat64(c.total_s)",
    "slowest_first_token": "toFloat64(c.ttft_s)",
    "dearest": "toFloat64(c.cost_pusd)",
    "longest": "toFloat64(c.answer_tokens)",
}
"""What each order goes by."""
LISTS: Final = (
    *("tasks", "models", "replicas", "outcomes", "verdicts", "finish_reasons", "environments", "keys", "prompts"),
    "locks",
)
NAMES: Final = ("run", "conversation", "end_user", "system_prompt", "tools", "tool")
MARKS: Final = ("failing", "bad_tool_call", "tool_error", "retried")
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
        calls = self._calls(found, "found_briefly" if wanted.brief else "found_calls")
        return CallPage(calls, after, looked_back_ns)

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
        dimension = ("model" if tasks else "models") if models else ("task" if tasks else "models")
        asked = {"tasks": list(tasks), "models": list(models), "dimension": dimension}
        result = self._ask(self._texts["calls_by_hour"], **asked, **window)
        return tuple(Hour(hour, int(calls)) for hour, calls in result.result_rows)

    def _found(self, wanted: CallSearch, reading: ReadingMatch | None) -> tuple[list[dict[str, Any]], str, int]:
        """Where the calls of a page lie; the cursor behind it; and how far back was looked."""
        cursor = wanted.cursor
        until_ns = wanted.until_ns
        if cursor is not None and wanted.order == "newest":
            until_ns = min(until_ns, cursor.at_ns + 1)
        hours, whole = within(self.hours(wanted.since_ns, until_ns, wanted.tasks, wanted.models), wanted.budget)
        looked_back_ns = wanted.since_ns if whole else max(wanted.since_ns, hours[-1].hour * HOUR_NS)
        text, asked = self._statement(wanted, reading)
        found: list[dict[str, Any]] = []
        behind, looked, missing = 0, 0, wanted.limit + 1
        least = FIRST_CALLS if wanted.order == "newest" else sum(hour.calls for hour in hours)
        while missing and behind < len(hours):
            part = look(hours, behind, least, wanted.since_ns, until_ns)
            result = self._ask(text, **asked, **_bounds(part.window), limit=missing)
            found += map(dict, result.named_results())
            behind, looked, missing = part.hours, looked + part.calls, wanted.limit + 1 - len(found)
            least = next_least(least, looked, len(found), missing)
        return found[: wanted.limit], _after(wanted, found, looked_back_ns), looked_back_ns

    def _statement(self, wanted: CallSearch, reading: ReadingMatch | None) -> tuple[str, dict[str, Any]]:
        """The statement with the conditions that are asked, and their parameters."""
        asked = _narrowed(wanted) | _read(reading)
        behind: dict[str, dict[str, Any]] = {} if wanted.cursor is None else {"behind": _behind(wanted.cursor)}
        measured: dict[str, dict[str, Any]] = {} if wanted.order == "newest" else {"measured": {}}
        conditions = asked | measured | behind
        narrowed = "\n  ".join(self._texts[f"if_{name}"] for name in conditions)
        text = self._texts["search"].replace("{narrowed}", narrowed).replace("{measured}", FIGURES[wanted.order])
        return text, {name: value for values in conditions.values() for name, value in values.items()}

    def _calls(self, found: Sequence[Mapping[str, Any]], statement: str) -> tuple[Settled, ...]:
        places = [(row["at_minute"], row["id"]) for row in found]
        if not places:
            return ()
        result = self._ask(self._texts[statement], places=places).named_results()
        call_of = rows.brief_of if statement == "found_briefly" else rows.call_of
        calls = {(row["settled_ns"], row["call"]): call_of(row) for row in result}
        return tuple(call for row in found if (call := calls.get((row["ended_ns"], row["id"]))) is not None)

    def _kept(self, places: Sequence[Place]) -> tuple[CallText, ...]:
        result = self._ask(self._texts["found_texts"], places=list(places)).named_results()
        return tuple(CallText(**row) for row in result)


def _narrowed(wanted: CallSearch) -> dict[str, dict[str, Any]]:
    """The parameters of each condition that is asked, by its name."""
    asked: dict[str, dict[str, Any]] = {}
    for name in (*LISTS, *NAMES):
        value = getattr(wanted, name)
        if value:
            asked[name] = {name: list(value) if name in LISTS else value}
    asked |= {name: {} for name in MARKS if getattr(wanted, name)}
    asked |= {one.measure: _between(one.measure, one.least, one.most) for one in wanted.ranges}
    if wanted.text:
        asked["said"] = {"said": escaped(wanted.text)}
    return asked


def _read(reading: ReadingMatch | None) -> dict[str, dict[str, Any]]:
    if reading is None:
        return {}
    if reading.least is None and reading.most is None:
        return {"category": {"field": reading.field, "category": reading.value}}
    return {"number": {"field": reading.field} | _between("number", reading.least, reading.most)}


def _between(name: str, least: float | None, most: float | None) -> dict[str, float]:
    return {
        f"{name}_least": -math.inf if least is None else least,
        f"{name}_most": math.inf if most is None else most,
    }


def _behind(place: Cursor) -> dict[str, Any]:
    return {"after_figure": place.figure, "after_ns": place.at_ns, "after_call": place.call}


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
