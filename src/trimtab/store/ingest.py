"""Takes the spool into telemetry, each record exactly once.

Before an insert the byte ranges it takes up are fsynced; after a crash exactly those ranges are read again and sent
under the same token, which the store counts once. While telemetry is down nothing is lost: the spool waits, bounded
by [data] spool_limit, and the same insert is tried again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from trimtab.clock import Clock
from trimtab.errors import FormatError, StoreError
from trimtab.record import tail
from trimtab.record.events import Change, Event
from trimtab.record.tail import Segment
from trimtab.store import positions
from trimtab.store.positions import Aside, Pending, Positions, Range
from trimtab.store.sweep import Sweep, name_of
from trimtab.store.telemetry import Batch, Telemetry

SET_ASIDE = ".aside"

log = logging.getLogger(__name__)

Observer = Callable[[Batch], None]
Piece = tuple[Range, list[Event]]


class BodyIndex(Protocol):
    """The index of stored bodies, which is built off the path of calls."""

    def update(self) -> None:
        """Takes up what was appended to the packs since the last time; `FormatError` tells of damage in one."""


@dataclass(frozen=True)
class Bounds:
    """What one batch holds at most; a record that reaches the bytes is its last."""

    events: int = 20_000
    size_bytes: int = 8 << 20


@dataclass(frozen=True)
class Lag:
    """How far telemetry is behind the spool: bytes not yet stored, and the age of the oldest record among them."""

    size_bytes: int = 0
    age_s: float = 0.0
    segments: int = 0
    set_aside: int = 0


class Ingest:
    """One a data directory, used from one thread; `lag` may be read from any."""

    def __init__(
        self,
        spool: Path,
        directory: Path,
        telemetry: Telemetry,
        clock: Clock,
        *,
        bodies: BodyIndex | None = None,
        observers: Sequence[Observer] = (),
        keepers: Sequence[Observer] = (),
        bounds: Bounds = Bounds(),
    ) -> None:
        """Takes up where the positions in `directory` end.

        `keepers` see each batch before it counts as done, and after a crash perhaps again; `observers` see it once,
        but not one that a crash came after.
        """
        self._spool = spool
        self._directory = directory
        self._telemetry = telemetry
        self._clock = clock
        self._bodies = bodies
        self._observers = observers
        self._keepers = keepers
        self._bounds = bounds
        directory.mkdir(parents=True, exist_ok=True)
        self._positions = positions.read(directory)
        self._read_to: dict[str, int] = {}
        self._oldest_ns: int | None = None
        self._turn = 0
        self._damaged_pack = ""
        self._sweep = Sweep(clock)
        for segment in tail.segments(spool):
            self._sweep.follow(name_of(segment), self._stored_part(segment))
        self.lag = self._measured()

    def __repr__(self) -> str:
        return f"Ingest({self._spool}, {self.lag})"

    def step(self) -> bool:
        """Stores one batch of what waits; True if more may wait, so that the next step should follow at once.

        Raises `StoreError` while telemetry does not take it or the disk fails; the next step then sends the same batch
        again.
        """
        try:
            more = self._pass()
        except OSError as failure:
            raise StoreError(store=self._directory, detail=str(failure)) from failure
        finally:
            self.lag = self._measured()
        return more

    def _pass(self) -> bool:
        pending = self._positions.pending
        if pending is None:
            gathered = self._gather()
            is_empty = not gathered.pieces and not gathered.asides
            if not is_empty:
                self._write(self._positions.begin(gathered.pending()))
            self._read_to |= gathered.read_to
            if not is_empty:
                self._store(gathered.pieces)
        else:
            self._store([(part, self._reread(part)) for part in pending.ranges])
        self._index_bodies()
        self._release_spent()
        return pending is not None or gathered.full

    def _store(self, pieces: list[Piece]) -> None:
        """Sends the pending batch and notes that it is done."""
        pending = self._positions.pending or Pending(())
        events = [event for _, of_piece in pieces for event in of_piece]
        self._oldest_ns = min((event.at_ns for event in events), default=None)
        batch = Batch.of([*events, *map(_change_of, pending.aside)])
        self._telemetry.insert(batch, pending.token)
        for keep in self._keepers:
            keep(batch)
        self._write(self._positions.finish())
        for aside in pending.aside:
            facts = {"segment": aside.segment, "offset_bytes": aside.offset, "detail": aside.detail}
            log.error("segment_set_aside", extra={"fields": facts})
        self._oldest_ns = None
        for part, of_piece in pieces:
            self._sweep.follow(part.segment, of_piece)
        for observe in self._observers:
            observe(batch)

    def _gather(self) -> Gathered:
        """What waits, up to the bounds of a batch; a worker that fills one batch comes last in the next."""
        epochs: dict[str, list[Segment]] = {}
        for segment in tail.segments(self._spool):
            epochs.setdefault(segment.epoch, []).append(segment)
        names = list(epochs)
        turn = self._turn % len(names) if names else 0
        gathered = Gathered(self._bounds.events, self._bounds.size_bytes)
        for place, epoch in enumerate(names[turn:] + names[:turn], turn + 1):
            for segment in epochs[epoch]:
                self._take(segment, gathered)
                if gathered.full:
                    self._turn = place
                    return gathered
        return gathered

    def _take(self, segment: Segment, gathered: Gathered) -> None:
        """Adds what waits in one segment."""
        name = name_of(segment)
        start = end = self._positions.done.get(name, 0)
        size = segment.path.stat().st_size
        if self._read_to.get(name) == size or name in self._positions.aside:
            return
        events: list[Event] = []
        try:
            for end, event in tail.read(segment.path, start):
                events.append(event)
                if gathered.reaches(len(events), end - start):
                    break
        except FormatError as error:
            gathered.asides.append(Aside(name, end, str(error.facts["detail"]), self._clock.wall_ns()))
        if not gathered.reaches(len(events), end - start):
            gathered.read_to[name] = size
        if events:
            gathered.add(Range(name, start, end), events)

    def _reread(self, part: Range) -> list[Event]:
        """Exactly the events of a range that was written down before."""
        path = self._spool / f"{part.segment}.seg"
        events: list[Event] = []
        try:
            for end, event in tail.read(path, part.start) if path.exists() else ():
                if end > part.end:
                    break
                events.append(event)
        except FormatError as error:
            log.error("pending_range_damaged", extra={"fields": {"segment": part.segment, "detail": str(error)}})  # noqa: TRY400 - no trace is wanted
        return events

    def _stored_part(self, segment: Segment) -> Iterator[Event]:
        """The events of a segment that were stored before this process began."""
        done = self._positions.done.get(name_of(segment), 0)
        try:
            for end, event in tail.read(segment.path, 0) if done else ():
                if end > done:
                    return
                yield event
        except FormatError as error:
            log.warning("stored_part_unreadable", extra={"fields": {"detail": str(error)}})

    def _index_bodies(self) -> None:
        if self._bodies is None:
            return
        try:
            self._bodies.update()
        except FormatError as error:
            if str(error) != self._damaged_pack:
                self._damaged_pack = str(error)
                log.error("pack_damaged", extra={"fields": {"detail": str(error)}})  # noqa: TRY400 - no trace is wanted

    def _release_spent(self) -> None:
        """Deletes the segments nobody needs any more; damaged ones are kept under another name."""
        segments = tail.segments(self._spool)
        damaged = {name: self._size(name) for name in self._positions.aside}
        spent = self._sweep.choose(segments, self._read_to | damaged)
        if not spent:
            return
        for segment in spent:
            name = name_of(segment)
            if name in damaged:
                segment.path.rename(segment.path.with_name(segment.path.name + SET_ASIDE))
            else:
                segment.path.unlink()
            self._sweep.forget(name)
            self._read_to.pop(name, None)
            if not any(segment.path.parent.iterdir()):
                segment.path.parent.rmdir()
        self._write(self._positions.without({name_of(segment) for segment in spent}))

    def _size(self, name: str) -> int:
        path = self._spool / f"{name}.seg"
        return path.stat().st_size if path.exists() else 0

    def _write(self, fresh: Positions) -> None:
        positions.write(self._directory, fresh)
        self._positions = fresh

    def _measured(self) -> Lag:
        segments = tail.segments(self._spool)
        sending = {part.segment for part in self._positions.pending.ranges} if self._positions.pending else set()
        waiting = 0
        for segment in segments:
            name, size = name_of(segment), segment.path.stat().st_size
            is_stored = name in self._positions.aside or (self._read_to.get(name) == size and name not in sending)
            waiting += 0 if is_stored else max(0, size - self._positions.done.get(name, 0))
        age_s = 0.0 if self._oldest_ns is None else max(0.0, (self._clock.wall_ns() - self._oldest_ns) / 1e9)
        put_away = len(list(self._spool.glob(f"*/*.seg{SET_ASIDE}")))
        return Lag(waiting, age_s, len(segments), put_away + len(self._positions.aside))


@dataclass
class Gathered:
    """One batch as it fills up, in pieces by segment; `read_to` is the size of each segment read to its end."""

    events_left: int
    bytes_left: int
    pieces: list[Piece] = field(default_factory=list)
    asides: list[Aside] = field(default_factory=list)
    read_to: dict[str, int] = field(default_factory=dict)

    @property
    def full(self) -> bool:
        """Whether the batch has reached a bound."""
        return self.reaches(0, 0)

    def reaches(self, events: int, size_bytes: int) -> bool:
        """Whether the batch would be full with so much more."""
        return events >= self.events_left or size_bytes >= self.bytes_left

    def add(self, part: Range, events: list[Event]) -> None:
        """Takes in what was read of one segment."""
        self.pieces.append((part, events))
        self.events_left -= len(events)
        self.bytes_left -= part.end - part.start

    def pending(self) -> Pending:
        """What must be written down before this is sent."""
        return Pending(tuple(part for part, _ in self.pieces), tuple(self.asides))


def _change_of(aside: Aside) -> Change:
    detail = (
        f"not readable from byte {aside.offset}: {aside.detail}; the file is kept as {aside.segment}.seg{SET_ASIDE}"
    )
    return Change(aside.at_ns, "segment_set_aside", aside.segment, by="control", detail=detail)
