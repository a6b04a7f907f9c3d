"""A full disk and the journal of runs: what begins is refused, what has happened is written from what was held back."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from trimtab.errors import StoreError
from trimtab.journal.asks import Ask, Begin, Begun, Finish, Lease, Note, Open, Read, Refused, Told
from trimtab.journal.entries import Ended, Result, Started, State, body_of
from trimtab.journal.runs.bodies import MemoryBodies
from trimtab.journal.runs.database import SqliteDatabase, open_runs
from trimtab.journal.runs.store import RunStore
from trimtab.journal.spare import Spared
from trimtab.record.disk import Disk
from trimtab.record.room import Room
from trimtab.testing import JumpingClock

RESERVE = 64 << 13
PAGE = 4096
ROOMY = 1 << 30


class SmallDisk(Disk):
    """A disk with room for so many pages of the database; what is held of it comes off them."""

    def __init__(self, path: Path) -> None:
        self.database = open_runs(path)
        self.held = 0
        self._pages = ROOMY // PAGE

    def allocate(self, fd: int, offset: int, length: int) -> None:  # type: ignore[override]
        if self.free_bytes(Path()) < offset + length - self.held:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._hold(offset + length)

    def truncate(self, fd: int, length: int) -> None:  # type: ignore[override]
        self._hold(length)

    def free_bytes(self, directory: Path) -> int:
        return (self._pages - self._used()) * PAGE

    def leave(self, free: int) -> None:
        """From now on so many bytes are free."""
        self._pages = self._used() + free // PAGE
        self._hold(self.held)

    def _hold(self, size: int) -> None:
        self._pages -= (size - self.held) // PAGE
        self.held = size
        self.database._execute(f"PRAGMA max_page_count = {self._pages:d}")

    def _used(self) -> int:
        used: int = self.database._execute("PRAGMA page_count").fetchone()[0]
        return used


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    made = SmallDisk(tmp_path / "journal.db")
    yield made
    made.database.close()


@pytest.fixture
def clock() -> JumpingClock:
    return JumpingClock()


@pytest.fixture
def spared(disk: SmallDisk, clock: JumpingClock, tmp_path: Path) -> Iterator[Spared]:
    room = Room(tmp_path, "k0-1", clock, disk, reserve_bytes=RESERVE, spool_limit_bytes=ROOMY)
    store = RunStore(disk.database, MemoryBodies(), clock)
    assert isinstance(disk.database, SqliteDatabase)
    yield Spared(store, room)
    room.close()


def one(spared: Spared, ask: Ask) -> Told:
    (told,) = spared.do([ask])
    return told


def step_of(lease: Lease, number: int) -> Begin:
    return Begin(lease.run, lease.epoch, "tool", f"step-{number}", f"{number:064x}", branch=str(number))


def begun(spared: Spared, lease: Lease, number: int) -> Told:
    return one(spared, step_of(lease, number))


def opened(spared: Spared) -> Lease:
    told = one(spared, Open("r-1", Started(0), owner="ada", ttl_s=3600))
    assert isinstance(told, Lease)
    return told


def text(size: int) -> str:
    return "x" * size


def test_results_are_written_when_nothing_begins_any_more(
    spared: Spared, disk: SmallDisk, clock: JumpingClock, tmp_path: Path
) -> None:
    """When the disk is full, steps that were begun get their results and the run its end; nothing new begins, until
    there is room again.
    """
    lease = opened(spared)
    steps = [begun(spared, lease, number) for number in range(40)]
    disk.leave(0)
    told: list[Told] = []
    for step in steps:
        assert isinstance(step, Begun)
        result = Result(0, step.seq, "ok", body_of(text(1000).encode()))
        told += spared.do([Finish("r-1", lease.epoch, result), Note("r-1", lease.epoch, State(0, "a", body_of(b"1")))])
    assert not [one for one in told[::2] if isinstance(one, Refused)]
    refused = begun(spared, lease, 99)
    assert isinstance(refused, Refused)
    assert refused.error == "JournalUnavailable"
    assert str(tmp_path) in refused.facts["detail"]
    assert not isinstance(one(spared, Read("r-1")), Refused)
    assert not isinstance(one(spared, Note("r-1", lease.epoch, Ended(0, "completed"))), Refused)
    disk.leave(ROOMY)
    clock.advance(2)
    assert isinstance(one(spared, Open("r-2", Started(0), owner="ada")), Lease)


def test_a_reserve_that_is_used_up_is_a_failure(spared: Spared, disk: SmallDisk) -> None:
    """When nothing is left to give, a commit fails whole, and says so."""
    lease = opened(spared)
    steps = spared.do([step_of(lease, number) for number in range(800)])
    disk.leave(0)
    with pytest.raises(StoreError, match="full"):
        for step in steps:
            assert isinstance(step, Begun)
            spared.do([Finish("r-1", lease.epoch, Result(0, step.seq, "ok", body_of(text(1000).encode())))])
    assert disk.held == 0


def test_another_failure_uses_no_reserve(spared: Spared, disk: SmallDisk) -> None:
    """A database that fails for another reason is told at once; the reserve is kept for a full disk."""
    opened(spared)
    held = disk.held
    disk.database.close()
    with pytest.raises(StoreError):
        spared.do([Read("r-1")])
    assert disk.held == held == RESERVE
