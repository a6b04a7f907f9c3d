"""Keeper's work: asks of all connections, gathered, done in one commit, and answered when that is on disk.

While one commit waits for the disk, the next asks gather; so many writers share one fsync, and one alone waits for
nobody. The journal is used by one thread at a time, which is not the one that reads sockets.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable
from typing import Final, NamedTuple, Protocol, cast

import msgspec

from trimtab.clock import Clock
from trimtab.errors import JournalUnavailable, StoreError
from trimtab.journal import background
from trimtab.journal.asks import (
    Ask,
    Direct,
    Directed,
    Find,
    FindReviews,
    Journal,
    Load,
    Read,
    Refused,
    Renew,
    Sweep,
    Swept,
    Told,
)
from trimtab.journal.counts import Counts
from trimtab.journal.erasing import FindShreds
from trimtab.journal.frames import (
    PUSHED,
    Frames,
    FrameTooLong,
    Given,
    Health,
    Healthy,
    Hello,
    Said,
    Welcome,
    frame,
    number_of,
    read_ask,
    refusal,
)
from trimtab.journal.keeping import FindHolds
from trimtab.journal.lanes import Lane
from trimtab.journal.refusals import JournalRefusal
from trimtab.journal.run_counts import CountRuns, Standing, Verify

MOST_TOGETHER: Final = 512
"""Asks in one commit; the rest take the next one."""
MOST_READ_TOGETHER: Final = 16
READS: Final = (Read, Load, Find, FindReviews, FindHolds, FindShreds, CountRuns, Standing, Verify, *background.READS)
MOST_OPEN: Final = 1024
MOST_OPEN_BYTES: Final = 64 << 20
"""Of one connection; it is not read further until some of them are answered."""
MOST_UNREAD_BYTES: Final = 128 << 20
"""What a client may leave unread before it is hung up on."""
MOST_CONNECTIONS: Final = 8192
SWEEP_EVERY_S: Final = 1.0
COMING_S: Final = 10.0
"""How long after its start keeper waits for gateway workers to connect; then those that have not are gone."""


class Reader(Protocol):
    """Answers what only reads, beside the journal's writer; used by one thread at a time."""

    def do(self, ask: Ask) -> Told:
        """What the journal says; raises `JournalRefusal` and `StoreError`."""
        ...


class _Waiting(NamedTuple):
    link: _Link | None
    number: int
    ask: Ask
    size: int


class Keeper:
    """Serves a journal; a `reader` of it, where there is one, takes what only reads off the way of commits.

    `trouble` is called with what is wrong with the disk, once each time that changes, and with nothing when it is well
    again.
    """

    def __init__(
        self,
        journal: Journal,
        clock: Clock,
        *,
        reader: Reader | None = None,
        trouble: Callable[[str], None] = lambda what: None,
        sweep_every_s: float = SWEEP_EVERY_S,
        coming_s: float = COMING_S,
    ) -> None:
        self._journal = journal
        self._reader = reader
        self._clock = clock
        self._trouble = trouble
        self._sweep_every_s = sweep_every_s
        self._coming_s = coming_s
        self._links: set[_Link] = set()
        self._writing = Lane("journal", self._commit, self._committed, MOST_TOGETHER)
        self._reading = Lane("readings", self._read, self._told, MOST_READ_TOGETHER)
        self._server: asyncio.Server | None = None
        self._sweeper: asyncio.Task[None] | None = None
        self._swept = asyncio.Event()
        self._health = Counts(clock.wall_ns())
        self._began_s = clock.monotonic()

    async def start(self, listener: socket.socket) -> None:
        """Answers connections of this socket, which must listen."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_unix_server(lambda: _Link(self), sock=listener)
        self._sweeper = asyncio.ensure_future(self._sweep())

    async def stop(self) -> None:
        """Takes no more; what was asked is done and answered, then connections are closed."""
        if self._server is not None:
            self._server.close()
        if self._sweeper is not None:
            self._sweeper.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._sweeper
        for link in self._links:
            link.deaf()
        await self._writing.close()
        await self._reading.close()
        for link in list(self._links):
            link.close()

    def health(self) -> Healthy:
        """How it goes."""
        return self._health.told(len(self._links), self._writing.waiting + self._reading.waiting)

    def put(self, waiting: _Waiting) -> None:
        """Takes an ask in."""
        if isinstance(waiting.ask, Renew) and waiting.link is not None and waiting.link.wants_orders:
            waiting.link.renewed.note(waiting.ask, self._clock.monotonic())
        reads = self._reader is not None and isinstance(waiting.ask, READS)
        (self._reading if reads else self._writing).put(waiting)

    def joined(self, link: _Link) -> bool:
        """Takes a connection in, unless there are too many."""
        if len(self._links) >= MOST_CONNECTIONS:
            return False
        self._links.add(link)
        return True

    def left(self, link: _Link) -> None:
        """A connection is gone; what it asked is done all the same. A worker that is gone has nothing under way, and a
        process of drivers no leases.
        """
        self._links.discard(link)
        works = self._sweeper is not None and not self._sweeper.done()
        is_last = bool(link.holder) and not any(other.holder == link.holder for other in self._links)
        gone, dropped = (link.holder,) if is_last else (), link.renewed.live(self._clock.monotonic())
        if works and (gone or dropped):
            self._writing.put(_Waiting(None, 0, Sweep(gone=gone, dropped=dropped), 0))

    def _here(self) -> tuple[str, ...] | None:
        """The gateway workers that are connected; None while some may be still to come."""
        if self._clock.monotonic() - self._began_s < self._coming_s:
            return None
        return tuple({link.holder for link in self._links if link.holder})

    def _commit(self, batch: list[_Waiting]) -> tuple[list[Told], _Commit]:
        begun_s = self._clock.monotonic()
        tolds, what = self._do([waiting.ask for waiting in batch])
        return tolds, _Commit(self._clock.monotonic() - begun_s, what)

    def _do(self, asks: list[Ask]) -> tuple[list[Told], str]:
        """What is told, and what went wrong with the disk."""
        try:
            return self._journal.do(asks), ""
        except StoreError as failure:
            told = refusal(JournalUnavailable(detail=str(failure)))
            return [told] * len(asks), str(failure)
        except Exception as fault:  # noqa: BLE001  one ask that cannot be done must not stop those of others
            if len(asks) == 1:
                detail = f"{type(fault).__name__}: {fault}"
                return [refusal(JournalUnavailable(detail=detail))], detail
        each = [self._do([ask]) for ask in asks]
        return [told for tolds, _ in each for told in tolds], next((what for _, what in each if what), "")

    def _read(self, batch: list[_Waiting]) -> tuple[list[Told], None]:
        return [self._read_one(waiting.ask) for waiting in batch], None

    def _read_one(self, ask: Ask) -> Told:
        try:
            return self._reader.do(ask) if self._reader is not None else refusal(JournalUnavailable(detail="no reader"))
        except JournalRefusal as refused:
            return refusal(refused)
        except Exception as fault:  # noqa: BLE001  one ask that cannot be done must not stop those of others
            return refusal(JournalUnavailable(detail=str(fault) or type(fault).__name__))

    def _committed(self, batch: list[_Waiting], tolds: list[Told], commit: _Commit) -> None:
        self._health.committed(commit.took_s)
        if commit.trouble != self._health.trouble:
            self._health.trouble = commit.trouble
            self._trouble(commit.trouble)
        self._told(batch, tolds, None)
        for waiting, told in zip(batch, tolds, strict=True):
            if isinstance(told, Directed) and isinstance(waiting.ask, Direct) and told.runs:
                self._tell(told, waiting.ask)

    def _told(self, batch: list[_Waiting], tolds: list[Told], _: None) -> None:
        for waiting, told in zip(batch, tolds, strict=True):
            if waiting.link is not None:
                self._health.answered(told)
                waiting.link.answer(waiting.number, told, waiting.size)
                continue
            self._swept.set()
            if isinstance(told, Swept):
                self._health.swept(told)

    def _tell(self, directed: Directed, ask: Direct) -> None:
        """Tells everybody who wants to hear of orders."""
        told = frame(PUSHED, Given(directed.runs, ask.order, ask.by, ask.reason))
        for link in list(self._links):
            if link.wants_orders:
                link.write(told)

    async def _sweep(self) -> None:
        """Sweeps, and again once that is done."""
        while True:
            self._swept.clear()
            self._writing.put(_Waiting(None, 0, Sweep(here=self._here()), 0))
            await asyncio.sleep(self._sweep_every_s)
            await self._swept.wait()

    def __repr__(self) -> str:
        return f"Keeper({len(self._links)} connections, {self._writing!r}, {self._reading!r})"


class _Commit(NamedTuple):
    """How long a commit took, and what was wrong with the disk."""

    took_s: float
    trouble: str


class _Renewed:
    """The leases that are renewed over a connection on which orders are heard: it stands for as long as its process of
    drivers lives and holds any, so that they are over when it breaks off.
    """

    def __init__(self) -> None:
        self._until_s: dict[tuple[str, int], float] = {}

    def note(self, ask: Renew, now_s: float) -> None:
        """One is renewed; those that have run out are forgotten."""
        key = ask.run, ask.epoch
        self._until_s.pop(key, None)
        self._until_s[key] = now_s + ask.ttl_s
        while self._until_s:
            first = next(iter(self._until_s))
            if self._until_s[first] >= now_s:
                break
            del self._until_s[first]

    def live(self, now_s: float) -> tuple[tuple[str, int], ...]:
        """Those that have not run out, by run and epoch."""
        return tuple(key for key, until_s in self._until_s.items() if until_s >= now_s)


class _Link(asyncio.Protocol):
    """One connection."""

    def __init__(self, keeper: Keeper) -> None:
        self.wants_orders = False
        self.holder = ""
        self.renewed = _Renewed()
        self._keeper = keeper
        self._frames = Frames()
        self._transport: asyncio.Transport | None = None
        self._open = 0
        self._open_bytes = 0
        self._paused = False
        self._deaf = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        if not self._keeper.joined(self):
            self.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._keeper.left(self)

    def data_received(self, data: bytes) -> None:
        try:
            for content in self._frames.feed(data):
                self._take(content)
        except (FrameTooLong, msgspec.DecodeError) as wrong:
            self._say(PUSHED, _invalid(str(wrong)))
            self.close()

    def _take(self, content: bytes) -> None:
        number, raw = number_of(content)
        try:
            ask = read_ask(raw)
        except msgspec.DecodeError as wrong:
            self._say(number, _invalid(str(wrong)))
            return
        match ask:
            case Hello():
                self.wants_orders, self.holder = ask.orders, ask.holder
                self._say(number, Welcome())
            case Health():
                self._say(number, self._keeper.health())
            case _ if not self._deaf:
                self._open += 1
                self._open_bytes += len(content)
                self._keeper.put(_Waiting(self, number, ask, len(content)))
                self._pace()

    def answer(self, number: int, told: Told, size: int) -> None:
        """Tells what became of an ask whose frame had so many bytes."""
        self._open -= 1
        self._open_bytes -= size
        self._say(number, told)
        self._pace()

    def write(self, framed: bytes) -> None:
        """Sends a frame; hangs up on a client that does not read."""
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        transport.write(framed)
        if transport.get_write_buffer_size() > MOST_UNREAD_BYTES:
            transport.abort()

    def deaf(self) -> None:
        """Reads no more."""
        self._deaf = True
        self._pace()

    def close(self) -> None:
        """Sends what is waiting and hangs up."""
        if self._transport is not None:
            self._transport.close()

    def _say(self, number: int, told: Said) -> None:
        try:
            framed = frame(number, told)
        except FrameTooLong as too_long:
            framed = frame(number, _invalid(f"the answer is too long, ask for less at once ({too_long})"))
        self.write(framed)

    def _pace(self) -> None:
        """Stops reading while too much is open, and goes on when half of it is done."""
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        if not self._paused and (self._deaf or self._open >= MOST_OPEN or self._open_bytes >= MOST_OPEN_BYTES):
            self._paused = True
            transport.pause_reading()
        few = self._open <= MOST_OPEN // 2 and self._open_bytes <= MOST_OPEN_BYTES // 2
        if self._paused and few and not self._deaf:
            self._paused = False
            transport.resume_reading()


def _invalid(detail: str) -> Refused:
    return Refused("AskInvalid", {"run": "", "detail": detail})
