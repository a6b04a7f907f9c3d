"""The calls to the operating system that fail when a disk is full, as an object that is handed in."""

from __future__ import annotations

import errno
import os
from pathlib import Path

NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""Errors that mean: not now, but again once there is room (EFBIG: in another file)."""


class Disk:
    """The machine's disk. Every method raises OSError as the system call does."""

    writev = staticmethod(os.writev)
    truncate = staticmethod(os.ftruncate)
    allocate = staticmethod(os.posix_fallocate)
    sync = staticmethod(os.fdatasync)

    def free_bytes(self, directory: Path) -> int:
        """Bytes that a process without privileges may still write under `directory`."""
        status = os.statvfs(directory)
        return status.f_bavail * status.f_frsize
