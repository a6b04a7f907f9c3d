"""The samples of an evaluation in a file that is only appended to, so that no paid answer is lost to a crash."""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from trimtab.errors import EvaluationRuns, FormatError, StoreError
from trimtab.evals.sample import Arm, Mark, Sample

Key = tuple[Arm, str, int]
MODE: Final = 0o600


class Answered(Struct, frozen=True, tag="answer"):
    """An answer, with the marks that were there with it."""

    sample: Sample


class Marked(Struct, frozen=True, tag="marks", omit_defaults=True):
    """Marks of an answer that stands before."""

    arm: Arm
    case: str
    number: int
    marks: tuple[Mark, ...]


class Again(Struct, frozen=True, tag="again"):
    """A call that said nothing of the task, and is made again."""

    sample: Sample


Line = Answered | Marked | Again
_DECODER: Final[msgspec.json.Decoder[Line]] = msgspec.json.Decoder(Answered | Marked | Again)


class _Held:
    """What the lines say together."""

    def __init__(self) -> None:
        self.samples: dict[Key, Sample] = {}
        self.failures: list[Sample] = []

    def take(self, line: Line) -> None:
        if isinstance(line, Again):
            self.failures.append(line.sample)
            return
        if isinstance(line, Marked):
            key = (line.arm, line.case, line.number)
            if key in self.samples:
                self.samples[key] = with_marks(self.samples[key], line.marks)
            return
        key = key_of(line.sample)
        earlier = self.samples.get(key)
        if earlier is not None and earlier.answer.call != line.sample.answer.call:
            self.failures.append(earlier)
        self.samples[key] = line.sample


def key_of(sample: Sample) -> Key:
    """What there is one sample of."""
    return sample.arm, sample.case, sample.number


def with_marks(sample: Sample, marks: tuple[Mark, ...]) -> Sample:
    """The sample with these marks, each in the place of an earlier one of its scorer."""
    named = {mark.scorer: mark for mark in sample.marks} | {mark.scorer: mark for mark in marks}
    return replace(sample, marks=tuple(named.values()))


def read_samples(path: Path) -> tuple[Sample, ...]:
    """The samples in a file, which another process may be writing to; none where there is no file.

    Raises `FormatError` for a line that is none, unless it is the last and cut short.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return ()
    except OSError as failure:
        raise StoreError(store=str(path), detail=failure.strerror) from None
    held = _Held()
    for line, _ in _lines(data, path):
        held.take(line)
    return tuple(held.samples.values())


class KeptSamples:
    """The samples of one evaluation. Many threads may add at once.

    What was paid for is on the disk when the method returns; the waits of several threads for it are one. One process
    at a time has it open: raises `EvaluationRuns`. A last line that a crash cut short is taken out.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._writing, self._syncing = threading.Lock(), threading.Lock()
        self._held = _Held()
        self._written = self._synced = 0
        self._broken = ""
        try:
            self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, MODE)
        except OSError as failure:
            raise StoreError(store=str(path), detail=failure.strerror) from None
        try:
            self._size = self._open()
        except BaseException:
            os.close(self._fd)
            raise

    def __repr__(self) -> str:
        return f"KeptSamples({self._path}: {len(self._held.samples)} samples, {len(self._held.failures)} failures)"

    def add(self, sample: Sample) -> None:
        """Keeps an answer with its marks so far; a later one for the same arm, case and number takes its place."""
        self._add(Answered(sample))

    def mark(self, arm: Arm, case: str, number: int, *marks: Mark) -> None:
        """Keeps marks of an answer that is kept; a later one of the same scorer takes its place.

        Only marks that were paid for are waited for until they are on the disk: others can be made again.
        """
        if marks:
            self._add(Marked(arm, case, number, marks), wait=any(mark.call or mark.cost_usd for mark in marks))

    def failed(self, sample: Sample) -> None:
        """Keeps a call that is made again, because its failure says nothing of the task."""
        self._add(Again(sample))

    def all(self) -> tuple[Sample, ...]:
        """The samples with their marks, in the order in which they came."""
        with self._writing:
            return tuple(self._held.samples.values())

    def failures(self) -> tuple[Sample, ...]:
        """The calls that were made again, and the answers that others took the place of."""
        with self._writing:
            return tuple(self._held.failures)

    def close(self) -> None:
        """Lets go of the file."""
        with self._syncing, self._writing:
            self._broken = self._broken or "it is closed"
            if self._fd >= 0:
                os.close(self._fd)
                self._fd = -1

    def _open(self) -> int:
        """Takes hold of the file and reads it; its length, without a last line that is cut short."""
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise EvaluationRuns(id=self._path.parent.name) from None
        size = 0
        for line, end in _lines(self._path.read_bytes(), self._path):
            self._held.take(line)
            size = end
        os.ftruncate(self._fd, size)
        _sync_folder(self._path.parent)
        return size

    def _add(self, line: Line, *, wait: bool = True) -> None:
        data = msgspec.json.encode(line) + b"\n"
        with self._writing:
            self._write(data)
            self._held.take(line)
            self._written += 1
            mine = self._written
        if wait:
            self._sync(mine)

    def _write(self, data: bytes) -> None:
        if self._broken:
            raise StoreError(store=str(self._path), detail=self._broken)
        try:
            written = os.write(self._fd, data)
            while written < len(data):
                written += os.write(self._fd, data[written:])
        except OSError as failure:
            os.ftruncate(self._fd, self._size)
            raise StoreError(store=str(self._path), detail=failure.strerror) from None
        self._size += len(data)

    def _sync(self, mine: int) -> None:
        with self._syncing:
            if self._synced >= mine:
                return
            if self._broken:
                raise StoreError(store=str(self._path), detail=self._broken)
            with self._writing:
                upto, fd = self._written, self._fd
            try:
                os.fdatasync(fd)
            except OSError as failure:
                self._broken = str(failure.strerror)
                raise StoreError(store=str(self._path), detail=failure.strerror) from None
            self._synced = upto


def _lines(data: bytes, path: Path) -> Iterator[tuple[Line, int]]:
    """The lines and where each ends. What a crash left of a last one is passed over."""
    at = 0
    while at < len(data):
        end = data.find(b"\n", at)
        if end < 0:
            return
        try:
            line: Any = _DECODER.decode(data[at:end])
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as wrong:
            if not data[end:].strip(b"\n\0"):
                return
            raise FormatError(store="samples", path=str(path), offset=at, detail=str(wrong)) from None
        at = end + 1
        yield line, at


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
