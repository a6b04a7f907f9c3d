"""Heads that come again and again on a connection, differing in nothing but the number of their Content-Length.

Whoever has judged one of them need not read the next: bytes that are the same mean the same. What the number may be
is for the caller to check.
"""

from __future__ import annotations

import re

from msgspec import Struct

_LINE_END = b"\r\n"
_LENGTH_LINE = re.compile(rb"\r\ncontent-length:[ \t]*([0-9]+)\r\n", re.IGNORECASE)
_MAX_DIGITS = 12
ANOTHER = (-1, -1)


class RepeatedHead(Struct, frozen=True, eq=False):
    """A head as its bytes before and behind the digits of its one Content-Length."""

    before: bytes
    behind: bytes

    def find(self, data: bytes, at: int) -> tuple[int, int]:
        """The Content-Length and the offset behind the head that begins at `at`; `ANOTHER` if it is not this one."""
        if not data.startswith(self.before, at):
            return ANOTHER
        begin = at + len(self.before)
        stop = data.find(_LINE_END, begin, begin + _MAX_DIGITS + len(_LINE_END))
        digits = data[begin:stop]
        if stop < 0 or not digits.isdigit() or not data.startswith(self.behind, stop):
            return ANOTHER
        return int(digits), stop + len(self.behind)


def repeated(raw: bytes) -> RepeatedHead | None:
    """A good head, blank line included, made ready to be found again; None where it has no plain length."""
    length = _LENGTH_LINE.search(raw)
    if length is None or len(length[1]) > _MAX_DIGITS:
        return None
    return RepeatedHead(raw[: length.start(1)], raw[length.end(1) :])
