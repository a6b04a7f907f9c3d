"""A governed project in a git repository, and the command line asked about its lock."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.lock.repositories import commit, place, repository
from trimtab.cli import run

MODEL = '[models.small]\nmodel = "acme/small-1"    # what the server calls it\nreplicas = ["http://127.0.0.1:9000"]\n'
TASK = 'model = "small"\n\n[sampling]\ntemperature = 0.0\n'
PROMPT = "system:\nYou sort tickets.\nBe brief.\n\nuser:\n{{ ticket }}\n"
Ask = Callable[..., "Said"]


class Said:
    """What a command printed, and its exit status."""

    def __init__(self, status: int, out: str, err: str) -> None:
        self.status, self.out, self.err = status, out, err

    @property
    def words(self) -> str:
        """All that was printed, in one line."""
        return " ".join((self.out + self.err).split())

    def json(self) -> Any:
        """The document that was printed."""
        return json.loads(self.out)


def asking(capsys: pytest.CaptureFixture[str], root: Path) -> Ask:
    """Runs `trimtab lock` in a project."""

    def ask(*arguments: str) -> Said:
        status = run(["lock", *arguments, "--project", str(root)])
        said = capsys.readouterr()
        return Said(status, said.out, said.err)

    return ask


def project(root: Path) -> Path:
    """A project with a model and a task that has a prompt, in a folder of a repository; nothing is committed."""
    repository(root.parent)
    place(root, "trimtab.toml", MODEL)
    place(root, "tasks/triage/task.toml", TASK)
    place(root, "tasks/triage/prompt.md", PROMPT)
    return root


__all__ = ["Ask", "Said", "asking", "commit", "place", "project"]
