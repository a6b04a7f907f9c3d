"""Finds a lock by what people call it: a file, the id of a lock that was committed, or a revision."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from msgspec import Struct

from trimtab.errors import LockInvalid, LockUnknown, RevisionUnknown
from trimtab.lock.git import Repository, find
from trimtab.lock.history import locked_at, locks
from trimtab.lock.lockfile import FILE, Lock, decode

SHORT: Final = 12
_ID: Final = re.compile(r"(?:sha256:)?([0-9a-f]{8,64})")


class Named(Struct, frozen=True):
    """A lock, and where it was found, for people."""

    lock: Lock
    place: str


def named(root: Path, name: str, kept: Iterable[Path] = ()) -> Named:
    """The lock that `name` means in the project in `root`.

    A file (a folder stands for the lock in it) comes first, then the id of a lock, or its beginning of 8 digits or
    more, in the project, in the files `kept`, and in the last 200 commits of the lock; then a revision.

    Raises `LockUnknown`, `LockInvalid` for a file or revision whose lock cannot be read, and `GitFailed`.
    """
    path = Path(name) / FILE if Path(name).is_dir() else Path(name)
    if path.is_file():
        return Named(decode(path.read_bytes(), str(path)), str(path))
    repository = find(root)
    digits = _ID.fullmatch(name)
    if digits is not None:
        for known in _known(root, kept, repository):
            if known.lock.lock_id.startswith(digits[1]):
                return known
    if repository is None:
        detail = "it is no file and no lock at hand, and the project lies in no git repository"
        raise LockUnknown(name=name, detail=detail)
    try:
        commit = repository.revision(name)
    except RevisionUnknown:
        detail = "it is no file, no id of a lock in the last 200 commits of it, and no revision"
        raise LockUnknown(name=name, detail=detail) from None
    lock = locked_at(repository, commit, name)
    if lock is None:
        raise LockUnknown(name=name, detail=f"the revision {commit[:SHORT]} has no {FILE}")
    return Named(lock, f"{FILE} of {name}")


def _known(root: Path, kept: Iterable[Path], repository: Repository | None) -> Iterator[Named]:
    """The locks at hand and where they lie; what cannot be read is passed over."""
    for place, path in [(FILE, root / FILE), *(("the lock in force last", path) for path in kept)]:
        try:
            yield Named(decode(path.read_bytes()), place)
        except (OSError, LockInvalid):
            continue
    if repository is not None:
        for commit, lock in locks(repository):
            if lock is not None:
                yield Named(lock, f"{FILE} of {commit.hash[:SHORT]}")
