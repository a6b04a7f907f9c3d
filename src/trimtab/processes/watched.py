"""What control watches for, as the supervisor published it last."""

from __future__ import annotations

from pathlib import Path

import msgspec

from trimtab.errors import StoreError
from trimtab.policy.publish import WATCH
from trimtab.policy.watch import FORMAT_VERSION, Watch, decode


class WatchInForce:
    """Reads it again when its file has changed; may be used from any thread."""

    def __init__(self, run: Path) -> None:
        self._path = run / WATCH
        self._read: tuple[tuple[int, int, int], Watch] | None = None

    def read(self) -> Watch:
        """What is in force; nothing where none was published, or another release published it.

        Raises `StoreError` where the file cannot be read.
        """
        try:
            stat = self._path.stat()
            mark = (stat.st_ino, stat.st_mtime_ns, stat.st_size)
            held = self._read
            if held is None or held[0] != mark:
                self._read = held = (mark, _decoded(self._path.read_bytes()))
        except FileNotFoundError:
            return Watch()
        except OSError as failure:
            raise StoreError(store=str(self._path), detail=str(failure)) from failure
        return held[1]

    def __repr__(self) -> str:
        return f"WatchInForce({self._read[1].digest[:12] if self._read else 'not read'})"


def _decoded(data: bytes) -> Watch:
    try:
        watch = decode(data)
    except msgspec.DecodeError:
        return Watch()
    return watch if watch.version == FORMAT_VERSION else Watch()
