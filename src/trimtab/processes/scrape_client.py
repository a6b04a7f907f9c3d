"""Fetches what servers say of themselves for Prometheus: from the declared addresses, and nothing beyond them.

A redirect is not followed, a body has a bound, and a model's key goes to its replicas' own addresses only.
"""

from __future__ import annotations

import asyncio
from typing import Final, NamedTuple

from trimtab.declare.project import Model
from trimtab.errors import ConnectError
from trimtab.gateway.http.headers import Headers
from trimtab.gateway.upstreams.origin import Origin
from trimtab.gateway.upstreams.pool import Pool
from trimtab.gateway.upstreams.signers import Signers
from trimtab.gateway.upstreams.sink import Failure

CONNECT_TIMEOUT_S: Final = 2.0
MAX_BYTES: Final = 8 << 20
OK: Final = 200
HEADERS: Final = (
    "user-agent: trimtab\r\nconnection: close\r\naccept: text/plain;version=0.0.4\r\naccept-encoding: identity\r\n"
)


class Place(NamedTuple):
    """Where metrics are fetched: a URL, the model whose CA and proxy lead there, and whether it may have its key."""

    url: str
    model: Model
    with_key: bool = False

    @property
    def way(self) -> tuple[str, str | None, str | None, str]:
        """What two places share of which one answer is that of the other."""
        return self.url, self.model.ca, self.model.proxy, self.model.name if self.with_key else ""


class MetricsClient:
    """Fetches metrics, each time on a connection of its own."""

    def __init__(self, pool: Pool, signers: Signers, most: int = MAX_BYTES) -> None:
        """`most` is how many bytes a body may have."""
        self._pool = pool
        self._signers = signers
        self._most = most

    async def fetch(self, place: Place) -> bytes:
        """The whole body of an answer 200. Raises `OSError` for any other and when none came, `SecretMissing` without a
        key.
        """
        origin = Origin.parse(place.url, ca=place.model.ca, proxy=place.model.proxy)
        head = f"GET {origin.base_path or '/'} HTTP/1.1\r\nhost: {origin.authority}\r\n{HEADERS}".encode("latin-1")
        if place.with_key:
            head += self._signers.signer(place.model, origin).headers("GET", origin.base_path or "/", b"", {})
        try:
            connection = await self._pool.connect(origin, CONNECT_TIMEOUT_S)
        except ConnectError as failure:
            raise ConnectionError(str(failure)) from failure
        sink = BoundedSink(asyncio.get_running_loop().create_future(), self._most)
        connection.send(head + b"\r\n", b"", sink)
        try:
            return await sink.ended
        finally:
            connection.abort()


class BoundedSink:
    """Keeps the body of an answer 200 up to a bound; anything else is a failure as soon as it shows."""

    def __init__(self, ended: asyncio.Future[bytes], most: int) -> None:
        self.ended = ended
        self._most = most
        self._body = bytearray()

    def on_head(self, status: int, headers: Headers) -> None:
        """The head of the answer."""
        if status != OK:
            hint = "; a redirect is not followed, write the address it leads to" if 300 <= status < 400 else ""
            self._fail(f"it answered {status}{hint}")
        elif headers.get(b"content-encoding", b"identity").lower() != b"identity":
            self._fail("it answered compressed, though it was asked not to")

    def on_body(self, data: bytes) -> None:
        """A piece of the body."""
        if self.ended.done():
            return
        self._body += data
        if len(self._body) > self._most:
            self._body.clear()
            self._fail(f"its metrics are larger than {self._most >> 10} KiB")

    def on_end(self) -> None:
        """The answer is whole."""
        if not self.ended.done():
            self.ended.set_result(bytes(self._body))

    def on_broken(self, failure: Failure) -> None:
        """The answer will not be whole."""
        self._fail(failure.detail)

    def _fail(self, detail: str) -> None:
        if not self.ended.done():
            self.ended.set_exception(ConnectionError(detail))
