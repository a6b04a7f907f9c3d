"""What a program's runs bear when it says nothing of it: the lock in force where it connects."""

from __future__ import annotations

from pathlib import Path

import pytest

from trimtab import connect
from trimtab.lock import lockfile


def write(path: Path, text: str) -> str:
    """A lock of one prompt there; its id."""
    whole = lockfile.lock([lockfile.entry("prompts", "triage", {"prompt": text})])
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(lockfile.encode(whole))
    return whole.lock_id


def test_the_lock_in_force_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one that `trimtab up` noted comes before the project's, and what the program or its environment says before
    both.
    """
    monkeypatch.delenv("TRIMTAB_LOCK", raising=False)
    folder = tmp_path / ".trimtab"
    assert connect(folder).lock == ""
    of_project = write(tmp_path / "trimtab.lock", "old")
    assert connect(folder).lock == of_project
    in_force = write(folder / "run" / "trimtab.lock", "new")
    assert connect(folder).lock == in_force != of_project
    monkeypatch.setenv("TRIMTAB_LOCK", "mine")
    assert connect(folder).lock == "mine"
    assert connect(folder, lock="").lock == ""


def test_a_lock_that_cannot_be_read_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A damaged file stops no program; the next one counts."""
    monkeypatch.delenv("TRIMTAB_LOCK", raising=False)
    of_project = write(tmp_path / "trimtab.lock", "old")
    damaged = tmp_path / ".trimtab" / "run" / "trimtab.lock"
    damaged.parent.mkdir(parents=True)
    damaged.write_bytes(b'{"version"')
    assert connect(tmp_path / ".trimtab").lock == of_project
