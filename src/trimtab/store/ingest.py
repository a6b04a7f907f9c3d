"""Takes the spool into telemetry, each record exactly once.

Before an insert the byte ranges it takes up are fsynced; after a crash exactly those ranges are read again and sent
under the same token, which the store counts once. While telemetry is down nothing is lost: the spool waits, bounded
by [data] spool_limit, and the same insert is tried again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from trimtab.clock import Clock
from trimtab.errors import FormatError, StoreError
from trimtab.record import tail
from trimtab.record.events import Change, Event
from trimtab.record.frames import SEAL
from trimtab.record.salvage import damage_at, is_cut_short, readable, salvage
from trimtab.record.tail import Segment
from trimtab.store import positions
from trimtab.store.positions import Aside, Pending, Positions, Range
from trimtab.store.sweep import Sweep, name_of
from trimtab.store.telemetry import Batch, Telemetry

SET_ASIDE = ".aside"

log = logging.getLogger(__name__)

Observer = Callable[[Batch], None]
Keeper = Callable[[Batch, str], None]
"""Takes a batch and its token in exactly once: one that comes again bears the token that came last."""
Enrich = Callable[[Batch], Batch]
"""Adds to a batch what was read of the bodies of its calls; the same to the same batch, as far as bodies are kept."""
Piece = tuple[Range, list[Event]]
Salvaged = Literal["done", "gone", "in_use"]
"""What became of a damaged segment: dealt with, not there any more, or still being written."""


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

    def __init__(  # noqa: PLR0913 - each is a place, a store, or what a batch is handed to
        self,
        spool: Path,
        directory: Path,
        telemetry: Telemetry,
        clock: Clock,
        *,
        bodies: BodyIndex | None = None,
        enrich: Enrich | None = None,
        observers: Sequence[Observer] = (),
        keepers: Sequence[Keeper] = (),
        bounds: Bounds = Bounds(),
    ) -> None:
        """Takes up where the positions in `directory` end.

        `enrich` adds to each batch before it is sent. `keepers` see each batch before it counts as done, and after a
        crash or a failure perhaps again under the same token; `observers` see it once, but not one that a crash came
        after.
        """
        self._spool = spool
        self._directory = directory
        self._telemetry = telemetry
        self._clock = clock
        self._bodies = bodies
        self._enrich = enrich
        self._enriched: tuple[str, Batch] | None = None
        self._observers = observers
        self._keepers = keepers
        self._bounds = bounds
        directory.mkdir(parents=True, exist_ok=True)
        self._positions = positions.read(directory)
        self._read_to: dict[str, int] = {}
        self._oldest_ns: int | None = None
        self._turn = 0
        self._damaged_pack = ""
        self._followed: set[str] = set()
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
        with self._told():
            return self._pass()

    @contextmanager
    def _told(self) -> Iterator[None]:
        """What fails on disk is a `StoreError`, and whatever comes of it the lag is right."""
        try:
            yield
        except OSError as failure:
            raise StoreError(store=self._directory, detail=str(failure)) from failure
        finally:
            self.lag = self._measured()

    def _pass(self) -> bool:
        pending = self._positions.pending
        if pending is None:
            gathered = self._gather()
            self._index_bodies()
            is_empty = not gathered.pieces and not gathered.asides
            if not is_empty:
                self._write(self._positions.begin(gathered.pending()))
            self._read_to |= gathered.read_to
            if not is_empty:
                self._store(gathered.pieces)
        else:
            self._index_bodies()
            self._store([(part, self._reread(part)) for part in pending.ranges])
        self._release_spent()
        return pending is not None or gathered.full

    def _store(self, pieces: list[Piece]) -> None:
        """Sends the pending batch and notes that it is done."""
        pending = self._positions.pending or Pending(())
        events = [event for _, of_piece in pieces for event in of_piece]
        self._oldest_ns = min((event.at_ns for event in events), default=None)
        batch = self._whole(Batch.of([*events, *map(_change_of, pending.aside)]), pending.token)
        self._telemetry.insert(batch, pending.token)
        for keep in self._keepers:
            keep(batch, pending.token)
        self._write(self._positions.finish())
        self._enriched = None
        for aside in pending.aside:
            facts = {"segment": aside.segment, "offset_bytes": aside.offset, "detail": aside.detail}
            log.error("segment_set_aside", extra={"fields": facts})
        self._oldest_ns = None
        for part, of_piece in pieces:
            self._sweep.follow(part.segment, of_piece)
        for observe in self._observers:
            observe(batch)

    def _whole(self, batch: Batch, token: str) -> Batch:
        """The batch with what its bodies add, which are foreign bytes: one that cannot be read keeps no record out. A
        batch that is sent again is not read again.
        """
        if self._enrich is None:
            return batch
        if self._enriched is None or self._enriched[0] != token:
            try:
                self._enriched = token, self._enrich(batch)
            except Exception:
                log.exception("bodies_not_understood", extra={"fields": {"calls": len(batch.calls)}})
                self._enriched = token, batch
        return self._enriched[1]

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
        if start == size:
            gathered.read_to[name] = size
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
            if not gathered.sets_aside(name) and self._breaks_off(segment, end, size):
                gathered.asides.append(Aside(name, end, "a record's length is wrong", self._clock.wall_ns()))
            gathered.read_to[name] = size
        if events:
            gathered.add(Range(name, start, end), events)

    def _breaks_off(self, segment: Segment, end: int, size: int) -> bool:
        """Whether reading a segment ended before it did, though nobody writes to it any more."""
        if size - end <= len(SEAL) or not tail.finished(segment):
            return False
        is_longer = segment.path.stat().st_size != size  # it was finished after it was read; the next pass reads on
        return not is_longer and is_cut_short(segment.path, end)

    def _reread(self, part: Range) -> list[Event]:
        """Exactly the events of a range that was written down before."""
        path = self._file(part.segment)
        events: list[Event] = []
        if path is None:
            return events
        try:
            for end, event in (salvage if part.damaged else tail.read)(path, part.start):
                if end > part.end:
                    break
                events.append(event)
        except FormatError as error:
            log.error("pending_range_damaged", extra={"fields": {"segment": part.segment, "detail": str(error)}})  # noqa: TRY400 - no trace is wanted
        return events

    def _stored_part(self, segment: Segment) -> Iterator[Event]:
        """The events of a segment that were stored before this process began."""
        done = self._positions.done.get(name_of(segment), 0)
        for end, event in readable(segment.path, 0) if done else ():
            if end > done:
                return
            yield event

    def _index_bodies(self) -> None:
        if self._bodies is None:
            return
        try:
            self._bodies.update()
        except StoreError as error:
            if str(error) != self._damaged_pack:
                self._damaged_pack = str(error)
                log.error("pack_damaged", extra={"fields": {"detail": str(error)}})  # noqa: TRY400 - no trace is wanted

    def _release_spent(self) -> None:
        """Deletes the segments nobody needs any more; damaged ones are kept under another name."""
        segments = tail.segments(self._spool)
        damaged = {name: self._size(name) for name in self._positions.aside}
        for segment in segments if damaged.keys() - self._followed else ():
            self._follow_damaged(segment)
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
            _remove_if_empty(segment.path.parent)
        self._write(self._positions.without({name_of(segment) for segment in spent}))

    def _follow_damaged(self, segment: Segment) -> None:
        """Lets calls count as settled whose end lies behind damage, so that no other segment waits for it."""
        name = name_of(segment)
        if name in self._positions.aside - self._followed and tail.finished(segment):
            self._followed.add(name)
            self._sweep.follow(name, (event for _, event in salvage(segment.path, self._positions.done.get(name, 0))))

    def salvage(self, name: str) -> tuple[Salvaged, int]:
        """Stores what is whole behind the damage in a segment that was set aside, exactly once; how many records.

        After a crash it may be done again. Once all is stored the file goes: at once, or where it still has its name
        when one that is whole would. Raises `StoreError` while telemetry does not take it.
        """
        stored = 0
        with self._told():
            path, state = self._damaged(name)
            for part, events in self._pieces_behind(name, path) if path is not None else ():
                self._write(self._positions.begin(Pending((part,))))
                self._store([(part, events)])
                stored += len(events)
            if path is not None:
                self._let_go(name, path)
        return state, stored

    def discard(self, name: str) -> Salvaged:
        """Lets go of a segment that was set aside, with what could be read behind its damage."""
        with self._told():
            path, state = self._damaged(name)
            if path is not None:
                self._let_go(name, path)
        return state

    def _damaged(self, name: str) -> tuple[Path | None, Salvaged]:
        """The file of a damaged segment, once no insert is under way and nobody writes to it."""
        while self._positions.pending is not None:
            self._pass()
        path = self._file(name)
        if path is None or (path.suffix != SET_ASIDE and name not in self._positions.aside):
            return None, "gone"
        if path.suffix != SET_ASIDE and not tail.finished(Segment(path.parent.name, int(path.stem), path)):
            return None, "in_use"
        return path, "done"

    def _pieces_behind(self, name: str, path: Path) -> Iterator[Piece]:
        """What is whole behind the damage, in pieces of the size of a batch."""
        known = self._positions.done.get(name)
        start = end = max(0, damage_at(path)) if known is None else known
        events: list[Event] = []
        for end, event in salvage(path, start):
            events.append(event)
            if len(events) >= self._bounds.events or end - start >= self._bounds.size_bytes:
                yield Range(name, start, end, damaged=True), events
                start, events = end, []
        if events:
            yield Range(name, start, end, damaged=True), events

    def _let_go(self, name: str, path: Path) -> None:
        """Deletes a damaged segment that was put away; one in its place counts as stored, and goes like any other."""
        if path.suffix == SET_ASIDE:
            path.unlink(missing_ok=True)
            _remove_if_empty(path.parent)
            self._write(self._positions.without({name}))
            self._sweep.forget(name)
        else:
            size = path.stat().st_size
            self._write(self._positions.mended(name, size))
            self._read_to[name] = size

    def _file(self, name: str) -> Path | None:
        """Where a segment lies, under its own name or put away."""
        places = self._spool / f"{name}.seg", self._spool / f"{name}.seg{SET_ASIDE}"
        return next((path for path in places if path.exists()), None)

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

    def sets_aside(self, name: str) -> bool:
        """Whether the batch tells of damage in this segment."""
        return any(aside.segment == name for aside in self.asides)

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


def _remove_if_empty(directory: Path) -> None:
    if not any(directory.iterdir()):
        directory.rmdir()


def _change_of(aside: Aside) -> Change:
    detail = (
        f"not readable from byte {aside.offset}: {aside.detail}; `trimtab dead redrive {aside.segment}` reads what is"
        f" whole behind that"
    )
    return Change(aside.at_ns, "segment_set_aside", aside.segment, by="control", detail=detail)
