"""Publishes snapshots to the processes of a host: a file each, named by its digest, and a pointer to the latest."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec

from trimtab.errors import FormatError, StoreError
from trimtab.policy.compile import digest
from trimtab.policy.snapshot import FORMAT_VERSION, Snapshot, decode, encode
from trimtab.policy.watch import Watch
from trimtab.policy.watch import encode as encode_watch

POINTER: Final = "snapshot.current"
PATTERN: Final = "snapshot-*.mp"
WATCH: Final = "watch.mp"
"""What control watches for; it reads the file again when that has changed."""
KEPT: Final = 8
OWNER_ONLY: Final = 0o600


def publish(run: Path, snapshot: Snapshot) -> Path:
    """Writes a snapshot into the directory `run`, points to it and returns its path.

    Readers see the old pointer or the new one, and a pointed-to file is whole, also after a power failure. The eight
    latest files are kept. Raises `StoreError`.
    """
    path = run / f"snapshot-{snapshot.digest[:12]}.mp"
    with _mapped(run):
        _replace(path, encode(snapshot))
        _replace(run / POINTER, path.name.encode("ascii"))
        _prune(run, path)
    return path


def publish_watch(run: Path, watch: Watch) -> None:
    """Writes what is watched for into the directory `run`, in place of the last. Raises `StoreError`."""
    with _mapped(run):
        _replace(run / WATCH, encode_watch(watch))


def load_current(run: Path) -> Snapshot:
    """The snapshot that was published last. Raises `StoreError` when there is none and `FormatError` when it is not
    what its digest says or of another release.
    """
    with _mapped(run):
        name = (run / POINTER).read_text("ascii").strip()
    return read_snapshot(run / Path(name).name)


def read_snapshot(place: Path) -> Snapshot:
    """A published snapshot. Raises `StoreError` where there is none, and `FormatError` as `load_current` does."""
    with _mapped(place.parent):
        data = place.read_bytes()
    path = str(place)
    try:
        snapshot = decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as wrong:
        raise FormatError(path=path, offset=0, detail=str(wrong)) from wrong
    if snapshot.version != FORMAT_VERSION:
        detail = f"version {snapshot.version}, this release reads {FORMAT_VERSION}"
        raise FormatError(path=path, offset=0, detail=detail)
    if digest(snapshot) != snapshot.digest:
        raise FormatError(path=path, offset=0, detail="its digest does not match")
    return snapshot


def put(path: Path, data: bytes) -> None:
    """Puts a file of the owner's in place, whole and on disk. Raises `StoreError`."""
    with _mapped(path.parent):
        _replace(path, data)


def taken(path: Path) -> bytes | None:
    """What a file holds; None where there is none. Raises `StoreError`."""
    with _mapped(path.parent):
        try:
            return path.read_bytes()
        except FileNotFoundError:
            return None


def taken_away(path: Path) -> None:
    """Removes a file, if it is there. Raises `StoreError`."""
    with _mapped(path.parent):
        path.unlink(missing_ok=True)


@contextmanager
def _mapped(run: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, UnicodeDecodeError) as failure:
        raise StoreError(store=f"of snapshots in {run}", detail=str(failure)) from failure


def _replace(path: Path, data: bytes) -> None:
    """Puts a file in place, whole and on disk."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with open(fresh, "wb", opener=_owner_only) as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _owner_only(path: str, flags: int) -> int:
    return os.open(path, flags, OWNER_ONLY)


def _prune(run: Path, current: Path) -> None:
    others = sorted((path for path in run.glob(PATTERN) if path != current), key=lambda path: path.stat().st_mtime_ns)
    for old in others[: -(KEPT - 1)]:
        old.unlink(missing_ok=True)
