"""The baselines that a lock names: all of them are there, and are what their names say."""

from __future__ import annotations

from pathlib import Path

from trimtab.errors import LockInvalid
from trimtab.lock import identity_baseline
from trimtab.lock.lockfile import Lock


def baselines(lock: Lock) -> set[str]:
    """The digests of the baselines that a lock names."""
    told = (entry.pinned.get("identity") for entry in lock.of("models").values())
    found = (identity.get("baseline") for identity in told if isinstance(identity, dict))
    return {digest for digest in found if isinstance(digest, str) and digest}


def whole_baselines(root: Path, lock: Lock) -> None:
    """Raises `LockInvalid` where a baseline that the lock names is missing, or is not what its name says."""
    for digest in sorted(baselines(lock)):
        if not identity_baseline.is_whole(root, digest):
            path = f"{identity_baseline.FOLDER}/{digest}.json"
            raise LockInvalid(
                path=path, detail="the lock names it and it is not there; `trimtab lock --live` takes one"
            )
