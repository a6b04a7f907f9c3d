"""The demo's suites are what their generator makes, and ask what its models know."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from trimtab.demo import suites
from trimtab.demo.traffic import INPUT_OF_TASK, JOB_OF_TASK

PROJECT = Path(suites.__file__).parent / "project"


def test_the_files_are_what_the_generator_makes(tmp_path: Path) -> None:
    """Cases and tools in the project were not edited by hand."""
    for task in JOB_OF_TASK:
        (tmp_path / "tasks" / task).mkdir(parents=True)
    suites.write(tmp_path)
    made = {path.relative_to(tmp_path): path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert len(made) == 6
    assert {path: (PROJECT / path).read_bytes() for path in made} == made


@pytest.mark.parametrize("task", JOB_OF_TASK)
def test_each_question_once(task: str) -> None:
    """300 different questions with different names."""
    rows = suites.cases(task)
    questions = {row["inputs"][INPUT_OF_TASK[task]] for row in rows}
    assert (len(rows), len(questions), len({row["id"] for row in rows})) == (300, 300, 300)


def test_a_larger_set_begins_with_the_smaller() -> None:
    """More cases can be had without changing those that were asked."""
    assert suites.cases("extract", 320)[:300] == suites.cases("extract", 300)


def test_the_tools_are_those_of_training() -> None:
    """The order of their keys too, since a model reads them as text."""
    for name, tool in suites.tools().items():
        held = json.loads((PROJECT / "tools" / f"{name}.json").read_text())
        assert list(held["input_schema"]["properties"]) == list(tool["input_schema"]["properties"])
