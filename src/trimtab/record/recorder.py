"""A worker's one way to write records: bodies first, then the events that refer to them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from msgspec.structs import replace

from trimtab.errors import StorageFull, StoreError
from trimtab.record.bodies import Bodies
from trimtab.record.events import Admitted, Attempt, Change, Settled
from trimtab.record.redact import scrub
from trimtab.record.room import LOOK_S, SHARE_BYTES, Room
from trimtab.record.spool import Spool

WAITING_BYTES = 256 << 10
"""Events that may wait for a flush; more are written at once."""
SHORT_DETAIL = 200

EventT = TypeVar("EventT", Attempt, Settled, Change)


class Recorder:
    """Writes the events of one worker's calls; all methods but `sync` belong to the thread of its event loop.

    SIGKILL loses no event that `admit` or `flush` wrote; a power cut at most those since the last `sync`. When the
    disk is full `admit` refuses, and what is open ends in the room the reserve kept: a `Settled` that is over its
    share is then written without its chunk times and the tools' answers it came with. An event that finds no room even
    so waits in memory, at most one share for each open call, and is written when there is room.
    """

    def __init__(self, spool: Spool, bodies: Bodies, room: Room) -> None:
        self.open_calls = 0
        self._spool = spool
        self._bodies = bodies
        self._room = room

    def __repr__(self) -> str:
        return f"Recorder({self.open_calls} calls open, {self._spool!r}, {self._bodies!r}, {self._room!r})"

    def admit(self, *events: Admitted) -> int:
        """Lets calls in: how many, from the first on, have their event, their bodies and all that waited written.

        The rest must not be made. Raises `StorageFull` when there is room for none, `StoreError` when the disk fails.
        """
        room, spool = self._room, self._spool
        try:
            room.check(self.open_calls + len(events) - 1, spool.waiting_bytes)
        except StorageFull:
            if room.over_limit:
                spool.let_go(LOOK_S)
            raise
        self._bodies.flush()
        if room.full:
            raise room.refusal()
        sizes = [spool.add(event) for event in events]
        try:
            written = spool.write()
        except StoreError:
            spool.withdraw(sum(sizes))
            raise
        admitted = len(events) if written else self._withdraw_unwritten(sizes)
        self.open_calls += admitted
        if not written:
            self.flush()
        if not admitted:
            raise room.refusal()
        return admitted

    def _withdraw_unwritten(self, sizes: Sequence[int]) -> int:
        """Takes back those of the newest events that a full disk did not take; how many of them it took."""
        self._room.fill()
        taken, waiting = len(sizes), self._spool.waiting_bytes
        while taken and waiting > 0:
            taken -= 1
            waiting -= sizes[taken]
        self._spool.withdraw(sum(sizes[taken:]))
        return taken

    def attempt(self, event: Attempt) -> None:
        """Takes the event of an attempt that ended; it is written with what is written next."""
        self._spool.add(_scrubbed(event))
        self._flush_if_much_waits()

    def settle(self, event: Settled) -> None:
        """Takes the end of a call that was admitted; it is written by the next flush."""
        event = _scrubbed(event)
        size = self._spool.add(event)
        if self._room.full and size > SHARE_BYTES:
            self._spool.withdraw(size)
            self._spool.add(_shortened(event))
        self.open_calls -= 1
        self._flush_if_much_waits()

    def change(self, event: Change) -> None:
        """Takes a change that took effect; it is written by the next flush."""
        self._spool.add(_scrubbed(event))
        self._flush_if_much_waits()

    def flush(self) -> None:
        """Writes all that waits, into the reserve if the disk is full; raises `StoreError` when the disk fails."""
        self._bodies.flush()
        while not self._spool.write():
            if not self._room.give_back():
                return

    def sync_due(self) -> bool:
        """Whether anything was written since the last sync."""
        return self._spool.sync_due() or self._bodies.sync_due()

    def sync(self) -> None:
        """Waits until all that was written is on the disk; may run in a thread. Raises `StoreError`."""
        self._bodies.sync()
        self._spool.sync()

    def close(self) -> None:
        """Writes, seals and syncs everything and frees the reserve; raises `StorageFull` if events found no room."""
        self._bodies.close()
        self.flush()
        waiting = self._spool.waiting_bytes
        self._spool.close()
        self._room.close()
        if waiting:
            raise self._room.refusal()

    def _flush_if_much_waits(self) -> None:
        if self._spool.waiting_bytes >= WAITING_BYTES and not self._room.full:
            self.flush()


def _scrubbed(event: EventT) -> EventT:
    """The event without secrets in its free text."""
    if not event.detail:
        return event
    clean = scrub(event.detail)
    return event if clean == event.detail else replace(event, detail=clean)


def _shortened(event: Settled) -> Settled:
    """The event within its share of the reserve."""
    return replace(event, chunk_delays_us=b"", chunk_lengths=b"", tool_results=(), detail=event.detail[:SHORT_DETAIL])
