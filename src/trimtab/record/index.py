"""The one body store, read side: finds bodies by digest and makes their exact bytes again.

Built off the path of calls, by control: each finished pack gets a sorted index file beside it, what is still being
written is indexed in memory. Index files hold nothing of their own; a missing or stale one is made again.
"""

from __future__ import annotations

import mmap
import os
import struct
from hashlib import sha256
from pathlib import Path

import msgspec

from trimtab.errors import FormatError, StoreError
from trimtab.record import chains, fileheader, packs
from trimtab.record.fileheader import HEADER_BYTES, FileHeader, FileKind
from trimtab.record.packs import DIGEST_BYTES, Kind

INDEX = FileKind(b"TTIX", 1, ".idx", b"")
MAX_OPEN_INDEXES = 64
MAX_DEPTH = 8
"""How deep bodies may be made of each other; what is written by Trimtab needs three."""

_PACK_SIZE = struct.Struct("<Q")
_OFFSET = struct.Struct("<Q")
_ENTRY_BYTES = DIGEST_BYTES + _OFFSET.size
_FIRST = HEADER_BYTES + _PACK_SIZE.size


class BodyIndex:
    """Looks bodies up over all packs of a data directory; for one thread.

    `update` takes in what was added or deleted since. At most 64 index files are open at a time.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._known: dict[str, Path] = {}
        self._live: dict[Path, _LivePack] = {}
        self._finished: dict[Path, None] = {}
        self._open: dict[Path, _SortedIndex] = {}

    def __repr__(self) -> str:
        return f"BodyIndex({self._directory}, {len(self._finished)} finished packs, {len(self._live)} live)"

    def update(self) -> None:
        """Indexes new packs and what was added to live ones; raises `FormatError` for a damaged pack, `StoreError`.

        Damage is told once. It does not keep other packs from being indexed, nor what precedes it in its own.
        """
        present = packs.files(self._directory)
        for name in self._known.keys() - present:
            self._forget(self._known.pop(name))
        fresh = sorted(present - self._known.keys())
        self._known.update((name, Path(name)) for name in fresh)
        damage: FormatError | None = None
        for path in [path for path, live in self._live.items() if not live.damaged] + [Path(name) for name in fresh]:
            try:
                self._take(path)
            except FormatError as wrong:
                damage = damage or wrong
        if damage is not None:
            raise damage

    def read(self, digest: str) -> bytes | None:
        """The exact bytes that this digest stands for in a record; None if they are not kept or not indexed yet.

        Raises `FormatError` if what is stored is damaged.
        """
        key = _key(digest)
        found = self._load(key) if key else None
        if key is None or found is None:
            return None
        kind, content, path = found
        body = self._made(kind, content, path, 0)
        if body is not None and sha256(body).digest() != key:
            raise FormatError(store=path, path=path, offset=0, detail=f"body {digest} has other bytes than it should")
        return body

    def messages(self, digest: str) -> list[bytes] | None:
        """The messages of the chain that ends in this node, oldest first; None if one of them is not kept."""
        key = _key(digest)
        return self._chain(key, 0) if key and key != chains.ROOT else None

    def _made(self, kind: Kind, content: bytes, path: Path, depth: int) -> bytes | None:
        """The body a frame stands for, made of other frames where it must be."""
        if kind is Kind.BLOB:
            return content
        if depth == MAX_DEPTH:
            raise FormatError(store=path, path=path, offset=0, detail="bodies are made of each other too deep")
        if kind is Kind.PIECES:
            pieces = [self._blob(content[i : i + DIGEST_BYTES], depth) for i in range(0, len(content), DIGEST_BYTES)]
            return None if None in pieces else b"".join(piece for piece in pieces if piece is not None)
        return self._request(content, path, depth) if kind is Kind.REQUEST else None

    def _request(self, content: bytes, path: Path, depth: int) -> bytes | None:
        try:
            around = chains.decode(content)
        except msgspec.DecodeError as wrong:
            raise FormatError(store=path, path=path, offset=0, detail=f"a request is not valid: {wrong}") from None
        texts = [(gap.times, self._blob(gap.blob, depth) if gap.blob else gap.text) for gap in around.gaps]
        known = [(times, text) for times, text in texts if text is not None]
        messages = self._chain(around.head, depth)
        if messages is None or len(known) < len(texts):
            return None
        body = chains.joined(around.size, known, messages)
        if body is None:
            raise FormatError(store=path, path=path, offset=0, detail="a request's pieces do not fit each other")
        return body

    def _blob(self, digest: bytes, depth: int) -> bytes | None:
        """A part of a body; the same bytes may have been kept as a request before."""
        found = self._load(digest)
        return self._made(*found, depth + 1) if found else None

    def _chain(self, head: bytes, depth: int) -> list[bytes] | None:
        messages: list[bytes] = []
        while head != chains.ROOT:
            found = self._load(head)
            if found is None or found[0] not in {Kind.NODE, Kind.LINK}:
                return None
            kind, content, path = found
            parent, message = content[:DIGEST_BYTES], content[DIGEST_BYTES:]
            if kind is Kind.LINK:
                blob = self._blob(message, depth)
                if blob is None:
                    return None
                message = blob
            if chains.node_digest(parent, sha256(message).digest()) != head:
                raise FormatError(store=path, path=path, offset=0, detail=f"node {head.hex()} has other bytes")
            messages.append(message)
            head = parent
        messages.reverse()
        return messages

    def _load(self, digest: bytes) -> tuple[Kind, bytes, Path] | None:
        """A frame by its digest, from whichever pack has it; the pack that answered last is asked first."""
        for path, live in self._live.items():
            offset = live.offsets.get(digest)
            found = None if offset is None else packs.load(path, offset, digest)
            if found is not None:
                return (*found, path)
        for path in reversed(self._finished):
            found = self._load_from(path, digest)
            if found is not None:
                self._finished[path] = self._finished.pop(path)
                return (*found, path)
        return None

    def _load_from(self, path: Path, digest: bytes) -> tuple[Kind, bytes] | None:
        """A frame of a finished pack; one that was made smaller meanwhile is indexed again."""
        try:
            offset = self._index(path).find(digest)
            found = None if offset is None else packs.load(path, offset, digest)
            if found is None and offset is not None and path.exists():
                self._close(path)
                self._take(path)
                offset = self._index(path).find(digest)
                found = None if offset is None else packs.load(path, offset, digest)
        except FileNotFoundError:
            return None
        else:
            return found

    def _take(self, path: Path) -> None:
        """Indexes a pack: for good if nothing will be added to it, else as far as it is written."""
        try:
            done = packs.finished(path)
            size = path.stat().st_size
            if not (done and _SortedIndex.is_of(path, size)):
                live = self._live.setdefault(path, _LivePack())
                live.follow(path)
                if not done:
                    return
                _SortedIndex.write(path, size, live.offsets)
        except FileNotFoundError:
            return
        except OSError as failure:
            raise StoreError(store=path, detail=str(failure)) from failure
        self._live.pop(path, None)
        self._finished[path] = None

    def _index(self, path: Path) -> _SortedIndex:
        index = self._open.pop(path, None) or _SortedIndex(path)
        self._open[path] = index
        if len(self._open) > MAX_OPEN_INDEXES:
            self._close(next(iter(self._open)))
        return index

    def _close(self, path: Path) -> None:
        index = self._open.pop(path, None)
        if index is not None:
            index.close()

    def _forget(self, path: Path) -> None:
        self._live.pop(path, None)
        self._finished.pop(path, None)
        self._close(path)


class _LivePack:
    """Where the frames of a pack begin that is still being written."""

    __slots__ = ("damaged", "offsets", "reached")

    def __init__(self) -> None:
        self.damaged = False
        self.reached = 0
        self.offsets: dict[bytes, int] = {}

    def follow(self, path: Path) -> None:
        try:
            for entry in packs.scan(path, self.reached):
                if entry.kind is not Kind.END:
                    self.offsets.setdefault(entry.digest, entry.offset)
                self.reached = entry.end
        except FormatError:
            self.damaged = True
            raise


class _SortedIndex:
    """The index file of one sealed pack, mapped into memory: digests in order, each with an offset."""

    def __init__(self, pack: Path) -> None:
        with pack.with_suffix(INDEX.suffix).open("rb") as file:
            self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self._count = (len(self._map) - _FIRST) // _ENTRY_BYTES

    def find(self, digest: bytes) -> int | None:
        """The offset of a digest's frame."""
        low, high = 0, self._count
        while low < high:
            middle = (low + high) // 2
            start = _FIRST + middle * _ENTRY_BYTES
            if self._map[start : start + DIGEST_BYTES] < digest:
                low = middle + 1
            else:
                high = middle
        start = _FIRST + low * _ENTRY_BYTES
        if low == self._count or self._map[start : start + DIGEST_BYTES] != digest:
            return None
        offset: int = _OFFSET.unpack_from(self._map, start + DIGEST_BYTES)[0]
        return offset

    def close(self) -> None:
        self._map.close()

    @staticmethod
    def is_of(pack: Path, size: int) -> bool:
        """Whether the pack has an index file that was made of it at this size."""
        path = pack.with_suffix(INDEX.suffix)
        try:
            with path.open("rb") as file:
                head = file.read(_FIRST)
            whole = (path.stat().st_size - _FIRST) % _ENTRY_BYTES == 0
            known = fileheader.decode(INDEX, head, path) is not None
        except (FileNotFoundError, FormatError):
            return False
        return known and whole and len(head) == _FIRST and _PACK_SIZE.unpack_from(head, HEADER_BYTES)[0] == size

    @staticmethod
    def write(pack: Path, size: int, offsets: dict[bytes, int]) -> None:
        """Writes the index file of a pack, whole or not at all."""
        path = pack.with_suffix(INDEX.suffix)
        fresh = path.with_suffix(f".idx.{os.getpid()}")  # control and keeper may both find that it is missing
        header = FileHeader(pack.parent.name[:40], int(pack.stem), 0)
        entries = b"".join(digest + _OFFSET.pack(offset) for digest, offset in sorted(offsets.items()))
        fresh.write_bytes(fileheader.encode(INDEX, header) + _PACK_SIZE.pack(size) + entries)
        os.replace(fresh, path)  # noqa: PTH105 - reads as what it is, an atomic exchange


def _key(digest: str) -> bytes | None:
    try:
        key = bytes.fromhex(digest)
    except ValueError:
        return None
    return key if len(key) == DIGEST_BYTES else None
