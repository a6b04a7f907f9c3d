"""`trimtab runs keep`: a run is kept whatever its age, listed with why, and let go."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.test_runs import Say, project, say  # noqa: F401 - fixtures
from trimtab.cli import run
from trimtab.processes.installed_key import keep_key


def test_a_run_is_kept_and_let_go(say: Say) -> None:  # noqa: F811 - the fixture
    """Each change is told once; what is kept is listed with who wants it and why."""
    assert say("keep", "r1", "--reason", "a complaint")[1].startswith("r1 is kept.")
    assert say("keep", "r1")[1].startswith("r1 was kept already.")
    listed = say("keep")[1]
    assert "r1 pinned by " in listed and ": a complaint" in listed and "1 kept." in listed
    status, told = say("keep", "r1", "--off", "--json")
    assert (status, json.loads(told)) == (0, {"run": "r1", "kept": False, "changed": True})
    assert json.loads(say("keep", "--json")[1]) == []


def test_a_run_that_is_not_there_cannot_be_kept(say: Say) -> None:  # noqa: F811 - the fixture
    """It is told, and what to do."""
    status, told = say("keep", "nothing")
    assert status == 1 and "trimtab runs list" in told


def test_what_became_a_case_is_noted(say: Say, project: Path, tmp_path: Path) -> None:  # noqa: F811 - the fixtures
    """Its run is kept as long as what was exported is."""
    assert say("export", "r1", "--as", "case", "--output", str(tmp_path / "cases.jsonl"))[0] == 0
    assert "r1 exported by " in say("keep")[1]


def test_links_are_revoked_by_another_key(project: Path, capsys: pytest.CaptureFixture[str]) -> None:  # noqa: F811
    """Those that were sent before decide nothing then."""
    key = project / ".trimtab" / "links.key"
    first = keep_key(key)
    assert run(["reviews", "revoke-links", "--project", str(project), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"revoked": True}
    assert keep_key(key) != first


def test_an_erasure_needs_a_control_that_runs(project: Path, capsys: pytest.CaptureFixture[str]) -> None:  # noqa: F811
    """Without one nothing is taken out, and it says so."""
    assert run(["erase", "zoe", "--yes", "--project", str(project)]) == 1
    assert "trimtab up" in capsys.readouterr().err
