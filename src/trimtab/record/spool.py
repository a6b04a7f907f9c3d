"""The spool: where events are first written, in segment files of their worker's epoch."""

from __future__ import annotations

import os
from pathlib import Path

from trimtab.record import frames
from trimtab.record.events import Event
from trimtab.record.log import RollingLog

SEGMENT_BYTES = 64 << 20
SEGMENT_AGE_S = 300.0


class Spool:
    """Gathers frames in one buffer and writes it with one call; what is not on disk stays in the buffer."""

    def __init__(self, log: RollingLog) -> None:
        self._log = log
        self._buffer = bytearray()

    def __repr__(self) -> str:
        return f"Spool({self._log!r}, {len(self._buffer)} bytes waiting)"

    @property
    def waiting_bytes(self) -> int:
        """Bytes that are not written yet."""
        return len(self._buffer)

    def add(self, event: Event) -> int:
        """Puts an event behind those that wait; returns its size in bytes."""
        return frames.append(self._buffer, event)

    def withdraw(self, size: int) -> None:
        """Takes the newest events back, which must not be written yet; `size` is what `add` returned for them."""
        del self._buffer[-size:]

    def write(self) -> bool:
        """Writes all that waits; whether it is in the file now. Raises `StoreError`."""
        buffer, log = self._buffer, self._log
        if log.due():
            log.roll()
        if not buffer:
            return True
        kept = log.append((buffer,), lambda limit: frames.boundary(buffer, limit))
        del buffer[:kept]
        return not buffer

    def let_go(self, age_s: float) -> None:
        """Finishes the segment if it is so many seconds old, so that it can be deleted when it is ingested."""
        if self._log.age_s >= age_s:
            self._log.roll()

    def sync_due(self) -> bool:
        """Whether a sync would bring anything to the disk."""
        return self._log.sync_due()

    def sync(self) -> None:
        """Waits until what was written is on the disk; may run in a thread."""
        self._log.sync()

    def close(self) -> None:
        """Seals the segment."""
        self._log.close()


def spool_bytes(spool: Path) -> int:
    """The size of all segments of all epochs that lie in the spool."""
    total = 0
    for epoch in _entries(spool):
        for entry in _entries(epoch):
            if entry.endswith(frames.SEGMENT.suffix):
                try:
                    total += os.stat(entry).st_size  # noqa: PTH116 - a path object for each file triples the time
                except FileNotFoundError:
                    continue
    return total


def _entries(directory: Path | str) -> list[str]:
    try:
        with os.scandir(directory) as entries:
            return [entry.path for entry in entries]
    except (FileNotFoundError, NotADirectoryError):
        return []
