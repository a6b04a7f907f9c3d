"""Packs deleted and made smaller: off the path of calls, by control."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Collection, Iterable, Iterator, Set
from itertools import groupby
from pathlib import Path
from typing import Final, NamedTuple

from trimtab.errors import FormatError, StoreError
from trimtab.record import fileheader, packs
from trimtab.record.bodies import PACK_AGE_S
from trimtab.record.fileheader import FileHeader
from trimtab.record.packs import COMPACTED, DEFLATED, HEAD_BYTES, PACK, Entry, Kind
from trimtab.record.reached import Frames

MIN_DEFLATED_BYTES = 128
AGE_NS: Final = int(PACK_AGE_S * 1e9)
MOST_FRAMES: Final = 500_000
"""Of the packs that are looked at together; each frame takes about 200 bytes of memory meanwhile."""

Named = Callable[[Set[bytes], int], Set[bytes]]
"""Which of these digests something names that is kept longer than calls, and may name bodies written before a time."""


class Retained(NamedTuple):
    """How many packs were deleted and how many made smaller, and the bytes that came free."""

    deleted: int = 0
    smaller: int = 0
    freed: int = 0

    def __add__(self, other: object) -> Retained:
        if not isinstance(other, Retained):
            return NotImplemented
        return Retained(*(mine + its for mine, its in zip(self, other, strict=True)))


def retain(bodies: Path, before_ns: int, named: Named | None = None, passed: Collection[Path] = ()) -> Retained:
    """Deletes bodies that no call since `before_ns` refers to and that `named` does not hold; packs `passed` stay.

    A pack is referred to by the calls of the hour (`PACK_AGE_S`) in which it is written at most. One that holds
    something named is written anew with it alone. A damaged pack that might stays as it is, and raises `FormatError`
    when everything else is done.
    """
    done, damage = Retained(), list[FormatError]()
    for directory, paths in groupby(map(Path, sorted(packs.files(bodies))), key=lambda path: path.parent):
        of_epoch = list(paths)
        old = [path for path in of_epoch if path not in passed and _is_old(path, before_ns)]
        if named is None:
            done += sum((_delete(path) for path in old), Retained())
        else:
            for window in _windows(old, damage):
                done += _keep_named(window, of_epoch, named)
        with contextlib.suppress(OSError):  # not empty, as most are
            directory.rmdir()
    if damage:
        raise damage[0]
    return done


def old_packs(bodies: Path, before_ns: int) -> list[Path]:
    """The packs that no call since `before_ns` refers to."""
    return [path for path in map(Path, sorted(packs.files(bodies))) if _is_old(path, before_ns)]


def _is_old(path: Path, before_ns: int) -> bool:
    return packs.finished(path) and path.stat().st_mtime_ns + AGE_NS < before_ns


def _delete(path: Path) -> Retained:
    size = path.stat().st_size
    for suffix in (PACK.suffix, ".idx", ".compacting"):
        path.with_suffix(suffix).unlink(missing_ok=True)
    return Retained(deleted=1, freed=size)


def _windows(paths: Iterable[Path], damage: list[FormatError]) -> Iterator[dict[Path, list[Entry]]]:
    """Packs with their frames, as many at a time as memory is meant for; those that are damaged are noted."""
    window, frames = dict[Path, list[Entry]](), 0
    for path in paths:
        try:
            found = list(packs.scan(path, 0))
        except FormatError as wrong:
            damage.append(wrong)
            continue
        if window and frames + len(found) > MOST_FRAMES:
            yield window
            window, frames = {}, 0
        window[path] = found
        frames += len(found)
    if window:
        yield window


def _keep_named(window: dict[Path, list[Entry]], of_epoch: list[Path], named: Named) -> Retained:
    """Leaves of some packs what is named, with all it is made of. Streams of packs begun soon after may have pieces in
    these, so that what those hold is asked for too.
    """
    until_ns = max(path.stat().st_mtime_ns for path in window) + AGE_NS
    frames = Frames()
    for path, entries in window.items():
        frames.add(path, entries)
    for path in of_epoch:
        if path not in window and path > min(window) and _begun_ns(path) <= until_ns:
            with contextlib.suppress(FormatError):
                frames.add(path, packs.scan(path, 0))
    needed = frames.reached(named(frames.digests, until_ns))
    done = Retained()
    for path, entries in window.items():
        kept = [entry for entry in entries if entry.kind is Kind.END or entry.digest in needed]
        if all(entry.kind is Kind.END for entry in kept):
            done += _delete(path)
        elif len(kept) < len(entries):
            done += Retained(smaller=1, freed=rewrite(path, kept))
    return done


def _begun_ns(path: Path) -> int:
    header = packs.read_header(path)
    return header.created_ns if header is not None else 1 << 62


def compact(path: Path) -> int:
    """Compresses the bodies of a pack that is finished, once; returns the bytes saved. Its time stays what it was.

    Message texts and event streams shrink to a third and less, at a cost that the path of a call cannot bear
    (`bench/micro/records.py`), so packs are written plain and made small here.
    """
    header = packs.read_header(path)
    if header is None or header.flags & COMPACTED or not packs.finished(path):
        return 0
    return rewrite(path, packs.scan(path, 0))


def rewrite(path: Path, entries: Iterable[Entry]) -> int:
    """Writes a finished pack anew with some of its frames, compressed and sealed; returns the bytes saved.

    Whoever reads it meanwhile finds the old or the new one. Its time stays what it was.
    """
    header = packs.read_header(path)
    if header is None:
        return 0
    try:
        before = path.stat()
        fresh = _written(path, header, entries)
        os.utime(fresh, ns=(before.st_atime_ns, before.st_mtime_ns))
        os.replace(fresh, path)  # noqa: PTH105 - reads as what it is, an atomic exchange
        return before.st_size - path.stat().st_size
    except OSError as failure:
        raise StoreError(store=path, detail=str(failure)) from failure


def _written(path: Path, header: FileHeader, entries: Iterable[Entry]) -> Path:
    fresh = path.with_suffix(".compacting")
    with path.open("rb") as old, fresh.open("wb") as new:
        os.fchmod(new.fileno(), os.fstat(old.fileno()).st_mode & 0o777)
        new.write(fileheader.encode(PACK, header._replace(flags=header.flags | COMPACTED)))
        for entry in entries:
            if entry.kind is Kind.END:
                continue
            old.seek(entry.offset + HEAD_BYTES)
            content, flags = old.read(entry.length), entry.flags
            if not flags & DEFLATED and entry.length >= MIN_DEFLATED_BYTES:
                small = packs.deflated(content)
                if len(small) < entry.length:
                    content, flags = small, flags | DEFLATED
            new.write(packs.head(entry.kind, entry.digest, len(content), flags))
            new.write(content)
        new.write(PACK.seal)
        new.flush()
        os.fsync(new.fileno())
    return fresh
