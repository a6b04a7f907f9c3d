"""How everybody but keeper reaches the journal: over keeper's socket, or in the same process.

All four faces have one method, `do`: it gives what was told, or raises the `JournalRefusal` that was told, and
`JournalUnavailable` when keeper does not answer in time. They connect by themselves, and again when keeper was
restarted: an ask that broke off is asked again, which changes nothing where it had been done.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final, Protocol, TypeVar, cast

import msgspec

from trimtab.clock import Clock, SystemClock
from trimtab.errors import JournalUnavailable, StoreError
from trimtab.journal.asks import Ask, Direct, Directed, Journal, Refused, Told
from trimtab.journal.frames import (
    Asked,
    Frames,
    FrameTooLong,
    Given,
    Health,
    Healthy,
    Hello,
    Said,
    error_of,
    frame,
    read_told,
)
from trimtab.journal.run_counts import Standing, Stands

PATIENCE_S: Final = 5.0
"""How long an ask may take, with all that keeper is not there meanwhile."""
FIRST_REST_S: Final = 0.02
LONGEST_REST_S: Final = 1.0
MOST_IDLE: Final = 32
PATH_LIMIT: Final = 107
"""Bytes of a path that fit into the address of a Unix socket (unix(7))."""
_READ_BYTES: Final = 1 << 18

MOST_RUNS: Final = 1000
Hears = Callable[[Given], None]
"""Is told of orders."""
_Said = TypeVar("_Said", bound=msgspec.Struct)


class Asking(Protocol):
    """Asks the journal without blocking the loop."""

    async def do(self, ask: Ask) -> Told:
        """What was told; raises `JournalRefusal` and `JournalUnavailable`."""
        ...


class BlockingAsking(Protocol):
    """Asks the journal and waits; from any thread."""

    def do(self, ask: Ask) -> Told:
        """What was told; raises `JournalRefusal` and `JournalUnavailable`."""
        ...


def _met(failure: OSError) -> str:
    """What an ask met, and what to do where no keeper is to be found."""
    words = failure.strerror or str(failure)
    if not isinstance(failure, FileNotFoundError | ConnectionRefusedError):
        return words
    return f"{words}, nothing runs there; `trimtab up` has to, and TRIMTAB_DIRECTORY names another data directory"


class KeeperClient:
    """Keeper behind its socket, for one event loop; many asks may be open at once.

    `hears` is called with each order that anybody gives, and keeps the client connected from `watch` on. `holder` names
    the gateway worker that this is.
    """

    def __init__(
        self,
        path: Path,
        *,
        patience_s: float = PATIENCE_S,
        hears: Hears | None = None,
        holder: str = "",
        clock: Clock | None = None,
    ) -> None:
        self._path = path
        self._patience_s = patience_s
        self._hears = hears
        self._holder = holder
        self._clock = clock or SystemClock()
        self._link: _Link | None = None
        self._connecting: asyncio.Task[_Link] | None = None
        self._closed = False
        self._numbers = itertools.count(1)

    async def do(self, ask: Ask) -> Told:
        """What keeper told; raises `JournalRefusal`, `JournalUnavailable` and `FrameTooLong`."""
        told = await self._ask(ask)
        if isinstance(told, Refused):
            raise error_of(told)
        return told  # type: ignore[return-value]  # what no ask of the journal is answered with is not told

    async def health(self) -> Healthy:
        """How keeper is doing; raises `JournalUnavailable`."""
        return _is(await self._ask(Health()), Healthy)

    async def watch(self, runs: Callable[[], Iterable[str]] = tuple) -> None:
        """Stays connected, so that orders are heard; runs until it is cancelled.

        `runs` are those that orders matter for here: whenever it has connected, it hears what was ordered before.
        """
        while True:
            with contextlib.suppress(JournalUnavailable):
                link = await self._connected(self._clock.monotonic() + self._patience_s)
                await self._catch_up(tuple(runs()))
                await link.lost.wait()
            await asyncio.sleep(FIRST_REST_S)

    async def _catch_up(self, runs: tuple[str, ...]) -> None:
        """Hears of the orders that hold for some runs, which nobody may have told."""
        for first in range(0, len(runs) if self._hears is not None else 0, MOST_RUNS):
            told = await self.do(Standing(runs[first : first + MOST_RUNS]))
            for one in told.orders if isinstance(told, Stands) else ():
                if self._hears is not None:
                    self._hears(Given((one.run,), one.order, one.by, one.reason))

    async def close(self) -> None:
        """Hangs up; whoever waits for an answer, or asks after that, gets `JournalUnavailable`."""
        self._closed = True
        if self._connecting is not None and not self._connecting.done():
            self._connecting.cancel()
            await asyncio.wait([self._connecting])
        if self._link is not None:
            self._link.close()

    async def _ask(self, ask: Asked) -> Said:
        until_s = self._clock.monotonic() + self._patience_s
        number = next(self._numbers)
        framed = frame(number, ask)
        rest_s = FIRST_REST_S
        while True:
            link = await self._connected(until_s)
            answer = link.ask(number, framed)
            try:
                async with asyncio.timeout(max(0.0, until_s - self._clock.monotonic())):
                    return await answer
            except TimeoutError:
                raise self._unavailable(f"no answer within {self._patience_s:g} s") from None
            except ConnectionError as failure:
                if self._clock.monotonic() + rest_s >= until_s:
                    raise self._unavailable(str(failure)) from failure
            finally:
                link.forget(number)
            await asyncio.sleep(rest_s)
            rest_s = min(2 * rest_s, LONGEST_REST_S)

    async def _connected(self, until_s: float) -> _Link:
        """The connection there is, or a new one; all who need one wait for it, each with a patience of its own."""
        while True:
            if self._closed:
                raise self._unavailable("this client was closed")
            if self._link is not None and not self._link.lost.is_set():
                return self._link
            if self._connecting is None or self._connecting.done():
                self._connecting = asyncio.ensure_future(self._connect(until_s))
                self._connecting.add_done_callback(_fetched)
            connecting = self._connecting
            await asyncio.wait([connecting], timeout=max(0.0, until_s - self._clock.monotonic()))
            if not connecting.done():
                raise self._unavailable("it does not take connections")
            if connecting.cancelled():
                continue
            try:
                return connecting.result()
            except OSError as failure:
                if self._clock.monotonic() + LONGEST_REST_S >= until_s:
                    raise self._unavailable(_met(failure)) from failure

    async def _connect(self, until_s: float) -> _Link:
        """Tries until it stands or the time is over; raises `OSError`."""
        rest_s = FIRST_REST_S
        loop = asyncio.get_running_loop()
        while True:
            try:
                with address(self._path) as place:
                    _, link = await loop.create_unix_connection(lambda: _Link(self._hears), place)
                break
            except OSError:
                if self._clock.monotonic() + rest_s >= until_s:
                    raise
                await asyncio.sleep(rest_s)
                rest_s = min(2 * rest_s, LONGEST_REST_S)
        self._link = link
        link.send(frame(next(self._numbers), Hello(orders=self._hears is not None, holder=self._holder)))
        return link

    def _unavailable(self, detail: str) -> JournalUnavailable:
        return JournalUnavailable(detail=f"{self._path.absolute()}: {detail}")

    def __repr__(self) -> str:
        state = "not connected" if self._link is None or self._link.lost.is_set() else "connected"
        return f"KeeperClient({self._path}, {state})"


class _Link(asyncio.Protocol):
    """One connection to keeper."""

    def __init__(self, hears: Hears | None) -> None:
        self.lost = asyncio.Event()
        self._hears = hears
        self._frames = Frames()
        self._answers: dict[int, asyncio.Future[Said]] = {}
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost.set()
        for answer in self._answers.values():
            if not answer.done():
                answer.set_exception(exc if isinstance(exc, ConnectionError) else ConnectionError("keeper hung up"))

    def data_received(self, data: bytes) -> None:
        try:
            for content in self._frames.feed(data):
                self._take(*read_told(content))
        except (FrameTooLong, msgspec.DecodeError):
            self.close()

    def _take(self, number: int, said: Said) -> None:
        if isinstance(said, Given):
            if self._hears is not None:
                self._hears(said)
            return
        answer = self._answers.get(number)
        if answer is not None and not answer.done():
            answer.set_result(said)

    def ask(self, number: int, framed: bytes) -> asyncio.Future[Said]:
        """Sends an ask; the answer raises `ConnectionError` where the connection ends before it comes."""
        answer: asyncio.Future[Said] = asyncio.get_running_loop().create_future()
        self._answers[number] = answer
        if self.lost.is_set():
            answer.set_exception(ConnectionError("keeper hung up"))
        else:
            self.send(framed)
        return answer

    def forget(self, number: int) -> None:
        """Nobody waits for this answer any more."""
        self._answers.pop(number, None)

    def send(self, framed: bytes) -> None:
        if self._transport is not None:
            self._transport.write(framed)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()


class BlockingKeeper:
    """Keeper behind its socket, for threads: each ask has a connection of its own while it is open."""

    def __init__(self, path: Path, *, patience_s: float = PATIENCE_S, clock: Clock | None = None) -> None:
        self._path = path
        self._patience_s = patience_s
        self._clock = clock or SystemClock()
        self._idle: list[socket.socket] = []
        self._idling = threading.Lock()
        self._closed = False
        self._pid = os.getpid()

    def do(self, ask: Ask) -> Told:
        """What keeper told; raises `JournalRefusal`, `JournalUnavailable` and `FrameTooLong`."""
        told = self._ask(ask)
        if isinstance(told, Refused):
            raise error_of(told)
        return told  # type: ignore[return-value]  # what no ask of the journal is answered with is not told

    def health(self) -> Healthy:
        """How keeper is doing; raises `JournalUnavailable`."""
        return _is(self._ask(Health()), Healthy)

    def close(self) -> None:
        """Closes the connections that are not in use; those that are, when their answers have come."""
        self._closed = True
        self._drop_idle()

    def _drop_idle(self) -> None:
        with self._idling:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def _ask(self, ask: Asked) -> Said:
        framed = frame(1, ask)
        until_s = self._clock.monotonic() + self._patience_s
        rest_s = FIRST_REST_S
        while True:
            try:
                return self._exchange(framed, until_s)
            except TimeoutError:
                raise self._unavailable(f"no answer within {self._patience_s:g} s") from None
            except (FrameTooLong, msgspec.DecodeError) as wrong:
                raise self._unavailable(f"an answer that is none: {wrong}") from wrong
            except OSError as failure:
                self._drop_idle()
                if self._clock.monotonic() + rest_s >= until_s:
                    raise self._unavailable(_met(failure)) from failure
            threading.Event().wait(rest_s)
            rest_s = min(2 * rest_s, LONGEST_REST_S)

    def _exchange(self, framed: bytes, until_s: float) -> Said:
        """One ask and its answer; raises `OSError`."""
        connection = self._taken(until_s)
        try:
            self._bound(connection, until_s)
            connection.sendall(framed)
            said = self._answer(connection, until_s)
        except BaseException:
            connection.close()
            raise
        with self._idling:
            if not self._closed and len(self._idle) < MOST_IDLE:
                self._idle.append(connection)
                return said
        connection.close()
        return said

    def _taken(self, until_s: float) -> socket.socket:
        """A connection that is not in use, or a new one. What a parent process had open stays its own."""
        with self._idling:
            if self._pid != os.getpid():
                self._pid, self._idle = os.getpid(), []
            if self._idle:
                return self._idle.pop()
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._bound(connection, until_s)
            with address(self._path) as place:
                connection.connect(place)
        except BaseException:
            connection.close()
            raise
        return connection

    def _bound(self, connection: socket.socket, until_s: float) -> None:
        left_s = until_s - self._clock.monotonic()
        if left_s <= 0:
            raise TimeoutError
        connection.settimeout(left_s)

    def _answer(self, connection: socket.socket, until_s: float) -> Said:
        frames = Frames()
        while True:
            data = connection.recv(_READ_BYTES)
            if not data:
                raise ConnectionResetError("keeper hung up")
            for content in frames.feed(data):
                return read_told(content)[1]
            self._bound(connection, until_s)

    def _unavailable(self, detail: str) -> JournalUnavailable:
        return JournalUnavailable(detail=f"{self._path.absolute()}: {detail}")

    def __repr__(self) -> str:
        return f"BlockingKeeper({self._path}, {len(self._idle)} connections idle)"


class BlockingLocalKeeper:
    """A journal in this process, asked from any thread; for tests, and where nothing else runs.

    `hears` is called with each order that anybody gives.
    """

    def __init__(self, journal: Journal) -> None:
        self.hears: list[Hears] = []
        self._journal = journal
        self._one_at_a_time = threading.Lock()

    def do(self, ask: Ask) -> Told:
        """What the journal told; raises `JournalRefusal`, and `JournalUnavailable` when the store failed."""
        try:
            with self._one_at_a_time:
                (told,) = self._journal.do([ask])
        except StoreError as failure:
            raise JournalUnavailable(detail=str(failure)) from failure
        if isinstance(told, Refused):
            raise error_of(told)
        if isinstance(told, Directed) and isinstance(ask, Direct) and told.runs:
            for hears in self.hears:
                hears(Given(told.runs, ask.order, ask.by, ask.reason))
        return told

    def close(self) -> None:
        """Nothing is held."""


class LocalKeeper:
    """The same for code that awaits; `blocking` is the face for threads of the same journal."""

    def __init__(self, journal: Journal) -> None:
        self.blocking = BlockingLocalKeeper(journal)

    async def do(self, ask: Ask) -> Told:
        """What the journal told; raises `JournalRefusal`, and `JournalUnavailable` when the store failed."""
        return self.blocking.do(ask)

    async def close(self) -> None:
        """Nothing is held."""


@contextlib.contextmanager
def address(path: Path) -> Iterator[str]:
    """What to connect to for a socket at `path`: one whose path is too long is reached by way of its folder.

    Raises `OSError` where the folder is not there.
    """
    if len(os.fsencode(path)) <= PATH_LIMIT:
        yield str(path)
        return
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


def _fetched(connecting: asyncio.Task[_Link]) -> None:
    """Its failure is told to all who wait for it, and to nobody where nobody does."""
    if not connecting.cancelled():
        connecting.exception()


def _is(said: Said, kind: type[_Said]) -> _Said:
    if isinstance(said, kind):
        return said
    raise JournalUnavailable(detail=f"keeper answers with {type(said).__name__} instead of {kind.__name__}")
