"""`trimtab eval slices` and `trimtab eval cases`, over evaluations that lie in the project."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from tests.console import evaluated
from trimtab.cli import verbs
from trimtab.clock import SystemClock

TOML = '[models.small]\nmodel = "Qwen/Qwen3-0.6B"\nreplicas = ["http://127.0.0.1:9"]\n'
TASK = 'owner = "support"\nmodel = "small"\nevals = { scorers = ["contains"] }\n'


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with a task, its cases, and what became of them."""
    (tmp_path / "trimtab.toml").write_text(TOML)
    evaluated.cases_file(tmp_path)
    (tmp_path / "tasks" / "extract" / "task.toml").write_text(TASK)
    evaluated.evaluations(tmp_path / ".trimtab", SystemClock().wall_ns(), is_hostile=False)
    return tmp_path


def told(project: Path, *words: str) -> Any:
    """What a verb tells as JSON."""
    found = CliRunner().invoke(verbs, ["eval", *words, "--project", str(project), "--json"])
    assert found.exit_code == 0, found.output + repr(found.exception)
    return json.loads(found.output)


def test_parts_are_looked_at_over_the_latest_evaluation(project: Path) -> None:
    """The latest that has ended is taken, or the one that is named; its cases are parted by their inputs."""
    found = told(project, "slices", "extract")
    assert found["evaluation"] == evaluated.BLOCKED
    assert found["cases"] == 30
    assert told(project, "slices", "extract", "--evaluation", "0198")["evaluation"] == evaluated.SHIPPED


def test_cases_that_tell_nothing_are_named(project: Path) -> None:
    """Of both evaluations: right in both is saturated, wrong in one is not failing; without calls none is stale."""
    found = told(project, "cases", "extract", "--last", "2")
    assert found["spent"]["evaluations"] == 2
    assert "case-20" in found["spent"]["saturated"]
    assert evaluated.TURNED not in found["spent"]["saturated"]
    assert found["spent"]["failing"] == []
    assert (found["calls"], found["stale"]) == (0, [])
    assert told(project, "cases", "extract", "--last", "1")["spent"]["failing"] == ["case-29"]


def test_a_task_that_was_never_evaluated_is_told(project: Path) -> None:
    """It says which command makes one."""
    found = CliRunner().invoke(verbs, ["eval", "slices", "nothing", "--project", str(project)])
    assert found.exit_code == 1
    assert "trimtab eval nothing" in str(found.exception)


def test_a_report_that_cannot_be_read_is_passed_over(project: Path) -> None:
    """One evaluation whose report is damaged does not keep the others from being told."""
    (project / ".trimtab" / "evaluations" / evaluated.BLOCKED / "report.json").write_text("{")
    assert told(project, "slices", "extract")["evaluation"] == evaluated.SHIPPED
