"""The lock as people use it: from a shell, in git's hooks, in CI, and in bad circumstances."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.locking import MODEL, PROMPT, TASK
from tests.lock.repositories import BARE, GRACE, commit, git, place, repository

EXAMPLES = Path(__file__).parents[2] / "examples"
HOOK = EXAMPLES / "pre-commit" / "pre-commit"
WORKFLOW = EXAMPLES / "github-actions" / "lock.yml"


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    """A repository with a project in `app`, locked and committed."""
    repo = repository(tmp_path / "repo")
    place(repo, "app/trimtab.toml", MODEL)
    place(repo, "app/tasks/triage/task.toml", TASK)
    place(repo, "app/tasks/triage/prompt.md", PROMPT)
    assert trimtab(repo, "lock --project app").returncode == 0
    commit(repo, "First")
    return repo


def environment(repo: Path) -> dict[str, str]:
    """A shell's variables in which `trimtab` is a command."""
    programs = repo.parent / "programs"
    programs.mkdir(exist_ok=True)
    program = programs / "trimtab"
    program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m trimtab "$@"\n')
    program.chmod(0o755)
    return {**BARE, "PATH": f"{programs}:{os.environ['PATH']}"}


def shell(repo: Path, script: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Runs a script as a shell does."""
    return subprocess.run(
        ["bash", "-c", script],
        cwd=repo, env={**environment(repo), **variables}, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def trimtab(repo: Path, arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return shell(repo, f"trimtab {arguments}", **variables)


def test_a_change_from_edit_to_review(repo: Path) -> None:
    """A changed word is found, locked, committed, and bears its author's name in the next lock and in a review."""
    place(repo, "app/tasks/triage/prompt.md", PROMPT.replace("sort", "order"))
    found = trimtab(repo, "lock --check --project app")
    assert (found.returncode, found.stderr) == (1, "")
    assert 'prompts/triage: the system turn changed: "sort" -> "order"' in found.stdout
    assert trimtab(repo, "lock --project app").returncode == 0
    hash_ = commit(repo, "Order them", GRACE)
    assert trimtab(repo, "lock --check --project app").returncode == 0
    assert trimtab(repo, "lock --project app").returncode == 0
    review = trimtab(repo, "lock diff HEAD~1 --project app").stdout
    assert f"prompts/triage  ({GRACE[0]} <{GRACE[1]}>, {hash_[:12]})" in review
    assert "You [-sort-]{+order+} tickets." in review
    assert "\x1b" not in review, "colours only on a terminal"
    assert '"Order them"' in trimtab(repo, "lock why prompts --project app").stdout


def test_the_bytes_are_the_same_everywhere(repo: Path) -> None:
    """Whatever the hash seed, the time zone or the order of files is, the bytes are the same."""
    before = (repo / "app/trimtab.lock").read_bytes()
    for seed, zone in (("0", "UTC"), ("1", "Pacific/Kiritimati"), ("4242", "America/Caracas")):
        (repo / "app/trimtab.lock").unlink()
        done = trimtab(repo, "lock --project app", PYTHONHASHSEED=seed, TZ=zone)
        assert done.returncode == 0
        unsigned = re.compile(rb'\n *"(?:author|commit)": "[^"]*",?')
        assert unsigned.sub(b"", (repo / "app/trimtab.lock").read_bytes()) == unsigned.sub(b"", before)


def test_a_merge_conflict(repo: Path) -> None:
    """Two branches that lock different words conflict; a check says so, and a lock of the merged words ends it."""
    base = git(repo, "rev-parse", "HEAD")
    for branch, word in (("one", "order"), ("two", "rank")):
        git(repo, "checkout", "-q", "-b", branch, base)
        place(repo, "app/tasks/triage/prompt.md", PROMPT.replace("sort", word))
        assert trimtab(repo, "lock --project app").returncode == 0
        commit(repo, word)
    with pytest.raises(subprocess.CalledProcessError):
        git(repo, "merge", "-q", "one")
    place(repo, "app/tasks/triage/prompt.md", PROMPT.replace("sort", "order and rank"))
    found = trimtab(repo, "lock --check --project app")
    assert found.returncode == 1
    assert "the marks of a merge conflict" in found.stderr
    done = trimtab(repo, "lock --project app")
    assert done.returncode == 0
    assert '"rank" -> "order and rank"' in done.stdout or '"order and" is new' in done.stdout
    commit(repo, "Merged")
    assert trimtab(repo, "lock --check --project app").returncode == 0


def test_a_shallow_clone(repo: Path, tmp_path: Path) -> None:
    """In a clone without history a check is what it is; names that are not known are not made up."""
    place(repo, "other.txt", "1")
    commit(repo, "Second", GRACE)
    git(tmp_path, "clone", "-q", "--depth", "1", f"file://{repo}", "clone")
    clone = tmp_path / "clone"
    assert trimtab(clone, "lock --check --project app").returncode == 0
    before = (clone / "app/trimtab.lock").read_bytes()
    assert trimtab(clone, "lock --project app").returncode == 0
    assert (clone / "app/trimtab.lock").read_bytes() == before
    said = trimtab(clone, "lock diff HEAD~1 --project app")
    assert said.returncode == 1
    assert "in this shallow clone" in said.stderr
    assert trimtab(clone, "lock why models/small --project app").returncode == 0


def test_a_full_disk(repo: Path) -> None:
    """Where nothing can be written, the lock and the declaration stay as they were, and nothing is left beside them."""
    place(repo, "app/tasks/triage/prompt.md", PROMPT.replace("sort", "order"))
    before = (repo / "app/trimtab.lock").read_bytes()
    done = shell(repo, "ulimit -f 0; trimtab lock --project app", PYTHONDONTWRITEBYTECODE="1")
    assert done.returncode == 1
    assert "trimtab.lock cannot be written" in done.stderr
    assert (repo / "app/trimtab.lock").read_bytes() == before
    assert sorted(each.name for each in (repo / "app").iterdir()) == ["tasks", "trimtab.lock", "trimtab.toml"]


def test_a_check_opens_no_connection(repo: Path) -> None:
    """A check starts no program and opens no socket: it works where there is neither git nor a network."""
    script = (
        "import sys\n"
        "def hook(event, arguments):\n"
        "    if event.startswith(('socket.', 'subprocess.', 'os.exec', 'os.posix_spawn', 'os.fork')):\n"
        "        raise SystemExit(f'{event} {arguments}')\n"
        "sys.addaudithook(hook)\n"
        "from trimtab.cli import run\n"
        "raise SystemExit(run(['lock', '--check', '--project', 'app']))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=repo, env=BARE, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def hooked(repo: Path) -> None:
    """Installs the example hook as its head says."""
    (repo / ".git/hooks").mkdir(exist_ok=True)
    (repo / ".git/hooks/pre-commit").write_bytes(HOOK.read_bytes())
    (repo / ".git/hooks/pre-commit").chmod(0o755)


def try_commit(repo: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = f"git -c user.name=A -c user.email=a@x commit -m x {' '.join(arguments)}"
    return shell(repo, command, TRIMTAB_PROJECT="app")


def test_the_hook(repo: Path) -> None:
    """A commit of a changed prompt is refused until its lock is committed with it."""
    hooked(repo)
    place(repo, "app/tasks/triage/prompt.md", PROMPT.replace("sort", "order"))
    refused = try_commit(repo, "-a")
    assert refused.returncode == 1
    assert '"sort" -> "order"' in refused.stdout + refused.stderr
    assert trimtab(repo, "lock --project app").returncode == 0
    assert try_commit(repo, "-a").returncode == 0


def test_the_hook_checks_what_is_staged(repo: Path) -> None:
    """A lock that is not part of the commit does not count, nor does a file that was not added."""
    hooked(repo)
    place(repo, "app/tasks/triage/prompt.md", PROMPT.replace("sort", "order"))
    assert trimtab(repo, "lock --project app").returncode == 0
    git(repo, "add", "app/tasks")
    assert try_commit(repo).returncode == 1, "the lock is not staged"
    git(repo, "add", "app/trimtab.lock")
    place(repo, "app/tasks/triage/prompt.md", PROMPT)
    assert try_commit(repo).returncode == 0, "what is staged fits together, whatever lies here"
    git(repo, "checkout", "-q", "--", ".")
    place(repo, "app/tasks/extract/task.toml", TASK)
    assert trimtab(repo, "lock --project app").returncode == 0
    git(repo, "add", "app/trimtab.lock")
    assert try_commit(repo).returncode == 1, "the new task is not added"
    git(repo, "add", "app/tasks")
    assert try_commit(repo).returncode == 0


def test_the_workflow(repo: Path, tmp_path: Path) -> None:
    """The steps of the example workflow fail on a change without its lock, and tell what a pull request changes."""
    text = WORKFLOW.read_text(encoding="utf-8")
    check = re.findall(r"run: (trimtab lock --check)$", text, re.MULTILINE)
    told = re.findall(r"run: \|\n((?: {10}.*\n)+)", text)
    assert (len(check), len(told)) == (1, 1)
    base = git(repo, "rev-parse", "HEAD")
    place(repo, "app/tasks/triage/prompt.md", PROMPT.replace("sort", "order"))
    assert shell(repo / "app", check[0]).returncode == 1
    assert trimtab(repo, "lock --project app").returncode == 0
    commit(repo, "Order")
    assert shell(repo / "app", check[0]).returncode == 0
    summary = tmp_path / "summary"
    done = shell(repo / "app", told[0], BASE=base, GITHUB_STEP_SUMMARY=str(summary))
    assert done.returncode == 0, done.stderr
    assert "          You [-sort-]{+order+} tickets.\n" in summary.read_text()
    assert shell(repo / "app", told[0], BASE="0" * 40, GITHUB_STEP_SUMMARY=str(summary)).returncode == 1


def test_the_frameworks_hook() -> None:
    """The example for the pre-commit framework runs the check."""
    text = (EXAMPLES / "pre-commit" / ".pre-commit-config.yaml").read_text(encoding="utf-8")
    assert re.findall(r"^ +entry: (.*?) +#", text, re.MULTILINE) == ["trimtab lock --check"]
    assert "pass_filenames: false" in text
