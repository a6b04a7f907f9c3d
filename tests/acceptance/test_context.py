"""Context strategies as an application meets them: the demo's models, a tokenizer in the project, and what is told."""

from __future__ import annotations

import json
import shutil
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.running import RunningTrimtab, free_port, running_trimtab
from trimtab.demo import welcome
from trimtab.demo.jobs import SYSTEM

MODELS = Path(welcome.__file__).parent / "models"
TICKETS = ("my lamp has not arrived in Paris yet", "I cannot log in with my password")
QUEUES = ("shipping", "account")


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningTrimtab]:
    """The demo with its models' tokenizer, a task that keeps the latest message, and one that summarises."""
    folder = tmp_path_factory.mktemp("context") / "demo"
    welcome.write_project(folder, f"http://127.0.0.1:{free_port()}")
    declared = folder / "trimtab.toml"
    text = declared.read_text()
    for port in ("8400", "8401"):
        text = text.replace(f"127.0.0.1:{port}", f"127.0.0.1:{free_port()}")
    text = text.replace('model = "jobs-small"\n', 'model = "jobs-small"\nserved.tokenizer = "models/tokenizer.json"\n')
    declared.write_text(text)
    (folder / "models").mkdir()
    shutil.copy(MODELS / "jobs-small" / "tokenizer.json", folder / "models")
    for name, context in (
        ("latest", '{ strategy = "keep_system_and_recent", recent = 1 }'),
        ("summed", '{ strategy = "summarise", max_input_tokens = 400, model = "small", summary_tokens = 32 }'),
    ):
        (folder / "tasks" / name).mkdir()
        (folder / "tasks" / name / "task.toml").write_text(f'model = "small"\ncontext = {context}\n')
    with running_trimtab(folder, "--demo", "--project", ".") as running:
        yield running


def talk(turns: int) -> list[dict[str, str]]:
    """A conversation of tickets, each with its queue, and one that is still open."""
    said = [{"role": "system", "content": SYSTEM["route"]}]
    for number in range(turns):
        said.append({"role": "user", "content": TICKETS[number % 2]})
        said.append({"role": "assistant", "content": QUEUES[number % 2]})
    return [*said, {"role": "user", "content": TICKETS[0]}]


def ask(demo: RunningTrimtab, task: str, turns: int) -> dict[str, Any]:
    body = {"model": task, "messages": talk(turns), "temperature": 0, "max_tokens": 16}
    request = urllib.request.Request(
        f"{demo.url}/v1/chat/completions", json.dumps(body).encode(), {"content-type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        said: dict[str, Any] = json.load(answer)
        return {**said, "call": answer.headers["x-trimtab-call"]}


def calls(demo: RunningTrimtab, *wanted: str) -> dict[str, dict[str, Any]]:
    """The records of the latest calls by id, once these are among them."""
    for _ in range(100):
        tail = demo.trimtab("calls", "tail", "--json")
        lines = [json.loads(line) for line in tail.stdout.splitlines()] if tail.returncode == 0 else []
        found = {one["admitted"]["call"]: one for one in lines}
        if found.keys() >= set(wanted):
            return found
    raise AssertionError(f"{wanted} are not there: {tail.stdout}{tail.stderr}")


def test_a_long_conversation(demo: RunningTrimtab) -> None:
    """The model answers as to the latest ticket alone; our count is the server's, but for the template's own tokens."""
    alone, answered = ask(demo, "small", 0), ask(demo, "latest", 40)
    assert answered["choices"][0]["message"]["content"] == alone["choices"][0]["message"]["content"] == "shipping"
    assert answered["usage"]["prompt_tokens"] == alone["usage"]["prompt_tokens"]
    use = calls(demo, answered["call"])[answered["call"]]["admitted"]["context"]
    assert (use["messages"], use["dropped"], use["counted"]) == (82, 80, "tokenizer")
    assert use["kept"] == [0, 1, 81, 82]
    assert abs(use["tokens"] - answered["usage"]["prompt_tokens"]) <= 12
    shown = demo.trimtab("calls", "show", answered["call"]).stdout
    assert "80 of 82 messages" in shown
    assert "by the model's tokenizer" in shown


def test_a_summary(demo: RunningTrimtab) -> None:
    """Another model summarises, in a call of its own, once for the calls that follow."""
    first, second = ask(demo, "summed", 24), ask(demo, "summed", 24)
    assert first["usage"]["prompt_tokens"] <= 400
    found = calls(demo, first["call"], second["call"])
    uses = [found[one["call"]]["admitted"]["context"] for one in (first, second)]
    [written] = [one for one in found.values() if one["admitted"]["task"] == "(summary)"]
    assert (written["outcome"], written["model"], written["admitted"]["parent"]) == ("ok", "small", first["call"])
    assert [use["summary"] for use in uses] == [written["admitted"]["call"]] * 2
    assert not any("summary_failed" in use for use in uses)
    assert json.loads(demo.trimtab("report", "--json", "--task", "(summary)").stdout)
