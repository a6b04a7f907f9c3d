"""Reads what is whole in a damaged segment.

Where a record begins can only be known from the record before it. Behind damage the next one is found by how every
event begins (a MessagePack map whose first key is `type`) and by its checksum: a place at which both fit is taken for
one (by chance that happens once in 4 billion such places).
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from trimtab.errors import FormatError, StoreError
from trimtab.record import frames
from trimtab.record.events import Event
from trimtab.record.fileheader import HEADER_BYTES

HEAD_BYTES: Final = 8
BEGINNING: Final = re.compile(rb"(?:[\x80-\x8f]|\xde..)\xa4type", re.DOTALL)

_decode = msgspec.msgpack.Decoder(Event).decode


def salvage(path: Path, start: int) -> Iterator[tuple[int, Event]]:
    """The events behind the damage at byte `start`, in their order, each with the offset behind it.

    Going on from such an offset gives the same. A segment is some 64 MiB at most, and is read whole. Raises
    `StoreError` for a file that cannot be read.
    """
    try:
        data = path.read_bytes()
    except OSError as failure:
        raise StoreError(store=str(path), detail=str(failure)) from failure
    view, at = memoryview(data), max(start, HEADER_BYTES)
    while (found := BEGINNING.search(data, at + HEAD_BYTES)) is not None:
        at = found.start() - HEAD_BYTES
        event = _event(view, at)
        if event is None:
            at += 1
        else:
            at += HEAD_BYTES + int.from_bytes(view[at : at + 4], "little")
            yield at, event


def readable(path: Path, start: int) -> Iterator[tuple[int, Event]]:
    """All events from byte `start` on that can be read, past any damage, each with the offset behind it.

    Raises `StoreError` for a file that cannot be read.
    """
    end = start
    try:
        for end, event in frames.read(path, start):
            yield end, event
    except FormatError:
        yield from salvage(path, end)


def damage_at(path: Path) -> int:
    """Where a segment to which nothing is added any more is damaged first; -1 where it is not.

    Raises `StoreError` for a file that cannot be read.
    """
    end = 0
    try:
        for end, _ in frames.read(path, 0):  # noqa: B007  the end of the last whole record is asked for
            pass
    except FormatError:
        return end
    return end if is_cut_short(path, end) else -1


def is_cut_short(path: Path, end: int) -> bool:
    """Whether a segment to which nothing is added any more goes on behind `end`, where reading it came to an end.

    A last record that was torn by a crash is its end; a length that is wrong looks like one and is not.
    """
    if frames.is_sealed(path):
        return max(end, HEADER_BYTES) != path.stat().st_size - len(frames.SEAL)
    return next(salvage(path, end), None) is not None


def _event(view: memoryview, at: int) -> Event | None:
    """The event whose frame begins at `at`, if one does."""
    length = int.from_bytes(view[at : at + 4], "little")
    end = at + HEAD_BYTES + length
    if length > frames.MAX_EVENT_BYTES or end > len(view):
        return None
    payload = view[at + HEAD_BYTES : end]
    if zlib.crc32(payload) != int.from_bytes(view[at + 4 : at + HEAD_BYTES], "little"):
        return None
    try:
        event: Event = _decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return event
