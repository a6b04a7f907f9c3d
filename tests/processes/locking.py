"""Locks a project of a test, as `trimtab lock` does."""

from __future__ import annotations

from pathlib import Path

from trimtab.declare.load import load
from trimtab.lock import lockfile
from trimtab.lock.lockfile import Lock
from trimtab.lock.resolve import resolve
from trimtab.lock.writing import write_file


def locked(root: Path) -> Lock:
    """The lock of the project as it is on the disk, not written."""
    resolved = resolve(load(root), lockfile.read(root))
    assert resolved.refusals == ()
    return resolved.lock


def write_lock(root: Path) -> Lock:
    """Locks the project and returns the lock."""
    lock = locked(root)
    write_file(root / lockfile.FILE, lockfile.encode(lock))
    return lock


def in_production(root: Path) -> None:
    """Makes a project one of production."""
    declaration = root / "trimtab.toml"
    text = declaration.read_text()
    assert 'environment = "test"' in text
    declaration.write_text(text.replace('environment = "test"', 'environment = "production"'))
