"""`trimtab feedback`, asked of a control that runs: what it prints, and what it refuses."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.control.running import Running, control, data_of, until, write_calls
from trimtab.cli import run
from trimtab.processes.directory import DataDirectory

ID = "g0-0123456789ab-1"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A project whose control runs and has stored three calls."""
    directory = tmp_path_factory.mktemp("feedback")
    write_calls(directory, 3, verdict="valid")
    with DataDirectory(data_of(directory)).hold(), control(directory) as running:
        assert until(lambda: stored(running), 3) == 3
        yield directory / "project"


def stored(running: Running) -> int:
    status, answer = running.ask("/api/calls?limit=10")
    return len(answer["calls"]) if status == 200 else -1


def test_a_judgement_is_taken(project: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """It says under which id it was taken and on which call, and where to look."""
    assert run(["feedback", ID, "--score", "1", "--label", "ok", "--comment", "quick", "--project", str(project)]) == 0
    out = capfd.readouterr().out
    assert "taken as " in out
    assert f"on call {ID}" in out
    assert f"trimtab calls show {ID}" in out


def test_the_same_as_json(project: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """With --json one document, also of a corrected answer out of a file."""
    right = tmp_path / "right.txt"
    right.write_text("The right answer.")
    assert run(["feedback", ID, "--correct", str(right), "--id", "n1", "--json", "--project", str(project)]) == 0
    told = json.loads(capfd.readouterr().out)
    assert (told["call"], told["joined"], told["correction"]) == (ID, True, "full")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([ID], "it judges nothing"),
        (["none", "--of", "run", "--score", "1"], "There is no run none"),
        ([ID, "--label", "x" * 300], "label is empty, over 200"),
    ],
)
def test_what_is_refused(project: Path, capfd: pytest.CaptureFixture[str], words: list[str], said: str) -> None:
    """What control does not take exits 1 with its words."""
    assert run(["feedback", *words, "--project", str(project)]) == 1
    assert said in capfd.readouterr().err


def test_where_nothing_runs(tmp_path: Path, project: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Without control that is said, and how to start it."""
    (tmp_path / "trimtab.toml").write_text((project / "trimtab.toml").read_text())
    assert run(["feedback", ID, "--score", "1", "--project", str(tmp_path)]) == 1
    assert "start it with `trimtab up`" in capfd.readouterr().err
