"""`trimtab check --production`: what a task lacks before it should run in production."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.declare.projects import MODEL, TASK, write
from trimtab import demo
from trimtab.cli import run

READY = {
    "owner": 'owner = "documents"\n',
    "max_output_tokens": "sampling = { max_output_tokens = 256 }\n",
    "total": 'deadline = { total = "60s" }\n',
    "objective": "objective = { success = 0.99 }\n",
    "completion": "completion = { rule = \"outcome == 'ok'\" }\n",
}
"""What makes a task ready, beside its cases."""


def lacks(root: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, Any]:
    status = run(["check", "--production", "--json", "--project", str(root)])
    return status, json.loads(capsys.readouterr().out)["lacks"]


def ready(root: Path, without: str = "") -> None:
    write(root, MODEL, triage=TASK + "".join(line for name, line in READY.items() if name != without))
    if without != "cases":
        (root / "tasks" / "triage" / "cases.jsonl").write_text('{"input": "a"}\n')


def test_a_task_that_is_ready(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It lacks nothing, status 0."""
    ready(tmp_path)
    assert lacks(tmp_path, capsys) == (0, [])


@pytest.mark.parametrize(
    ("without", "whats"),
    [
        ("owner", ["nobody owns it, so nobody is told of its alerts"]),
        ("max_output_tokens", ["its answers may be of any length"]),
        ("total", ["its calls may take any time"]),
        ("objective", ["it promises nothing"]),
        ("cases", ["there are no cases to try a change on"]),
        (
            "completion",
            ["neither a schema nor a rule tells whether an answer is right", "nothing tells when its work is done"],
        ),
    ],
)
def test_each_thing_is_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], without: str, whats: list[str]
) -> None:
    """A task without it fails, with the file to write it in."""
    ready(tmp_path, without)
    status, found = lacks(tmp_path, capsys)
    assert (status, [one["what"] for one in found]) == (1, whats)
    name = "cases.jsonl" if without == "cases" else "task.toml"
    assert {one["file"] for one in found} == {f"tasks/triage/{name}"}


def test_feedback_alone_does_not_tell_whether_an_answer_is_right(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With completion by feedback a schema is still asked for."""
    ready(tmp_path, "completion")
    with (tmp_path / "tasks" / "triage" / "task.toml").open("a") as file:
        file.write('completion = { feedback = "done" }\n')
    _, found = lacks(tmp_path, capsys)
    assert [one["what"] for one in found] == ["neither a schema nor a rule tells whether an answer is right"]


def test_a_project_without_tasks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing could be watched by task."""
    write(tmp_path, MODEL)
    status, found = lacks(tmp_path, capsys)
    assert (status, len(found), found[0]["task"]) == (1, 1, "")


def test_for_people(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each lack is a line with what to write, and they are counted."""
    ready(tmp_path, "owner")
    assert run(["check", "--production", "--project", str(tmp_path)]) == 1
    shown = capsys.readouterr().out
    assert 'tasks/triage/task.toml: nobody owns it, so nobody is told of its alerts; write owner = "TEAM"' in shown
    assert "1 thing is missing." in shown
    assert run(["check", "--project", str(tmp_path)]) == 0


def test_mistakes_come_first(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """While a project has mistakes, those are told and nothing else."""
    write(tmp_path, f"{MODEL}[gatway]\n", triage=TASK)
    assert run(["check", "--production", "--json", "--project", str(tmp_path)]) == 1
    answer = json.loads(capsys.readouterr().out)
    assert (len(answer["mistakes"]), answer["lacks"]) == (1, [])


def test_the_demo_is_ready(capsys: pytest.CaptureFixture[str]) -> None:
    """What a user copies from lacks nothing: each of its tasks says when its work is done."""
    assert lacks(Path(demo.__file__).parent / "project", capsys) == (0, [])
