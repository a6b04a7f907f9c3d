"""A project that asks a scripted model, for tests of evaluations."""

from __future__ import annotations

import json
from pathlib import Path

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
"""
SCHEMA = {"type": "object", "properties": {"label": {"type": "string"}}, "required": ["label"]}


def write_project(root: Path, url: str, *, temperature: float = 0.0, words: str = "Sort it.", more: str = "") -> None:
    """A project with the task `sort` on one model, whose answers must be `{"label": ...}`."""
    folder = root / "tasks" / "sort"
    folder.mkdir(parents=True, exist_ok=True)
    (root / "trimtab.toml").write_text(PROJECT.format(url=url, more=more))
    (folder / "task.toml").write_text(TASK.format(temperature=temperature))
    (folder / "prompt.md").write_text(f"system:\n{words}\nuser:\n{{{{ ticket }}}}\n")
    (folder / "output.schema.json").write_text(json.dumps(SCHEMA))
