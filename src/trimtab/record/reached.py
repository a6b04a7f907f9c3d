"""What bodies are made of: from the digest of a body to all frames that it takes to make its bytes again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Set
from pathlib import Path
from typing import NamedTuple

import msgspec

from trimtab.errors import FormatError
from trimtab.record import chains, packs
from trimtab.record.packs import DIGEST_BYTES, Entry, Kind


class _Place(NamedTuple):
    path: Path
    offset: int


class Frames:
    """The frames of some packs by their digests; only those that are made of others are ever read."""

    def __init__(self) -> None:
        self._places: dict[bytes, _Place | None] = {}

    def __repr__(self) -> str:
        return f"Frames({len(self._places)})"

    @property
    def digests(self) -> Set[bytes]:
        """The digests of all of them."""
        return self._places.keys()

    def add(self, path: Path, entries: Iterable[Entry]) -> None:
        """Takes in the frames of a pack."""
        for entry in entries:
            if entry.kind is Kind.BLOB:
                self._places.setdefault(entry.digest, None)
            elif entry.kind is not Kind.END and self._places.get(entry.digest) is None:
                self._places[entry.digest] = _Place(path, entry.offset)

    def reached(self, roots: Iterable[bytes]) -> set[bytes]:
        """These digests and all that they are made of; raises `FormatError` for a damaged frame, `StoreError`."""
        found: set[bytes] = set()
        waiting = list(roots)
        while waiting:
            digest = waiting.pop()
            if digest in found:
                continue
            found.add(digest)
            place = self._places.get(digest)
            loaded = packs.load(place.path, place.offset, digest) if place is not None else None
            if place is not None and loaded is not None:
                waiting += parts_of(*loaded, place.path)
        return found


def parts_of(kind: Kind, content: bytes, path: Path) -> Iterator[bytes]:
    """The digests of what a frame is made of; raises `FormatError`."""
    match kind:
        case Kind.PIECES:
            yield from (content[start : start + DIGEST_BYTES] for start in range(0, len(content), DIGEST_BYTES))
        case Kind.NODE | Kind.LINK:
            yield content[:DIGEST_BYTES]
            if kind is Kind.LINK:
                yield content[DIGEST_BYTES:]
        case Kind.REQUEST:
            try:
                around = chains.decode(content)
            except msgspec.DecodeError as wrong:
                raise FormatError(store=path, path=path, offset=0, detail=f"a request is not valid: {wrong}") from None
            yield around.head
            yield from (gap.blob for gap in around.gaps if gap.blob)
        case _:
            return
