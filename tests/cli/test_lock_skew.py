"""`trimtab lock skew` between two locks; against live calls it is tested where something runs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.lock import governed
from trimtab.cli import run
from trimtab.lock import lockfile


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A locked project, and beside it the lock as it was before an edit."""
    root = governed.write(tmp_path / "project")
    (tmp_path / "before.lock").write_bytes(lockfile.encode(governed.locked(root)))
    governed.put(root, "tasks/triage/task.toml", governed.TASK.replace("temperature = 0.0", "temperature = 0.5"))
    governed.put(root, "tasks/plain/task.toml", 'model = "azure"\n')
    (root / lockfile.FILE).write_bytes(lockfile.encode(governed.locked(root)))
    return root


def skew(root: Path, *arguments: str) -> int:
    return run(["lock", "skew", *arguments, "--project", str(root)])


def test_differences_are_a_table_of_sentences(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Tasks, aspect and what differs, one a line; the exit status says that there are any."""
    before = str(root.parent / "before.lock")
    assert skew(root, before) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].endswith(f"({root / lockfile.FILE}): 2 differences in 2 tasks.")
    assert lines[2].split()[:2] == ["plain", "model"]
    assert lines[3].split()[:2] == ["triage", "sampling"]
    assert "temperature" in lines[3]
    assert lines[-1] == f"Next: trimtab lock skew --live --project {root}"
    assert skew(root, before, "--task", "triage") == 1
    assert "1 difference in 1 task" in capsys.readouterr().out


def test_no_difference(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A lock against itself, named or not."""
    assert skew(root) == 0
    assert skew(root, str(root), str(root / lockfile.FILE)) == 0
    assert capsys.readouterr().out.count("no difference.") == 2


def test_as_json(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Both sides and every difference."""
    before = root.parent / "before.lock"
    assert skew(root, str(before), "--json") == 1
    told = json.loads(capsys.readouterr().out)
    assert told["before"]["lock_id"] == lockfile.decode(before.read_bytes()).lock_id
    assert told["after"]["place"] == str(root / lockfile.FILE)
    assert [(one["tasks"], one["aspect"], one["calls"]) for one in told["skews"]] == [
        (["plain"], "model", None),
        (["triage"], "sampling", None),
    ]


def test_what_it_cannot_do(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Two locks and live calls, an age without calls, a name that means nothing, and no lock at all."""
    assert skew(root, "a", "b", "--live") == 2
    assert skew(root, "--since", "1h") == 2
    assert skew(root, "nothing") == 1
    assert "There is no lock 'nothing'" in capsys.readouterr().err
    (root / lockfile.FILE).unlink()
    assert skew(root) == 1
    assert "trimtab lock" in capsys.readouterr().err
