"""Bodies of entries that are too long to stand in them: on the disk before the commit that names them."""

from __future__ import annotations

from hashlib import sha256
from typing import Final, Protocol

from trimtab.errors import StorageFull
from trimtab.record import packs
from trimtab.record.log import RollingLog
from trimtab.record.packs import Kind

KNOWN = 32_768
"""Digests that are remembered, so that one pack does not hold a body twice; when there are more, all are forgotten."""

QUICK_BYTES: Final = 64 << 10
"""A longer body is written as it is and compressed later, with its pack: commits wait for this."""


class RunBodies(Protocol):
    """Where bodies are kept; used by the journal's one writer."""

    def keep(self, content: bytes) -> None:
        """Takes a body; raises `StoreError` when there is no room."""
        ...

    def sync(self) -> None:
        """All that was taken is on disk when this returns. Raises `StoreError`."""
        ...

    def finish(self) -> None:
        """Finishes what was written for long enough, so that bodies can be taken out of it; raises `StoreError`."""
        ...

    def load(self, digest: str) -> bytes | None:
        """The body of that sha256 (hexadecimal), from wherever it lies; None where it is not kept."""
        ...


class MemoryBodies:
    """Bodies in memory, for tests and runs in process."""

    def __init__(self) -> None:
        self.held: dict[str, bytes] = {}

    def __repr__(self) -> str:
        return f"MemoryBodies({len(self.held)})"

    def keep(self, content: bytes) -> None:
        """Takes a body."""
        self.held[sha256(content).hexdigest()] = content

    def sync(self) -> None:
        """Memory has no disk."""

    def finish(self) -> None:
        """Memory has no packs."""

    def load(self, digest: str) -> bytes | None:
        """The body of that digest."""
        return self.held.get(digest)


class Reader(Protocol):
    """The reading side of the body store."""

    def read(self, digest: str) -> bytes | None:
        """The body of that digest; None where it is not kept."""
        ...


class PackedBodies:
    """Bodies in packs of the keeper's own epoch; read from the packs of every process."""

    def __init__(self, log: RollingLog, reader: Reader) -> None:
        self._log = log
        self._reader = reader
        self._known: set[bytes] = set()

    def __repr__(self) -> str:
        return f"PackedBodies({self._log!r})"

    def keep(self, content: bytes) -> None:
        """Puts a body into the pack, unless the pack has it."""
        self.finish()
        digest = sha256(content).digest()
        if digest in self._known:
            return
        flags, stored = _stored(content)
        frame = (packs.head(Kind.BLOB, digest, len(stored), flags), stored)
        size = packs.HEAD_BYTES + len(stored)
        if self._log.append(frame, lambda limit: size if limit >= size else 0) < size:
            raise StorageFull(directory=self._log.directory)
        if len(self._known) >= KNOWN:
            self._known.clear()
        self._known.add(digest)

    def sync(self) -> None:
        """The pack is on disk when this returns."""
        self._log.sync()

    def finish(self) -> None:
        """Finishes a pack that is at its limit of size or age."""
        if self._log.due():
            self._log.roll()
            self._known.clear()

    def load(self, digest: str) -> bytes | None:
        """The body of that digest."""
        return self._reader.read(digest)


def _stored(content: bytes) -> tuple[int, bytes]:
    """The flags and bytes of a body in its pack: compressed where that is quick and makes it smaller."""
    if len(content) <= QUICK_BYTES:
        smaller = packs.deflated(content, 1)
        if len(smaller) < len(content):
            return packs.DEFLATED, smaller
    return 0, content
