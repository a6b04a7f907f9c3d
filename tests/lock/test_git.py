"""What git tells of a project's files."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.lock.repositories import BARE, GRACE, commit, git, place, repository
from trimtab.errors import GitFailed, RevisionUnknown
from trimtab.lock import git as git_module
from trimtab.lock.git import Commit, Repository, _logged, find, identity

ADA_SHOWN = "Ada Lovelace <ada@example.org>"
GRACE_SHOWN = "Grace Hopper <grace@example.org>"
ODD = "tasks/ü \"x\"\t'y'/a\nb.md"


@pytest.fixture(autouse=True)
def _bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of the person who runs the tests."""
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    for name in ("GIT_CONFIG_GLOBAL", "GIT_CONFIG_NOSYSTEM", "HOME"):
        monkeypatch.setenv(name, BARE[name])


def found(folder: Path) -> Repository:
    """The repository around a folder."""
    repo = find(folder)
    assert repo is not None
    return repo


def last(repo: Repository, paths: list[str]) -> dict[str, Commit]:
    """The newest commit of each path that has any."""
    histories = repo.histories(paths)
    assert histories.is_whole
    return {path: commits[0] for path, commits in histories.of.items()}


def test_no_repository(tmp_path: Path) -> None:
    """A folder outside of any repository has none."""
    assert find(tmp_path) is None


def test_no_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the program there is no repository, and that is no failure."""
    repository(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    assert find(tmp_path) is None


def test_no_commits(tmp_path: Path) -> None:
    """In a repository without commits all is uncommitted, and whoever would commit is known."""
    place(repository(tmp_path), "a.txt", "1")
    repo = found(tmp_path)
    assert (repo.head, repo.author(), repo.is_shallow) == ("", ADA_SHOWN, False)
    assert repo.uncommitted(["a.txt", "b.txt"]) == {"a.txt", "b.txt"}
    assert (last(repo, ["a.txt"]), repo.history("a.txt", 5)) == ({}, ())
    with pytest.raises(RevisionUnknown):
        repo.revision("HEAD")


def test_who_changed_a_file_last(tmp_path: Path) -> None:
    """Each file has the last commit that touched it; what is changed, new, or only staged is uncommitted."""
    repository(tmp_path)
    place(tmp_path, "p/one.txt", "1")
    place(tmp_path, f"p/{ODD}", "1")
    place(tmp_path, "outside.txt", "1")
    first = commit(tmp_path, "First")
    place(tmp_path, f"p/{ODD}", "2")
    second = commit(tmp_path, "Second", GRACE, "2026-11-02T10:00:00Z")
    place(tmp_path, "outside.txt", "2")
    commit(tmp_path, "Elsewhere", GRACE, "2026-11-03T10:00:00Z")
    repo = found(tmp_path / "p")
    paths = ["one.txt", ODD, "new.txt", "outside.txt"]
    assert repo.uncommitted(paths) == {"new.txt", "outside.txt"}
    assert last(repo, paths) == {
        "one.txt": Commit(first, ADA_SHOWN, 1793527200, "First"),
        ODD: Commit(second, GRACE_SHOWN, 1793613600, "Second", (first,)),
    }
    place(tmp_path, "p/one.txt", "3")
    place(tmp_path, "p/new.txt", "3")
    assert repo.uncommitted(paths[:3]) == {"one.txt", "new.txt"}
    git(tmp_path, "add", "-A")
    assert repo.uncommitted(paths[:3]) == {"one.txt", "new.txt"}
    place(tmp_path, "p/one.txt", "1")
    assert repo.uncommitted(["one.txt"]) == {"one.txt"}, "what is staged differs"
    (tmp_path / "p" / "one.txt").unlink()
    assert repo.uncommitted(["one.txt"]) == {"one.txt"}


@pytest.mark.parametrize("folder", ["-x", "two words", "a\nb", "ü", "[a]*?", ":(top)x", ":!x"])
def test_a_project_in_a_strange_folder(tmp_path: Path, folder: str) -> None:
    """Whatever the project's folder is called, its files are found in it and nothing else is."""
    repository(tmp_path)
    place(tmp_path, f"{folder}/a.txt", "1")
    place(tmp_path, f"{folder}/[b]*.txt", "1")
    place(tmp_path, f"{folder}/bb.txt", "1")
    hash_ = commit(tmp_path, "First")
    place(tmp_path, f"{folder}/bb.txt", "2")
    repo = found(tmp_path / folder)
    paths = ["a.txt", "[b]*.txt", "c.txt"]
    assert repo.uncommitted(paths) == {"c.txt"}
    assert {path: one.hash for path, one in last(repo, paths).items()} == {"a.txt": hash_, "[b]*.txt": hash_}
    assert repo.content(hash_, "[b]*.txt") == b"1"
    assert [one.hash for one in repo.history("a.txt", 3)] == [hash_]


def test_an_ignored_file_is_uncommitted(tmp_path: Path) -> None:
    """A file that git does not keep has no commit."""
    repository(tmp_path)
    place(tmp_path, ".gitignore", "big.bin\n")
    place(tmp_path, "big.bin", "1")
    commit(tmp_path, "First")
    repo = found(tmp_path)
    assert repo.uncommitted(["big.bin", ".gitignore"]) == {"big.bin"}
    assert last(repo, ["big.bin"]) == {}


def test_more_paths_than_a_command_takes(tmp_path: Path) -> None:
    """Thousands of long paths are asked for in portions."""
    repository(tmp_path)
    paths = [f"{'d' * 200}/{number:04}.txt" for number in range(1500)]
    for path in paths[:-1]:
        place(tmp_path, path, path)
    only = commit(tmp_path, "All")
    repo = found(tmp_path)
    assert repo.uncommitted(paths) == {paths[-1]}
    assert {one.hash for one in last(repo, paths).values()} == {only}
    assert len(last(repo, paths)) == 1499


def test_the_change_of_a_merge_counts(tmp_path: Path) -> None:
    """A file that is another one than in both parents was changed by the merge."""
    repository(tmp_path)
    place(tmp_path, "a.txt", "1\n")
    commit(tmp_path, "First")
    git(tmp_path, "checkout", "-q", "-b", "side")
    place(tmp_path, "a.txt", "side\n")
    commit(tmp_path, "Side", at="2026-11-02T10:00:00Z")
    git(tmp_path, "checkout", "-q", "main")
    place(tmp_path, "a.txt", "main\n")
    commit(tmp_path, "Main", at="2026-11-03T10:00:00Z")
    with pytest.raises(subprocess.CalledProcessError):
        git(tmp_path, "merge", "-q", "side")
    place(tmp_path, "a.txt", "both\n")
    merge = commit(tmp_path, "Both", GRACE, "2026-11-04T10:00:00Z")
    assert last(found(tmp_path), ["a.txt"])["a.txt"].hash == merge


def test_history_and_contents(tmp_path: Path) -> None:
    """A file's commits come newest first, and what it was in each; what was not there is left out."""
    repository(tmp_path)
    place(tmp_path, "p/a.txt", "1\r\n")
    first = commit(tmp_path, "First")
    place(tmp_path, "p/a.txt", "2")
    place(tmp_path, "p/b.txt", "1\r\n")
    second = commit(tmp_path, "Second", at="2026-11-02T10:00:00Z")
    repo = found(tmp_path / "p")
    assert [one.hash for one in repo.history("a.txt", 9)] == [second, first]
    assert [one.hash for one in repo.history("a.txt", 1)] == [second]
    asked = [(first, "a.txt"), (second, "a.txt"), (first, "b.txt"), (second, "b.txt"), (second, "x\ny"), (second, "")]
    assert repo.contents(asked) == {
        (first, "a.txt"): b"1\r\n",
        (second, "a.txt"): b"2",
        (second, "b.txt"): b"1\r\n",
    }
    assert repo.content(first, "b.txt") is None
    assert repo.contents([(first, "x blob"), (first, "x blob 7"), (second, "b.txt")]) == {(second, "b.txt"): b"1\r\n"}


def test_files_of_a_commit(tmp_path: Path) -> None:
    """Plain files of the project as they were then, with sizes; no links, and nothing from outside the project."""
    repository(tmp_path)
    place(tmp_path, "outside.txt", "x")
    place(tmp_path, "p/a.txt", "12345")
    place(tmp_path, f"p/{ODD}", "é")
    (tmp_path / "p" / "link").symlink_to("a.txt")
    first = commit(tmp_path, "First")
    place(tmp_path, "p/later.txt", "1")
    commit(tmp_path, "Second", at="2026-11-02T10:00:00Z")
    files = found(tmp_path / "p").files(first)
    assert {(one.path, one.size) for one in files} == {("a.txt", 5), (ODD, 2)}


def test_revisions(tmp_path: Path) -> None:
    """Names of commits are told; what is none is refused before git takes it for an option."""
    repository(tmp_path)
    first = commit(tmp_path, "First")
    second = commit(tmp_path, "Second")
    git(tmp_path, "tag", "-a", "v1", "-m", "tag", first)
    git(tmp_path, "checkout", "-q", "--detach")
    repo = found(tmp_path)
    assert repo.head == second
    for name, hash_ in {"HEAD": second, "HEAD~1": first, "v1": first, "main": second, first[:10]: first}.items():
        assert repo.revision(name) == hash_
    for name in ("", "--all", "--output=x", "-", "nope", "HEAD~7", "main\n", "main\0", "a b", "HEAD:a.txt", "\x1b[31m"):
        with pytest.raises(RevisionUnknown) as refused:
            repo.revision(name)
        assert str(refused.value).isprintable()


def test_a_commit_by_its_hash(tmp_path: Path) -> None:
    """Only a whole hash asks git for a commit."""
    repository(tmp_path)
    first = commit(tmp_path, "First\n\nMore.")
    repo = found(tmp_path)
    assert repo.commit(first) == Commit(first, ADA_SHOWN, 1793527200, "First")
    for hash_ in ("", "0" * 40, first[:39], "HEAD", "--output=x", f"{first}^"):
        assert repo.commit(hash_) is None
    assert [each.name for each in tmp_path.iterdir()] == [".git"]


def test_a_shallow_clone(tmp_path: Path) -> None:
    """Where history is cut off, the commit at the cut seems to have made everything: that is not believed."""
    origin = repository(tmp_path / "origin")
    place(origin, "a.txt", "1")
    commit(origin, "First")
    place(origin, "b.txt", "1")
    commit(origin, "Second")
    place(origin, "b.txt", "2")
    third = commit(origin, "Third")
    git(tmp_path, "clone", "-q", "--depth", "2", f"file://{origin}", "clone")
    repo = found(tmp_path / "clone")
    assert repo.is_shallow
    commits = last(repo, ["a.txt", "b.txt"])
    assert commits["b.txt"].hash == third
    assert commits["a.txt"].hash in repo.boundary
    with pytest.raises(RevisionUnknown, match="shallow clone"):
        repo.revision("HEAD~2")


def test_nothing_of_the_environment_leads_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a hook, git's own variables name an index and a folder; the project's repository is still the one asked."""
    here, other = repository(tmp_path / "here"), repository(tmp_path / "other")
    place(here, "a.txt", "1")
    first = commit(here, "First")
    commit(other, "Other")
    for name, value in {
        "GIT_DIR": str(other / ".git"),
        "GIT_WORK_TREE": str(other),
        "GIT_INDEX_FILE": str(other / "nothing"),
        "GIT_PREFIX": "x/",
        "GIT_LITERAL_PATHSPECS": "0",
    }.items():
        monkeypatch.setenv(name, value)
    repo = found(here)
    assert (repo.head, repo.uncommitted(["a.txt"])) == (first, frozenset())


SETTINGS = {
    "log.showRoot": "false", "log.follow": "true", "log.date": "relative", "log.mailmap": "false",
    "log.decorate": "full", "log.diffMerges": "off", "format.pretty": "oneline", "i18n.logOutputEncoding": "ISO-8859-1",
    "diff.relative": "true", "diff.renames": "copies", "diff.noprefix": "true", "diff.orderFile": "/dev/null",
    "diff.ignoreSubmodules": "all", "color.ui": "always", "core.quotePath": "true", "status.relativePaths": "true",
    "status.short": "true", "status.branch": "true", "status.showUntrackedFiles": "no", "core.pager": "cat",
    "core.abbrev": "4", "core.logAllRefUpdates": "false", "status.renames": "true",
}  # fmt: skip


def test_settings_change_no_answer(tmp_path: Path) -> None:
    """However somebody has set up git for himself, it is understood."""
    repository(tmp_path)
    place(tmp_path, "p/tasks/ä.md", "1")
    place(tmp_path, "p/gone.md", "something long enough to be found again\n" * 9)
    first = commit(tmp_path, "Anfäng", ("Jürgen", "j@x"))
    (tmp_path / "p/gone.md").rename(tmp_path / "p/come.md")
    commit(tmp_path, "Moved")
    place(tmp_path, "p/tasks/ä.md", "2")
    for plain in (True, False):
        if not plain:
            for key, value in SETTINGS.items():
                git(tmp_path, "config", key, value)
        repo = found(tmp_path / "p")
        paths = ["tasks/ä.md", "come.md", "gone.md"]
        assert repo.uncommitted(paths) == {"tasks/ä.md", "gone.md"}
        histories = repo.histories(paths).of
        assert {path: len(commits) for path, commits in histories.items()} == {
            "tasks/ä.md": 1, "come.md": 1, "gone.md": 2,
        }  # fmt: skip
        [one] = histories["tasks/ä.md"]
        assert (one.hash, one.author, one.subject) == (first, "Jürgen <j@x>", "Anfäng")
        assert [each.hash for each in repo.history("come.md", 9)] == [repo.head]
        assert repo.commit(first) == one
        assert repo.revision("HEAD~1") == first
        assert repo.content(first, "tasks/ä.md") == b"1"


def test_nothing_that_a_repository_names_is_run(tmp_path: Path) -> None:
    """Programs in a repository's configuration are not started by reading it."""
    repository(tmp_path)
    place(tmp_path, "a.txt", "1")
    commit(tmp_path, "First")
    program = tmp_path / "program"
    program.write_text(f"#!/bin/sh\ntouch '{tmp_path}/ran'\nexit 0\n")
    program.chmod(0o755)
    hooks = tmp_path / "hooks"
    hooks.mkdir()
    (hooks / "post-index-change").symlink_to(program)
    for key in ("core.fsmonitor", "core.pager", "pager.log", "gpg.program", "diff.external", "core.sshCommand"):
        git(tmp_path, "config", key, str(program))
    git(tmp_path, "config", "core.hooksPath", str(hooks))
    git(tmp_path, "config", "log.showSignature", "true")
    os.utime(tmp_path / "a.txt", (0, 0))
    repo = found(tmp_path)
    assert repo.uncommitted(["a.txt"]) == frozenset()
    last(repo, ["a.txt"])
    repo.history("a.txt", 3)
    repo.content(repo.head, "a.txt")
    assert not (tmp_path / "ran").exists()


def test_a_repository_that_cannot_be_used(tmp_path: Path) -> None:
    """A broken repository is a failure that says what git said, in one printable line."""
    repository(tmp_path)
    (tmp_path / ".git" / "config").write_text("[core\n\x1b[31m")
    with pytest.raises(GitFailed, match="git rev-parse") as failure:
        find(tmp_path)
    assert str(failure.value).isprintable()


def test_who_would_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment goes before author.name and that before user.name; nobody is nobody."""
    git(tmp_path, "init", "-q")
    repo = found(tmp_path)
    assert repo.author() == ""
    git(tmp_path, "config", "user.name", "User")
    assert repo.author() == "User <>"
    git(tmp_path, "config", "user.email", "u@example.org")
    git(tmp_path, "config", "author.name", "Author\n\x1b[31m<x>")
    assert repo.author() == "Author [31m x <u@example.org>"
    monkeypatch.setenv("GIT_AUTHOR_NAME", "Env")
    assert repo.author() == "Env <u@example.org>"


def test_an_author_with_control_codes(tmp_path: Path) -> None:
    """Names and messages of commits come as one printable line."""
    repository(tmp_path)
    place(tmp_path, "a.txt", "1")
    commit(tmp_path, "Red \x1b[31m and \x9b more", ("Ev\x1b[2Jil \u202eeman", "e\x07@x"))
    newest = last(found(tmp_path), ["a.txt"])["a.txt"]
    assert newest.author == "Ev [2Jil eman <e @x>"
    assert newest.subject == "Red [31m and more"


@given(st.text(), st.text())
def test_identities_are_one_short_printable_line(name: str, address: str) -> None:
    """Whatever somebody calls himself, it is shown in one line."""
    shown = identity(name, address)
    assert shown.isprintable()
    assert len(shown) <= 404
    assert shown.count("<") == shown.count(">") <= 1


@given(st.binary(max_size=300))
def test_foreign_bytes_of_a_log_are_survived(data: bytes) -> None:
    """A log that is none is read as far as it is one."""
    assert all(len(commit.hash) in range(40, 65) for commit, _ in _logged(b"\x01" + b"a" * 40 + b"\0" + data))


def test_a_git_that_takes_too_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the limit git is ended: a question fails, and of a long history what came until then is known."""
    repository(tmp_path)
    place(tmp_path, "a.txt", "1")
    hash_ = commit(tmp_path, "First")
    repo = found(tmp_path)
    os.mkfifo(tmp_path / "never")
    slow = tmp_path / "programs" / "git"
    slow.parent.mkdir()
    entry = f"\\001{hash_}\\000\\000Ada\\000a@x\\0001793527200\\000First\\000\\na.txt\\000"
    slow.write_text(f"#!/bin/sh\nprintf '{entry}'\nexec cat '{tmp_path}/never'\n")
    slow.chmod(0o755)
    monkeypatch.setenv("PATH", f"{slow.parent}:{os.environ['PATH']}")
    monkeypatch.setattr(git_module, "TIME_LIMIT_S", 0.5)
    histories = repo.histories(["a.txt"])
    assert (histories.of["a.txt"][0].hash, histories.is_whole) == (hash_, False)
    with pytest.raises(GitFailed, match="took more than"):
        repo.uncommitted(["a.txt"])
