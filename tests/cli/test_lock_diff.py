"""`trimtab lock diff` and `trimtab lock why`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.locking import MODEL, PROMPT, Ask, asking, commit, place, project
from tests.lock.repositories import GRACE, git
from trimtab.cli import run
from trimtab.lock.lockfile import FILE

pytestmark = pytest.mark.usefixtures("bare_git")
ADA = "Ada Lovelace <ada@example.org>"
GRACE_SHOWN = f"{GRACE[0]} <{GRACE[1]}>"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return project(tmp_path / "app")


@pytest.fixture
def ask(root: Path, capsys: pytest.CaptureFixture[str]) -> Ask:
    return asking(capsys, root)


@pytest.fixture
def two(root: Path, ask: Ask) -> tuple[str, str]:
    """Two commits with a lock: Ada's first one, and one in which Grace changed the prompt."""
    ask()
    first = commit(root, "First")
    ask()
    place(root, "tasks/triage/prompt.md", PROMPT.replace("sort", "order").replace("Be brief.\n", ""))
    ask()
    second = commit(root, "Order, do not sort", GRACE, "2026-11-02T10:00:00Z")
    return first, second


def test_nothing_changed(root: Path, ask: Ask) -> None:
    """Right after a commit there is no difference."""
    ask()
    hash_ = commit(root, "First")
    said = ask("diff")
    assert said.status == 0
    assert f"Nothing that is locked changed since HEAD ({hash_[:12]})." in said.out
    assert ask("diff", "--json").json()["differences"] == []


def test_a_prompt_word_by_word(root: Path, ask: Ask, two: tuple[str, str]) -> None:
    """Between a revision and the file, each difference stands in a sentence, and the prompt with both sides."""
    said = ask("diff", two[0])
    assert said.status == 0
    assert '\n  the system turn changed: "sort" -> "order"' in said.out
    assert "\n      You [-sort-]{+order+} tickets." in said.out
    assert "[-Be brief.-]" in said.out
    assert "ticket }}" not in said.out, "a turn that did not change is not shown"
    found = ask("diff", "HEAD~1", "--json").json()
    assert {one["key"] for one in found["differences"]} == {"prompts/triage"}
    assert found["commit"] == two[0]
    assert found["changed_by"] == {"prompts/triage": {"author": ADA, "commit": ""}}


def test_names_once_they_are_known(root: Path, ask: Ask, two: tuple[str, str]) -> None:
    """When the lock was written after the commit, the difference bears its name."""
    ask()
    assert f"prompts/triage  ({GRACE_SHOWN}, {two[1][:12]})" in ask("diff", two[0]).out


def test_what_is_not_committed(root: Path, ask: Ask, two: tuple[str, str]) -> None:
    """Against HEAD, what the file has and the last commit has not is told."""
    place(root, "trimtab.toml", MODEL.replace("small-1", "small-2"))
    ask()
    said = ask("diff")
    assert f"models/small  ({ADA}, not committed when it was locked)" in said.out
    assert 'is "acme/small-2", was "acme/small-1"' in said.out


def test_a_revision_without_a_lock(root: Path, ask: Ask) -> None:
    """Before the first lock everything was new."""
    commit(root, "Nothing locked")
    ask()
    said = ask("diff")
    assert said.status == 0
    assert "has no trimtab.lock: all" in said.out
    assert {one["kind"] for one in ask("diff", "--json").json()["differences"]} == {"added"}


@pytest.mark.parametrize("revision", ["nope", "HEAD~9", "HEAD:trimtab.toml", "a b", "\x1b[31m"])
def test_a_revision_that_is_none(root: Path, ask: Ask, two: tuple[str, str], revision: str) -> None:
    """It is told as such, without a control code."""
    said = ask("diff", revision)
    assert said.status == 1
    assert "There is no revision" in said.err
    assert "\x1b" not in said.err


def test_a_revision_that_looks_like_an_option(
    root: Path, ask: Ask, two: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is never handed to git as one."""
    monkeypatch.chdir(root)
    assert ask("diff", "--output=stolen").status == 2
    assert run(["lock", "diff", "--project", str(root), "--", "--output=stolen"]) == 1
    assert not (root / "stolen").exists()


def test_without_what_it_needs(root: Path, ask: Ask, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without a lock, a repository, or any commit, it says so."""
    assert "There is no trimtab.lock" in ask("diff").err
    ask()
    assert "There is no revision 'HEAD' here" in ask("diff").err
    place(tmp_path.parent, "lonely/trimtab.toml", MODEL)
    alone = asking(capsys, tmp_path.parent / "lonely")
    alone()
    said = alone("diff")
    assert said.status == 1
    assert "lies in no git repository" in said.err


def test_a_lock_of_a_revision_that_is_broken(root: Path, ask: Ask) -> None:
    """Its revision is named, so that nobody looks at today's file."""
    ask()
    good = (root / FILE).read_text()
    place(root, FILE, "{}")
    commit(root, "Broken")
    place(root, FILE, good)
    assert "trimtab.lock of HEAD cannot be used" in ask("diff").err


def test_why(root: Path, ask: Ask, two: tuple[str, str]) -> None:
    """Who, in which commit, when, from which files, for which tasks, and what changed then."""
    said = ask("why", "prompts/triage")
    assert said.status == 0
    assert f'Changed last by {GRACE_SHOWN}, {two[1][:12]}, 2026-11-02 10:00 UTC: "Order, do not sort"' in said.out
    assert "From            tasks/triage/prompt.md, tasks/triage/task.toml\n" in said.out
    assert "Used by         triage\n" in said.out
    assert f"Locked in       {two[1][:12]}\n" in said.out
    assert '  the system turn changed: "sort" -> "order"' in said.out
    found = ask("why", "prompts", "--json").json()
    assert (found["key"], found["author"], found["commit"]) == ("prompts/triage", GRACE_SHOWN, two[1])
    assert (found["files"], found["tasks"]) == (["tasks/triage/prompt.md", "tasks/triage/task.toml"], ["triage"])
    assert found["digest"] in (root / FILE).read_text()
    assert found["locked_in"] == two[1]
    model = ask("why", "models/small", "--json").json()
    assert (model["author"], model["commit"], model["locked_in"]) == (ADA, two[0], two[0])
    assert [one["kind"] for one in model["changes"]] == ["added"]


def test_why_a_part_of_a_name(root: Path, ask: Ask) -> None:
    """A part that only one entry has will do; another is answered with those it may be."""
    ask()
    assert ask("why", "small").out.startswith("models/small  sha256:")
    several = ask("why", "triage")
    assert several.status == 1
    assert "it may be context/triage, policies/triage, prompts/triage" in several.err
    nothing = ask("why", "nope\x1b[31m")
    assert nothing.status == 1
    assert "names no entry" in nothing.err
    assert "\x1b" not in nothing.err


def test_why_of_all(root: Path, ask: Ask) -> None:
    """Without a name every entry stands in a line."""
    ask()
    lines = ask("why").out.splitlines()
    assert [line.split()[0] for line in lines if "/" in line.partition(" ")[0]] == sorted(
        one["key"] for one in ask("why", "--json").json()
    )
    assert any(line.startswith("models/small") and line.endswith(ADA) for line in lines)


def test_why_of_what_is_not_committed(root: Path, ask: Ask, two: tuple[str, str]) -> None:
    """What was changed and locked since the last commit says so."""
    place(root, "trimtab.toml", MODEL.replace("small-1", "small-2"))
    ask()
    said = ask("why", "models/small")
    assert f"Changed last by {ADA}, not committed yet\n" in said.out
    assert "Locked in       not committed yet\n" in said.out


def test_why_where_older_commits_are_missing(
    root: Path, ask: Ask, two: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What a shallow clone cannot tell is not called uncommitted."""
    place(root, "prompts/new.md", "New.\n")
    commit(root.parent, "Something else")
    shallow = tmp_path / "shallow"
    git(tmp_path, "clone", "-q", "--depth", "1", f"file://{root.parent}", str(shallow))
    lock = (shallow / "app" / FILE).read_text()
    (shallow / "app" / FILE).write_text(lock.replace(two[0], ""))
    capsys.readouterr()
    assert run(["lock", "why", "models/small", "--project", str(shallow / "app")]) == 0
    out = capsys.readouterr().out
    assert f"Changed last by {ADA}, in a commit that is not known here\n" in out
    assert "not committed yet" not in out.partition("Locked in")[0]


def test_why_in_bad_circumstances(root: Path, ask: Ask, two: tuple[str, str], tmp_path: Path) -> None:
    """Mistakes in the project, a commit that is not here, or no git leave the rest told."""
    text = (root / FILE).read_text()
    assert two[0] in text
    place(root, FILE, text.replace(two[0], "f" * 40))
    said = ask("why", "models/small")
    assert said.status == 0
    assert "Note: it was changed in ffffffffffff, which this clone does not have" in said.out
    place(root, "tasks/triage/task.toml", "model = 1\n")
    assert "Note: the project has mistakes" in ask("why", "prompts/triage").out
    git(root, "rm", "-rq", "--cached", ".")
    (tmp_path / ".git").rename(tmp_path / "gone")
    assert "lies in no git repository" in ask("why", "prompts/triage").out


def test_why_of_what_is_not_declared_any_more(root: Path, ask: Ask) -> None:
    """An entry that the next lock would take out is told as such."""
    ask()
    (root / "tasks/triage/prompt.md").unlink()
    assert "the project does not declare it any more" in ask("why", "prompts").out
