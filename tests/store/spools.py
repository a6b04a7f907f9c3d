"""Spool segments, written as a gateway worker writes them."""

from __future__ import annotations

from pathlib import Path

from trimtab.record import fileheader, frames
from trimtab.record.events import Event
from trimtab.record.fileheader import FileHeader
from trimtab.record.frames import SEAL, SEGMENT


class SegmentWriter:
    """One segment of one worker."""

    def __init__(self, spool: Path, epoch: str = "g0-0123456789ab", number: int = 0) -> None:
        self.path = SEGMENT.path(spool / epoch, number)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_bytes(fileheader.encode(SEGMENT, FileHeader(epoch, number, 1)))

    def write(self, *events: Event) -> int:
        """Appends events; returns the segment's size."""
        buffer = bytearray()
        for event in events:
            frames.append(buffer, event)
        return self.append(bytes(buffer))

    def append(self, data: bytes) -> int:
        """Appends bytes as they are."""
        with self.path.open("ab") as file:
            file.write(data)
        return self.path.stat().st_size

    def seal(self) -> None:
        """Ends the segment in order."""
        self.append(SEAL)
