"""How a process asks a replica on its own account: whether it is well, what it makes of a schema, who it is.

Each question goes out on a connection of its own, which tries that too.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from trimtab.declare.project import Model
from trimtab.errors import ConnectError
from trimtab.gateway.enforce import Target
from trimtab.gateway.http.headers import Headers
from trimtab.gateway.upstreams.origin import Origin
from trimtab.gateway.upstreams.pool import Pool
from trimtab.gateway.upstreams.signers import Signers
from trimtab.gateway.upstreams.sink import Failure
from trimtab.policy.snapshot import Snapshot

CONNECT_TIMEOUT_S = 2.0
MAX_BODY = 1 << 20
HEADERS = "user-agent: trimtab\r\nconnection: close\r\n"


class ReplicaClient:
    """Asks replicas with the key, CA and proxy of their model.

    Not on a connection that calls left behind: a server may have closed that, which says nothing of its health.
    """

    def __init__(self, pool: Pool, signers: Signers) -> None:
        self._pool = pool
        self._signers = signers

    async def ask(self, model: Model, url: str, path: str, body: bytes) -> tuple[int, bytes]:
        """Status and body of `POST path` at a replica, with the model's key.

        Raises `OSError` when no whole answer came, `SecretMissing` without a key.
        """
        origin = Origin.parse(url, ca=model.ca, proxy=model.proxy)
        head, signed = Target(model, origin, self._signers.signer(model, origin)).own_request(path, body)
        return await self._exchange(origin, head, signed, keeps=True)

    async def fetch(self, model: Model, url: str, path: str) -> tuple[int, bytes]:
        """Status and body of `GET path` at a replica, with the model's key.

        Raises `OSError` when no whole answer came, `SecretMissing` without a key.
        """
        origin = Origin.parse(url, ca=model.ca, proxy=model.proxy)
        signer = self._signers.signer(model, origin)
        target = origin.base_path + signer.target(path, stream=False)
        head = f"GET {target} HTTP/1.1\r\nhost: {origin.authority}\r\n{HEADERS}".encode("latin-1")
        head += signer.headers("GET", target, b"", {})
        return await self._exchange(origin, head + b"\r\n", b"", keeps=True)

    async def _exchange(self, origin: Origin, head: bytes, body: bytes, *, keeps: bool) -> tuple[int, bytes]:
        try:
            connection = await self._pool.connect(origin, CONNECT_TIMEOUT_S)
        except ConnectError as failure:
            raise ConnectionError(str(failure)) from failure
        sink = AnswerSink(asyncio.get_running_loop().create_future(), keeps=keeps)
        connection.send(head, body, sink)
        try:
            return await sink.ended
        except asyncio.CancelledError:
            connection.abort()
            raise


class Probe(ReplicaClient):
    """The same for a worker, with health checks, which go without a key."""

    def __init__(self, pool: Pool, signers: Signers, snapshot: Callable[[], Snapshot]) -> None:
        super().__init__(pool, signers)
        self._snapshot = snapshot

    async def __call__(self, model: str, url: str, path: str) -> int:
        """The HTTP status of `GET path` at a replica; raises `OSError` when none came."""
        declared = self._snapshot().models.get(model)
        if declared is None:
            raise ConnectionError(f"{model} is declared no more")
        origin = Origin.parse(url, ca=declared.ca, proxy=declared.proxy)
        head = f"GET {origin.base_path}{path} HTTP/1.1\r\nhost: {origin.authority}\r\n{HEADERS}\r\n"
        status, _ = await self._exchange(origin, head.encode("latin-1"), b"", keeps=False)
        return status


class AnswerSink:
    """Keeps the status of an answer, and its body where it is wanted: the first MiB."""

    def __init__(self, ended: asyncio.Future[tuple[int, bytes]], *, keeps: bool) -> None:
        self.ended = ended
        self._keeps = keeps
        self._status = 0
        self._body = b""

    def on_head(self, status: int, headers: Headers) -> None:
        """The head of the answer."""
        del headers
        self._status = status

    def on_body(self, data: bytes) -> None:
        """A piece of the body."""
        if self._keeps and len(self._body) < MAX_BODY:
            self._body += data

    def on_end(self) -> None:
        """The answer is whole."""
        if not self.ended.done():
            self.ended.set_result((self._status, self._body))

    def on_broken(self, failure: Failure) -> None:
        """The answer will not be whole; where only the status is wanted, one that came counts all the same."""
        if self.ended.done():
            return
        if self._status and not self._keeps:
            self.ended.set_result((self._status, b""))
        else:
            self.ended.set_exception(ConnectionError(failure.detail))
