"""The chunked transfer coding of a request's body (RFC 9112, section 7.1), read strictly."""

from __future__ import annotations

import re
from enum import Enum, auto
from io import BytesIO

from trimtab.errors import InvalidRequest, PayloadTooLarge

_SIZE_LINE = re.compile(rb"([0-9A-Fa-f]{1,16})(?:[ \t]*;[\t\x20-\x7e\x80-\xff]*)?")
_FIELD_LINE = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[\t\x20-\x7e\x80-\xff]*")
_MAX_SIZE_LINE = 256
_MAX_TRAILERS = 8192
_FREE_OVERHEAD = 16
_MAX_OVERHEAD = 16 << 10


class _Expects(Enum):
    SIZE = auto()
    DATA = auto()
    DATA_END = auto()
    TRAILER = auto()
    NOTHING = auto()


class ChunkedBody:
    """One chunked body, taken in as it arrives; what it says does not depend on how its bytes are split.

    Chunk extensions and trailer fields are checked for their form and thrown away. At most 256 bytes make a size line,
    8 KiB the trailers; beyond 16 bytes a chunk and twice its data, 16 KiB of framing are allowed in all, so that
    one-byte chunks with long extensions cannot buy work.
    """

    __slots__ = ("_data", "_expects", "_left", "_line", "_overhead", "_size", "_trailers")

    def __init__(self) -> None:
        self._data = BytesIO()
        self._expects = _Expects.SIZE
        self._left = 0
        self._line = b""
        self._overhead = 0
        self._trailers = 0
        self._size = 0

    @property
    def buffered(self) -> int:
        """Decoded bytes so far."""
        return self._data.tell()

    @property
    def whole(self) -> bytes:
        """The decoded body."""
        return self._data.getvalue()

    def feed(self, data: bytes, at: int, limit: int) -> int:
        """Takes `data` from offset `at`; the offset behind the body, or -1 while it goes on.

        Raises `InvalidRequest` on bad framing, and `PayloadTooLarge` once the sizes announced exceed `limit` bytes.
        """
        while at < len(data):
            if self._expects is _Expects.DATA:
                at = self._take_data(data, at)
                continue
            at = self._take_line(data, at)
            if at < 0:
                return -1
            line, self._line = self._line, b""
            self._read_line(line, limit)
            if self._expects is _Expects.NOTHING:
                return at
        return -1

    def _take_data(self, data: bytes, at: int) -> int:
        piece = data[at : at + self._left]
        self._data.write(piece)
        self._left -= len(piece)
        if not self._left:
            self._expects = _Expects.DATA_END
        return at + len(piece)

    def _take_line(self, data: bytes, at: int) -> int:
        """Gathers a line without its CRLF into `_line`; the offset behind it, or -1 while it is not whole."""
        most = self._longest_line()
        end = data.find(b"\n", at, at + most + 2)
        line = self._line + data[at : end if end >= 0 else at + most + 2]
        text = line[:-1] if line.endswith(b"\r") else line
        if b"\r" in text or (end >= 0 and text is line):
            raise InvalidRequest(detail="a line of the chunked body does not end with CRLF")
        if len(text) > most:
            raise InvalidRequest(detail="a line of the chunked body is too long or stands where a chunk should end")
        if end < 0:
            self._line = line
            return -1
        self._line = text
        return end + 1

    def _longest_line(self) -> int:
        if self._expects is _Expects.SIZE:
            return _MAX_SIZE_LINE
        return _MAX_TRAILERS - self._trailers if self._expects is _Expects.TRAILER else 0

    def _read_line(self, line: bytes, limit: int) -> None:
        if self._expects is _Expects.SIZE:
            self._read_size(line, limit)
        elif self._expects is _Expects.DATA_END:
            self._expects = _Expects.SIZE
        elif not line:
            self._expects = _Expects.NOTHING
        elif _FIELD_LINE.fullmatch(line) is None:
            raise InvalidRequest(detail="a trailer of the chunked body is not a field")
        else:
            self._trailers += len(line)

    def _read_size(self, line: bytes, limit: int) -> None:
        found = _SIZE_LINE.fullmatch(line)
        if found is None:
            raise InvalidRequest(detail="the size of a chunk is not a hexadecimal number")
        size = int(found[1], 16)
        self._size += size
        if self._size > limit:
            raise PayloadTooLarge(limit=limit)
        self._overhead = max(0, self._overhead + len(line) - _FREE_OVERHEAD - 2 * size)
        if self._overhead > _MAX_OVERHEAD:
            raise InvalidRequest(detail="the chunked body is mostly framing")
        self._left = size
        self._expects = _Expects.DATA if size else _Expects.TRAILER
