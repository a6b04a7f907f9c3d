"""Packs deleted and made smaller: off the path of calls, by control."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from trimtab.errors import StoreError
from trimtab.record import fileheader, packs
from trimtab.record.bodies import PACK_AGE_S
from trimtab.record.packs import COMPACTED, DEFLATED, HEAD_BYTES, PACK, Kind

MIN_DEFLATED_BYTES = 128


def delete_packs(bodies: Path, before_ns: int) -> int:
    """Deletes the packs, with their indexes, that no call since `before_ns` refers to; returns how many.

    A pack is referred to by the calls of the hour (`PACK_AGE_S`) in which it is written at most.
    """
    deleted = 0
    for path in map(Path, sorted(packs.files(bodies))):
        if packs.finished(path) and path.stat().st_mtime_ns + int(PACK_AGE_S * 1e9) < before_ns:
            for suffix in (PACK.suffix, ".idx", ".compacting"):
                path.with_suffix(suffix).unlink(missing_ok=True)
            deleted += 1
    for directory in bodies.glob("*/"):
        with contextlib.suppress(OSError):  # not empty, as most are
            directory.rmdir()
    return deleted


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
