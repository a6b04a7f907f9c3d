"""The lock is written whole or not at all."""

from __future__ import annotations

import os
import resource
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from trimtab.errors import LockUnwritten
from trimtab.lock.writing import write_file


def test_a_new_file_and_its_successor(tmp_path: Path) -> None:
    """A file is put in the place of what was there, keeps its mode, and leaves nothing beside it."""
    path = tmp_path / "trimtab.lock"
    old = os.umask(0o027)
    try:
        write_file(path, b"one")
    finally:
        os.umask(old)
    assert (path.read_bytes(), path.stat().st_mode & 0o777) == (b"one", 0o640)
    path.chmod(0o664)
    inode = path.stat().st_ino
    write_file(path, b"two")
    assert (path.read_bytes(), path.stat().st_mode & 0o777) == (b"two", 0o664)
    assert path.stat().st_ino != inode, "readers of the old file go on with the old one"
    assert [each.name for each in tmp_path.iterdir()] == ["trimtab.lock"]


def test_a_link_is_followed(tmp_path: Path) -> None:
    """A link stays a link, and what it leads to is exchanged."""
    (tmp_path / "real").write_bytes(b"one")
    (tmp_path / "trimtab.lock").symlink_to("real")
    write_file(tmp_path / "trimtab.lock", b"two")
    assert (tmp_path / "trimtab.lock").is_symlink()
    assert (tmp_path / "real").read_bytes() == b"two"
    (tmp_path / "circle").symlink_to("circle")
    with pytest.raises(LockUnwritten):
        write_file(tmp_path / "circle", b"two")


@pytest.mark.parametrize("place", ["missing/trimtab.lock", "folder"])
def test_a_place_that_is_none(tmp_path: Path, place: str) -> None:
    """Without its folder, or where a folder stands, nothing is written and the reason is told."""
    (tmp_path / "folder").mkdir()
    with pytest.raises(LockUnwritten, match="cannot be written"):
        write_file(tmp_path / place, b"x")
    assert [each.name for each in tmp_path.iterdir()] == ["folder"]


@pytest.fixture
def read_only(tmp_path: Path) -> Iterator[Path]:
    """A folder with a lock in which nothing can be written, for root too."""
    folder = tmp_path / "ro"
    folder.mkdir()
    if os.geteuid():
        (folder / "trimtab.lock").write_bytes(b"one")
        folder.chmod(0o555)
        yield folder
        folder.chmod(0o755)
        return
    if subprocess.run(["mount", "-t", "tmpfs", "tmpfs", str(folder)], check=False, capture_output=True).returncode:
        pytest.skip("root that may not mount can write everywhere")
    (folder / "trimtab.lock").write_bytes(b"one")
    subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_read_only_folder(read_only: Path) -> None:
    """The lock is as it was, and the message says what to do."""
    with pytest.raises(LockUnwritten, match="make its folder writable"):
        write_file(read_only / "trimtab.lock", b"two")
    assert [(each.name, each.read_bytes()) for each in read_only.iterdir()] == [("trimtab.lock", b"one")]


def test_a_full_disk(tmp_path: Path) -> None:
    """What could be written of the new file is taken away again, and the old one is as it was."""
    path = tmp_path / "trimtab.lock"
    path.write_bytes(b"one")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4, hard))
    try:
        with pytest.raises(LockUnwritten):
            write_file(path, b"longer")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [(each.name, each.read_bytes()) for each in tmp_path.iterdir()] == [("trimtab.lock", b"one")]
