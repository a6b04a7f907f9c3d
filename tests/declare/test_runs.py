"""The `runs` tables: which parts of requests are volatile."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.declare.projects import MODEL, TASK, marked, write
from trimtab.declare.load import load, read
from trimtab.journal.requests import EVERY, canonical
from trimtab.policy import compile

OF_PROJECT = f'{MODEL}[runs]\nvolatile = ["metadata.id"]\n'


def test_paths_of_the_project_hold_for_all_tasks(tmp_path: Path) -> None:
    """A task's own paths come behind them; calls outside tasks have the project's."""
    text = f'{TASK}[runs]\nvolatile = ["messages[*].name", "metadata.id", "$.n[0]"]\n'
    project = load(write(tmp_path, OF_PROJECT, triage=text, plain=TASK))
    assert project.tasks["plain"].volatile == (("metadata", "id"),)
    assert project.tasks["triage"].volatile == (("metadata", "id"), ("messages", EVERY, "name"), ("n", 0))
    assert project.defaults.volatile == (("metadata", "id"),)


def test_what_is_volatile_does_not_tell_requests_apart(tmp_path: Path) -> None:
    """The paths reach the gateway's policy in the form by which the journal leaves them out."""
    text = f'{TASK}[runs]\nvolatile = ["messages[*].name"]\n'
    snapshot = compile.compile(load(write(tmp_path, triage=text)))
    volatile = snapshot.tasks["triage"].volatile
    digests = {
        canonical("model", "chat", {"messages": [{"name": name, "content": "hi"}]}, volatile).digest for name in "ab"
    }
    assert len(digests) == 1


@pytest.mark.parametrize("path", ['"a..b"', '""', '"$"', "7", '"a[x]"'])
def test_what_is_no_path_is_a_mistake(tmp_path: Path, path: str) -> None:
    """It is told with its line and an example."""
    text = f"{TASK}[runs]\nvolatile = [{path}] #!"
    [mistake] = read(write(tmp_path, triage=text)).mistakes
    assert mistake.line == marked(text)
    assert "metadata.request_id" in mistake.instead
