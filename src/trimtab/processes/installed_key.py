"""Keys that an installation makes for itself and keeps: random bytes in a file that its owner alone reads."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Final

from trimtab.errors import StoreError

OWNER_ONLY: Final = 0o600
KEY_BYTES: Final = 32


def keep_key(path: Path) -> bytes:
    """The key of this installation at a path; it is made, readable by its owner alone, where there is none."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        pass
    except OSError as failure:
        raise StoreError(store=str(path), detail=str(failure)) from failure
    fresh = path.with_suffix(f".{os.getpid()}")
    try:
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, OWNER_ONLY), "wb") as file:
            file.write(secrets.token_bytes(KEY_BYTES))
            file.flush()
            os.fsync(file.fileno())
        os.link(fresh, path)
    except FileExistsError:
        pass
    except OSError as failure:
        raise StoreError(store=str(path), detail=str(failure)) from failure
    finally:
        fresh.unlink(missing_ok=True)
    return path.read_bytes()


def renew_key(path: Path) -> None:
    """Puts another key in its place: nothing that was made with the one before holds any more. Raises `StoreError`."""
    try:
        path.unlink(missing_ok=True)
    except OSError as failure:
        raise StoreError(store=str(path), detail=str(failure)) from failure
    keep_key(path)
