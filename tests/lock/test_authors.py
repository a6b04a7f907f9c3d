"""Who changed an entry of a lock, and in which commit."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.lock.repositories import ADA, GRACE, commit, git, place, repository
from trimtab.lock import authors
from trimtab.lock import git as git_module
from trimtab.lock.authors import signed
from trimtab.lock.git import find
from trimtab.lock.lockfile import Entry, Lock, entry, lock
from trimtab.lock.origins import Origin

ADA_SHOWN = f"{ADA[0]} <{ADA[1]}>"
GRACE_SHOWN = f"{GRACE[0]} <{GRACE[1]}>"
PROMPT = {"prompts/triage": (Origin("prompt.md"), Origin("part.md"))}
SMALL = Origin("trimtab.toml", only=(("models", "small"),))
DEFAULTS = Origin("trimtab.toml", only=(("defaults",),))
MODELS = "[models.small]\nmodel = 'a'\n[models.large]\nmodel = 'b'\n"


def prompt(text: str) -> Lock:
    """A lock of one prompt."""
    return lock([entry("prompts", "triage", {"text": text})])


def who(root: Path, new: Lock, held: Lock | None, origins: dict[str, tuple[Origin, ...]]) -> tuple[str, str]:
    """Author and commit of the only entry."""
    [one] = signed(new, held, origins, root, find(root)).entries
    return one.author, one.commit


def test_a_committed_change_bears_its_commit(tmp_path: Path) -> None:
    """Of all files of an entry the newest commit counts, whoever writes the lock."""
    repository(tmp_path)
    place(tmp_path, "prompt.md", "1")
    commit(tmp_path, "First")
    place(tmp_path, "part.md", "1")
    second = commit(tmp_path, "Second", GRACE, "2026-11-02T10:00:00Z")
    place(tmp_path, "other.md", "1")
    commit(tmp_path, "Third", at="2026-11-03T10:00:00Z")
    assert who(tmp_path, prompt("1"), None, PROMPT) == (GRACE_SHOWN, second)


def test_a_change_that_is_not_committed_bears_who_writes(tmp_path: Path) -> None:
    """Its commit is filled in by a later writing, with the author of that commit, and nothing else changes then."""
    repository(tmp_path)
    place(tmp_path, "prompt.md", "1")
    place(tmp_path, "part.md", "1")
    first = signed(prompt("1"), None, PROMPT, tmp_path, find(tmp_path))
    assert (first.entries[0].author, first.entries[0].commit) == (ADA_SHOWN, "")
    hash_ = commit(tmp_path, "First", GRACE)
    second = signed(prompt("1"), first, PROMPT, tmp_path, find(tmp_path))
    assert (second.entries[0].author, second.entries[0].commit) == (GRACE_SHOWN, hash_)
    assert second.lock_id == first.lock_id


def test_an_entry_that_did_not_change_keeps_its_author(tmp_path: Path) -> None:
    """A file that is touched without a change of what is pinned changes no name; nor does one that is edited again."""
    repository(tmp_path)
    place(tmp_path, "prompt.md", "1")
    place(tmp_path, "part.md", "1")
    commit(tmp_path, "First")
    held = lock([entry("prompts", "triage", {"text": "1"}, "Somebody <s@x>", "f" * 40)])
    place(tmp_path, "prompt.md", "1 ")
    assert who(tmp_path, prompt("1"), held, PROMPT) == ("Somebody <s@x>", "f" * 40)
    open_ = lock([entry("prompts", "triage", {"text": "1"}, "Somebody <s@x>")])
    assert who(tmp_path, prompt("1"), open_, PROMPT) == ("Somebody <s@x>", "")
    assert who(tmp_path, prompt("2"), held, PROMPT) == (ADA_SHOWN, "")


def test_without_a_repository_nothing_new_is_known(tmp_path: Path) -> None:
    """What was known of unchanged entries is kept; changed ones have nobody's name."""
    held = lock([entry("prompts", "triage", {"text": "1"}, "Somebody <s@x>", "f" * 40)])
    assert who(tmp_path, prompt("1"), held, PROMPT) == ("Somebody <s@x>", "f" * 40)
    assert who(tmp_path, prompt("2"), held, PROMPT) == ("", "")
    assert who(tmp_path, prompt("2"), None, PROMPT) == ("", "")


def part(root: Path, origin: Origin, key: str = "models/small") -> tuple[str, str]:
    """Author and commit of an entry made from a part of a file, in a first lock."""
    section, _, name = key.partition("/")
    return who(root, lock([Entry(section, name, {}, "0" * 64)]), None, {key: (origin,)})  # type: ignore[arg-type]


def test_a_part_of_a_file_has_its_own_last_change(tmp_path: Path) -> None:
    """A commit that changed another table, a comment or the order is not the one that changed this table."""
    repository(tmp_path)
    place(tmp_path, "trimtab.toml", MODELS)
    commit(tmp_path, "First")
    place(tmp_path, "trimtab.toml", MODELS.replace("'a'", "'c'"))
    second = commit(tmp_path, "Second", GRACE, "2026-11-02T10:00:00Z")
    place(tmp_path, "trimtab.toml", "# Models\n[models]\nlarge.model = 'x'\nsmall = { model = 'c' }\n")
    third = commit(tmp_path, "Third", at="2026-11-03T10:00:00Z")
    assert part(tmp_path, SMALL) == (GRACE_SHOWN, second)
    large = Origin("trimtab.toml", only=(("models", "large"),))
    assert part(tmp_path, large, "models/large") == (ADA_SHOWN, third)
    place(tmp_path, "trimtab.toml", "[models]\nlarge.model = 'y'\nsmall = { model = 'c' }\n")
    assert part(tmp_path, SMALL) == (GRACE_SHOWN, second)
    assert part(tmp_path, large, "models/large") == (ADA_SHOWN, "")


def test_branches(tmp_path: Path) -> None:
    """A change on one branch stays that commit's, whatever the other branch did to the file later, and the merge did
    not make it.
    """
    repository(tmp_path)
    place(tmp_path, "trimtab.toml", f"# 1\n\n\n\n{MODELS}")
    commit(tmp_path, "First")
    git(tmp_path, "checkout", "-q", "-b", "side")
    place(tmp_path, "trimtab.toml", f"# 2\n\n\n\n{MODELS}")
    commit(tmp_path, "Comment", at="2026-11-03T10:00:00Z")
    git(tmp_path, "checkout", "-q", "main")
    place(tmp_path, "trimtab.toml", "# 1\n\n\n\n" + MODELS.replace("'b'", "'c'"))
    second = commit(tmp_path, "Second", GRACE, "2026-11-02T10:00:00Z")
    git(tmp_path, "merge", "-q", "--no-edit", "side", at="2026-11-04T10:00:00Z")
    large = Origin("trimtab.toml", only=(("models", "large"),))
    assert part(tmp_path, large, "models/large") == (GRACE_SHOWN, second)


def test_a_change_back(tmp_path: Path) -> None:
    """Who puts something back to what it was has changed it last."""
    repository(tmp_path)
    for number, name in enumerate(("a", "x", "a")):
        place(tmp_path, "trimtab.toml", MODELS.replace("'a'", f"'{name}'"))
        hash_ = commit(tmp_path, "More", at=f"2026-11-0{number + 1}T10:00:00Z")
    assert part(tmp_path, SMALL) == (ADA_SHOWN, hash_)


def test_a_part_that_is_not_there(tmp_path: Path) -> None:
    """One that was taken out has the commit that did so; one that never was is as old as its file, and yields to
    others.
    """
    repository(tmp_path)
    place(tmp_path, "trimtab.toml", "[defaults]\nredaction = 'full'\n")
    place(tmp_path, "task.toml", "x = 1\n")
    first = commit(tmp_path, "First")
    place(tmp_path, "trimtab.toml", "x = 1\n")
    second = commit(tmp_path, "Second", GRACE, "2026-11-02T10:00:00Z")
    assert part(tmp_path, DEFAULTS, "policies/(defaults)") == (GRACE_SHOWN, second)
    assert part(tmp_path, SMALL) == (ADA_SHOWN, first)
    both = {"policies/triage": (Origin("task.toml", without=("sampling",)), SMALL)}
    place(tmp_path, "task.toml", "x = 2\n[sampling]\ny = 1\n")
    third = commit(tmp_path, "Third", GRACE, "2026-11-03T10:00:00Z")
    place(tmp_path, "task.toml", "x = 2\n[sampling]\ny = 2\n")
    assert who(tmp_path, lock([Entry("policies", "triage", {}, "0" * 64)]), None, both) == (GRACE_SHOWN, third)
    place(tmp_path, "trimtab.toml", "[defaults]\nredaction = 'none'\n")
    assert part(tmp_path, DEFAULTS, "policies/(defaults)") == (ADA_SHOWN, "")


def test_a_broken_revision_is_passed_over(tmp_path: Path) -> None:
    """A commit in which the file was no TOML has nothing in it."""
    repository(tmp_path)
    place(tmp_path, "trimtab.toml", MODELS)
    commit(tmp_path, "First")
    place(tmp_path, "trimtab.toml", "[models")
    commit(tmp_path, "Broken", at="2026-11-02T10:00:00Z")
    place(tmp_path, "trimtab.toml", MODELS)
    third = commit(tmp_path, "Mended", GRACE, "2026-11-03T10:00:00Z")
    assert part(tmp_path, SMALL) == (GRACE_SHOWN, third)


def test_as_far_back_as_is_looked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At the bound, and where a clone is shallow, an older change is not known and nobody is named."""
    origin = repository(tmp_path / "origin")
    place(origin, "trimtab.toml", MODELS)
    first = commit(origin, "First", GRACE)
    for number in range(12):
        place(origin, "trimtab.toml", f"{MODELS}# {number}\n")
        commit(origin, "More", at=f"2026-11-02T10:00:{number:02}Z")
    assert part(origin, SMALL) == (GRACE_SHOWN, first)
    monkeypatch.setattr(git_module, "MAX_OF_A_FILE", 5)
    monkeypatch.setattr(authors, "MAX_OF_A_FILE", 5)
    assert part(origin, SMALL) == ("", "")
    monkeypatch.undo()
    git(tmp_path, "clone", "-q", "--depth", "3", f"file://{origin}", "clone")
    assert part(tmp_path / "clone", SMALL) == ("", "")


def test_what_a_server_told_is_nobody_elses_change(tmp_path: Path) -> None:
    """Where only what was learned changed, the author is who writes the lock and not who last changed the file."""
    repository(tmp_path)
    place(tmp_path, "trimtab.toml", MODELS)
    hash_ = commit(tmp_path, "First", GRACE)
    held = lock([entry("models", "small", {"a": 1, "identity": {"fingerprints": []}}, GRACE_SHOWN, hash_)])
    learned = lock([entry("models", "small", {"a": 1, "identity": {"fingerprints": ["x"]}})])
    assert who(tmp_path, learned, held, {"models/small": (SMALL,)}) == (ADA_SHOWN, "")
    named = lock([entry("models", "small", {"a": 1, "identity": {"fingerprints": []}, "resolved": "a-2026-11-01"})])
    assert who(tmp_path, named, held, {"models/small": (SMALL,)}) == (ADA_SHOWN, "")
    both = lock([entry("models", "small", {"a": 2, "identity": {"fingerprints": ["x"]}})])
    assert who(tmp_path, both, held, {"models/small": (SMALL,)}) == (GRACE_SHOWN, hash_)
