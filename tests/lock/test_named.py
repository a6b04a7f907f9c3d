"""A lock by what people call it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.lock.repositories import BARE, commit, repository
from trimtab.errors import LockInvalid, LockUnknown
from trimtab.lock import lockfile
from trimtab.lock.lockfile import Lock
from trimtab.lock.named import Named, named


@pytest.fixture(autouse=True)
def _bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing of the person who runs the tests, and no file of theirs that a name could mean."""
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    for name in ("GIT_CONFIG_GLOBAL", "GIT_CONFIG_NOSYSTEM", "HOME"):
        monkeypatch.setenv(name, BARE[name])
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")


def a_lock(temperature: float) -> Lock:
    return lockfile.lock([lockfile.entry("sampling", "triage", {"temperature": temperature})])


def put(folder: Path, lock: Lock) -> Path:
    path = folder / lockfile.FILE
    path.write_bytes(lockfile.encode(lock))
    return path


OLD, MIDDLE, NEW, KEPT = (a_lock(step / 10) for step in range(4))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A project in which OLD and MIDDLE were committed, and NEW lies uncommitted."""
    folder = repository(tmp_path / "project")
    put(folder, OLD)
    commit(folder, "First")
    put(folder, MIDDLE)
    commit(folder, "Second")
    put(folder, NEW)
    return folder


def test_a_file_or_the_folder_it_lies_in(root: Path) -> None:
    """A path is read as it is."""
    for name in (str(root / lockfile.FILE), str(root)):
        assert named(root, name) == Named(NEW, str(root / lockfile.FILE))


@pytest.mark.parametrize("form", ["{}", "sha256:{}"])
def test_an_id_or_its_beginning(root: Path, form: str) -> None:
    """Of the lock in the project, and of those in history, however many digits are told beyond eight."""
    for lock in (OLD, MIDDLE, NEW):
        for digits in (8, 12, 64):
            assert named(root, form.format(lock.lock_id[:digits])).lock == lock
    first = commit(root, "Third")
    assert named(root, NEW.lock_id).place == "trimtab.lock"
    assert named(root, first).lock == NEW


def test_an_id_that_is_committed_nowhere(root: Path, tmp_path: Path) -> None:
    """A lock that was in force is found by its id in the file that keeps it."""
    kept = put(tmp_path, KEPT)
    assert named(root, KEPT.lock_id[:12], [tmp_path / "nothing", kept]) == Named(KEPT, "the lock in force last")


def test_a_revision(root: Path) -> None:
    """The lock as it was committed then."""
    assert named(root, "HEAD") == Named(MIDDLE, "trimtab.lock of HEAD")
    assert named(root, "HEAD~1").lock == OLD


@pytest.mark.parametrize("name", ["nothing", "f" * 12, "", "--output=x", "HEAD:trimtab.lock"])
def test_a_name_that_means_nothing(root: Path, name: str) -> None:
    """It is said what a name may be; nothing is taken for an option of git."""
    with pytest.raises(LockUnknown, match=r"There is no lock .* name a revision, a lock file, or the id of a lock"):
        named(root, name)


def test_a_revision_without_a_lock(root: Path) -> None:
    """Before there was one there is none."""
    (root / lockfile.FILE).unlink()
    commit(root, "Gone")
    with pytest.raises(LockUnknown, match=r"the revision [0-9a-f]{12} has no trimtab.lock"):
        named(root, "HEAD")


def test_without_a_repository(tmp_path: Path) -> None:
    """Files and the lock at hand are found all the same; what is neither is not."""
    put(tmp_path, NEW)
    assert named(tmp_path, NEW.lock_id[:8]).lock == NEW
    with pytest.raises(LockUnknown, match="lies in no git repository"):
        named(tmp_path, "HEAD")


def test_a_file_that_is_no_lock(root: Path) -> None:
    """It is told as what it is."""
    (root / lockfile.FILE).write_text("{}")
    with pytest.raises(LockInvalid):
        named(root, str(root))
