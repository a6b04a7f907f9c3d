"""The base of an evaluation is what a folder, a revision or a lock says, laid out whole and gone afterwards."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.assemble.evaluating import write_project
from tests.lock.repositories import BARE, commit, repository
from trimtab.assemble import evaluation_side
from trimtab.assemble.evaluation_side import base_side, side
from trimtab.declare.load import load
from trimtab.errors import BaseUnknown, DeclarationError
from trimtab.lock import lockfile
from trimtab.lock.resolve import resolve

URL = "http://127.0.0.1:9"


@pytest.fixture(autouse=True)
def _bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of the person who runs the tests."""
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    for name in ("GIT_CONFIG_GLOBAL", "GIT_CONFIG_NOSYSTEM", "HOME"):
        monkeypatch.setenv(name, BARE[name])


def locked(root: Path) -> str:
    """Writes the lock of a project; its id."""
    lock = resolve(load(root), None).lock
    (root / lockfile.FILE).write_bytes(lockfile.encode(lock))
    return lock.lock_id


@pytest.fixture
def project(tmp_path: Path) -> tuple[Path, str, str]:
    """A project in a folder of a repository, cold in its first commit and warm since; its first commit and lock."""
    repository(tmp_path)
    root = tmp_path / "p"
    write_project(root, URL, temperature=0.0)
    lock = locked(root)
    first = commit(tmp_path, "Cold")
    write_project(root, URL, temperature=0.9)
    locked(root)
    commit(tmp_path, "Warm", at="2026-11-02T10:00:00Z")
    return root, first, lock


def test_the_project_itself(project: tuple[Path, str, str]) -> None:
    """Its snapshot bears the id of the lock, as it would where it serves."""
    root, _, old = project
    found = side(load(root), "here")
    assert found.snapshot.tasks["sort"].sampling.temperature == 0.9
    assert found.agrees
    assert found.snapshot.lock_id == lockfile.read(root).lock_id != old


@pytest.mark.parametrize(
    "name", ["HEAD~1", "the hash", "the lock's id", "the lock's beginning", "a lock file", "a folder"]
)
def test_a_base_by_every_name(project: tuple[Path, str, str], tmp_path: Path, name: str) -> None:
    """Revision, lock and folder lead to the same declaration and lock."""
    root, first, lock = project
    kept = tmp_path / "kept"
    write_project(kept, URL, temperature=0.0)
    locked(kept)
    names = {
        "the hash": first,
        "the lock's id": lock,
        "the lock's beginning": lock[:10],
        "a lock file": str(kept / lockfile.FILE),
        "a folder": str(kept),
    }
    with base_side(root, names.get(name, name)) as base:
        assert base.snapshot.tasks["sort"].sampling.temperature == 0.0
        assert (base.snapshot.lock_id, base.agrees) == (lock, True)
        folder = base.root
        assert (folder / "tasks" / "sort" / "prompt.md").is_file()
    assert folder.exists() == (name == "a folder")


def test_secrets_are_not_in_version_control(project: tuple[Path, str, str]) -> None:
    """A file that was never committed is read where it lies, and one that was is the commit's."""
    root, _, _ = project
    for name in ("kept", "ignored"):
        (root / name).write_text("s")
    (root / ".gitignore").write_text("ignored\n")
    more = '[models.{0}]\nwire = "openai"\nmodel = "m"\nreplicas = ["http://127.0.0.1:9"]\napi_key = "file:{0}"\n'
    write_project(root, URL, more=more.format("kept") + more.format("ignored"))
    commit(root.parent, "Keys", at="2026-11-03T10:00:00Z")
    with base_side(root, "HEAD") as base:
        places = {name: model.api_key.place for name, model in base.project.models.items() if model.api_key}
        assert places == {"kept": str(base.root / "kept"), "ignored": str(root / "ignored")}


@pytest.mark.parametrize("name", ["no-such-branch", "deadbeef99", "--all", ""])
def test_a_name_of_nothing(project: tuple[Path, str, str], name: str) -> None:
    """What is no revision, lock or folder is refused and named."""
    with pytest.raises(BaseUnknown), base_side(project[0], name):
        pass


def test_a_lock_that_was_never_committed(project: tuple[Path, str, str], tmp_path: Path) -> None:
    """A lock alone does not say what was declared, so it is not guessed."""
    write_project(tmp_path / "other", URL, temperature=0.3)
    locked(tmp_path / "other")
    with pytest.raises(BaseUnknown, match="no commit"), base_side(project[0], str(tmp_path / "other" / lockfile.FILE)):
        pass


def test_no_repository(tmp_path: Path) -> None:
    """Without git there are no revisions."""
    write_project(tmp_path, URL)
    with pytest.raises(BaseUnknown), base_side(tmp_path, "HEAD"):
        pass


def test_a_base_with_mistakes(project: tuple[Path, str, str]) -> None:
    """Its mistakes are told as those of any declaration, and the folder is gone."""
    root, _, _ = project
    (root / "tasks" / "sort" / "task.toml").write_text("owner = 7\n")
    commit(root.parent, "Broken", at="2026-11-03T10:00:00Z")
    with pytest.raises(DeclarationError), base_side(root, "HEAD"):
        pass


def test_a_revision_that_is_too_large(project: tuple[Path, str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A repository of no end is not laid out."""
    monkeypatch.setattr(evaluation_side, "MOST_FILES", 3)
    with pytest.raises(BaseUnknown, match="files"), base_side(project[0], "HEAD"):
        pass
