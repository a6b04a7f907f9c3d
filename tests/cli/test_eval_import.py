"""`trimtab eval import`: what is written where, what is left alone, and what is told."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.declare.projects import MODEL, TASK, write
from trimtab.cli.eval import command
from trimtab.declare.load import load
from trimtab.errors import DataNotTaken, LockUnwritten

CONFIG = "prompts: [x]\ntests:\n  - {vars: {q: a}, assert: [{type: equals, value: b}]}\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    found = tmp_path / "project"
    found.mkdir()
    write(found, MODEL, triage=TASK)
    (tmp_path / "config.yaml").write_text(CONFIG, "utf-8")
    return found


def take(root: Path, *more: str) -> str:
    file = str(root.parent / "config.yaml")
    result = CliRunner().invoke(
        command,
        ["import", "promptfoo", file, "--task", "triage", "--project", str(root), *more],
        catch_exceptions=False,
    )
    assert result.exit_code == 0, result.output
    return result.output


def test_cases_and_suite_are_written(root: Path) -> None:
    """Cases stand in the task's folder, the suite at the end of task.toml, and the project can be used."""
    told = take(root)
    assert json.loads((root / "tasks/triage/cases.jsonl").read_text("utf-8")) == {
        "id": "test 1",
        "inputs": {"q": "a"},
        "expected": "b",
    }
    suite = load(root).tasks["triage"].evals
    assert suite is not None
    assert [one.kind for one in suite.scorers] == ["exact"]
    assert "1 case is in tasks/triage/cases.jsonl." in told
    assert "Not taken over:\n  prompts (1)" in told


def test_a_suite_that_is_there_stays(root: Path) -> None:
    """task.toml is not written where it has a suite: the table is told instead."""
    place = root / "tasks/triage/task.toml"
    place.write_text(place.read_text("utf-8") + '[evals]\nscorers = ["schema"]\n', "utf-8")
    before = place.read_text("utf-8")
    told = json.loads(take(root, "--json"))
    assert place.read_text("utf-8") == before
    assert (told["is_written"], told["cases"]) == (False, 1)
    assert 'kind = "exact"' in told["table"]


def test_what_cannot_be_written_is_told(root: Path) -> None:
    """A folder in the place of the cases is left as it is, and so is the task's suite."""
    (root / "tasks/triage/cases.jsonl").mkdir()
    before = (root / "tasks/triage/task.toml").read_bytes()
    with pytest.raises(LockUnwritten, match="it is as it was"):
        take(root, "--replace")
    assert sorted(one.name for one in (root / "tasks/triage").iterdir()) == ["cases.jsonl", "task.toml"]
    assert (root / "tasks/triage/task.toml").read_bytes() == before


def test_a_declaration_that_cannot_be_read_stays(root: Path) -> None:
    """The cases are written, and the suite's table is told instead."""
    place = root / "tasks/triage/task.toml"
    place.write_bytes("# für alle\n".encode("latin-1") + place.read_bytes())
    assert json.loads(take(root, "--json"))["is_written"] is False
    assert (root / "tasks/triage/cases.jsonl").exists()


def test_cases_that_are_there_stay(root: Path) -> None:
    """Cases are written over only where that is asked for."""
    (root / "tasks/triage/cases.jsonl").write_text('{"inputs": {}}\n', "utf-8")
    with pytest.raises(DataNotTaken, match="--replace"):
        take(root)
    take(root, "--replace")
    assert "test 1" in (root / "tasks/triage/cases.jsonl").read_text("utf-8")


@pytest.mark.parametrize("name", ["other", "../triage", "triage/../triage"])
def test_tasks_that_are_not_there(root: Path, name: str) -> None:
    """Nothing is written for a task that the project does not have, or outside of its folder."""
    with pytest.raises(DataNotTaken, match="no such task"):
        take(root, "--task", name)
    assert not list(root.rglob("cases.jsonl"))
