"""The route that draws cases from calls, for the owner only: what it makes goes into the project.

Each body is a question of its own to the desk, so that ingest and other questions have their turns between them.
"""

from __future__ import annotations

import asyncio

from starlette.requests import Request
from starlette.responses import Response

from trimtab.clock import Clock
from trimtab.console.endpoint import Endpoint
from trimtab.console.problems import json_answer, json_given
from trimtab.data.drawn import Drawn, Read
from trimtab.processes.desk import Desk
from trimtab.processes.draw import Wish, body_of, cases_of, pool_of, understood

ANSWER_S = 60.0
"""How long one body may take."""


def data_endpoints(desk: Desk, clock: Clock) -> tuple[Endpoint, ...]:
    """The rows of the table of routes."""

    one_at_a_time = asyncio.Lock()

    async def draw(request: Request) -> Response:
        """Cases of the calls that the body wishes for."""
        wish = json_given(await request.body(), Wish, "a wish for cases")
        understood(wish)
        async with one_at_a_time:
            pool = await desk.ask(lambda stores: pool_of(stores, wish, clock.wall_ns()))
            found = await asyncio.to_thread(cases_of, pool, wish, _reading(desk))
        return json_answer(found)

    return (
        Endpoint(
            "POST",
            "/api/data/draw",
            "owner",
            draw,
            "cases of recorded calls, with what was asked and answered",
            answers=Drawn,
            body=Wish,
            query=(),
        ),
    )


def _reading(desk: Desk) -> Read:
    """Reads bodies from a thread that is not the loop's."""
    loop = asyncio.get_running_loop()

    def read(digest: str) -> bytes | None:
        asked = asyncio.run_coroutine_threadsafe(desk.ask(lambda stores: body_of(stores, digest)), loop)
        return asked.result(ANSWER_S)

    return read
