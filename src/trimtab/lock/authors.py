"""Who changed each entry of a lock, and in which commit, as git knows it of the files the entry was made from."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from msgspec.structs import replace

from trimtab.lock.git import MAX_OF_A_FILE, Commit, Histories, Repository
from trimtab.lock.lockfile import Entry, Lock
from trimtab.lock.origins import Origin

AT_ONCE: Final = 8
LEARNED: Final = frozenset({"identity", "learned", "resolved"})
"""What is pinned from a server's answers and from no file."""


class Change(NamedTuple):
    """The last change of a part: its commit, None while it is not committed."""

    commit: Commit | None


def signed(
    lock: Lock, held: Lock | None, origins: Mapping[str, tuple[Origin, ...]], root: Path, repository: Repository | None
) -> Lock:
    """The lock with the author and commit of each entry.

    An entry that is as it was in `held` keeps what stood there; a commit that was still missing is looked up. A changed
    one gets the newest commit that changed one of its origins or, while that is not committed, whoever would commit,
    and no commit. Without a repository nothing is known of what changed. Raises `GitFailed`.
    """
    before = {one.key: one for one in held.entries} if held else {}
    asking = [one for one in lock.entries if not _is_settled(one, before.get(one.key))]
    found: dict[str, Entry] = {}
    if repository is not None and asking:
        changes = last_changes(root, repository, {one.key: origins.get(one.key, ()) for one in asking})
        here = repository.author()
        found = {one.key: _signed(one, before.get(one.key), changes.get(one.key), here) for one in asking}
    entries = tuple(found.get(one.key) or _kept(one, before.get(one.key)) for one in lock.entries)
    return replace(lock, entries=entries)


def last_changes(root: Path, repository: Repository, origins: Mapping[str, tuple[Origin, ...]]) -> dict[str, Change]:
    """The last change of each entry by its key; an entry of which nothing is known is left out. Raises `GitFailed`."""
    every = {one for each in origins.values() for one in each}
    paths = {one.path for one in every}
    uncommitted = repository.uncommitted(paths)
    parts = _Parts(root, repository, uncommitted, repository.histories(paths))

    def last(one: Origin, *, absent: bool) -> Change | None:
        return parts.last(one, absent=absent) if one.is_part else parts.last_of_file(one.path)

    changes: dict[str, Change] = {}
    for key, each in origins.items():
        latest = _latest(last(one, absent=False) for one in each) or _latest(last(one, absent=True) for one in each)
        if latest is not None:
            changes[key] = latest
    return changes


class _Parts:
    """Looks for the last change of files, and of parts of TOML files, through the commits of each."""

    def __init__(self, root: Path, repository: Repository, uncommitted: frozenset[str], histories: Histories) -> None:
        self._root = root
        self._repository = repository
        self._uncommitted = uncommitted
        self._histories = histories
        self._read: dict[tuple[str, str], Any] = {}
        self._found: dict[tuple[Origin, bool], Change | None] = {}

    def last_of_file(self, path: str) -> Change | None:
        """The last change of a whole file; None where that is not known."""
        if path in self._uncommitted:
            return Change(None)
        history = self._histories.of.get(path, ())
        return Change(history[0]) if history and history[0].hash not in self._repository.boundary else None

    def last(self, part: Origin, *, absent: bool) -> Change | None:
        """The last change of a part, None where that is not known.

        A part that never was there counts, with `absent`, as made with its file.
        """
        key = (part, absent)
        if key not in self._found:
            self._found[key] = self._last(part, absent=absent)
        return self._found[key]

    def _last(self, part: Origin, *, absent: bool) -> Change | None:
        """A commit changed a part if the part is in none of its parents what it is in it."""
        now = part.of(_parsed(_bytes(self._root / part.path)))
        history = self._histories.of.get(part.path, ())
        if part.path in self._uncommitted:
            if part.of(self._at((self._repository.head,), part.path)[0]) != now:
                return Change(None)
            if not history:
                return Change(None) if absent else None
        for place, commit in enumerate(history):
            if commit.hash in self._repository.boundary:
                return None
            if place % AT_ONCE == 0:
                some = history[place : place + AT_ONCE]
                self._at([hash_ for each in some for hash_ in (each.hash, *each.parents)], part.path)
            here, *before = (part.of(each) for each in self._at((commit.hash, *commit.parents), part.path))
            if here == now and now not in before:
                return Change(commit)
        is_whole = self._histories.is_whole and 0 < len(history) < MAX_OF_A_FILE
        return Change(history[-1]) if absent and is_whole else None

    def _at(self, commits: Sequence[str], path: str) -> list[Any]:
        """The values of a file as they were in commits; what was read once is known."""
        unread = [(commit, path) for commit in dict.fromkeys(commits) if (commit, path) not in self._read]
        if unread:
            found = self._repository.contents(unread)
            self._read.update({one: _parsed(found.get(one)) for one in unread})
        return [self._read[commit, path] for commit in commits]


def _is_settled(one: Entry, before: Entry | None) -> bool:
    return before is not None and before.digest == one.digest and bool(before.commit)


def _kept(one: Entry, before: Entry | None) -> Entry:
    if before is not None and before.digest == one.digest:
        return replace(one, author=before.author, commit=before.commit)
    return replace(one, author="", commit="")


def _signed(one: Entry, before: Entry | None, change: Change | None, here: str) -> Entry:
    """The entry with what is known of its last change; `here` is who would commit."""
    kept = _kept(one, before)
    if before is not None and _learned_alone(before, one):
        return replace(one, author=here, commit="")
    if change is None:
        return kept
    if change.commit is None:
        return replace(kept, author=kept.author or here)
    return replace(one, author=change.commit.author, commit=change.commit.hash)


def _learned_alone(before: Entry, after: Entry) -> bool:
    """Whether what changed was learned from a server, so that no file tells of it."""
    if before.digest == after.digest:
        return False
    return _declared(before.pinned) == _declared(after.pinned)


def _declared(pinned: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in pinned.items() if key not in LEARNED}


def _latest(changes: Iterable[Change | None]) -> Change | None:
    known = [change for change in changes if change is not None]
    if not known:
        return None
    if any(change.commit is None for change in known):
        return Change(None)
    return max(known, key=lambda change: change.commit.at_s if change.commit else 0)


def _is_empty(value: Any) -> bool:
    return not value or (isinstance(value, list) and all(each is None for each in value))


def _bytes(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None


def _parsed(data: bytes | None) -> dict[str, Any]:
    """The values of a TOML file; none where it is not there or is no TOML."""
    try:
        return tomllib.loads((data or b"").decode("utf-8-sig"))
    except (ValueError, RecursionError):
        return {}
