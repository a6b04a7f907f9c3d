"""Skew between two locks: which differences bear on calls, on what of them, and on whose."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.lock.governed import FILES, LOOKUP, TOML, locked, put, write
from trimtab.lock.skew import Skew, between


def skews(tmp_path: Path, path: str, before: str, after: str) -> list[Skew]:
    """What an edit of one file leads to: `before` in it becomes `after`."""
    first = locked(write(tmp_path))
    text = FILES[path]
    assert before in text
    put(tmp_path, path, text.replace(before, after))
    return list(between(first, locked(tmp_path)))


BOTH = ("plain", "triage")
SMALL = 'model = "small"\nfallback = '
EDITS = {
    "prompt": ("tasks/triage/prompt.md", "You sort", "You order", "prompt", ("triage",)),
    "shared part": ("prompts/tone.md", "Be brief.", "Be very brief.", "prompt", ("triage",)),
    "input": ("tasks/triage/task.toml", 'question = "string"', 'question = "integer"', "prompt", ("triage",)),
    "sampling": ("tasks/triage/task.toml", "temperature = 0.0", "temperature = 0.5", "sampling", ("triage",)),
    "context": ("tasks/triage/task.toml", "recent = 20", "recent = 8", "context", ("triage",)),
    "model": ("tasks/triage/task.toml", f'{SMALL}["large", "azure"]', 'model = "azure"', "model", ("triage",)),
    "fallback": ("tasks/triage/task.toml", '["large", "azure"]', '["azure"]', "model", ("triage",)),
    "server": ("trimtab.toml", "vllm==0.32.0", "vllm==0.33.0", "model", ("triage",)),
    "model of two tasks": ("trimtab.toml", "gpt-4o-2024-08-06", "gpt-4o-2024-11-20", "model", BOTH),
    "tools": ("tasks/triage/task.toml", '["lookup", "refund"]', '["lookup"]', "tools", ("triage",)),
    "tool": ("tools/lookup.json", LOOKUP["description"], "Finds an order.", "tools", ("triage",)),
    "schema": ("tasks/triage/output.schema.json", '"maxLength": 200', '"maxLength": 100', "schema", ("triage",)),
    "policy": ("tasks/triage/task.toml", '"repair", repairs = 2', '"repair", repairs = 1', "policy", ("triage",)),
    "retrieval": ("trimtab.toml", "manuals-2026-11-01", "manuals-2026-11-08", "retrieval", ("triage",)),
    "packages": ("requirements.txt", "httpx==0.28.1", "httpx==0.28.2", "packages", BOTH),
}


@pytest.mark.parametrize(("path", "before", "after", "aspect", "tasks"), EDITS.values(), ids=EDITS)
def test_what_bears_on_calls(
    tmp_path: Path, path: str, before: str, after: str, aspect: str, tasks: tuple[str, ...]
) -> None:
    """Each has its aspect, the tasks that it concerns, and a sentence."""
    if path == "requirements.txt":
        write(tmp_path)
        put(tmp_path, "trimtab.toml", TOML.replace("[lock]\n", '[lock]\ndependencies = ["requirements.txt"]\n'))
        first = locked(tmp_path)
        put(tmp_path, path, FILES[path].replace(before, after))
        found = list(between(first, locked(tmp_path)))
    else:
        found = skews(tmp_path, path, before, after)
    assert aspect in {skew.aspect for skew in found}
    assert all(skew.tasks == tasks for skew in found if skew.aspect == aspect), found
    assert all(skew.words and (skew.calls, skew.of) == (None, None) for skew in found)


IDLE = {
    "owner": ("tasks/triage/task.toml", 'owner = "support"', 'owner = "sales"'),
    "objective": ("tasks/triage/task.toml", "success = 0.995", "success = 0.99"),
    "mapping": ("tasks/triage/task.toml", '["support-app"]', '["other-app"]'),
    "tuned on": ("tasks/triage/task.toml", 'tuned_on = ["tickets"]', 'tuned_on = ["raw"]'),
    "retirement": ("trimtab.toml", "retires = 2027-01-14", "retires = 2027-02-14"),
    "cases": ("tasks/triage/cases.jsonl", '"hi"', '"ho"'),
    "known answer": ("tools/lookup.json", '"status": "sent"', '"status": "lost"'),
}


@pytest.mark.parametrize(("path", "before", "after"), IDLE.values(), ids=IDLE)
def test_what_bears_on_no_call(tmp_path: Path, path: str, before: str, after: str) -> None:
    """The lock differs, and no model is asked anything else."""
    assert skews(tmp_path, path, before, after) == []


def test_equal_locks_have_no_skew(tmp_path: Path) -> None:
    """A lock against itself."""
    lock = locked(write(tmp_path))
    assert between(lock, lock) == ()


def test_a_task_that_is_gone(tmp_path: Path) -> None:
    """What was pinned of it is told with its name."""
    first = locked(write(tmp_path))
    (tmp_path / "tasks" / "plain" / "task.toml").unlink()
    (tmp_path / "tasks" / "plain").rmdir()
    found = between(first, locked(tmp_path))
    assert {skew.tasks for skew in found} == {("plain",)}
    assert {skew.aspect for skew in found} == {"sampling", "context", "policy"}
