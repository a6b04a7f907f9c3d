"""Sortable ids (RFC 9562, version 7, as 32 hexadecimal digits) and W3C trace context."""

from __future__ import annotations

import os
import random
import re
from typing import NamedTuple

TRACEPARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")


class IdSource:
    """Makes ids that sort by the millisecond they were made in.

    One a process: two processes are kept apart by the seed, which the operating system gives.
    """

    def __init__(self, seed: int | None = None) -> None:
        self._bits = random.Random(os.urandom(16) if seed is None else seed).getrandbits  # noqa: S311 - uniqueness, not secrecy

    def new(self, wall_ns: int) -> str:
        """A fresh id for something that began at `wall_ns` nanoseconds since 1970."""
        tail = self._bits(74)
        value = (wall_ns // 1_000_000) << 80 | 0x7 << 76 | (tail >> 62) << 64 | 0x2 << 62 | tail & 0x3FFFFFFFFFFFFFFF
        return f"{value:032x}"


class TraceParent(NamedTuple):
    """What a `traceparent` header says (W3C Trace Context, section 3.2)."""

    trace_id: str
    parent_id: str
    sampled: bool


def parse_traceparent(value: str) -> TraceParent | None:
    """The header's parts, or None for anything the specification tells a receiver to ignore."""
    match = TRACEPARENT.fullmatch(value.strip())
    if match is None:
        return None
    version, trace_id, parent_id, flags, more = match.groups()
    invalid = version == "ff" or not int(trace_id, 16) or not int(parent_id, 16) or (version == "00" and more)
    return None if invalid else TraceParent(trace_id, parent_id, bool(int(flags, 16) & 1))
