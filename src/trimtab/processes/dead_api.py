"""The routes of dead letters, on the unix socket only: they show bodies and spend money."""

from __future__ import annotations

from typing import Any

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from trimtab.clock import Clock
from trimtab.errors import InvalidRequest
from trimtab.journal.dead_letters import Letters
from trimtab.processes.dead import Undertaker
from trimtab.reports.window import since_ns

MAX_LIMIT = 10_000
KNOWN = frozenset({"task", "model", "cause", "since", "limit"})


class Dropped(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body that names letters to drop, and the answer that names those that were there."""

    ids: tuple[str, ...]


def dead_routes(undertaker: Undertaker, clock: Clock) -> list[Route]:
    """The routes, each answering JSON."""

    async def listed(request: Request) -> Response:
        """The letters: ?task=&model=&cause=&since=&limit=."""
        return _json({"letters": await undertaker.list(_wanted(request, clock)), "tally": undertaker.waiting})

    async def show(request: Request) -> Response:
        """One letter with its request."""
        found = await undertaker.show(request.path_params["id"])
        if found is None:
            raise _missing(request)
        return _json(found)

    async def redrive(request: Request) -> Response:
        """Re-drives one letter and tells what became of it."""
        done = await undertaker.redrive(request.path_params["id"])
        if done is None:
            raise _missing(request)
        return _json(done)

    async def drop(request: Request) -> Response:
        """Drops the letters the body names."""
        try:
            named = msgspec.json.decode(await request.body(), type=Dropped)
        except msgspec.DecodeError as wrong:
            raise InvalidRequest(detail=f'the body is not {{"ids": [...]}}: {wrong}') from wrong
        return _json(Dropped(await undertaker.drop(named.ids)))

    return [
        Route("/api/dead", listed, methods=["GET"]),
        Route("/api/dead/drop", drop, methods=["POST"]),
        Route("/api/dead/{id:path}/redrive", redrive, methods=["POST"]),
        Route("/api/dead/{id:path}", show, methods=["GET"]),
    ]


def _wanted(request: Request, clock: Clock) -> Letters:
    asked = dict(request.query_params)
    unknown = sorted(set(asked) - KNOWN)
    if unknown:
        raise InvalidRequest(detail=f"?{unknown[0]}= is not known here; use {', '.join(sorted(KNOWN))}")
    limit = asked.pop("limit", "50")
    if not limit.isdecimal() or not 0 < int(limit) <= MAX_LIMIT:
        raise InvalidRequest(detail=f"?limit={limit} is not a number from 1 to {MAX_LIMIT}")
    since = asked.pop("since", "")
    try:
        from_ns = since_ns(since, clock.wall_ns()) if since else 0
    except ValueError as wrong:
        raise InvalidRequest(detail=str(wrong)) from wrong
    named = {name: asked.get(name, "") for name in ("task", "model", "cause")}
    return Letters(named["task"], named["model"], named["cause"], from_ns, limit=int(limit))


def _missing(request: Request) -> HTTPException:
    return HTTPException(404, f"there is no dead letter {request.path_params['id']}; `trimtab dead list` lists them")


def _json(content: Any) -> Response:
    return Response(msgspec.json.encode(content), media_type="application/json")
