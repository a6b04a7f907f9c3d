"""Room on the disk: whether a new call may be let in, and what is kept free for the ends of those that are open."""

from __future__ import annotations

import os
from pathlib import Path

from trimtab.clock import Clock
from trimtab.errors import StorageFull, StoreError
from trimtab.record.disk import NO_ROOM, Disk
from trimtab.record.spool import spool_bytes

SHARE_BYTES = 8 << 10
"""What the reserve keeps for each open call: its `Settled` without chunk times, and a few attempts."""
STEPS = 64
LOOK_S = 1.0


class Room:
    """The reserve of one worker and the limit of the spool they all share.

    The reserve is a file, `reserve-<epoch>`, whose blocks are allocated and never written. It grows with the number of
    open calls, 8 KiB each. A write that meets a full disk makes it give back one step after another, and from the first
    step on new calls are refused. Once a second it is looked whether there is room again: the reserve is made whole
    first, then calls are taken.

    Calls are also refused while the segments in the spool, which control deletes once it has read them, are over
    `spool_limit_bytes` together; that too is looked at once a second. The recorder then finishes the segment it writes,
    so that it can be deleted as well.
    """

    def __init__(
        self, directory: Path, epoch: str, clock: Clock, disk: Disk, *, reserve_bytes: int, spool_limit_bytes: int
    ) -> None:
        self.full = False
        self.over_limit = False
        self._directory = directory
        self._clock = clock
        self._disk = disk
        self._wanted = reserve_bytes
        self._step = max(SHARE_BYTES, reserve_bytes // STEPS)
        self._spool = directory / "spool"
        self._spool_limit_bytes = spool_limit_bytes
        self._look_at_s = 0.0
        self._held = 0
        self._path = reserve_path(directory, epoch)
        try:
            self._fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        except OSError as failure:
            raise StoreError(store=self._path, detail=str(failure)) from failure
        self._hold(reserve_bytes)

    def __repr__(self) -> str:
        state = "full" if self.full else "spool over its limit" if self.over_limit else "open"
        return f"Room({state}, {self._held} of {self._wanted} bytes in reserve)"

    def check(self, open_calls: int, waiting_bytes: int) -> None:
        """Raises `StorageFull` unless one call more than `open_calls` has room for its end, beside what waits."""
        needed = (open_calls + 1) * SHARE_BYTES + waiting_bytes
        now_s = self._clock.monotonic()
        if now_s >= self._look_at_s:
            self._look_at_s = now_s + LOOK_S
            self._look(needed)
        if not self.full and needed > self._held:
            self._hold(needed + self._step)
        if self.full or self.over_limit:
            raise self.refusal()

    def refusal(self) -> StorageFull:
        """What the client of a refused call is told."""
        return StorageFull(directory=self._directory, retry_after_s=LOOK_S)

    def fill(self) -> None:
        """A write met a full disk: no new calls until there is room again."""
        self.full = True

    def give_back(self) -> bool:
        """Frees one step of the reserve for a write that met a full disk; False when nothing is left of it."""
        self.full = True
        if self._held == 0:
            return False
        self._held = max(0, self._held - self._step)
        self._disk.truncate(self._fd, self._held)
        return True

    def close(self) -> None:
        """Frees the reserve: no call is open any more."""
        os.close(self._fd)
        self._path.unlink(missing_ok=True)

    def _look(self, needed: int) -> None:
        self.over_limit = spool_bytes(self._spool) >= self._spool_limit_bytes
        if self.full:
            target = max(self._wanted, needed)
            if self._disk.free_bytes(self._directory) >= target - self._held + self._step:
                self._hold(target)

    def _hold(self, size: int) -> None:
        """Makes the reserve `size` bytes large; sets `full` to whether the disk had no room for that."""
        try:
            self._disk.allocate(self._fd, 0, size)
        except OSError as failure:
            if failure.errno not in NO_ROOM:
                raise StoreError(store=self._path, detail=str(failure)) from failure
            self._disk.truncate(self._fd, self._held)
            self.full = True
        else:
            self._held = size
            self.full = False


def reserve_path(directory: Path, epoch: str) -> Path:
    """Where the worker of `epoch` keeps its reserve."""
    return directory / f"reserve-{epoch}"
