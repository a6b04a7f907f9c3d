"""The locks that a project had, and what one of them changed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.lock.repositories import GRACE, commit, place, repository
from trimtab.lock.lock_history import KnownLock, LockHistory, lock_change, lock_history, read_lock
from trimtab.lock.lockfile import FILE, Lock, encode, entry, lock
from trimtab.lock.prompt_history import prompt_history


def locked(temperature: float, text: str = "Be brief.") -> Lock:
    turns = [{"role": "system", "text": [text]}]
    return lock(
        [
            entry("sampling", "t", {"temperature": temperature}, "Ada <ada@example.org>", "b" * 40),
            entry("prompts", "t", {"inputs": [], "sha256": "0" * 64, "turns": turns}),
        ]
    )


ONE, TWO, THREE = locked(0.0), locked(0.5, "Be long."), locked(1.0)


def put(root: Path, whole: Lock) -> None:
    place(root, FILE, encode(whole).decode())


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """One, two, and one again, each committed; three lies in the folder."""
    root = repository(tmp_path / "project")
    for number, (whole, message) in enumerate(((ONE, "first"), (TWO, "second"), (ONE, "back"))):
        put(root, whole)
        commit(root, message, GRACE if whole is TWO else ("Ada", "ada@example.org"), f"2026-11-0{number + 1}T10:00:00Z")
    put(root, THREE)
    return root


def ids(history: LockHistory) -> list[str]:
    return [one.lock_id for one in history.locks]


def test_locks_newest_first(root: Path) -> None:
    """What is not committed comes first; a lock that was taken up again stands where it was, too."""
    history = lock_history(root)
    assert ids(history) == [THREE.lock_id, ONE.lock_id, TWO.lock_id, ONE.lock_id]
    assert [one.commit.subject if one.commit else "" for one in history.locks] == ["", "back", "second", "first"]
    assert history.notes == ()


def test_the_lock_before(root: Path) -> None:
    """It is the next older one, of the newest place that a lock stands at; the first one has none."""
    history = lock_history(root)
    before = [found.lock_id if (found := history.before(one)) else "" for one in (THREE.lock_id, ONE.lock_id)]
    assert before == [ONE.lock_id, TWO.lock_id]
    assert history.before("f" * 64) is None
    assert history.get(TWO.lock_id[:10]) == history.locks[2]
    assert history.get("nothing") is None


def test_a_lock_in_force_that_is_not_the_projects(root: Path, tmp_path: Path) -> None:
    """It is known and read from where it lies."""
    other = locked(0.7)
    in_force = tmp_path / "run" / FILE
    in_force.parent.mkdir()
    in_force.write_bytes(encode(other))
    history = lock_history(root, in_force)
    assert ids(history)[:2] == [THREE.lock_id, other.lock_id]
    assert read_lock(root, history.locks[1], in_force) == other
    assert read_lock(root, history.locks[1]) is None


def test_what_a_lock_changed(root: Path) -> None:
    """By entry in sentences, a prompt by its turns, with who changed it."""
    history = lock_history(root)
    old, new = history.locks[2], history.locks[1]
    read = [(one, whole) for one in (old, new) if (whole := read_lock(root, one)) is not None]
    change = lock_change(*read)
    prompt, sampling = change.entries
    assert (prompt.key, [one.kind for one in prompt.turns]) == ("prompts/t", ["changed"])
    assert (sampling.key, sampling.author, sampling.commit) == ("sampling/t", "Ada <ada@example.org>", "b" * 40)
    assert "0.5" in sampling.differences[0].words
    assert change.count == len(prompt.differences) + len(sampling.differences)
    first = lock_change(None, read[0])
    assert [one.key for one in first.entries] == ["prompts/t", "sampling/t"]


def test_more_differences_than_are_told() -> None:
    """A thousand are told, the rest is counted."""
    many = lock([entry("data", f"d{number}", {"rows": number}) for number in range(1003)])
    change = lock_change(None, (KnownLock(many.lock_id), many))
    assert (change.count, change.more, len(change.entries)) == (1003, 3, 1000)


def test_where_there_is_no_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The lock in the folder is known, and it is noted that no other is."""
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    (tmp_path / "bare").mkdir()
    put(tmp_path / "bare", ONE)
    history = lock_history(tmp_path / "bare")
    assert ids(history) == [ONE.lock_id]
    assert "no git" in history.notes[0]
    assert "no git" in prompt_history(tmp_path / "bare", "t", 10).notes[0]


def test_locks_that_cannot_be_read(root: Path) -> None:
    """They are passed over, and it is noted how many; so is what is wrong with the one in the folder."""
    place(root, FILE, "{")
    commit(root, "broken", at="2026-11-05T10:00:00Z")
    history = lock_history(root)
    assert ids(history) == [ONE.lock_id, TWO.lock_id, ONE.lock_id]
    assert len(history.notes) == 2
    assert any("1 commit" in note for note in history.notes)


def test_versions_of_a_prompt(tmp_path: Path) -> None:
    """Each with its turns, the shared parts put in; beyond the limit older ones are counted."""
    root = repository(tmp_path / "project")
    for number in range(3):
        place(root, "tasks/t/prompt.md", f"system:\nBe {number}.\nuser:\nHi\n")
        commit(root, f"version {number}", at=f"2026-11-0{number + 1}T10:00:00Z")
    history = prompt_history(root, "t", 2)
    assert [one.turns[0].template for one in history.versions] == ["Be 2.", "Be 1."]
    assert history.left_out == 1
    assert prompt_history(root, "nobody", 2).versions == ()
