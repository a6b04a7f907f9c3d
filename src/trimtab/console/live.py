"""Server-sent events: that figures changed, from one producer to all open pages, which then fetch what they show anew.

A page that reads slowly holds up only itself: it gets the latest tick when it is ready, never a queue of old ones.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Final

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from trimtab.console.endpoint import Endpoint
from trimtab.errors import LiveFull

EVERY_S: Final = 1.0
"""How often it is looked whether anything changed, and whether those who listen still may."""
BEAT_TICKS: Final = 15
"""After so many looks without news a comment is sent, so that proxies and we notice who is gone."""
ECHO_TICKS: Final = 16
"""So many looks after the last news pages are told once more: until then they may have been shown figures that were
kept (`parts.KEPT_S`) from before it."""
MOST_CLIENTS: Final = 64


class Live:
    """Tells open pages when figures changed. `changed` may be called from any thread; all else is the loop's."""

    def __init__(self) -> None:
        self._version = 0
        self._seen = 0
        self._told = 0
        self._quiet = 0
        self._closed = False
        self._clients = 0
        self._tick: asyncio.Future[None] | None = None

    def __repr__(self) -> str:
        return f"Live({self._clients} pages, version {self._version}{', closed' if self._closed else ''})"

    @property
    def clients(self) -> int:
        """How many pages listen."""
        return self._clients

    def changed(self) -> None:
        """Figures changed: records came in, an alert opened."""
        self._version += 1

    async def run(self) -> None:
        """Wakes those who listen, until it is cancelled."""
        while True:
            await asyncio.sleep(EVERY_S)
            self.tick()

    def tick(self) -> None:
        """Wakes those who listen once."""
        self._quiet += 1
        if self._version != self._seen:
            self._seen, self._quiet = self._version, 0
            self._told += 1
        elif self._quiet == ECHO_TICKS and self._seen:
            self._told += 1
        tick, self._tick = self._tick, None
        if tick is not None and not tick.done():
            tick.set_result(None)

    def close(self) -> None:
        """Ends every stream; later ones end at once."""
        self._closed = True
        self.tick()

    async def stream(self, may_still: Callable[[], bool]) -> AsyncIterator[bytes]:
        """The events for one page, for as long as `may_still` says so at each look."""
        self._clients += 1
        seen, quiet = self._told, 0
        try:
            yield b"retry: 5000\n: listening\n\n"
            while not self._closed:
                await self._next()
                if self._closed or not may_still():
                    yield b"event: ended\ndata: 0\n\n"
                    return
                quiet += 1
                if self._told != seen:
                    seen, quiet = self._told, 0
                    yield b"event: changed\ndata: %d\n\n" % seen
                elif quiet >= BEAT_TICKS:
                    quiet = 0
                    yield b": still here\n\n"
        finally:
            self._clients -= 1

    def endpoint(self, may_still: Callable[[Request], bool]) -> Endpoint:
        """The route `/events`; `may_still` tells whether the sender of a request would still be let in."""

        async def events(request: Request) -> Response:
            """Ticks of figures that changed, as server-sent events."""
            if self._clients >= MOST_CLIENTS:
                raise LiveFull(most=MOST_CLIENTS, retry_after_s=30.0)
            return StreamingResponse(
                self.stream(lambda: may_still(request)),
                media_type="text/event-stream",
                headers={"x-accel-buffering": "no"},
            )

        return Endpoint(
            "GET",
            "/events",
            "viewer",
            events,
            "a tick whenever figures changed, as server-sent events",
            socket=False,
            media="text/event-stream",
            query=(),
        )

    async def _next(self) -> None:
        if self._tick is None:
            self._tick = asyncio.get_running_loop().create_future()
        await asyncio.shield(self._tick)
