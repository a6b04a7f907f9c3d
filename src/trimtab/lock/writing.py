"""Writes `trimtab.lock` whole or not at all."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path
from typing import Final

from trimtab.errors import LockUnwritten

NEW_FILE_MODE: Final = 0o644


def write_file(path: Path, data: bytes) -> None:
    """Puts a file in the place of what is there: written beside it, brought to the disk, and renamed over it.

    Its mode stays as it was; a link is followed. Raises `LockUnwritten`, and the file is then as it was.
    """
    try:
        path = path.resolve()
        mode = path.stat().st_mode & 0o777 if path.exists() else NEW_FILE_MODE & ~_umask()
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                os.fchmod(file.fileno(), mode)
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(path)
        except BaseException:
            with contextlib.suppress(OSError):
                Path(name).unlink()
            raise
        _sync_folder(path.parent)
    except (OSError, RuntimeError) as failure:
        detail = failure.strerror if isinstance(failure, OSError) else str(failure)
        raise LockUnwritten(path=path.name, detail=detail) from None


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
