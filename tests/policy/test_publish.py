"""Snapshots on disk: whole, pointed to, and few."""

import os
from pathlib import Path

import msgspec
import pytest

from tests.declare.projects import write
from trimtab.declare.load import load
from trimtab.errors import FormatError, StoreError
from trimtab.policy.compile import compile as compile_policy
from trimtab.policy.compile import digest
from trimtab.policy.publish import load_current, publish
from trimtab.policy.snapshot import Snapshot, encode


@pytest.fixture
def snapshot(tmp_path: Path) -> Snapshot:
    return compile_policy(load(write(tmp_path)))


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = tmp_path / "run"
    folder.mkdir()
    return folder


def variant(snapshot: Snapshot, number: int) -> Snapshot:
    changed = msgspec.structs.replace(snapshot, environment=f"e{number}")
    return msgspec.structs.replace(changed, digest=digest(changed))


def test_publish_and_load(run: Path, snapshot: Snapshot) -> None:
    """What was published last is what is loaded; its file is named by the digest and the owner's alone."""
    for each in (snapshot, variant(snapshot, 1), snapshot):
        path = publish(run, each)
        assert path == run / f"snapshot-{each.digest[:12]}.mp"
        assert path.stat().st_mode & 0o777 == 0o600
        assert (run / "snapshot.current").read_text() == path.name
        assert load_current(run) == each


def test_nothing_else_is_left(run: Path, snapshot: Snapshot) -> None:
    """Publishing leaves no unfinished file."""
    publish(run, snapshot)
    assert sorted(path.name for path in run.iterdir()) == [f"snapshot-{snapshot.digest[:12]}.mp", "snapshot.current"]


def test_eight_are_kept(run: Path, snapshot: Snapshot) -> None:
    """The eight latest snapshots stay, whatever the order of their digests."""
    paths = []
    for number in range(12):
        path = publish(run, variant(snapshot, number))
        os.utime(path, ns=(number, number))
        paths.append(path)
    assert sorted(run.glob("snapshot-*.mp")) == sorted(paths[-8:])


def test_nothing_published(run: Path) -> None:
    """Without a pointer there is nothing to load, and the message says where."""
    with pytest.raises(StoreError, match=r"snapshots in .*/run failed: .*snapshot\.current"):
        load_current(run)


def test_no_place_to_publish(tmp_path: Path, snapshot: Snapshot) -> None:
    """A directory that is not there is a StoreError."""
    with pytest.raises(StoreError, match="nowhere"):
        publish(tmp_path / "nowhere", snapshot)


def test_a_failed_write_changes_nothing(run: Path, snapshot: Snapshot) -> None:
    """When the new file cannot take its place, the pointer still names the old snapshot and no scrap is left."""
    publish(run, snapshot)
    another = variant(snapshot, 1)
    (run / f"snapshot-{another.digest[:12]}.mp").mkdir()
    with pytest.raises(StoreError):
        publish(run, another)
    assert load_current(run) == snapshot
    assert not list(run.glob(".*"))


def spoil(data: bytes) -> bytes:
    return data.replace(b"development", b"destruction")


def newer(data: bytes) -> bytes:
    return encode(msgspec.structs.replace(msgspec.msgpack.decode(data, type=Snapshot), version=3))


@pytest.mark.parametrize(
    ("change", "detail"),
    [
        (lambda data: data[:-10], "truncated"),
        (lambda data: b"", "truncated"),
        (lambda data: b"\xc1", "invalid"),
        (spoil, "digest does not match"),
        (newer, "version 3, this release reads 2"),
    ],
)
def test_a_spoilt_file(run: Path, snapshot: Snapshot, change: object, detail: str) -> None:
    """A file that is cut, foreign, altered or of another release is a FormatError that names it."""
    path = publish(run, snapshot)
    assert callable(change)
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(FormatError, match=rf"{path.name} at byte 0 is not valid .*{detail}"):
        load_current(run)
