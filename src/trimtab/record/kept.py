"""Single bodies that a process keeps on its own account: each is on the disk before its digest is told."""

from __future__ import annotations

import threading
from hashlib import sha256

from trimtab.errors import StoreError
from trimtab.record import packs
from trimtab.record.log import RollingLog
from trimtab.record.packs import Kind


class KeptBodies:
    """Writes bodies into packs of its process's own epoch; may be used from any thread."""

    def __init__(self, log: RollingLog) -> None:
        self._log = log
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"KeptBodies({self._log!r})"

    def keep(self, content: bytes) -> str:
        """Keeps a body; its digest, hexadecimal. Raises `StoreError` when the disk does not take it."""
        digest = sha256(content).digest()
        frame = (packs.head(Kind.BLOB, digest, len(content)), content)
        size = packs.HEAD_BYTES + len(content)
        with self._lock:
            self._roll()
            if self._log.append(frame, lambda limit: size if limit >= size else 0) < size:
                raise StoreError(store=self._log.directory, detail="the disk has no room for a body; free some")
            self._log.sync()
        return digest.hex()

    def finish(self) -> None:
        """Finishes a pack that is at its limit of size or age, so that bodies can be taken out of it."""
        with self._lock:
            if self._roll():
                self._log.sync()

    def _roll(self) -> bool:
        due = self._log.due()
        if due:
            self._log.roll()
        return due

    def close(self) -> None:
        """Seals the pack."""
        with self._lock:
            self._log.close()
