"""How a task's prompt came to be: its versions with the locks that pinned them, and what cannot be told."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from msgspec import Struct

from trimtab.errors import GitFailed, LockInvalid
from trimtab.lock import lockfile
from trimtab.lock.git import Repository, find
from trimtab.lock.prompt_versions import LockedIn, Version, locked_in, versions

SHORT: Final = 12


class PromptHistory(Struct, frozen=True):
    """The versions of a task's prompt, newest first, and the first lock of each by its digest.

    `notes` tell what is not known, `left_out` how many older versions there are beyond the limit.
    """

    task: str
    versions: tuple[Version, ...]
    locked: dict[str, LockedIn]
    notes: tuple[str, ...] = ()
    left_out: int = 0


def prompt_history(root: Path, task: str, limit: int) -> PromptHistory:
    """The history of a task's prompt in the project in `root`, `limit` versions at most.

    What git cannot tell is in its notes. `task` must be a name, for it is part of paths.
    """
    notes: list[str] = []
    repository = _repository(root, notes)
    try:
        found, may_be_older = versions(root, repository, task)
        locked = locked_in(_own_lock(root, task, notes), repository, task)
        if repository is not None and found:
            _note_history(repository, task, found, may_be_older=may_be_older, notes=notes)
    except GitFailed as failure:
        notes.append(f"git cannot tell the history: {failure.facts['detail']}")
        found, locked = versions(root, None, task)[0], {}
    return PromptHistory(task, found[:limit], locked, tuple(notes), max(0, len(found) - limit))


def _repository(root: Path, notes: list[str]) -> Repository | None:
    try:
        repository = find(root)
    except GitFailed as failure:
        notes.append(f"git cannot tell the history: {failure.facts['detail']}")
        return None
    if repository is None:
        notes.append("the project lies in no git repository, or there is no git: only what is in the folder is known")
    return repository


def _own_lock(root: Path, task: str, notes: list[str]) -> tuple[str, str] | None:
    """The id of the lock in the folder, and the digest of the prompt in it."""
    try:
        lock = lockfile.read(root)
    except LockInvalid as failure:
        notes.append(str(failure))
        return None
    one = lock.get("prompts", task) if lock is not None else None
    return None if lock is None or one is None else (lock.lock_id, str(one.pinned.get("sha256", "")))


def _note_history(
    repository: Repository, task: str, found: tuple[Version, ...], *, may_be_older: bool, notes: list[str]
) -> None:
    """What is to be known of where the history begins and ends."""
    if found[0].commit is None:
        notes.append("the newest version is not committed")
    if may_be_older:
        notes.append("older versions are not known here: the clone is shallow, or the history very long")
    renamed = repository.renamed(f"tasks/{task}/prompt.md")
    if renamed is not None:
        before, commit = renamed
        where = f"it was {before}" if before else "it lay outside the project"
        notes.append(f"{where} until {commit[:SHORT]} renamed it; what it was before that is not followed")
