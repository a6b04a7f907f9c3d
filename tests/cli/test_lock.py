"""`trimtab lock` and `trimtab lock --check`."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.cli.locking import MODEL, PROMPT, Ask, asking, commit, place, project
from tests.lock.repositories import GRACE, git
from trimtab.cli import run
from trimtab.lock.lockfile import FILE, Lock, decode

pytestmark = pytest.mark.usefixtures("bare_git")
ADA = "Ada Lovelace <ada@example.org>"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return project(tmp_path / "app")


@pytest.fixture
def ask(root: Path, capsys: pytest.CaptureFixture[str]) -> Ask:
    return asking(capsys, root)


def written(root: Path) -> Lock:
    """The lock as it lies there."""
    return decode((root / FILE).read_bytes())


def authors(root: Path) -> dict[str, tuple[str, str]]:
    return {one.key: (one.author, one.commit) for one in written(root).entries}


def test_a_first_lock(root: Path, ask: Ask) -> None:
    """Everything that is declared gets an entry, with whoever would commit it."""
    said = ask()
    assert (said.status, said.err) == (0, "")
    keys = [one.key for one in written(root).entries]
    assert {"models/small", "prompts/triage", "sampling/triage", "context/triage", "policies/triage"} < set(keys)
    assert f"trimtab.lock is written: {len(keys)} entries." in said.out
    assert set(authors(root).values()) == {(ADA, "")}
    assert ask("--check").status == 0


def test_again_without_a_change(root: Path, ask: Ask) -> None:
    """The same declaration gives the same bytes, and the file is not touched."""
    ask()
    before = (root / FILE).read_bytes(), (root / FILE).stat().st_mtime_ns, (root / FILE).stat().st_ino
    said = ask()
    assert said.status == 0
    assert "Nothing changed: trimtab.lock is up to date." in said.out
    assert ((root / FILE).read_bytes(), (root / FILE).stat().st_mtime_ns, (root / FILE).stat().st_ino) == before


def test_another_form_of_the_same(root: Path, ask: Ask) -> None:
    """A lock with other line ends or spaces is as good for a check, and a lock puts it in its own form."""
    ask()
    good = (root / FILE).read_bytes()
    for form in (good.replace(b"\n", b"\r\n"), json.dumps(json.loads(good)).encode()):
        (root / FILE).write_bytes(form)
        assert ask("--check").status == 0
        assert "is written anew in its own form" in ask().out
        assert (root / FILE).read_bytes() == good


def test_commits_are_filled_in(root: Path, ask: Ask) -> None:
    """Once the files are committed, a later lock says in which commit; the id stays."""
    ask()
    first = written(root).lock_id
    hash_ = commit(root, "First", GRACE)
    assert ask("--check").status == 0
    assert "now tells who did the earlier changes" in ask().out
    assert set(authors(root).values()) == {(f"{GRACE[0]} <{GRACE[1]}>", hash_)}
    assert written(root).lock_id == first


def test_a_change_is_told(root: Path, ask: Ask) -> None:
    """A check says what is not as locked and exits 1; a lock says what it took in, and only that has a new name."""
    ask()
    hash_ = commit(root, "First", GRACE)
    ask()
    before = (root / FILE).read_bytes()
    place(root, "tasks/triage/prompt.md", PROMPT.replace("sort", "order"))
    said = ask("--check")
    assert (said.status, said.err) == (1, "")
    assert "1 thing is not as locked in" in said.out
    assert 'prompts/triage: the system turn changed: "sort" -> "order"' in said.out
    assert said.out.rstrip().endswith(f"Next: trimtab lock --project {root}")
    assert (root / FILE).read_bytes() == before, "a check writes nothing"
    said = ask()
    assert "written with 1 change" in said.out
    assert '"sort" -> "order"' in said.out
    changed = authors(root)
    assert changed.pop("prompts/triage") == (ADA, "")
    assert set(changed.values()) == {(f"{GRACE[0]} <{GRACE[1]}>", hash_)}


def test_json(root: Path, ask: Ask) -> None:
    """What is told for people is there for machines, and nothing else is on standard output."""
    first = ask("--json").json()
    assert (first["written"], first["lock_id"]) == (True, written(root).lock_id)
    assert {one["kind"] for one in first["differences"]} == {"added"}
    assert ask("--json").json()["written"] is False
    assert ask("--check", "--json").json() == {
        "ok": True, "lock_id": first["lock_id"], "declared_id": first["lock_id"], "fault": "",
        "differences": [], "refusals": [], "warnings": [],
    }  # fmt: skip
    place(root, "tasks/triage/task.toml", 'model = "small"\n\n[sampling]\ntemperature = 0.5\n')
    found = ask("--check", "--json")
    assert found.status == 1
    [one] = found.json()["differences"]
    assert (one["key"], one["path"], one["before"], one["after"]) == ("sampling/triage", "/temperature", 0, 0.5)


def test_no_lock(root: Path, ask: Ask) -> None:
    """A check without a lock fails and says what to do."""
    said = ask("--check")
    assert said.status == 1
    assert "There is no trimtab.lock in" in said.err
    assert "write it with `trimtab lock`" in said.err
    assert ask("--check", "--json").json()["ok"] is False
    assert not (root / FILE).exists()


def test_a_refusal_writes_nothing(root: Path, ask: Ask) -> None:
    """A model by a name that moves is refused, by a check too, and the lock stays as it was."""
    ask()
    before = (root / FILE).read_bytes()
    place(root, "trimtab.toml", MODEL.replace("acme/small-1", "acme/small:latest"))
    said = ask()
    assert said.status == 1
    assert "1 thing cannot be locked" in said.err
    assert 'models.small.model is "acme/small:latest"' in said.err
    assert (root / FILE).read_bytes() == before
    found = ask("--check")
    assert found.status == 1
    assert "Cannot be locked: models/small" in found.out
    assert ask("--check", "--json").json()["refusals"]


def test_a_mistake_in_the_declaration(root: Path, ask: Ask) -> None:
    """A project with mistakes is neither locked nor checked; each mistake is told."""
    place(root, "tasks/triage/task.toml", 'model = "smal"\n')
    for arguments in ((), ("--check",)):
        said = ask(*arguments)
        assert said.status == 1
        assert "tasks/triage/task.toml:1" in said.err


def test_a_retirement_warns(root: Path, ask: Ask) -> None:
    """A model that is gone soon, or already, is told beside a good check."""
    place(root, "trimtab.toml", f"{MODEL}retires = 2026-01-01\n")
    assert "Warning: models/small" in ask().out
    said = ask("--check")
    assert said.status == 0
    assert "Warning: models/small" in said.out
    assert len(ask("--check", "--json").json()["warnings"]) == 1


CONFLICT = "<<<<<<< HEAD\n{}\n=======\n{}\n>>>>>>> side\n"


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda text: CONFLICT.format(text, text), "the marks of a merge conflict"),
        (lambda text: text.replace('"temperature": 0', '"temperature": 1'), "does not have the digest it bears"),
        (lambda text: text[:-20], "truncated"),
        (lambda text: "", "truncated"),
        (
            lambda text: text.replace('"lock_id": "sha256:', '"lock_id": "sha256:0'),
            "lock_id is not that of its entries",
        ),
    ],
)
def test_a_lock_that_is_of_no_use(root: Path, ask: Ask, spoil, reason: str) -> None:  # type: ignore[no-untyped-def]
    """A conflict, an edit by hand or a torn file fails a check with the reason, and is written anew by a lock."""
    ask()
    good = (root / FILE).read_text()
    commit(root, "First")
    place(root, FILE, spoil(good))
    said = ask("--check")
    assert said.status == 1
    assert "trimtab.lock cannot be used" in said.err
    assert reason in said.err
    fault = ask("--check", "--json")
    assert (fault.status, fault.json()["ok"]) == (1, False)
    assert reason in fault.json()["fault"]
    said = ask()
    assert said.status == 0
    assert "was of no use" in said.out
    assert "what servers told is from the last commit" in said.out
    assert json.loads((root / FILE).read_text())["lock_id"] == json.loads(good)["lock_id"]


def test_a_lock_that_is_no_file(root: Path, ask: Ask) -> None:
    """A folder, or a pipe that nobody writes to, is told and not waited for."""
    (root / FILE).mkdir()
    for arguments in ((), ("--check",), ("diff",), ("why",)):
        assert ask(*arguments).status == 1
    (root / FILE).rmdir()
    os.mkfifo(root / FILE)
    said = ask("--check")
    assert said.status == 1
    assert "it is no plain file" in said.err
    assert ask().status == 0, "it is replaced by a lock"
    assert (root / FILE).is_file()


def test_a_lock_of_a_newer_release(root: Path, ask: Ask) -> None:
    """It is neither read nor replaced."""
    ask()
    newer = (root / FILE).read_text().replace('"version": 1', '"extra": [], "version": 2')
    place(root, FILE, newer)
    for arguments in ((), ("--check",), ("diff",), ("why",), ("upgrade", "small", "--to", "x")):
        said = ask(*arguments)
        assert said.status == 1
        assert "was written by a newer release" in said.err
    assert (root / FILE).read_text() == newer


def test_without_git(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Outside of a repository, and without the program, locks are written and checked without names."""
    place(tmp_path, "trimtab.toml", MODEL)
    ask = asking(capsys, tmp_path)
    assert ask().status == 0
    assert set(authors(tmp_path).values()) == {("", "")}
    monkeypatch.setenv("PATH", os.devnull)
    assert (ask().status, ask("--check").status) == (0, 0)


def test_a_broken_repository_is_a_note(root: Path, ask: Ask) -> None:
    """What git cannot tell does not keep a lock from being written."""
    place(root.parent, ".git/config", "[core\n")
    said = ask()
    assert said.status == 0
    assert "Note: who changed what is not known: `git rev-parse`" in said.out


def test_a_detached_head(root: Path, ask: Ask) -> None:
    """A commit that no branch names is as good as any."""
    hash_ = commit(root, "First")
    git(root, "checkout", "-q", "--detach")
    ask()
    assert set(authors(root).values()) == {(ADA, hash_)}


def test_a_name_with_control_codes(root: Path, ask: Ask) -> None:
    """Whoever changed something, his name moves no cursor: neither in the file nor on the screen."""
    git(root, "config", "user.name", "Ev\n\x1b[2Jil\u202e")
    ask()
    text = (root / FILE).read_text()
    assert all(letter.isprintable() or letter == "\n" for letter in text)
    assert "Ev [2Jil <ada@example.org>" in ask("why").out
    place(root, FILE, text.replace('"author": "Ev', '"author": "\\u001b[31mEv'))
    for arguments in (("why",), ("--check",), ("diff",)):
        said = ask(*arguments)
        assert said.status == 1
        assert "\x1b" not in said.err


def test_options_that_do_not_go_together(root: Path, ask: Ask, capsys: pytest.CaptureFixture[str]) -> None:
    """Options of the verb itself are refused before a command, but the folder is handed on."""
    ask()
    commit(root, "First")
    assert run(["lock", "--check", "why"]) == 2
    assert run(["lock", "--json", "why"]) == 2
    capsys.readouterr()
    assert run(["lock", "--project", str(root), "why", "models/small", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["key"] == "models/small"
    assert run(["lock", "nothing"]) == 2
