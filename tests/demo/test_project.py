"""The demo project and the words that introduce it."""

from __future__ import annotations

import hashlib
import json
import tomllib
from pathlib import Path

import pytest

from tests.demo.asgi import Call
from trimtab.clock import SystemClock
from trimtab.declare.load import load
from trimtab.demo.app import DEFAULT_NAMES, MODELS, build_app
from trimtab.demo.engine import ServedModel
from trimtab.demo.jobs import SYSTEM, Job
from trimtab.demo.welcome import ENGINE_URL, PROJECT, TICKET, curl_line, python_snippet, welcome, write_project

JOB_OF_TASK: dict[str, Job] = {"route": "route", "extract": "extract", "assist": "tool"}


def test_the_project_is_free_of_mistakes() -> None:
    """`trimtab check` would find nothing in it; it listens on loopback only and asks for no key."""
    project = load(PROJECT)
    assert set(project.tasks) == set(JOB_OF_TASK)
    assert (project.gateway.listen.host, project.gateway.keys) == ("127.0.0.1", "open")
    assert project.tasks["route"].fallback == ("mid",)


@pytest.mark.parametrize(("task", "job"), JOB_OF_TASK.items())
def test_a_task_speaks_the_words_its_model_was_trained_on(task: str, job: Job) -> None:
    """The prompt is the job's, and calls that bring its system text themselves are mapped by the text's digest."""
    declared = load(PROJECT).tasks[task]
    assert declared.prompt is not None
    system, user = declared.prompt.turns
    assert (system.role, system.template, user.role) == ("system", SYSTEM[job], "user")
    assert declared.match.system_prompt == (f"sha256:{hashlib.sha256(SYSTEM[job].encode()).hexdigest()}",)
    assert declared.model == "small"


async def test_the_first_call_is_answered_as_promised(small: ServedModel) -> None:
    """The ticket of the welcome, in the prompt of `route`, is for shipping."""
    messages = [{"role": "system", "content": SYSTEM["route"]}, {"role": "user", "content": TICKET}]
    app = build_app([small], SystemClock())
    async with app.router.lifespan_context(app):
        body = {"model": "jobs-small", "messages": messages, "temperature": 0, "max_tokens": 16}
        call = await Call(app, "/v1/chat/completions", body).run()
    assert call.json()["choices"][0]["message"]["content"] == "shipping"
    assert 'prints "shipping"' in welcome("http://127.0.0.1:8400", None)


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


def test_where_the_pages_are() -> None:
    """The address of the console is told where there is one."""
    at = "http://127.0.0.1:8401"
    assert f"Then look, in a browser: {at}, or in another terminal:" in welcome(
        "http://127.0.0.1:8400", None, console=at
    )
    assert "Then look, in another terminal:" in welcome("http://127.0.0.1:8400", None)


@pytest.mark.parametrize("name", DEFAULT_NAMES)
def test_the_models_readme_states_what_was_measured(name: str) -> None:
    """Every accuracy in the README is the one in the model's `eval.json`."""
    accuracy = json.loads((MODELS / name / "eval.json").read_text())["accuracy"]
    rows = (MODELS / "README.md").read_text().splitlines()
    row = next(index for index, line in enumerate(rows) if line.startswith(f"| `{name}`"))
    for line, words in ((rows[row], "seen_words"), (rows[row + 1], "heldout_words")):
        cells = [cell.strip() for cell in line.split("|")][4:7]
        assert [float(cell) for cell in cells] == [accuracy[f"{job}/{words}"] for job in ("extract", "route", "tool")]
