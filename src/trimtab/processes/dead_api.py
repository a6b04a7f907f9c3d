"""The routes of dead letters: a viewer sees them, an operator spends money on them or drops them."""

from __future__ import annotations

from typing import Final

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from trimtab.clock import Clock
from trimtab.console.endpoint import Endpoint, Query, Visitor, visitor_of
from trimtab.console.problems import json_answer, json_given
from trimtab.errors import InvalidRequest
from trimtab.journal.dead_letters import DeadLetter, Letters, Tally
from trimtab.processes.dead import Redriven, Shown, Undertaker
from trimtab.reports.window import since_ns

MAX_LIMIT: Final = 10_000
MAX_DIGITS: Final = 9
"""Of a number in an address; a longer one is none that a route takes."""
QUERY: Final = (
    Query("task", "a task"),
    Query("model", "a model"),
    Query("cause", "an error's code"),
    Query("since", "an age (30m, 1h, 7d) or a time"),
    Query("limit", f"how many at most, 1 to {MAX_LIMIT}", int),
)


class Listed(msgspec.Struct, frozen=True):
    """Letters, newest first, and how many there are of each cause."""

    letters: tuple[DeadLetter, ...]
    tally: tuple[Tally, ...]


class Dropped(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body that names letters to drop, and the answer that names those that were there."""

    ids: tuple[str, ...]


def dead_endpoints(undertaker: Undertaker, clock: Clock) -> tuple[Endpoint, ...]:
    """The rows of the table of routes; the row that takes any id comes last."""
    listed, show = _looking(undertaker, clock)
    return (listed, *_acting(undertaker), show)


def _looking(undertaker: Undertaker, clock: Clock) -> tuple[Endpoint, Endpoint]:
    async def listed(request: Request) -> Response:
        """The letters: ?task=&model=&cause=&since=&limit=."""
        visitor = visitor_of(request)
        wanted = _wanted(request, clock)
        tasks = visitor.within((wanted.task,) if wanted.task else ())
        found = [
            letter
            for task in (tasks or ("",))
            for letter in await undertaker.list(msgspec.structs.replace(wanted, task=task))
        ]
        found.sort(key=lambda letter: (letter.first_ns, letter.id), reverse=True)
        tally = tuple(one for one in undertaker.waiting if visitor.sees(one.task))
        return json_answer(Listed(tuple(found[: wanted.limit]) if tasks else tuple(found), tally))

    async def show(request: Request) -> Response:
        """One letter with its request."""
        return json_answer(await _seen(undertaker, visitor_of(request), request.path_params["id"]))

    return (
        Endpoint("GET", "/api/dead", "viewer", listed, "dead letters, newest first", answers=Listed, query=QUERY),
        Endpoint("GET", "/api/dead/{id:path}", "viewer", show, "one letter with its request", answers=Shown, query=()),
    )


def _acting(undertaker: Undertaker) -> tuple[Endpoint, ...]:
    async def redrive(request: Request) -> Response:
        """Re-drives one letter and tells what became of it."""
        letter: str = request.path_params["id"]
        if visitor_of(request).tasks:
            await _seen(undertaker, visitor_of(request), letter)
        done = await undertaker.redrive(letter)
        if done is None:
            raise _missing(letter)
        return json_answer(done)

    async def drop(request: Request) -> Response:
        """Drops the letters the body names."""
        named = json_given(await request.body(), Dropped, '{"ids": [...]}')
        if visitor_of(request).tasks:
            for letter in named.ids:
                await _seen(undertaker, visitor_of(request), letter)
        return json_answer(Dropped(await undertaker.drop(named.ids)))

    return (
        Endpoint(
            "POST",
            "/api/dead/drop",
            "operator",
            drop,
            "takes letters out",
            acts=True,
            answers=Dropped,
            body=Dropped,
            query=(),
        ),
        Endpoint(
            "POST",
            "/api/dead/{id:path}/redrive",
            "operator",
            redrive,
            "sends a call again, or reads damaged records",
            acts=True,
            answers=Redriven,
            query=(),
        ),
    )


async def _seen(undertaker: Undertaker, visitor: Visitor, letter: str) -> Shown:
    """A letter that the visitor may see."""
    found = await undertaker.show(letter)
    if found is None or not visitor.sees(found.letter.task):
        raise _missing(letter)
    return found


def _wanted(request: Request, clock: Clock) -> Letters:
    asked = dict(request.query_params)
    limit = asked.get("limit", "50")
    if not limit.isdecimal() or len(limit) > MAX_DIGITS or not 0 < int(limit) <= MAX_LIMIT:
        raise InvalidRequest(detail=f"?limit={limit[:40]} is not a number from 1 to {MAX_LIMIT}")
    since = asked.get("since", "")
    try:
        from_ns = since_ns(since, clock.wall_ns()) if since else 0
    except ValueError as wrong:
        raise InvalidRequest(detail=str(wrong)) from wrong
    return Letters(asked.get("task", ""), asked.get("model", ""), asked.get("cause", ""), from_ns, limit=int(limit))


def _missing(letter: str) -> HTTPException:
    return HTTPException(404, f"there is no dead letter {letter[:80]}; `trimtab dead list` lists them")
