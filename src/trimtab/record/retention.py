"""What may be deleted, and packs made smaller: off the path of calls, by control."""

from __future__ import annotations

import os
from collections.abc import Collection
from itertools import groupby
from pathlib import Path

from trimtab.errors import StoreError
from trimtab.record import fileheader, packs, tail
from trimtab.record.bodies import PACK_AGE_S
from trimtab.record.events import Admitted, Settled
from trimtab.record.packs import COMPACTED, DEFLATED, HEAD_BYTES, PACK, Kind
from trimtab.record.tail import Segment

MIN_DEFLATED_BYTES = 128


def spent_segments(spool: Path, ingested: Collection[tuple[str, int]], before_ns: int) -> list[Segment]:
    """The segments that may be deleted, in order.

    A segment may go when it is ingested to its end (`ingested` holds (epoch, number)), was last written before
    `before_ns` (since 1970), and neither it nor one before it in its epoch holds a call without an end: that call's
    `Admitted` is what the supervisor would settle it from. Raises `FormatError` for a damaged segment among them.
    """
    spent: list[Segment] = []
    for _, group in groupby(tail.segments(spool), key=lambda segment: segment.epoch):
        of_epoch = list(group)
        old = 0
        for segment in of_epoch:
            done = (segment.epoch, segment.number) in ingested and tail.finished(segment)
            if not done or segment.path.stat().st_mtime_ns >= before_ns:
                break
            old += 1
        spent += of_epoch[: _without_open_calls(of_epoch, old)]
    return spent


def _without_open_calls(segments: list[Segment], old: int) -> int:
    """How many of the first `old` segments hold no call that has no end in any segment of the epoch."""
    admitted_in: dict[str, int] = {}
    for position, segment in enumerate(segments):
        if position >= old and not admitted_in:
            break
        for _, event in tail.read(segment.path, 0):
            match event:
                case Admitted() if position < old:
                    admitted_in[event.call] = position
                case Settled():
                    admitted_in.pop(event.admitted.call, None)
    return min(admitted_in.values(), default=old)


def delete_segments(segments: list[Segment]) -> None:
    """Deletes segments, and the directories of epochs that are empty then."""
    for segment in segments:
        segment.path.unlink(missing_ok=True)
    for directory in {segment.path.parent for segment in segments}:
        _remove_if_empty(directory)


def delete_packs(bodies: Path, before_ns: int) -> int:
    """Deletes the packs, with their indexes, that no call since `before_ns` refers to; returns how many.

    A pack is referred to by the calls of the hour (`PACK_AGE_S`) in which it is written at most.
    """
    deleted = 0
    for path in sorted(bodies.glob(f"*/*{PACK.suffix}")):
        if packs.finished(path) and path.stat().st_mtime_ns + int(PACK_AGE_S * 1e9) < before_ns:
            for suffix in (PACK.suffix, ".idx", ".compacting"):
                path.with_suffix(suffix).unlink(missing_ok=True)
            deleted += 1
    for directory in bodies.glob("*/"):
        _remove_if_empty(directory)
    return deleted


def _remove_if_empty(directory: Path) -> None:
    if not any(directory.iterdir()):
        directory.rmdir()


def compact(path: Path) -> int:
    """Compresses the bodies of a pack that is finished, once; returns the bytes saved. Its time stays what it was.

    Message texts and event streams shrink to a third and less, at a cost that the path of a call cannot bear
    (`bench/micro/records.py`), so packs are written plain and made small here.
    """
    header = packs.read_header(path)
    if header is None or header.flags & COMPACTED or not packs.finished(path):
        return 0
    fresh = path.with_suffix(".compacting")
    try:
        before = path.stat()
        with path.open("rb") as old, fresh.open("wb") as new:
            new.write(fileheader.encode(PACK, header._replace(flags=header.flags | COMPACTED)))
            for entry in packs.scan(path, 0):
                old.seek(entry.offset + HEAD_BYTES)
                content, flags = old.read(entry.length), entry.flags
                if entry.kind is not Kind.END and not flags & DEFLATED and entry.length >= MIN_DEFLATED_BYTES:
                    small = packs.deflated(content)
                    if len(small) < entry.length:
                        content, flags = small, flags | DEFLATED
                new.write(packs.head(entry.kind, entry.digest, len(content), flags))
                new.write(content)
            new.flush()
            os.fsync(new.fileno())
        os.utime(fresh, ns=(before.st_atime_ns, before.st_mtime_ns))
        os.replace(fresh, path)  # noqa: PTH105 - reads as what it is, an atomic exchange
        return before.st_size - path.stat().st_size
    except OSError as failure:
        raise StoreError(store=path, detail=str(failure)) from failure
