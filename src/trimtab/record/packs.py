"""How bodies lie in a pack: after the file header one frame each, content-addressed by sha256.

A frame is a head of 42 bytes (length of the content, kind, flags, digest, checksum of the head) and the content. The
content has no checksum of its own: its digest is one.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator
from enum import IntEnum
from pathlib import Path
from typing import BinaryIO, NamedTuple

from trimtab.errors import FormatError, StoreError
from trimtab.record import fileheader
from trimtab.record.fileheader import HEADER_BYTES, FileHeader, FileKind

FORMAT_VERSION = 1
DIGEST_BYTES = 32
DEFLATED = 1
"""Frame flag: the content is its length before compression (32 bits) and a zlib stream."""
COMPACTED = 1
"""File flag: the frames have been compressed where that made them smaller."""

_FIELDS = struct.Struct("<IBB32s")
_HEAD = struct.Struct("<IBB32sI")
_LENGTH = struct.Struct("<I")
HEAD_BYTES = _HEAD.size
_BLOCK = 1 << 16


class Kind(IntEnum):
    """What a frame's content is, and what its digest is the sha256 of."""

    END = 0
    """The seal of a pack whose writer is done."""
    BLOB = 1
    """Bytes, as they are."""
    PIECES = 2
    """The digests of blobs that make up the bytes."""
    NODE = 3
    """A message in a chain: the digest of the node before it (zeros for the first), then the message.

    Its digest is the sha256 of the parent's digest and the message's digest.
    """
    LINK = 4
    """The same with the message's digest in place of the message, which is a blob of its own."""
    REQUEST = 5
    """A request body with its messages taken out (`chains.Around`); the digest is that of the whole body."""


def head(kind: Kind, digest: bytes, length: int, flags: int = 0) -> bytes:
    """The head of a frame."""
    fields = _FIELDS.pack(length, kind, flags, digest)
    return fields + _LENGTH.pack(zlib.crc32(fields))


SEAL = head(Kind.END, bytes(DIGEST_BYTES), 0)
PACK = FileKind(b"TTPK", FORMAT_VERSION, ".pack", SEAL)


class Entry(NamedTuple):
    """One frame of a pack: `offset` is where its head begins, `length` how long its content is, in bytes."""

    kind: Kind
    flags: int
    digest: bytes
    offset: int
    length: int

    @property
    def end(self) -> int:
        """The offset behind the frame."""
        return self.offset + HEAD_BYTES + self.length


def files(bodies: Path) -> set[str]:
    """The paths of all packs of all epochs; listed without asking for more, since there may be thousands."""
    return {
        entry.path
        for epoch in _entries(bodies)
        for entry in _entries(epoch.path)
        if entry.name.endswith(PACK.suffix) and entry.name.removesuffix(PACK.suffix).isdecimal()
    }


def _entries(directory: Path | str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(directory) as entries:
            return list(entries)
    except (FileNotFoundError, NotADirectoryError):
        return []


def read_header(path: Path) -> FileHeader | None:
    """The pack's header, None while it is not whole; raises `FormatError` and `StoreError`."""
    try:
        with path.open("rb") as file:
            return fileheader.decode(PACK, file.read(HEADER_BYTES), path)
    except OSError as failure:
        raise StoreError(store=path, detail=str(failure)) from failure


def scan(path: Path, start: int) -> Iterator[Entry]:
    """The frames from byte `start` on (0: the beginning), contents unread; the seal is the last if there is one.

    Stops where the file ends, also amid a frame or at zeros that a crash left. Raises `FormatError` for damage
    elsewhere, `StoreError` when the file cannot be read.
    """
    try:
        with path.open("rb", buffering=_BLOCK) as file:
            if fileheader.decode(PACK, file.read(HEADER_BYTES), path) is not None:
                yield from _scan(file, path, max(start, HEADER_BYTES))
    except OSError as failure:
        raise StoreError(store=path, detail=str(failure)) from failure


def _scan(file: BinaryIO, path: Path, offset: int) -> Iterator[Entry]:
    size = os.fstat(file.fileno()).st_size
    while offset + HEAD_BYTES <= size:
        file.seek(offset)
        entry = _entry(file.read(HEAD_BYTES), offset)
        if entry is None:
            if _zeros_to_the_end(file, offset):
                return
            raise FormatError(store=path, path=path, offset=offset, detail="what follows is no frame of a body")
        if entry.end > size:
            return
        yield entry
        offset = entry.end


def _entry(data: bytes, offset: int) -> Entry | None:
    if len(data) < HEAD_BYTES:
        return None
    length, kind, flags, digest, checksum = _HEAD.unpack(data)
    if zlib.crc32(data[: _FIELDS.size]) != checksum or kind > Kind.REQUEST:
        return None
    return Entry(Kind(kind), flags, digest, offset, length)


def _zeros_to_the_end(file: BinaryIO, offset: int) -> bool:
    file.seek(offset)
    while block := file.read(_BLOCK):
        if block.strip(b"\0"):
            return False
    return True


def load(path: Path, offset: int, digest: bytes) -> tuple[Kind, bytes] | None:
    """The kind and content of the frame at `offset`; None when another body lies there now or none does.

    Raises `FormatError` for compressed content that is damaged, `StoreError` when the file cannot be read.
    """
    try:
        with path.open("rb") as file:
            file.seek(offset)
            entry = _entry(file.read(HEAD_BYTES), offset)
            if entry is None or entry.digest != digest or entry.end > os.fstat(file.fileno()).st_size:
                return None
            content = file.read(entry.length)
    except FileNotFoundError:
        return None
    except OSError as failure:
        raise StoreError(store=path, detail=str(failure)) from failure
    if entry.flags & DEFLATED:
        content = _inflated(content, path, offset)
    return entry.kind, content


def deflated(content: bytes, level: int = 6) -> bytes:
    """The content as it is stored under the flag `DEFLATED`; `level` is zlib's."""
    return _LENGTH.pack(len(content)) + zlib.compress(content, level)


def _inflated(content: bytes, path: Path, offset: int) -> bytes:
    stream = zlib.decompressobj()
    try:
        length = _LENGTH.unpack_from(content)[0]
        whole = stream.decompress(content[_LENGTH.size :], max(1, length))
    except (struct.error, zlib.error) as wrong:
        raise FormatError(store=path, path=path, offset=offset, detail=f"compressed content: {wrong}") from None
    if len(whole) != length or not stream.eof:
        raise FormatError(store=path, path=path, offset=offset, detail="compressed content has another length")
    return whole


def is_sealed(path: Path) -> bool:
    """Whether the pack ends in a seal."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            if size < HEADER_BYTES + len(SEAL):
                return False
            file.seek(size - len(SEAL))
            return file.read() == SEAL
    except OSError as failure:
        raise StoreError(store=path, detail=str(failure)) from failure


def finished(path: Path) -> bool:
    """Whether nothing will be added to the pack: it is sealed, or its writer has gone on to the next."""
    return PACK.path(path.parent, int(path.stem) + 1).exists() or is_sealed(path)
