"""Append-only files of one writer, one after another: only the newest is written, each append is whole or not there."""

from __future__ import annotations

import errno
import os
import threading
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path

from trimtab.clock import Clock
from trimtab.errors import StoreError
from trimtab.record import fileheader
from trimtab.record.disk import NO_ROOM, Disk
from trimtab.record.fileheader import FileHeader, FileKind

Buffer = bytes | bytearray | memoryview
Boundary = Callable[[int], int]

MAX_PARTS = 512
MAX_UNSYNCED_FILES = 8


class RollingLog:
    """The files of one kind and one epoch, in their own directory.

    `append` and `roll` belong to one thread, `sync` may run in another: a file that is rolled away stays open until
    a sync has brought it to the disk. Past 8 such files rolling syncs by itself.
    """

    def __init__(
        self,
        directory: Path,
        kind: FileKind,
        clock: Clock,
        disk: Disk,
        *,
        max_bytes: int,
        max_age_s: float,
        first_number: int = 0,
    ) -> None:
        self.directory = directory
        self.number = first_number
        self.size = 0
        self._kind = kind
        self._clock = clock
        self._disk = disk
        self._max_bytes = max_bytes
        self._max_age_s = max_age_s
        self._opened_s = 0.0
        self._fd = -1
        self._unwritable = False
        self._dirty = False
        self._new_name = False
        self._retired: deque[int] = deque()
        self._syncing = threading.Lock()

    def __repr__(self) -> str:
        state = "not open" if self._fd < 0 else f"{self.size} bytes"
        return f"RollingLog({self._kind.path(self.directory, self.number)}, {state})"

    @property
    def age_s(self) -> float:
        """Seconds since the newest file was begun; 0 without one."""
        return 0.0 if self._fd < 0 else self._clock.monotonic() - self._opened_s

    def due(self) -> bool:
        """Whether the file is at its limit of size or age, or took no more."""
        if self._fd < 0:
            return False
        return self._unwritable or self.size >= self._max_bytes or self.age_s >= self._max_age_s

    def roll(self) -> None:
        """Seals the file, if there is room for that; the next append begins another."""
        if self._fd < 0:
            return
        if not self._unwritable:
            self.append((self._kind.seal,), _nothing)
        if len(self._retired) >= MAX_UNSYNCED_FILES:
            self.sync()
        self._retired.append(self._fd)
        self._fd = -1
        self.size = 0
        self.number += 1
        self._unwritable = False

    def append(self, parts: Sequence[Buffer], boundary: Boundary) -> int:
        """Writes the parts behind each other; returns how many bytes of them are in the file now.

        All of them, or where the disk got full the whole frames that fitted: `boundary(n)` is the greatest end of a
        frame within the first n bytes, and what lies behind it is cut off again. Raises `StoreError` for any other
        failure, and then none of them is.
        """
        if self._fd < 0 and not self._open():
            return 0
        total = sum(map(len, parts)) if len(parts) > 1 else len(parts[0])
        written, failure = self._write(parts, total)
        self._dirty = True
        if written < total:
            self._unwritable = failure == errno.EFBIG
            broken = failure not in NO_ROOM
            written = self._cut(written, _nothing if broken else boundary)
            if broken:
                raise self._failed(f"write: {os.strerror(failure)}")
        self.size += written
        return written

    def _write(self, parts: Sequence[Buffer], total: int) -> tuple[int, int]:
        """How many bytes were written, and the error number that stopped it (0: none)."""
        written = 0
        rest = parts
        while True:
            try:
                count = self._disk.writev(self._fd, rest[:MAX_PARTS])
            except OSError as failure:
                return written, failure.errno or errno.EIO
            written += count
            if written == total:
                return written, 0
            if count == 0:
                return written, errno.ENOSPC
            rest = _without(parts, written)

    def _cut(self, written: int, boundary: Boundary) -> int:
        """Takes the part of a frame at the end of the file off again."""
        whole = boundary(written)
        if whole < written:
            try:
                self._disk.truncate(self._fd, self.size + whole)
            except OSError as failure:
                self._unwritable = True
                raise self._failed(f"cutting off half a record: {failure.strerror}") from failure
        return whole

    def _open(self) -> bool:
        """Begins the next file; whether there was room for it."""
        path = self._kind.path(self.directory, self.number)
        header = fileheader.encode(self._kind, FileHeader(self.directory.name, self.number, self._clock.wall_ns()))
        fd, failure = -1, None
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            room = self._disk.writev(fd, [header]) == len(header)
        except OSError as fault:
            failure, room = fault, False
        if not room:
            if fd >= 0:
                os.close(fd)
                path.unlink()
            if failure is not None and failure.errno not in NO_ROOM:
                raise self._failed(f"opening {path.name}: {failure.strerror}") from failure
            return False
        self._fd = fd
        self.size = len(header)
        self._opened_s = self._clock.monotonic()
        self._new_name = True
        return True

    def sync_due(self) -> bool:
        """Whether anything was written that no sync has brought to the disk."""
        return self._dirty

    def sync(self) -> None:
        """Waits until all that was written is on the disk; raises `StoreError`."""
        with self._syncing:
            self._dirty = False
            try:
                while self._retired:
                    self._disk.sync(self._retired[0])
                    os.close(self._retired.popleft())
                fd = self._fd
                if fd >= 0:
                    self._disk.sync(fd)
                if self._new_name:
                    self._new_name = False
                    self._sync_directory()
            except OSError as failure:
                self._dirty = True
                raise self._failed(f"sync: {failure.strerror}") from failure

    def _sync_directory(self) -> None:
        for directory in (self.directory, self.directory.parent):
            fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                os.fsync(fd)
            finally:
                os.close(fd)

    def close(self) -> None:
        """Seals the newest file, syncs and closes."""
        self.roll()
        self.sync()

    def _failed(self, detail: str) -> StoreError:
        return StoreError(store=self.directory, detail=detail)


def _nothing(limit: int) -> int:
    """The boundary of what makes sense as a whole only."""
    return 0


def _without(parts: Sequence[Buffer], count: int) -> list[Buffer]:
    """The parts without their first `count` bytes."""
    rest: list[Buffer] = []
    for part in parts:
        if count >= len(part):
            count -= len(part)
        else:
            rest.append(memoryview(part)[count:])
            count = 0
    return rest
