"""The table of routes: what control serves, to whom, and whether it changes anything. No route is added otherwise."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final, Literal

from starlette.requests import Request
from starlette.responses import Response

from trimtab.access.keys import Key
from trimtab.errors import Forbidden, InvalidRequest

Method = Literal["GET", "POST", "DELETE"]
Least = Literal["anyone", "client", "viewer", "operator", "admin", "owner"]
LEAST: Final[tuple[Least, ...]] = ("anyone", "client", "viewer", "operator", "admin", "owner")
"""From least to most. `anyone` needs no key; `owner` is whoever can open the unix socket of the data directory."""
MOST_GIVEN: Final = 200
"""Parameters of a query; those that may come many times count each time."""
SAFE: Final = frozenset({"GET", "HEAD"})
Handler = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True)
class Query:
    """A parameter of a route's query. `kind` is its type, `many` says whether it may be given again and again."""

    name: str
    says: str
    kind: Any = str
    many: bool = False


@dataclass(frozen=True)
class Endpoint:
    """One method of one path.

    `least` is the role that a key needs. `acts` tells that it changes something. `whole` closes it to keys for some
    tasks only, because what it shows or does is of the whole host. `page` answers with HTML, its errors too. `socket`
    serves it on the unix socket as well. `answers` is the type of the JSON it gives, `body` of the JSON it takes;
    `media` tells what it gives where that is no JSON. `query` None leaves its parameters unchecked.
    """

    method: Method
    path: str
    least: Least
    handle: Handler
    says: str
    acts: bool = False
    whole: bool = False
    page: bool = False
    socket: bool = True
    answers: Any = None
    status: int = 200
    body: Any = None
    media: str = "application/json"
    query: tuple[Query, ...] | None = None

    def __post_init__(self) -> None:
        if self.acts and self.method == "GET":
            raise ValueError(f"{self.path}: what changes something is no GET")


@dataclass(frozen=True)
class Visitor:
    """Whoever sent a request. `form` is what the forms of its pages bring along; empty for a program with a key. `key`
    is the id of its key, where it has one: several keys may have one name.
    """

    name: str
    role: Least
    tasks: tuple[str, ...] = ()
    form: str = ""
    session: str = ""
    key: str = ""

    @classmethod
    def of(cls, key: Key, form: str = "", session: str = "") -> Visitor:
        """The bearer of a key."""
        return cls(key.name, key.role, key.tasks, form, session, key.id)

    @property
    def reviewer(self) -> str:
        """As whom they label: by the id of a key, since several may have one name."""
        return self.key or self.name

    def may(self, least: Least) -> bool:
        """Whether its role is at least this one."""
        return LEAST.index(self.role) >= LEAST.index(least)

    def sees(self, task: str) -> bool:
        """Whether it may see this task's calls and figures."""
        return not self.tasks or task in self.tasks

    def within(self, asked: tuple[str, ...]) -> tuple[str, ...]:
        """The tasks asked for, or all it may see; empty is every task. Raises `Forbidden` for another task."""
        hidden = sorted(task for task in asked if not self.sees(task))
        if hidden:
            raise Forbidden(key=self.name, what=f"task {', '.join(hidden)}")
        return asked or self.tasks


OWNER: Final = Visitor("(owner)", "owner")
NOBODY: Final = Visitor("(none)", "anyone")


def visitor_of(request: Request) -> Visitor:
    """Whoever sent this request, as the gate found."""
    found: Visitor = getattr(request.state, "visitor", NOBODY)
    return found


def tasks_of(request: Request) -> tuple[str, ...]:
    """The tasks `?task=` asks for, within those the visitor may see; empty is every task. Raises `Forbidden`."""
    return visitor_of(request).within(tuple(request.query_params.getlist("task")))


def checked(request: Request, known: tuple[Query, ...]) -> None:
    """Raises `InvalidRequest` for a parameter that is not known, or is given twice and may not be, and for too many."""
    given = len(request.query_params.multi_items())
    if given > MOST_GIVEN:
        raise InvalidRequest(detail=f"{given} parameters are too many; give {MOST_GIVEN} at most")
    by_name = {query.name: query for query in known}
    for name in request.query_params:
        if name not in by_name:
            listed = ", ".join(sorted(by_name)) or "none"
            raise InvalidRequest(detail=f"?{name[:80]}= is not known here; use {listed}")
        if not by_name[name].many and len(request.query_params.getlist(name)) > 1:
            raise InvalidRequest(detail=f"?{name}= is given twice; give it once")
