"""The spool, read side: whoever ingests follows segments while they are written, by offset.

For each segment: ask `finished`, then take what `read` gives from the last offset on. When it was finished before the
reading began, the segment is done and the next one follows. A damaged segment raises `FormatError` with its path and
offset; to go on, count it as done.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from trimtab.record import frames
from trimtab.record.events import Event
from trimtab.record.frames import SEGMENT


class Segment(NamedTuple):
    """One segment file of a worker's epoch."""

    epoch: str
    number: int
    path: Path


def segments(spool: Path) -> list[Segment]:
    """The segments of all epochs, in order of epoch and number; other files are left out."""
    found = [
        Segment(path.parent.name, int(path.stem), path)
        for path in spool.glob(f"*/*{SEGMENT.suffix}")
        if path.stem.isdecimal()
    ]
    return sorted(found)


def read(path: Path, start: int) -> Iterator[tuple[int, Event]]:
    """The events of a segment from byte `start` on (0: all), each with the offset to go on from behind it.

    Stops at the end of what is whole; raises `FormatError` for damage before it and `StoreError` for a file that
    cannot be read.
    """
    return frames.read(path, start)


def finished(segment: Segment) -> bool:
    """Whether nothing will be added to the segment: it is sealed, or its writer has gone on to the next."""
    return SEGMENT.path(segment.path.parent, segment.number + 1).exists() or frames.is_sealed(segment.path)
