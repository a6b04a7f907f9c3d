"""What a lock was shipped on, kept beside it: `trimtab.evidence/LOCK.json`, named by the first digits of the lock's id.

The lock itself does not change by it, so its id stays that of what it pins.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct

from trimtab.errors import LockUnwritten
from trimtab.lock.writing import write_file

FOLDER: Final = "trimtab.evidence"
SHORT: Final = 12
MOST_BYTES: Final = 16 << 20
MOST_FILES: Final = 1_000
FORMAT_VERSION: Final = 1


class ShippedOn(Struct, frozen=True):
    """The evidence for a lock: ids of the lock and of the one before, the entry that was moved with the digest it has
    since, and the reports by task.

    `lock` and `before` are whole ids. A report is that of `trimtab eval`, without its cases.
    """

    lock: str
    before: str
    moved: str
    digest: str
    at_ns: int
    verdict: str
    reports: dict[str, dict[str, Any]] = {}
    version: int = FORMAT_VERSION


def place_of(root: Path, lock: str) -> Path:
    """Where the evidence for a lock lies in the project at `root`."""
    return root / FOLDER / f"{lock[:SHORT]}.json"


def attach(root: Path, evidence: ShippedOn) -> Path:
    """Writes the evidence for a lock; returns the file. Raises `LockUnwritten`."""
    path = place_of(root, evidence.lock)
    try:
        path.parent.mkdir(exist_ok=True)
    except OSError as failure:
        raise LockUnwritten(path=str(path.parent), detail=failure.strerror) from failure
    write_file(path, msgspec.json.format(msgspec.json.encode(evidence, order="sorted"), indent=2) + b"\n")
    return path


def evidence_of(root: Path, key: str, digest: str) -> ShippedOn | None:
    """The latest evidence on which an entry was moved to what it pins now; None where there is none.

    What cannot be read is passed over, and so is what is beyond 1,000 files.
    """
    found: ShippedOn | None = None
    for path in sorted((root / FOLDER).glob("*.json"))[:MOST_FILES]:
        with contextlib.suppress(OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            with path.open("rb") as file:
                one = msgspec.json.decode(file.read(MOST_BYTES), type=ShippedOn)
            is_of_it = (one.moved, one.digest) == (key, digest) and path == place_of(root, one.lock)
            if is_of_it and (found is None or one.at_ns > found.at_ns):
                found = one
    return found
