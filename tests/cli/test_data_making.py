"""`trimtab data from-feedback` and `from-alert`, in a project where nothing runs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from trimtab.cli import verbs

TOML = '[models.small]\nmodel = "Qwen/Qwen3-0.6B"\nreplicas = ["http://127.0.0.1:9"]\n'


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project without a call."""
    (tmp_path / "trimtab.toml").write_text(TOML)
    return tmp_path


def run(project: Path, *words: str) -> Result:
    """A verb in the project."""
    return CliRunner().invoke(verbs, ["data", *words, "--project", str(project)])


def test_without_corrections_there_is_no_case(project: Path) -> None:
    """It says so, and what it would have been."""
    found = run(project, "from-feedback", "--task", "triage", "--json")
    assert found.exit_code == 0, repr(found.exception)
    assert json.loads(found.stdout)["cases"] == []


def test_an_alert_that_is_not_there_is_told(project: Path) -> None:
    """Nothing is written for an alert that nobody raised."""
    found = run(project, "from-alert", "nothing", "--to", str(project / "out.jsonl"))
    assert found.exit_code == 1
    assert "nothing" in str(found.exception)
    assert not (project / "out.jsonl").exists()
