"""`trimtab eval slices` and `trimtab eval cases`, over evaluations that lie in the project."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from tests.console import evaluated
from trimtab.cli import verbs
from trimtab.cli.evaluating import Asked, Evaluating
from trimtab.clock import SystemClock
from trimtab.errors import EvaluationUnknown, UnknownTask

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


def test_one_is_named_by_the_beginning_of_its_id(project: Path) -> None:
    """To show it, to go on with it and to label its answers alike; a beginning of several names none."""
    assert told(project, "show", "0199")["id"] == evaluated.BLOCKED
    evaluating = Evaluating.of(project)
    with pytest.raises(EvaluationUnknown, match=f"'{evaluated.RUNS}' here: it does not say what it was begun with"):
        evaluating.asked("0200", Asked(""))
    with pytest.raises(EvaluationUnknown, match="'0199-blocked' here: it has ended"):
        evaluating.asked("0199", Asked(""))
    with pytest.raises(EvaluationUnknown, match="several begin like that"):
        evaluating.asked("01", Asked(""))
    where = ["--project", str(project)]
    made = ["label", "new", "late", "--task", "extract", "--question", "Is it late?", *where]
    assert CliRunner().invoke(verbs, made).exit_code == 0
    added = CliRunner().invoke(
        verbs, ["label", "add", "late", "--evaluation", "0198", "--count", "2", *where, "--json"]
    )
    assert json.loads(added.output) == {"added": 2, "known": 0}
    missing = CliRunner().invoke(verbs, ["label", "add", "late", "--evaluation", "0300", *where])
    assert "no answers of evaluation 0300 can be had: `trimtab eval list` has those that there are" in str(
        missing.exception
    )


@pytest.mark.parametrize("verb", ["slices", "cases"])
def test_a_task_without_an_evaluation_is_told_how_to_get_one(project: Path, verb: str) -> None:
    """One that the project does not have is none that could be evaluated."""
    (project / "tasks" / "route").mkdir()
    (project / "tasks" / "route" / "task.toml").write_text(TASK.replace("contains", "schema"))
    shutil.rmtree(project / ".trimtab" / "evaluations" / evaluated.ALONE)
    found = CliRunner().invoke(verbs, ["eval", verb, "route", "--project", str(project)])
    assert str(found.exception) == "No evaluation of route has ended here; run `trimtab eval route`."
    found = CliRunner().invoke(verbs, ["eval", verb, "roote", "--project", str(project)])
    assert isinstance(found.exception, UnknownTask)


def test_cases_that_tell_nothing_are_named(project: Path) -> None:
    """Of both evaluations: right in both is saturated, wrong in one is not failing; without calls none is stale."""
    found = told(project, "cases", "extract", "--last", "2")
    assert found["spent"]["evaluations"] == 2
    assert "case-20" in found["spent"]["saturated"]
    assert evaluated.TURNED not in found["spent"]["saturated"]
    assert found["spent"]["failing"] == []
    assert (found["calls"], found["stale"]) == (0, [])
    assert told(project, "cases", "extract", "--last", "1")["spent"]["failing"] == ["case-29"]


def test_cases_of_one_evaluation_in_words(project: Path) -> None:
    """One is not several, and what is wrong nowhere needs no advice."""
    last, both = (
        CliRunner().invoke(verbs, ["eval", "cases", "extract", "--last", most, "--project", str(project)]).output
        for most in "12"
    )
    assert last.startswith("30 cases in the last evaluation.\n")
    assert both.startswith("30 cases in each of the last 2 evaluations.\n")
    assert "1 always wrong in all of them: case-29\nLook at what is expected" in last
    assert "0 always wrong in all of them.\n" in both
    assert "Look at" not in both


def test_a_report_that_cannot_be_read_is_passed_over(project: Path) -> None:
    """One evaluation whose report is damaged does not keep the others from being told."""
    (project / ".trimtab" / "evaluations" / evaluated.BLOCKED / "report.json").write_text("{")
    assert told(project, "slices", "extract")["evaluation"] == evaluated.SHIPPED
