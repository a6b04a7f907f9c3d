"""Locks on single bytes of a file, which the kernel frees when the process that holds them dies.

They are open-file-description locks (Linux, `fcntl(2)`): they belong to the open file, not to the process, so that
closing another descriptor of the same file frees nothing. The bytes need not exist. A lock taken twice through the
same open file is granted twice: who may hold it within a process is for the caller to know.
"""

from __future__ import annotations

import fcntl
import struct
from typing import Final

FLOCK: Final = struct.Struct("@hhqqi4x")


class ByteLocks:
    """The byte locks of one open file."""

    __slots__ = ("_fd",)

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def claim(self, byte: int) -> bool:
        """Takes the lock on `byte`, unless another open file holds it; never waits."""
        try:
            self._set(fcntl.F_OFD_SETLK, fcntl.F_WRLCK, byte)
        except (BlockingIOError, PermissionError):
            return False
        return True

    def wait(self, byte: int) -> None:
        """Takes the lock on `byte` as soon as nobody else holds it."""
        self._set(fcntl.F_OFD_SETLKW, fcntl.F_WRLCK, byte)

    def free(self, byte: int) -> None:
        """Gives the lock on `byte` back."""
        self._set(fcntl.F_OFD_SETLK, fcntl.F_UNLCK, byte)

    def _set(self, command: int, kind: int, byte: int) -> None:
        fcntl.fcntl(self._fd, command, FLOCK.pack(kind, 0, byte, 1, 0))
