"""The filters of a page of calls: as the address has them, as a form and chips, and as the search they ask for."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import parse_qsl, urlencode

from starlette.datastructures import QueryParams

from trimtab.console.call_query import LISTS, MARKS, NAMES, SEARCH, UNITS, call_search
from trimtab.console.endpoint import Query
from trimtab.console.page import Asked, Given
from trimtab.store.search import MEASURES, CallSearch

PAGED: Final = frozenset({"since", "until", "after", "limit"})
"""Parameters of a search that are no part of a filter: the range is the page's own."""
QUERY: Final = (
    *(one for one in SEARCH if one.name not in ("since", "until")),
    Query("trail", "where the pages before this one began", many=True),
)
"""The parameters of a page of calls."""
FILTERS: Final = tuple(one.name for one in SEARCH if one.name not in PAGED)
FIRST: Final = frozenset({"task", "model", "outcome", "verdict", "text", "order"})
"""What the form shows at once; the rest folds."""
MOST_TRAIL: Final = 30
WORDS: Final = {
    "bad_tool_call": "bad tool call",
    "tool_error": "tool error",
    "finish_reason": "finish",
    "end_user": "end user",
    "system_prompt": "system prompt",
}
Chosen = dict[str, tuple[str, ...]]


@dataclass(frozen=True)
class Chip:
    """One filter that is on, and the address without it."""

    words: str
    href: str


def chosen_of(asked: Asked) -> Chosen:
    """The filters of an address, those that say nothing left out."""
    given = [(name, value) for name, values in asked.lists.items() for value in values]
    return chosen_in([*given, *asked.query.items()])


def chosen_in(pairs: list[tuple[str, str]]) -> Chosen:
    """The filters among pairs of names and values."""
    found: Chosen = {}
    for name, value in pairs:
        if name not in FILTERS or not value or (name in MARKS and value != "true"):
            continue
        if name == "order" and value == "newest":
            continue
        known = found.get(name, ()) if name in LISTS else ()
        if value not in known:
            found[name] = (*known, value)
    return found


def read_filter(text: str) -> Chosen:
    """The filters of a query that was written down."""
    return chosen_in(parse_qsl(text))


def written_filter(chosen: Chosen) -> str:
    """The same as the query of an address."""
    return urlencode([(name, value) for name, values in chosen.items() for value in values], errors="replace")


def search_of(asked: Asked, chosen: Chosen, limit: int = 50) -> CallSearch:
    """The search that an address asks for, in the range of its page and among the tasks that the visitor may see.

    Raises `InvalidRequest` and `Forbidden`.
    """
    paged = [(name, asked.query[name]) for name in ("after", "limit") if name in asked.query]
    pairs = [(name, value) for name, values in chosen.items() for value in values]
    tasks = asked.visitor.within(chosen.get("task", ()))
    found = call_search(QueryParams([*pairs, *paged]), tasks, asked.now_ns, limit)
    return replace(found, since_ns=asked.window.since_ns, until_ns=asked.window.until_ns)


def place_of(asked: Asked, chosen: Chosen, place: str = "/calls", **more: Given) -> str:
    """The address of the calls with these filters, in the same range."""
    return asked.to(place, **{**chosen, **more})


def chips_of(asked: Asked, chosen: Chosen, place: str = "/calls") -> tuple[Chip, ...]:
    """A chip for each filter that is on; the order is none."""
    found = []
    for name, values in chosen.items():
        if name == "order":
            continue
        for value in values:
            rest = {**chosen, name: tuple(one for one in values if one != value)}
            found.append(Chip(words_of(name, value), place_of(asked, rest, place)))
    return tuple(found)


def words_of(name: str, value: str) -> str:
    """What a filter says."""
    bound, _, measure = name.partition("_")
    if name in MARKS:
        return WORDS.get(name, name)
    if bound in ("min", "max") and measure in MEASURES:
        return f"{measure} {'at least' if bound == 'min' else 'at most'} {value} {UNITS[measure]}"
    if name == "text":
        return f"says \u201c{value}\u201d"
    if name in LISTS or name in NAMES:
        return f"{WORDS.get(name, name)} {value}"
    return f"{name} {value}"


@dataclass(frozen=True)
class Pager:
    """Where the first page is, the one before and the next; empty where there is none."""

    first: str
    before: str
    after: str


def pager_of(asked: Asked, chosen: Chosen, after: str, place: str = "/calls") -> Pager:
    """The ways from a page to its neighbours: the cursors of the pages before come along in the address."""
    here, limit = asked.query.get("after", ""), asked.query.get("limit", "")
    trail = tuple(filter(None, asked.lists.get("trail", ())))[-MOST_TRAIL:]

    def to(cursor: str, behind: tuple[str, ...]) -> str:
        return place_of(asked, chosen, place, after=cursor, trail=behind, limit=limit)

    onward = to(after, (*trail, here) if here else trail) if after else ""
    if not here:
        return Pager("", "", onward)
    return Pager(to("", ()), to(trail[-1] if trail else "", trail[:-1]), onward)
