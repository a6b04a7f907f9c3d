"""A TCP proxy that resets connections amid answers: `python -m bench.cutting UPSTREAM_PORT PORT...`.

A request whose body holds `"user":"cut-NAME-AT-AT..."` is cut: the first time it comes by, on whichever port, after AT
bytes of the answer (its head included), the second time after the second AT, and then no more. Everything else passes.
GET /cuts gives, for each such user, the bytes after which its answers were really cut.
"""

from __future__ import annotations

import asyncio
import json
import re
import socket
import struct
import sys
from collections import Counter, defaultdict
from typing import cast

from bench import client
from bench.arm import Target

USER = re.compile(rb'"user": ?"(cut-[a-z0-9]+((?:-[0-9]+)+))"')
LINGER_NOT = struct.pack("ii", 1, 0)
LET_IT_ARRIVE_S = 0.05
"""A reset overtakes what the other side has not read yet."""


class Ledger:
    """Which requests have come by, and where they were cut."""

    def __init__(self) -> None:
        self._seen: Counter[bytes] = Counter()
        self.cuts: defaultdict[str, list[int]] = defaultdict(list)

    def cut_of(self, request: bytes) -> tuple[str, int | None]:
        """The user of a request, and after how many bytes its answer is to be cut this time."""
        found = USER.search(request)
        if found is None:
            return "", None
        user = found[1]
        places = [int(text) for text in found[2].split(b"-")[1:]]
        self._seen[user] += 1
        turn = self._seen[user]
        return user.decode(), places[turn - 1] if turn <= len(places) else None


class Upstream(asyncio.Protocol):
    """The side of the server."""

    def __init__(self, near: Near) -> None:
        self._near = near

    def data_received(self, data: bytes) -> None:
        self._near.answered(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._near.close(reset=exc is not None)


class Near(asyncio.Protocol):
    """The side of the gateway."""

    def __init__(self, ledger: Ledger, upstream_port: int) -> None:
        self._ledger = ledger
        self._port = upstream_port
        self._asked = bytearray()
        self._user = ""
        self._left: int | None = None
        self._passed = 0
        self._over = False
        self._far: asyncio.Transport | None = None
        self._dial: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._near = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        if data.startswith(b"GET /cuts "):
            body = json.dumps(self._ledger.cuts).encode()
            self._near.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body))
            return
        if self._passed:
            self._asked.clear()
            self._user, self._left, self._passed = "", None, 0
        self._asked += data
        if not self._user:
            self._user, self._left = self._ledger.cut_of(bytes(self._asked))
        if self._far is not None:
            self._far.write(data)
        elif self._dial is None:
            self._dial = asyncio.get_running_loop().create_task(self._connect())

    async def _connect(self) -> None:
        try:
            far, _ = await asyncio.get_running_loop().create_connection(lambda: Upstream(self), "127.0.0.1", self._port)
        except OSError:
            self.close(reset=True)
            return
        self._far = far
        far.write(bytes(self._asked))

    def answered(self, data: bytes) -> None:
        """The server sent this."""
        if self._over:
            return
        self._passed += len(data)
        if self._left is None or len(data) <= self._left:
            self._left = None if self._left is None else self._left - len(data)
            self._near.write(data)
            return
        self._near.write(data[: self._left])
        self._ledger.cuts[self._user].append(self._passed - len(data) + self._left)
        self._over = True
        asyncio.get_running_loop().call_later(LET_IT_ARRIVE_S, self._reset)

    def _reset(self) -> None:
        self._near.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_NOT)
        self._near.abort()
        if self._far is not None:
            self._far.abort()

    def close(self, *, reset: bool) -> None:
        """The server's side is gone."""
        if not self._over:
            self._over = True
            self._near.abort() if reset else self._near.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._over = True
        if self._far is not None:
            self._far.abort()


def cuts(port: int) -> dict[str, list[int]]:
    """What a running proxy has cut, by user."""
    answer = asyncio.run(client.ask(Target(port), b"GET /cuts HTTP/1.1\r\n\r\n"))
    found: dict[str, list[int]] = json.loads(answer.body)
    return found


async def main(upstream_port: int, ports: list[int]) -> None:
    """Serve on all ports until killed."""
    loop, ledger = asyncio.get_running_loop(), Ledger()
    for port in ports:
        await loop.create_server(lambda: Near(ledger, upstream_port), "127.0.0.1", port)
    await loop.create_future()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), [int(port) for port in sys.argv[2:]]))
