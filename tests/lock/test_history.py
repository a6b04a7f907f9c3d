"""What committed locks tell of an entry, and who depends on it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.lock.repositories import commit, git, place, repository
from trimtab.errors import LockInvalid
from trimtab.lock import history
from trimtab.lock.git import Repository, find
from trimtab.lock.history import dependents, last_step, locked_at
from trimtab.lock.lockfile import FILE, Entry, Lock, encode, entry, lock


def prompt(text: str) -> Entry:
    """An entry of a prompt."""
    return entry("prompts", "triage", {"text": text})


def locked(root: Path, *entries: Entry, at: str = "2026-11-01T10:00:00Z") -> str:
    """Commits a lock; returns the hash."""
    place(root, FILE, encode(lock(entries)).decode())
    return commit(root, "Lock", at=at)


def found(root: Path) -> Repository:
    """The repository around a folder."""
    repo = find(root)
    assert repo is not None
    return repo


def test_the_last_change_of_an_entry(tmp_path: Path) -> None:
    """It is the commit after which the entry was what it is, past commits that changed others or broke the file."""
    repository(tmp_path)
    other = entry("sampling", "triage", {"x": 1})
    first = locked(tmp_path, prompt("1"))
    second = locked(tmp_path, prompt("2"), at="2026-11-02T10:00:00Z")
    place(tmp_path, FILE, "<<<<<<< HEAD\n")
    commit(tmp_path, "Broken", at="2026-11-03T10:00:00Z")
    fourth = locked(tmp_path, prompt("2"), other, at="2026-11-04T10:00:00Z")
    repo = found(tmp_path)
    step = last_step(repo, prompt("2"))
    assert step is not None
    assert (step.before, step.after, step.commit and step.commit.hash) == (prompt("1"), prompt("2"), second)
    step = last_step(repo, other)
    assert step is not None
    assert (step.before, step.after, step.commit and step.commit.hash) == (None, other, fourth)
    step = last_step(repo, prompt("3"))
    assert step is not None
    assert (step.before, step.commit) == (prompt("2"), None), "not committed yet"
    assert locked_at(repo, first, "HEAD~3") == lock([prompt("1")])
    with pytest.raises(LockInvalid, match=r"trimtab\.lock of HEAD~1 cannot be used"):
        locked_at(repo, repo.revision("HEAD~1"), "HEAD~1")


def test_the_first_lock(tmp_path: Path) -> None:
    """An entry that is as it ever was came with the first lock; without any lock in git it is not committed."""
    repository(tmp_path)
    empty = commit(tmp_path, "Nothing")
    step = last_step(found(tmp_path), prompt("1"))
    assert step is not None
    assert (step.before, step.commit) == (None, None)
    assert locked_at(found(tmp_path), empty, "HEAD") is None
    first = locked(tmp_path, prompt("1"))
    step = last_step(found(tmp_path), prompt("1"))
    assert step is not None
    assert (step.before, step.commit and step.commit.hash) == (None, first)


def test_as_far_back_as_is_looked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the bound, and beyond a shallow clone's cut, nothing is claimed."""
    origin = repository(tmp_path / "origin")
    for number in range(6):
        locked(origin, prompt("1"), entry("sampling", "triage", {"x": number}), at=f"2026-11-0{number + 1}T10:00:00Z")
    assert last_step(found(origin), prompt("1")) is not None
    monkeypatch.setattr(history, "MAX_LOCKS", 6)
    assert last_step(found(origin), prompt("1")) is None
    monkeypatch.undo()
    git(tmp_path, "clone", "-q", "--depth", "3", f"file://{origin}", "clone")
    assert last_step(found(tmp_path / "clone"), prompt("1")) is None


def whole() -> Lock:
    """A lock of two tasks that share a little."""
    return lock([
        entry("policies", "(defaults)", {"deadline": {}}),
        entry("policies", "triage", {"model": "small", "fallback": ["large"], "tools": ["refund"], "retrieval": []}),
        entry("policies", "extract", {"model": "large", "fallback": [], "tools": [], "retrieval": ["manuals"]}),
        entry("context", "triage", {"model": "brief"}),
        entry("context", "extract", {"model": ""}),
        entry("prompts", "triage", {"tuned_on": {"tickets": "0"}}),
        entry("models", "small", {"trained_on": {}, "adapter": {"trained_on": {"tuning": "0"}}}),
        entry("models", "large", {"trained_on": {"web": "0"}, "adapter": None}),
        entry("models", "brief", {}),
        entry("models", "idle", {}),
        entry("packages", "project", {}),
    ])  # fmt: skip


@pytest.mark.parametrize(
    ("one", "tasks"),
    [
        (("prompts", "triage"), ("triage",)),
        (("policies", "(defaults)"), ("extract", "triage")),
        (("packages", "project"), ("extract", "triage")),
        (("models", "small"), ("triage",)),
        (("models", "large"), ("extract", "triage")),
        (("models", "brief"), ("triage",)),
        (("models", "idle"), ()),
        (("tools", "refund"), ("triage",)),
        (("retrieval", "manuals"), ("extract",)),
        (("data", "tickets"), ("triage",)),
        (("data", "tuning"), ("triage",)),
        (("data", "web"), ("extract", "triage")),
        (("data", "tasks/extract/cases"), ("extract",)),
        (("data", "unused"), ()),
    ],
)
def test_who_depends_on_an_entry(one: tuple[str, str], tasks: tuple[str, ...]) -> None:
    """Every way in which a task's calls can come to depend on something is followed."""
    assert dependents(whole(), Entry(one[0], one[1], {}, "")) == tasks  # type: ignore[arg-type]
