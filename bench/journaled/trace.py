"""What SQLite writes and syncs, recorded below it: its default file layer, with a listener between.

Works with a `sqlite3` module that uses the system's shared library.
"""

from __future__ import annotations

import ctypes
import ctypes.util
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

PLACE, INT, LONG = ctypes.c_void_p, ctypes.c_int, ctypes.c_int64
OPEN = ctypes.CFUNCTYPE(INT, PLACE, PLACE, PLACE, INT, PLACE)
DELETE = ctypes.CFUNCTYPE(INT, PLACE, PLACE, INT)
WRITE = ctypes.CFUNCTYPE(INT, PLACE, PLACE, INT, LONG)
TRUNCATE = ctypes.CFUNCTYPE(INT, PLACE, LONG)
SYNC = ctypes.CFUNCTYPE(INT, PLACE, INT)
OK = 0


class Vfs(ctypes.Structure):
    """`sqlite3_vfs` up to what is replaced."""

    _fields_ = [
        ("iVersion", INT), ("szOsFile", INT), ("mxPathname", INT), ("pNext", PLACE), ("zName", PLACE),
        ("pAppData", PLACE), ("xOpen", PLACE), ("xDelete", PLACE),
    ]  # fmt: skip


class Methods(ctypes.Structure):
    """`sqlite3_io_methods`, version 3."""

    _fields_ = [("iVersion", INT)] + [
        (name, PLACE)
        for name in (
            "xClose", "xRead", "xWrite", "xTruncate", "xSync", "xFileSize", "xLock", "xUnlock", "xCheckReservedLock",
            "xFileControl", "xSectorSize", "xDeviceCharacteristics", "xShmMap", "xShmLock", "xShmBarrier", "xShmUnmap",
            "xFetch", "xUnfetch",
        )
    ]  # fmt: skip


class Event(NamedTuple):
    """`write` of `content` at `place`, `truncate` to it, `sync` or `delete` of a file; the workload says `say`."""

    what: str
    file: str
    place: int = 0
    content: bytes = b""
    said: Any = None


def named(place: int) -> str:
    """The name of the file whose path lies there."""
    return Path(ctypes.string_at(place).decode()).name


class Trace:
    """Events in the order in which they happened."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self._names: dict[int, str] = {}
        self._kept: list[Any] = []
        self._methods: dict[int, Methods] = {}

    def say(self, said: Any) -> None:
        """Something that the workload was told: from here on it must last."""
        self.events.append(Event("say", "", said=said))

    @contextmanager
    def recording(self) -> Iterator[None]:
        """Connections opened inside are recorded; they must be closed inside."""
        library = ctypes.CDLL(ctypes.util.find_library("sqlite3"))
        library.sqlite3_vfs_find.restype = PLACE
        vfs = Vfs.from_address(library.sqlite3_vfs_find(None))
        was = vfs.xOpen, vfs.xDelete
        opening, deleting = OPEN(was[0]), DELETE(was[1])

        def opened(self_: int, name: int | None, file: int, flags: int, out: int | None) -> int:
            done: int = opening(self_, name, file, flags, out)  # the name as it lies there: SQLite goes on to use it
            if done == OK and name:
                self._names[file] = named(name)
                self._replace(file)
            return done

        def deleted(self_: int, name: int, synced: int) -> int:
            self.events.append(Event("delete", named(name)))
            done: int = deleting(self_, name, synced)
            return done

        ours = OPEN(opened), DELETE(deleted)
        vfs.xOpen, vfs.xDelete = (ctypes.cast(one, PLACE).value for one in ours)
        try:
            yield
        finally:
            vfs.xOpen, vfs.xDelete = was

    def _replace(self, file: int) -> None:
        """Puts the listener into the methods of an open file."""
        holder = PLACE.from_address(file)
        place = holder.value or 0
        if place not in self._methods:
            self._methods[place] = self._listening(Methods.from_address(place))
        holder.value = ctypes.addressof(self._methods[place])

    def _listening(self, were: Methods) -> Methods:
        methods = Methods.from_buffer_copy(were)
        writing, truncating, syncing = WRITE(were.xWrite), TRUNCATE(were.xTruncate), SYNC(were.xSync)

        def write(file: int, content: int, size: int, place: int) -> int:
            self.events.append(Event("write", self._names[file], place, ctypes.string_at(content, size)))
            done: int = writing(file, content, size, place)
            return done

        def truncate(file: int, size: int) -> int:
            self.events.append(Event("truncate", self._names[file], size))
            done: int = truncating(file, size)
            return done

        def sync(file: int, flags: int) -> int:
            done: int = syncing(file, flags)
            self.events.append(Event("sync", self._names[file]))
            return done

        kept = WRITE(write), TRUNCATE(truncate), SYNC(sync)
        self._kept += [*kept, were]
        methods.xWrite, methods.xTruncate, methods.xSync = (ctypes.cast(one, PLACE).value for one in kept)
        return methods
