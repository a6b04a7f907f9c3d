"""The route that draws cases from calls, on the unix socket only: it shows bodies."""

from __future__ import annotations

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from trimtab.clock import Clock
from trimtab.errors import InvalidRequest
from trimtab.processes.desk import Desk
from trimtab.processes.draw import Wish, drawn, understood


def data_routes(desk: Desk, clock: Clock) -> list[Route]:
    """The routes, each answering JSON."""

    async def draw(request: Request) -> Response:
        """Cases of the calls that the body wishes for."""
        try:
            wish = msgspec.json.decode(await request.body(), type=Wish)
        except msgspec.DecodeError as wrong:
            raise InvalidRequest(detail=f"the body is not a wish for cases: {wrong}") from wrong
        understood(wish)
        found = await desk.ask(lambda stores: drawn(stores, wish, clock.wall_ns()))
        return Response(msgspec.json.encode(found), media_type="application/json")

    return [Route("/api/data/draw", draw, methods=["POST"])]
