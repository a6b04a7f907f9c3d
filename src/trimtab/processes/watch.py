"""Notices edits of a declaration by looking at its files, and waits until they have come to rest."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Final, NamedTuple

LOOK_EVERY_S: Final = 0.25
LONGEST_LOOKS: Final = 3
FILES: Final = ("trimtab.toml", "trimtab.lock")
FOLDERS: Final = {"tasks": 4, "tools": 4, "prompts": 8, "data": 0}
"""The folders of a declaration, and how many folders deep they are looked into."""


class Mark(NamedTuple):
    """What tells a file from its earlier self; `changed_ns` moves with its bytes, and with who may read it."""

    inode: int
    size: int
    changed_ns: int


Look = Mapping[str, Mark]


def look(root: Path, named: Iterable[str] = ()) -> Look:
    """The marks of all files of a declaration, and of those that it names; what is hidden or vanishes is left out."""
    found: dict[str, Mark] = {}
    for entry in _entries(root):
        if entry.name in FILES:
            _mark(entry, found)
        elif entry.name in FOLDERS:
            _walk(entry, found, FOLDERS[entry.name])
    for path in named:
        _mark(root / path, found)
    return found


def _walk(folder: os.DirEntry[str], found: dict[str, Mark], depth: int) -> None:
    for entry in _entries(folder):
        if entry.name.startswith("."):
            continue
        if not _is_folder(entry):
            _mark(entry, found)
        elif depth:
            _walk(entry, found, depth - 1)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False  # a link to itself, or into a folder that may not be looked into


def _entries(folder: os.PathLike[str]) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError:
        return []  # what cannot be seen, and why, is for `declare.load` to say


def _mark(entry: os.DirEntry[str] | Path, found: dict[str, Mark]) -> None:
    try:
        status = entry.stat()
    except OSError:
        return  # gone since it was listed, or a link to nothing
    found[os.fspath(entry)] = Mark(status.st_ino, status.st_size, status.st_ctime_ns)


class Watch:
    """Tells once for each edit, after it has been quiet for one look, or at the third look if it never is."""

    def __init__(self, look: Callable[[], Look]) -> None:
        self._look = look
        self._settled = self._latest = look()
        self._looks = 0

    def edited(self) -> bool:
        """Looks; to be called every `LOOK_EVERY_S` seconds. True when the declaration should be read again."""
        now = self._look()
        quiet, self._latest = now == self._latest, now
        if now == self._settled:
            self._looks = 0
            return False
        self._looks += 1
        if not quiet and self._looks < LONGEST_LOOKS:
            return False
        self._settled, self._looks = now, 0
        return True

    def __repr__(self) -> str:
        state = "at rest" if self._latest == self._settled else "edit under way"
        return f"Watch({len(self._latest)} files, {state})"
