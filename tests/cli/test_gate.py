"""`trimtab gate`: what it refuses, and how it is gone on with."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn
from xml.etree import ElementTree as ET

import pytest

from tests.assemble.evaluating import model, says, write_project, write_suite
from trimtab.cli import run
from trimtab.cli.evaluating import Evaluating
from trimtab.cli.gating import Gating
from trimtab.errors import EvaluationStuck

URL = "http://127.0.0.1:9"


@pytest.fixture
def sides(tmp_path: Path) -> tuple[str, ...]:
    """The options that compare two folders which are alike."""
    for name in ("base", "candidate"):
        write_project(tmp_path / name, URL)
        write_suite(tmp_path / name)
    return "--project", str(tmp_path / "candidate"), "--base", str(tmp_path / "base")


def test_a_task_that_neither_side_has_does_not_ship(sides: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    """A misspelt name is no verdict, where a task that did not change ships."""
    assert run(["gate", *sides, "--task", "sort"]) == 0
    capsys.readouterr()
    assert run(["gate", *sides, "--task", "sort", "--task", "srot"]) == 3
    told = capsys.readouterr()
    assert (told.out, "'srot'" in told.err) == ("", True)


@pytest.mark.parametrize(
    ("words", "status", "told"), [("Sort it.", 0, ""), ("Sort it well.", 2, "sort: not evaluated.")]
)
def test_build_servers_are_told_what_was_not_evaluated(tmp_path: Path, words: str, status: int, told: str) -> None:
    """A task that changed and has no suite is an error in the JUnit file, and where nothing changed a test passes."""
    base, candidate, file = tmp_path / "base", tmp_path / "candidate", tmp_path / "gate.xml"
    write_project(base, URL)
    write_project(candidate, URL, words=words)
    assert run(["gate", "--project", str(candidate), "--base", str(base), "--junit", str(file)]) == status
    (suite,) = ET.parse(file).getroot()
    (test,) = suite
    assert (suite.get("tests"), suite.get("errors")) == ("1", "1" if told else "0")
    assert [one.get("message") for one in test.findall("error")] == ([told] if told else [])


def test_a_drop_that_the_suite_is_too_small_for(sides: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    """How many cases there are is said beside how many it takes; of one that they suffice for it is not."""
    project, base = sides[1], sides[3]
    words = ["eval", "sort", "--project", project, "--against", base, "--dry-run", "--drop"]
    assert run([*words, "12"]) == 0
    assert "; the suite has 40: add cases, or name a larger drop." in capsys.readouterr().err
    assert run([*words, "90"]) == 0
    assert "the suite has" not in capsys.readouterr().err


def test_another_revision_is_asked_without_being_put_in_force(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What a rollout will try is evaluated where the project lies that serves users, which is left as it is."""
    with model(lambda _: says('{"label": "a"}')) as upstream:
        for name, words in (("project", "Sort it."), ("tried", "Sort it well.")):
            write_project(tmp_path / name, upstream.url, words=words)
            write_suite(tmp_path / name, 3)
        project, tried = tmp_path / "project", tmp_path / "tried"
        words = ["eval", "sort", "--rev", str(tried), "--against", str(project), "--project", str(project), "--json"]
        status = run(words)
    told = capsys.readouterr()
    assert status in {0, 1, 2}, told.err
    report = json.loads(told.out)
    assert report["base"]["prompt"] != report["candidate"]["prompt"]
    assert (project / ".trimtab" / "evaluations" / report["id"]).is_dir()
    assert not (tried / ".trimtab").exists()


def cut_short(*_: Any) -> NoReturn:
    """Scorers that end an evaluation as it begins."""
    raise EvaluationStuck(id="", waited_s=0.0, detail="cut short")


def test_a_gate_that_was_cut_short_goes_on_by_the_suite_of_its_base(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A change that moves its own goal is not marked by it, also where `eval` goes on with what the gate began."""
    base, candidate = tmp_path / "base", tmp_path / "candidate"
    with model(lambda _: says('{"label": "a"}')) as upstream:
        for root, words, count in ((base, "Sort it.", 3), (candidate, "Sort it well.", 1)):
            write_project(root, upstream.url, words=words)
            write_suite(root, count)
        evaluating = Evaluating.of(candidate)
        cut = replace(evaluating, around=replace(evaluating.around, scorers=cut_short))
        given = dict.fromkeys(("samples", "cases", "budget", "concurrency", "early", "dry_run"))
        with cut.sides(str(base)) as sides, pytest.raises(EvaluationStuck):
            list(Gating(cut, sides).reports({**given, "early": False, "base": str(base)}))
        capsys.readouterr()
        status = run(["eval", "--resume", "--json", "--project", str(candidate)])
    told = capsys.readouterr()
    assert status in {0, 1, 2}, told.err
    assert len(json.loads(told.out)["cases"]) == 3
