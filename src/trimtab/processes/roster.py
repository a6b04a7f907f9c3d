"""`run/processes.json`: who is in the crew at this moment, for control, the command line and people."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct

from trimtab.errors import StoreError

RoleName = Literal["supervisor", "keeper", "gateway", "control", "demo"]
LifeState = Literal["starting", "ready", "draining"]


class Member(Struct, frozen=True):
    """One process. `started_at` is in seconds since 1970, `restarts` counts the deaths at this place before it.

    `epoch` is empty for a process that writes no records, `snapshot` the digest of what it serves under.
    """

    role: RoleName
    slot: int
    pid: int
    epoch: str
    started_at: float
    restarts: int
    state: LifeState
    snapshot: str = ""


def write(path: Path, members: Sequence[Member]) -> None:
    """Replaces the roster in one step; raises `StoreError` when the disk fails."""
    write_json(path, msgspec.json.encode(list(members)))


def read(path: Path) -> tuple[Member, ...]:
    """The roster; empty when there is none yet. Raises `StoreError` for a file that is no roster."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=tuple[Member, ...])
    except FileNotFoundError:
        return ()
    except (OSError, msgspec.DecodeError) as failure:
        raise StoreError(store=str(path), detail=str(failure)) from failure


def write_json(path: Path, content: bytes) -> None:
    """Replaces a small file in one step: a reader sees the old content or the new, never half of it."""
    fresh = path.with_name(path.name + ".new")
    try:
        fresh.write_bytes(content + b"\n")
        os.replace(fresh, path)  # noqa: PTH105 - reads as what it is, an atomic exchange
    except OSError as failure:
        raise StoreError(store=str(path), detail=str(failure)) from failure
