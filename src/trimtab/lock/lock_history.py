"""The locks that a project had, newest first, and what one of them changed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from msgspec import Struct

from trimtab.errors import GitFailed, LockInvalid
from trimtab.lock import lockfile
from trimtab.lock.diff import Difference, differences
from trimtab.lock.git import Commit, Repository, find
from trimtab.lock.history import MAX_LOCKS, locks
from trimtab.lock.lockfile import FILE, Lock
from trimtab.lock.turn_diff import TurnChange, turn_changes, turns_of

MOST_DIFFERENCES: Final = 1_000
"""Differences of two locks that are told; more are counted."""


class KnownLock(Struct, frozen=True):
    """A lock, and the commit that brought it; None while it is not committed."""

    lock_id: str
    commit: Commit | None = None


class LockHistory(Struct, frozen=True):
    """Locks, newest first, what is not committed before the rest; `notes` tell what is not known.

    One that was taken up again after another stands there twice.
    """

    locks: tuple[KnownLock, ...] = ()
    notes: tuple[str, ...] = ()

    def get(self, lock: str) -> KnownLock | None:
        """The lock of an id or of its beginning, the newest where there are several."""
        return next((one for one in self.locks if one.lock_id.startswith(lock)), None)

    def before(self, lock: str) -> KnownLock | None:
        """The lock before the one of an id; None for the first one that is known."""
        at = next((at for at, one in enumerate(self.locks) if one.lock_id == lock), None)
        return self.locks[at + 1] if at is not None and at + 1 < len(self.locks) else None


class EntryChange(Struct, frozen=True):
    """What changed in one entry (`prompts/triage`): in sentences, and of a prompt by its turns.

    `author` and `commit` tell who changed it last; both are empty where the lock does not.
    """

    key: str
    differences: tuple[Difference, ...]
    turns: tuple[TurnChange, ...] = ()
    author: str = ""
    commit: str = ""


class LockChange(Struct, frozen=True):
    """What differs between two locks, by entry. `before` is None for none at all; `more` differences are left out."""

    before: KnownLock | None
    after: KnownLock
    entries: tuple[EntryChange, ...]
    count: int
    more: int = 0


def lock_history(root: Path, in_force: Path | None = None) -> LockHistory:
    """The locks of the project in `root`: its own, the one in the file `in_force`, those of the last 200 commits."""
    notes: list[str] = []
    committed: list[KnownLock] = []
    try:
        repository = find(root)
        if repository is None:
            notes.append("the project lies in no git repository, or there is no git: earlier locks are not known")
        else:
            committed = list(_committed(repository, notes))
    except GitFailed as failure:
        notes.append(f"git cannot tell earlier locks: {failure.facts['detail']}")
    known = {one.lock_id for one in committed}
    fresh = [KnownLock(lock) for lock in dict.fromkeys(_at_hand(root, in_force, notes)) if lock not in known]
    return LockHistory((*fresh, *committed), tuple(notes))


def read_lock(root: Path, known: KnownLock, in_force: Path | None = None) -> Lock | None:
    """A lock of the history; None where it is not there any more. Raises `GitFailed` and `LockInvalid`."""
    for whole in _files(root, in_force):
        if whole.lock_id == known.lock_id:
            return whole
    repository = find(root) if known.commit is not None else None
    if repository is None or known.commit is None:
        return None
    data = repository.content(known.commit.hash, FILE)
    return None if data is None else lockfile.decode_committed(data, f"{FILE} of {known.commit.hash[:12]}")


def lock_change(before: tuple[KnownLock, Lock] | None, after: tuple[KnownLock, Lock]) -> LockChange:
    """What differs between two locks that were read."""
    old, new = before[1] if before else None, after[1]
    told = differences(old, new)
    by_key: dict[str, list[Difference]] = {}
    for one in told[:MOST_DIFFERENCES]:
        by_key.setdefault(one.key, []).append(one)
    was = {one.key: one for one in old.entries} if old else {}
    now = {one.key: one for one in new.entries}
    entries = []
    for key, some in by_key.items():
        entry = now.get(key)
        is_prompt = key.startswith("prompts/") and key in was and entry is not None
        turns = turn_changes(turns_of(was[key]), turns_of(entry)) if is_prompt else ()
        author, commit = (entry.author, entry.commit) if entry is not None else ("", "")
        entries.append(EntryChange(key, tuple(some), turns, author, commit))
    more = max(0, len(told) - MOST_DIFFERENCES)
    return LockChange(before[0] if before else None, after[0], tuple(entries), len(told), more)


def _at_hand(root: Path, in_force: Path | None, notes: list[str]) -> Iterator[str]:
    """The ids of the project's own lock and of the one in force."""
    try:
        own = lockfile.read(root)
    except LockInvalid as failure:
        notes.append(str(failure))
        own = None
    if own is not None:
        yield own.lock_id
    if in_force is not None:
        with suppress(OSError, LockInvalid):
            yield lockfile.decode(in_force.read_bytes()).lock_id


def _files(root: Path, in_force: Path | None) -> Iterator[Lock]:
    """The locks that lie in files."""
    for path in [*([in_force] if in_force is not None else []), root / FILE]:
        try:
            yield lockfile.decode(path.read_bytes())
        except (OSError, LockInvalid):
            continue


def _committed(repository: Repository, notes: list[str]) -> Iterator[KnownLock]:
    """Each lock at the first commit that had it, of those that follow each other."""
    last: KnownLock | None = None
    count = unread = 0
    for commit, whole in locks(repository):
        count += 1
        if whole is None:
            unread += 1
            continue
        if last is not None and last.lock_id != whole.lock_id:
            yield last
        last = KnownLock(whole.lock_id, commit)
    if last is not None:
        yield last
    if unread:
        notes.append(f"the locks of {unread} commits cannot be read and are passed over")
    if count == MAX_LOCKS:
        notes.append(f"only the last {MAX_LOCKS} commits of {FILE} are looked at")
    elif repository.is_shallow:
        notes.append("the clone is shallow: older locks are not known here")
