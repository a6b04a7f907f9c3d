"""The memory under the board: a file of aligned 8-byte integers, mapped by every process that uses it.

    page 0     magic, version, rows, columns
    workers    for each row: its fields and its epoch
    directory  for each column: its key, its model and url
    cells      for each column: what is known of the replica, then for each field one value for each row

A value is written in one store: a reader sees the old or the new one, never half of each.
"""

from __future__ import annotations

import mmap
import os
import struct
from pathlib import Path
from typing import Final

from trimtab.errors import FormatError

MAGIC: Final = b"TRIMBRD\n"
VERSION: Final = 2
HEADER: Final = struct.Struct("=8sqqq")
PAGE: Final = 4096

PID, SLOT, HEARTBEAT, OPEN_CALLS, OPEN_CONNECTIONS, DRAINING, EPOCH = range(7)
EPOCH_WORDS: Final = 4
WORKER_WORDS: Final = EPOCH + EPOCH_WORDS

KEY, NAME = 0, 1
NAME_WORDS: Final = 32
DIRECTORY_WORDS: Final = NAME + NAME_WORDS

POSITION, CHECK, LAST_OK, ENFORCES = range(4)
REPLICA_WORDS: Final = 4
"""Of the replica itself: the newest, by whichever worker found it out."""

IN_FLIGHT, TOKENS, RUN, OPENINGS, BOUND, BUCKETS = range(6)
BUCKET_COUNT: Final = 10
FIELDS: Final = BUCKETS + BUCKET_COUNT
"""Of each worker's calls there: a value for each row, which only the row's owner writes."""


class BoardTable:
    """The mapped file. `words` is the whole of it; `worker`, `entry` and `cell` tell where in it a thing begins."""

    __slots__ = ("_cells", "_directory", "_map", "_stride", "_view", "columns", "fd", "rows", "words")

    def __init__(self, path: Path) -> None:
        """Maps the board at `path`; raises `FormatError` if it is none, `OSError` if it cannot be opened."""
        self.fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        try:
            self.rows, self.columns = _dimensions(path, self.fd)
            self._map = mmap.mmap(self.fd, 0)
        except BaseException:
            os.close(self.fd)
            raise
        self._view = memoryview(self._map)
        self.words = self._view.cast("q")
        self._directory = PAGE // 8 + self.rows * WORKER_WORDS
        self._cells = self._directory + self.columns * DIRECTORY_WORDS
        self._stride = REPLICA_WORDS + FIELDS * self.rows

    @staticmethod
    def create(path: Path, rows: int, columns: int) -> None:
        """Puts an empty board at `path`, in place of any that is there."""
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_name(path.name + ".new")
        with fresh.open("wb") as file:
            fresh.chmod(0o600)
            file.write(HEADER.pack(MAGIC, VERSION, rows, columns))
            file.truncate(_size(rows, columns))
        fresh.replace(path)

    def close(self) -> None:
        """Unmaps the file and closes it, which frees every lock taken through it; again, does nothing."""
        self.words.release()
        self._view.release()
        self._map.close()
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    def worker(self, row: int) -> int:
        """Where the fields of the worker in `row` begin."""
        return PAGE // 8 + row * WORKER_WORDS

    def entry(self, column: int) -> int:
        """Where the directory's entry for `column` begins."""
        return self._directory + column * DIRECTORY_WORDS

    def replica(self, column: int) -> int:
        """Where what is known of the replica in `column` begins."""
        return self._cells + column * self._stride

    def field(self, column: int, field: int) -> int:
        """Where the values of `field` for `column` begin, one for each row."""
        return self._cells + column * self._stride + REPLICA_WORDS + field * self.rows

    def total(self, column: int, field: int) -> int:
        """The sum of a field over all rows."""
        at = self._cells + column * self._stride + REPLICA_WORDS + field * self.rows
        return sum(self.words[at : at + self.rows])

    def clear_replica(self, column: int) -> None:
        """Sets all that lies in a column to zero."""
        at = self.replica(column)
        for place in range(at, at + self._stride):
            self.words[place] = 0

    def clear_row(self, row: int) -> None:
        """Sets all that a worker wrote to zero, but for what its replicas have been through: `OPENINGS`."""
        for column in range(self.columns):
            for field in range(FIELDS):
                if field != OPENINGS:
                    self.words[self.field(column, field) + row] = 0
        for place in range(self.worker(row), self.worker(row) + EPOCH):
            self.words[place] = 0

    def text(self, at: int, words: int) -> str:
        """The text that lies in `words` words from `at` on."""
        return bytes(self._view[at * 8 : (at + words) * 8]).rstrip(b"\0").decode("utf-8", "replace")

    def put_text(self, at: int, words: int, text: str) -> None:
        """Writes `text` there, cut to what fits."""
        self._view[at * 8 : (at + words) * 8] = text.encode()[: words * 8].ljust(words * 8, b"\0")


def _size(rows: int, columns: int) -> int:
    words = rows * WORKER_WORDS + columns * (DIRECTORY_WORDS + REPLICA_WORDS + FIELDS * rows)
    return PAGE + words * 8


def _dimensions(path: Path, fd: int) -> tuple[int, int]:
    """Rows and columns as the header has them; raises `FormatError` unless the file is a board of that size."""
    head = os.pread(fd, HEADER.size, 0)
    if len(head) < HEADER.size:
        raise FormatError(path=path, offset=len(head), detail="shorter than a board's header")
    magic, version, rows, columns = HEADER.unpack(head)
    if magic != MAGIC or version != VERSION:
        raise FormatError(path=path, offset=0, detail=f"no board of version {VERSION}")
    if rows < 1 or columns < 1 or os.fstat(fd).st_size != _size(rows, columns):
        raise FormatError(path=path, offset=16, detail="its size is not what its header says")
    return rows, columns
