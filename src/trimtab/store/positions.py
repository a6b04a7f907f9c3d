"""How far the spool has been ingested, on disk: the other half of exactly once."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import msgspec
from msgspec import Struct

from trimtab.errors import FormatError

FORMAT_VERSION = 1
FILE = "positions.json"


class Range(Struct, frozen=True, omit_defaults=True):
    """Bytes [start, end) of a segment, named `EPOCH/NUMBER`; of a `damaged` one what is whole in them."""

    segment: str
    start: int
    end: int
    damaged: bool = False


class Aside(Struct, frozen=True):
    """A damaged segment that cannot be read on from a byte, and when that was found."""

    segment: str
    offset: int
    detail: str
    at_ns: int


class Pending(Struct, frozen=True):
    """What one insert takes up, written down before it is sent."""

    ranges: tuple[Range, ...]
    aside: tuple[Aside, ...] = ()

    @property
    def token(self) -> str:
        """The insert's deduplication token: the same ranges give the same one."""
        return hashlib.sha256(msgspec.json.encode(self)).hexdigest()


class Positions(Struct, frozen=True):
    """Bytes stored of each segment, the damaged ones that are not read on, and the insert under way, if any.

    `done` of a damaged segment stays for as long as its file does, so that salvage begins where reading ended.
    """

    done: dict[str, int] = {}
    aside: frozenset[str] = frozenset()
    pending: Pending | None = None
    version: int = FORMAT_VERSION

    def begin(self, pending: Pending) -> Positions:
        """The positions from which an insert can be sent again exactly."""
        return Positions(self.done, self.aside, pending)

    def finish(self) -> Positions:
        """The positions once the insert under way is stored."""
        if self.pending is None:
            return self
        ended = {part.segment: part.end for part in self.pending.ranges}
        return Positions(self.done | ended, self.aside | {aside.segment for aside in self.pending.aside})

    def mended(self, segment: str, size: int) -> Positions:
        """The positions once a damaged segment counts as stored to its end."""
        return Positions(self.done | {segment: size}, self.aside - {segment}, self.pending)

    def without(self, segments: set[str]) -> Positions:
        """The positions after some segments left the spool, damaged ones under another name."""
        done = {name: end for name, end in self.done.items() if name not in segments - self.aside}
        return Positions(done, self.aside - segments, self.pending)


def read(directory: Path) -> Positions:
    """The positions in a directory; empty ones if there are none. Raises `FormatError` for a file of another kind."""
    path = directory / FILE
    if not path.exists():
        return Positions()
    try:
        positions = msgspec.json.decode(path.read_bytes(), type=Positions)
    except msgspec.DecodeError as error:
        raise FormatError(path=path, offset=0, detail=str(error)) from error
    if positions.version > FORMAT_VERSION:
        raise FormatError(path=path, offset=0, detail=f"version {positions.version} is of a newer release")
    return positions


def write(directory: Path, positions: Positions) -> None:
    """Puts the positions on disk whole; they are there after a power loss once this returns."""
    fresh = directory / f"{FILE}.new"
    with fresh.open("wb") as file:
        file.write(msgspec.json.encode(positions))
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(directory / FILE)
    held = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(held)
    finally:
        os.close(held)
