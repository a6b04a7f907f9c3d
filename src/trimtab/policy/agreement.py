"""Whether a project still says what its lock pins."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from msgspec import Struct

from trimtab.declare.project import Project
from trimtab.errors import LockInvalid
from trimtab.lock import lockfile
from trimtab.lock.diff import differences
from trimtab.lock.lockfile import Lock
from trimtab.lock.resolve import resolve

SHOWN: Final = 20
"""How many differences are told in words; how many there are is told besides."""
NO_LOCK: Final = f"there is no {lockfile.FILE}"


class Agreement(Struct, frozen=True):
    """How a project stands to its lock.

    `lock` is None where there is none that can be used; `pins` is what the project resolves to with what that lock
    knows. `words` are the first differences in sentences, `count` how many there are in all; none where project and
    lock say the same.
    """

    lock: Lock | None = None
    pins: Lock | None = None
    words: tuple[str, ...] = ()
    count: int = 0

    @property
    def holds(self) -> bool:
        """Whether the project says what its lock pins."""
        return self.lock is not None and not self.count


def agreement(project: Project, lock: Lock | None) -> Agreement:
    """Holds a project against a lock, without asking anything live."""
    if lock is None:
        return Agreement(words=(NO_LOCK,), count=1)
    resolved = resolve(project, lock)
    words = [one.words for one in resolved.refusals]
    words += [one.words for one in differences(lock, resolved.lock)]
    return Agreement(lock, resolved.lock, tuple(words[:SHOWN]), len(words))


def agreement_on_disk(project: Project) -> Agreement:
    """Holds a project against the lock in its folder; one that cannot be read is a difference too."""
    try:
        lock = lockfile.read(Path(project.root))
    except LockInvalid as wrong:
        return Agreement(words=(str(wrong),), count=1)
    return agreement(project, lock)


def told(words: tuple[str, ...], count: int) -> str:
    """Differences as lines, with how many more there are."""
    more = count - len(words)
    return "\n".join([*words, f"and {more} more"] if more > 0 else words)
