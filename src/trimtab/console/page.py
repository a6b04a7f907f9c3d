"""What a page is: a question, a template, and data that go into both HTML and JSON."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import tzinfo
from typing import Any, Final, Generic, TypeVar
from urllib.parse import quote, urlencode

from trimtab.console.charts import Chart
from trimtab.console.endpoint import Least, Query, Visitor
from trimtab.console.parts import Parts
from trimtab.console.tables import Table
from trimtab.console.window import Window
from trimtab.policy.snapshot import Snapshot

T = TypeVar("T")
Given = str | int | float | bool | None | tuple[str, ...]
EVERYWHERE: Final = (
    Query("range", "how far back: 15m, 1h, 6h, 24h, 7d or 28d"),
    Query("from", "when the range begins, 2026-11-01T10:30Z"),
    Query("to", "when the range ends"),
    Query("sort", "TABLE.KEY, or TABLE.-KEY for the largest first"),
    Query("format", "html, json or csv"),
    Query("table", "which table, with format=csv or json"),
)
"""The parameters that every page takes."""


@dataclass(frozen=True)
class Asked:
    """What somebody wants to see. `query` holds the page's own parameters, `lists` those that may come many times.

    `places` are the pages there are, by the first step of their address (`/calls`); empty is any.
    """

    visitor: Visitor
    window: Window
    zone: tzinfo
    now_ns: int
    place: str
    path: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    lists: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    places: frozenset[str] = frozenset()

    @property
    def tasks(self) -> tuple[str, ...]:
        """The tasks the visitor may see; empty for all."""
        return self.visitor.tasks

    def to(self, place: str, **query: Given) -> str:
        """The address of another page, with the same range; empty where there is no such page.

        Parameters that are None, False or empty are left out.
        """
        if self.places and section(place) not in self.places:
            return ""
        return address(place, {**self.window.query, **query})

    def here(self, **query: Given) -> str:
        """The address of this page with some parameters changed; None takes one out."""
        mine: dict[str, Given] = {**self.window.query, **self.query, **self.lists}
        return address(self.place, {**mine, **query})

    def calls(self, **filters: Given) -> str:
        """The address of the calls behind a figure, in the same range."""
        return self.to("/calls", **filters)

    def task(self, name: str, **query: Given) -> str:
        """The address of a task's page."""
        return self.to(f"/tasks/{quote(name, safe='', errors='replace')}", **query)


@dataclass(frozen=True)
class Built(Generic[T]):
    """What a page is made of: `data` goes into JSON, and with tables and charts, by name, into the template; `extra` is
    what only the template wants.
    """

    data: T
    tables: tuple[Table[Any], ...] = ()
    charts: tuple[Chart, ...] = ()
    title: str = ""
    extra: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Page(Generic[T]):
    """One page. Its template is `NAME.html`; `nav` is its word in the navigation, empty if it does not stand there, and
    `key` the letter that leads there after `g`. `data` is the type of its JSON.
    """

    name: str
    path: str
    title: str
    says: str
    data: type[T]
    build: Callable[[Asked, Parts], Awaitable[Built[T]]]
    nav: str = ""
    key: str = ""
    query: tuple[Query, ...] = ()
    least: Least = "viewer"
    whole: bool = False


@dataclass(frozen=True)
class Action:
    """What a form of a page does, for operators unless told otherwise; `do` returns the address to go on to."""

    path: str
    says: str
    do: Callable[[Asked, Parts, Mapping[str, str]], Awaitable[str]]
    least: Least = "operator"
    whole: bool = False


@dataclass(frozen=True)
class Attachment:
    """Foreign bytes to take along. They go out as plain text, which no browser shows or runs, under this name."""

    name: str
    content: bytes


@dataclass(frozen=True)
class Download:
    """A file that a page leads to."""

    path: str
    says: str
    get: Callable[[Asked, Parts], Awaitable[Attachment]]
    least: Least = "viewer"
    whole: bool = False


def section(place: str) -> str:
    """The first step of an address: `/tasks` of `/tasks/triage?range=1h`."""
    return "/" + place.partition("?")[0].split("/")[1]


def address(place: str, query: Mapping[str, Given]) -> str:
    """A place with its query."""
    pairs: list[tuple[str, str]] = []
    for name, value in query.items():
        match value:
            case None | False | "" | ():
                continue
            case tuple():
                pairs += [(name, one) for one in value]
            case True:
                pairs.append((name, "true"))
            case _:
                pairs.append((name, str(value)))
    return f"{place}?{urlencode(pairs, errors='replace')}" if pairs else place


def known_tasks(policy: Snapshot, visitor: Visitor) -> tuple[str, ...]:
    """The declared tasks that the visitor may see, in alphabetical order."""
    return tuple(name for name in sorted(policy.tasks) if visitor.sees(name))
