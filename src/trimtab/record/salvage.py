"""Takes out of a damaged segment what is whole behind the damage.

Where a record begins can only be known from the record before it. Behind damage the next one is found by its checksum:
a place at which length and checksum of an event fit is taken for one (by chance that happens once in 4 billion places).
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from pathlib import Path

import msgspec

from trimtab.errors import FormatError, StoreError
from trimtab.record import frames
from trimtab.record.events import Event

HEAD_BYTES = 8
LEAST_EVENT_BYTES = 16
"""No event is shorter; it bounds how many places look like one."""

_decode = msgspec.msgpack.Decoder(Event).decode


def salvage(path: Path, start: int) -> Iterator[Event]:
    """The events behind the damage at byte `start`, in their order; raises `StoreError` for an unreadable file.

    A segment is some 64 MiB at most, and is read whole.
    """
    try:
        data = path.read_bytes()
    except OSError as failure:
        raise StoreError(store=str(path), detail=str(failure)) from failure
    at = start
    while (at := _next_frame(data, at)) >= 0:
        length = int.from_bytes(data[at : at + 4], "little")
        end = at + HEAD_BYTES + length
        try:
            yield _decode(data[at + HEAD_BYTES : end])
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            at += 1
        else:
            at = end


def _next_frame(data: bytes, start: int) -> int:
    """The first place from `start` on at which length and checksum fit; -1 if there is none."""
    size, view = len(data), memoryview(data)
    for at in range(start, size - HEAD_BYTES - LEAST_EVENT_BYTES + 1):
        if data[at + 3]:
            continue  # the most significant byte of a length: none is over 16 MiB
        length = int.from_bytes(data[at : at + 4], "little")
        end = at + HEAD_BYTES + length
        if length < LEAST_EVENT_BYTES or end > size or length > frames.MAX_EVENT_BYTES:
            continue
        if zlib.crc32(view[at + HEAD_BYTES : end]) == int.from_bytes(data[at + 4 : at + HEAD_BYTES], "little"):
            return at
    return -1


def damage_at(path: Path) -> int:
    """Where a segment is damaged first, in bytes from its beginning; -1 where it is not.

    Raises `StoreError` for a file that cannot be read.
    """
    end = 0
    try:
        for end, _ in frames.read(path, 0):  # noqa: B007  the end of the last whole record is asked for
            pass
    except FormatError:
        return end
    return -1
