"""A project that asks a scripted model, for tests of evaluations."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.threaded_upstream import threaded_upstream
from trimtab.testing import Answer, Received, Script, error_answer, json_answer

TICKETS = {f"ticket {number}" for number in range(40)}

PROJECT = """\
environment = "test"
[gateway]
listen = "127.0.0.1:8400"
keys = "open"
[control]
listen = "127.0.0.1:8401"
[data]
directory = ".trimtab"
[models.small]
wire = "openai"
model = "scripted"
replicas = ["{url}"]
price = {{ input = 1.0, output = 2.0, from = 2026-01-01 }}
{more}
"""
TASK = """\
owner = "team"
model = "small"
deadline = {{ connect = "5s", first_token = "20s", gap = "20s" }}
retry = {{ attempts = 1 }}
sampling = {{ temperature = {temperature} }}
output = {{ schema = "output.schema.json", on_invalid = "reject" }}
redaction = "none"
{more}
"""
SUITE = 'evals = {{ scorers = ["exact"], margin = 0.1, samples = {samples}, concurrency = 4 }}'
SCHEMA = {"type": "object", "properties": {"label": {"type": "string"}}, "required": ["label"]}


def write_project(root: Path, url: str, *, temperature: float = 0.0, words: str = "Sort it.", more: str = "") -> None:
    """A project with the task `sort` on one model, whose answers must be `{"label": ...}`."""
    folder = root / "tasks" / "sort"
    folder.mkdir(parents=True, exist_ok=True)
    (root / "trimtab.toml").write_text(PROJECT.format(url=url, more=more))
    (folder / "task.toml").write_text(TASK.format(temperature=temperature, more=""))
    (folder / "prompt.md").write_text(f"system:\n{words}\nuser:\n{{{{ ticket }}}}\n")
    (folder / "output.schema.json").write_text(json.dumps(SCHEMA))


def write_suite(root: Path, count: int = 40, *, samples: int = 1, temperature: float = 0.0) -> None:
    """Gives the task `sort` a suite of so many cases, each of which expects the label `a`."""
    folder = root / "tasks" / "sort"
    more = SUITE.format(samples=samples)
    (folder / "task.toml").write_text(TASK.format(temperature=temperature, more=more))
    rows = [
        {"id": f"case {number}", "inputs": {"ticket": f"ticket {number}"}, "expected": '{"label": "a"}'}
        for number in range(count)
    ]
    (folder / "cases.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))


Play = Callable[[dict[str, Any]], Script]


@dataclass
class Model:
    """A model server in a thread of its own: `play` makes the answer to a request's body, `asked` are the bodies."""

    play: Play
    url: str = ""
    asked: list[dict[str, Any]] = field(default_factory=list)

    def answer(self, request: Received) -> Script:
        """The script for one request; whoever looks whether the server is there gets an empty answer."""
        if request.method != "POST":
            return json_answer({})
        body = json.loads(request.body)
        if "messages" in body and body["messages"][-1]["content"] in TICKETS:
            self.asked.append(body)
            return self.play(body)
        return error_answer(404, "not a case")


@contextlib.contextmanager
def model(play: Play) -> Iterator[Model]:
    """A model server that listens until the block ends."""
    found = Model(play)
    with threaded_upstream(found.answer) as found.url:
        yield found


def says(text: str) -> Script:
    """An answer of 9 tokens to a request of 20."""
    usage = {"prompt_tokens": 20, "completion_tokens": 9, "total_tokens": 29}
    return json_answer(Answer(pieces=(text,), usage=usage).body())
