"""The kept-alive connections to replicas, by origin."""

from __future__ import annotations

import asyncio

from trimtab.clock import Clock
from trimtab.gateway.upstreams.connection import UpstreamConnection
from trimtab.gateway.upstreams.dial import Dialer
from trimtab.gateway.upstreams.origin import Origin


class Pool:
    """One worker's connections.

    The one used last is used next, so that the others age: a connection that rested `idle_s` or lived `lifetime_s`
    seconds is closed, and so is the one that rested longest when an origin has more than `max_idle` of them. How many
    are in use is the caller's matter. `max_head` bounds the head of an answer, in bytes.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        idle_s: float = 30.0,
        lifetime_s: float = 600.0,
        max_idle: int = 1024,
        max_head: int = 64 << 10,
    ) -> None:
        self.max_head = max_head
        self._clock = clock
        self._idle_s = idle_s
        self._lifetime_s = lifetime_s
        self._max_idle = max_idle
        self._dialer = Dialer(clock)
        self._open: set[UpstreamConnection] = set()
        self._resting: dict[Origin, list[UpstreamConnection]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False

    def idle(self, origin: Origin) -> UpstreamConnection | None:
        """A resting connection to `origin` that can be used at once, or None."""
        resting = self._resting.get(origin)
        if not resting:
            return None
        now = self._clock.monotonic()
        while resting:
            connection = resting.pop()
            if connection.fit(now, self._idle_s, self._lifetime_s):
                connection.resting = False
                return connection
            connection.close()
        return None

    async def connect(self, origin: Origin, timeout_s: float) -> UpstreamConnection:
        """A fresh connection to `origin`; raises `ConnectTimeout` or `ConnectFailed`."""
        connection = await self._dialer.dial(
            origin, timeout_s, lambda: UpstreamConnection(origin, self, self._clock.monotonic())
        )
        self._open.add(connection)
        return connection

    def rest(self, connection: UpstreamConnection) -> None:
        """Keeps a connection that is not in use (called by the connection)."""
        if self._closed:
            connection.close()
            return
        connection.resting = True
        connection.rested_at = self._clock.monotonic()
        resting = self._resting.get(connection.origin)
        if resting is None:
            resting = self._resting[connection.origin] = []
        resting.append(connection)
        if len(resting) > self._max_idle:
            resting.pop(0).close()
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._idle_s / 4, self._sweep_again)

    def forget(self, connection: UpstreamConnection) -> None:
        """A connection is closed (called by the connection)."""
        self._open.discard(connection)
        resting = self._resting.get(connection.origin)
        if resting and connection in resting:
            resting.remove(connection)

    def sweep(self) -> None:
        """Closes resting connections that are too old or dead."""
        now = self._clock.monotonic()
        for origin, resting in list(self._resting.items()):
            for connection in [each for each in resting if not each.fit(now, self._idle_s, self._lifetime_s)]:
                connection.close()
            if not resting:
                del self._resting[origin]

    async def close(self) -> None:
        """Closes every connection, those in use too; their sinks hear no more."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for connection in list(self._open):
            connection.close()
        self._resting.clear()
        await asyncio.sleep(0)

    @property
    def open(self) -> int:
        """Connections, in use and resting."""
        return len(self._open)

    @property
    def resting(self) -> int:
        """Connections that wait to be used."""
        return sum(len(resting) for resting in self._resting.values())

    def _sweep_again(self) -> None:
        self._timer = None
        self.sweep()
        if self._resting and not self._closed:
            self._timer = asyncio.get_running_loop().call_later(self._idle_s / 4, self._sweep_again)

    def __repr__(self) -> str:
        return f"Pool({self.open} open, {self.resting} resting)"
