"""The demo project and the words that introduce it."""

from __future__ import annotations

import hashlib
import json
import tomllib
from pathlib import Path

import pytest

from trimtab.demo.app import DEFAULT_NAMES, MODELS
from trimtab.demo.jobs import SYSTEM
from trimtab.demo.welcome import ENGINE_URL, PROJECT, curl_line, python_snippet, welcome, write_project

JOB_OF_TASK = {"route": "route", "extract": "extract", "assist": "tool"}


@pytest.mark.parametrize(("task", "job"), JOB_OF_TASK.items())
def test_a_task_speaks_the_words_its_model_was_trained_on(task: str, job: str) -> None:
    """The prompt's system text is the job's, and calls that bring that text themselves are mapped by its digest."""
    folder = PROJECT / "tasks" / task
    markers = (folder / "prompt.md").read_text().split("\n")
    assert markers[0] == "system:"
    assert markers[1] == SYSTEM[job]  # type: ignore[index]
    assert markers[2] == "user:"
    declared = tomllib.loads((folder / "task.toml").read_text())
    digest = hashlib.sha256(SYSTEM[job].encode()).hexdigest()  # type: ignore[index]
    assert declared["match"]["system_prompt"] == f"sha256:{digest}"
    assert declared["model"] == "small"


def test_the_project_is_copied_with_the_engines_url(tmp_path: Path) -> None:
    """A copy has the same tasks, and both models at the given URL."""
    write_project(tmp_path / "demo", "http://127.0.0.1:9999")
    copied = tomllib.loads((tmp_path / "demo" / "trimtab.toml").read_text())
    assert [model["replicas"] for model in copied["models"].values()] == [["http://127.0.0.1:9999"]] * 2
    assert [model["model"] for model in copied["models"].values()] == list(DEFAULT_NAMES)
    assert {path.name for path in (tmp_path / "demo" / "tasks").iterdir()} == set(JOB_OF_TASK)
    assert ENGINE_URL in (PROJECT / "trimtab.toml").read_text()


def test_the_welcome_shows_calls_that_work_and_what_does_not() -> None:
    """It has the URL, both calls flush with the margin, and the models' limits in figures from their evaluation."""
    text = welcome("http://127.0.0.1:8400", "tt_key")
    assert curl_line("http://127.0.0.1:8400", "tt_key") in text
    assert "\n" + python_snippet("http://127.0.0.1:8400", "tt_key") + "\n" in text
    compile(python_snippet("http://127.0.0.1:8400", "tt_key"), "snippet", "exec")
    assert "authorization: Bearer tt_key" in text
    assert "authorization" not in welcome("http://127.0.0.1:8400", None)
    assert '"extract" gets 0 of 100' in text
    assert '"assist" 5 of 100' in text.replace("\n", " ")


@pytest.mark.parametrize("name", DEFAULT_NAMES)
def test_the_models_readme_states_what_was_measured(name: str) -> None:
    """Every accuracy in the README is the one in the model's `eval.json`."""
    accuracy = json.loads((MODELS / name / "eval.json").read_text())["accuracy"]
    rows = (MODELS / "README.md").read_text().splitlines()
    row = next(index for index, line in enumerate(rows) if line.startswith(f"| `{name}`"))
    for line, words in ((rows[row], "seen_words"), (rows[row + 1], "heldout_words")):
        cells = [cell.strip() for cell in line.split("|")][4:7]
        assert [float(cell) for cell in cells] == [accuracy[f"{job}/{words}"] for job in ("extract", "route", "tool")]
