"""How events lie in a segment: after the file header one frame each, length and checksum (both 32 bits), MessagePack.

A segment whose writer ended in order, or was put in order after it, ends in a seal: length 0 and a number that no
event has for a checksum.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import msgspec

from trimtab.errors import FormatError, StoreError
from trimtab.record import fileheader
from trimtab.record.events import FORMAT_VERSION, Event
from trimtab.record.fileheader import HEADER_BYTES, FileKind

MAX_EVENT_BYTES = 16 << 20
SEAL = b"\0\0\0\0\xff\xfe\xfd\xfc"
SEGMENT = FileKind(b"TTSG", FORMAT_VERSION, ".seg", SEAL)

_HEAD = struct.Struct("<II")
_HEAD_BYTES = _HEAD.size
_NO_HEAD = bytes(_HEAD_BYTES)
_BLOCK = 1 << 18

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Event).decode


def append(buffer: bytearray, event: Event) -> int:
    """Puts the event's frame at the end of the buffer; returns the frame's length in bytes."""
    payload = _encode(event)
    length = len(payload)
    if length > MAX_EVENT_BYTES:
        raise StoreError(store="spool", detail=f"an event of {length} bytes is over {MAX_EVENT_BYTES}")
    buffer += _HEAD.pack(length, zlib.crc32(payload))
    buffer += payload
    return _HEAD_BYTES + length


def boundary(buffer: bytearray, limit: int) -> int:
    """The greatest end of a frame within the first `limit` bytes of a buffer of whole frames."""
    end = 0
    while end + _HEAD_BYTES <= limit:
        size = _HEAD_BYTES + int.from_bytes(buffer[end : end + 4], "little")
        if end + size > limit:
            break
        end += size
    return end


def read(path: Path, start: int) -> Iterator[tuple[int, Event]]:
    """The events from byte `start` on, each with the offset behind it; 0 is the beginning.

    The file may be written meanwhile, and half a frame that met a full disk be cut off and written over.

    Stops where the file ends, be it amid a frame that is still being written or was torn by a crash (a last frame
    whose checksum is wrong, or nothing but zeros, are such a tail). Raises `FormatError` for damage anywhere else
    and `StoreError` when the file cannot be read.
    """
    try:
        with path.open("rb", buffering=_BLOCK) as file:
            yield from _read(file, path, start)
    except OSError as failure:
        raise StoreError(store=path, detail=str(failure)) from failure


def _read(file: BinaryIO, path: Path, start: int) -> Iterator[tuple[int, Event]]:
    if fileheader.decode(SEGMENT, file.read(HEADER_BYTES), path) is None:
        return
    offset = max(start, HEADER_BYTES)
    file.seek(offset)
    while True:
        head = file.read(_HEAD_BYTES)
        if len(head) < _HEAD_BYTES:
            return
        length, checksum = _HEAD.unpack(head)
        if length == 0 or length > MAX_EVENT_BYTES:
            _must_be_the_end(file, path, offset, head)
            return
        payload = file.read(length)
        if len(payload) < length:
            return
        if zlib.crc32(payload) != checksum:
            if not file.read(1) or os.pread(file.fileno(), length, offset + _HEAD_BYTES) != payload:
                return
            raise FormatError(store=path, path=path, offset=offset, detail="a record's checksum is wrong")
        try:
            event = _decode(payload)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as wrong:
            detail = f"a record is not an event: {wrong}"
            raise FormatError(store=path, path=path, offset=offset, detail=detail) from None
        offset += _HEAD_BYTES + length
        yield offset, event


def _must_be_the_end(file: BinaryIO, path: Path, offset: int, head: bytes) -> None:
    """Raises unless `head` is the seal with nothing behind it, or nothing but zeros follow to the end of the file."""
    if head == SEAL and not file.read(1):
        return
    if head == _NO_HEAD:
        while block := file.read(_BLOCK):
            if block.strip(b"\0"):
                break
        else:
            return
    raise FormatError(store=path, path=path, offset=offset, detail="what follows is no record")


def is_sealed(path: Path) -> bool:
    """Whether the segment ends in a seal."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            if size < HEADER_BYTES + len(SEAL):
                return False
            file.seek(size - len(SEAL))
            return file.read() == SEAL
    except OSError as failure:
        raise StoreError(store=path, detail=str(failure)) from failure
