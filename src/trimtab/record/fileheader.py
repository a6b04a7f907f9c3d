"""The 64 bytes every file of records begins with: what it is, in which version, whose and how old."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import NamedTuple

from trimtab.errors import FormatError

HEADER_BYTES = 64
_FIELDS = struct.Struct("<4sHHIQ40s")
_CHECKSUM = struct.Struct("<I")


class FileKind(NamedTuple):
    """What tells one kind of file from another: magic bytes, version of its format, suffix, and what seals it."""

    magic: bytes
    version: int
    suffix: str
    seal: bytes

    def path(self, directory: Path, number: int) -> Path:
        """The path of the file of this kind with this number."""
        return directory / f"{number:08d}{self.suffix}"


class FileHeader(NamedTuple):
    """Who wrote a file, as which of its files, when (ns since 1970), and `flags` of its kind."""

    epoch: str
    number: int
    created_ns: int
    flags: int = 0


def encode(kind: FileKind, header: FileHeader) -> bytes:
    """The header's 64 bytes; an epoch has at most 40 ASCII characters."""
    fields = _FIELDS.pack(
        kind.magic, kind.version, header.flags, header.number, header.created_ns, header.epoch.encode("ascii")
    )
    return fields + _CHECKSUM.pack(zlib.crc32(fields))


def decode(kind: FileKind, data: bytes, path: Path) -> FileHeader | None:
    """The header at the start of a file, None while it is not whole; raises `FormatError` for anything else."""
    if len(data) < HEADER_BYTES:
        return None
    magic, version, flags, number, created_ns, epoch = _FIELDS.unpack_from(data)
    if magic != kind.magic:
        raise FormatError(store=path, path=path, offset=0, detail=f"it does not begin with {kind.magic!r}")
    if _CHECKSUM.unpack_from(data, _FIELDS.size)[0] != zlib.crc32(data[: _FIELDS.size]):
        raise FormatError(store=path, path=path, offset=0, detail="the header's checksum is wrong")
    if version != kind.version:
        detail = f"it has format version {version}, this program reads {kind.version}"
        raise FormatError(store=path, path=path, offset=0, detail=detail)
    return FileHeader(epoch.rstrip(b"\0").decode("ascii", "replace"), number, created_ns, flags)
