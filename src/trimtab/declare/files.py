"""Files of a project that a declaration names: they lie in it, and are known by the digest of their bytes."""

from __future__ import annotations

import hashlib
import re
import stat
from functools import lru_cache
from pathlib import Path
from typing import Final, NamedTuple

from trimtab.declare.project import FileDigest
from trimtab.declare.values import Read, Wrong, show

CHUNK: Final = 1 << 20
REMEMBERED: Final = 1024
REMEMBERED_FROM: Final = 32 << 20
"""Bytes of a file that take longer to read than a file system's clock takes to tick: its mark tells them apart."""
PLACE: Final = re.compile(r"[^/\\\x00-\x1f\x7f]{1,255}(?:/[^/\\\x00-\x1f\x7f]{1,255}){0,31}")
EXAMPLE: Final = 'write the path of a file in the project, such as "data/tickets.jsonl"'


class Contents(NamedTuple):
    """What was found in a file: the sha256 of its bytes, hexadecimal, and its lines that are not blank."""

    digest: str
    rows: int


class _Mark(NamedTuple):
    """What tells a file from its earlier self."""

    device: int
    inode: int
    size: int
    modified_ns: int
    changed_ns: int


def place(value: object) -> str:
    """The path of a file in the project, as it is written: relative, with `/`, without `.` and `..`."""
    if not isinstance(value, str) or not PLACE.fullmatch(value) or {".", ".."} & set(value.split("/")):
        raise Wrong(f"{show(value)}, not the path of a file in the project", EXAMPLE)
    return value


def in_project(root: Path) -> Read[FileDigest]:
    """Reads the path of a file that lies in the project, also when links are followed; its bytes are digested."""

    def read(value: object) -> FileDigest:
        path = place(value)
        return FileDigest(path, contents(root, path).digest)

    return read


def contents(root: Path, path: str) -> Contents:
    """What a file of the project holds; raises `Wrong` for one that is not there, not plain or not in the project.

    It is read in pieces; a large one once for each state that this process meets it in.
    """
    where = root / path
    try:
        if not is_inside(root, where):
            raise Wrong(f"{show(path)}, a link that leads out of the project", "keep the file itself in the project")
        status = where.stat()
        if not stat.S_ISREG(status.st_mode):
            raise Wrong(f"{show(path)}, which is no plain file", EXAMPLE)
        if status.st_size < REMEMBERED_FROM:
            return _read(where)
        mark = _Mark(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
        return _remembered(where, mark)
    except FileNotFoundError:
        raise Wrong(f"{show(path)}, and there is no such file", "put it there, or correct the path") from None
    except (OSError, ValueError, RuntimeError) as failure:
        reason = failure.strerror if isinstance(failure, OSError) else str(failure)
        raise Wrong(f"{show(path)}, which cannot be read ({reason})", "make it a file that you may read") from None


def is_inside(root: Path, where: Path) -> bool:
    """Whether a path lies in the project once all links are followed; raises `OSError` where they lead nowhere."""
    return where.resolve(strict=True).is_relative_to(root.resolve())


@lru_cache(maxsize=REMEMBERED)
def _remembered(where: Path, mark: _Mark) -> Contents:
    return _read(where)


def _read(where: Path) -> Contents:
    digest, rows, pending = hashlib.sha256(), 0, False
    with where.open("rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
            first, *more = chunk.split(b"\n")
            pending = pending or bool(first.strip())
            if more:
                last = more.pop()
                rows += pending + sum(map(bool, map(bytes.strip, more)))
                pending = bool(last.strip())
    return Contents(digest.hexdigest(), rows + pending)
