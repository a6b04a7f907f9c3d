"""How a worker asks a replica whether it is well: one GET on a connection of its own, which tries that too."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from trimtab.errors import ConnectError
from trimtab.gateway.http.headers import Headers
from trimtab.gateway.upstreams.origin import Origin
from trimtab.gateway.upstreams.pool import Pool
from trimtab.gateway.upstreams.sink import Failure
from trimtab.policy.snapshot import Snapshot

CONNECT_TIMEOUT_S = 2.0
HEADERS = "user-agent: trimtab\r\nconnection: close\r\n"


class Probe:
    """Sends health checks with the CA and proxy of the replica's model, and without its key.

    Not on a connection that calls left behind: a server may have closed that, which says nothing of its health.
    """

    def __init__(self, pool: Pool, snapshot: Callable[[], Snapshot]) -> None:
        self._pool = pool
        self._snapshot = snapshot

    async def __call__(self, model: str, url: str, path: str) -> int:
        """The HTTP status of `GET path` at a replica; raises `OSError` when none came."""
        declared = self._snapshot().models.get(model)
        if declared is None:
            raise ConnectionError(f"{model} is declared no more")
        origin = Origin.parse(url, ca=declared.ca, proxy=declared.proxy)
        try:
            connection = await self._pool.connect(origin, CONNECT_TIMEOUT_S)
        except ConnectError as failure:
            raise ConnectionError(str(failure)) from failure
        head = f"GET {origin.base_path}{path} HTTP/1.1\r\nhost: {origin.authority}\r\n{HEADERS}\r\n"
        status = StatusSink(asyncio.get_running_loop().create_future())
        connection.send(head.encode("latin-1"), b"", status)
        try:
            return await status.ended
        except asyncio.CancelledError:
            connection.abort()
            raise


class StatusSink:
    """Keeps the status of an answer and drops its body."""

    def __init__(self, ended: asyncio.Future[int]) -> None:
        self.ended = ended
        self._status = 0

    def on_head(self, status: int, headers: Headers) -> None:
        """The head of the answer."""
        del headers
        self._status = status

    def on_body(self, data: bytes) -> None:
        """A piece of the body, which does not matter here."""

    def on_end(self) -> None:
        """The answer is whole."""
        if not self.ended.done():
            self.ended.set_result(self._status)

    def on_broken(self, failure: Failure) -> None:
        """The answer will not be whole; a status that came counts all the same."""
        if self.ended.done():
            return
        if self._status:
            self.ended.set_result(self._status)
        else:
            self.ended.set_exception(ConnectionError(failure.detail))
