"""The lock that control holds live things against: the one in force, or the project's where none is."""

from __future__ import annotations

from pathlib import Path

from trimtab.errors import LockInvalid
from trimtab.lock import lockfile
from trimtab.lock.lockfile import Lock


class LockInForce:
    """Reads the lock again when its file has changed; may be used from any thread."""

    def __init__(self, run: Path, root: Path) -> None:
        self._places = run / lockfile.FILE, root / lockfile.FILE
        self._read: tuple[tuple[Path, int, int], Lock] | None = None

    def read(self) -> Lock | None:
        """The lock; None where there is none. Raises `LockInvalid` and `LockNewer`."""
        for path in self._places:
            try:
                stat = path.stat()
                mark = (path, stat.st_mtime_ns, stat.st_size)
                held = self._read
                if held is None or held[0] != mark:
                    self._read = held = (mark, lockfile.decode(path.read_bytes()))
            except FileNotFoundError:
                continue
            except OSError as failure:
                raise LockInvalid(path=lockfile.FILE, detail=f"it cannot be read ({failure.strerror})") from None
            return held[1]
        return None

    def __repr__(self) -> str:
        return f"LockInForce({self._read[0][0] if self._read else 'not read'})"
