"""Checks between steps in the lock: every part of one is pinned, told by name, and judges are pinned like others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from tests.declare.projects import MODEL, TASK, write
from trimtab.declare.checking import Agrees, Check, Cited, Judged, Sampled
from trimtab.declare.load import load
from trimtab.declare.project import Project
from trimtab.lock.diff import differences
from trimtab.lock.history import dependents
from trimtab.lock.lockfile import decode, encode
from trimtab.lock.origins import origins
from trimtab.lock.resolve import resolve
from trimtab.policy.compile import compile as compile_policy

JUDGED = Check(name="kind", task="triage", after="reply", judge=Judged("small", "Is it kind?"))
CHANGES: dict[str, Any] = {
    "after": "other",
    "schema": '{"type":"string"}',
    "rule": "answer.x",
    "agrees": Agrees("find", (("a", "b"),)),
    "cited": Cited(("search",)),
    "judge": Judged("small", "Is it polite?"),
    "samples": Sampled(3, 0.5),
    "on_failure": "flag",
    "repairs": 2,
    "then": "ask",
    "branch": "other",
    "roles": ("admin",),
    "expires_s": 60.0,
    "otherwise": "approve",
}


def project(tmp_path: Path, *checks: Check, toml: str = MODEL) -> Project:
    """A project whose one task has these checks."""
    read = load(tmp_path if (tmp_path / "tasks").exists() else write(tmp_path, toml, triage=TASK))
    return replace(read, tasks={"triage": replace(read.tasks["triage"], checks=checks)})


@pytest.mark.parametrize("field", CHANGES)
def test_every_part_of_a_check_is_pinned(tmp_path: Path, field: str) -> None:
    """A change of it is a change of the lock, told with the check's name."""
    held = resolve(project(tmp_path, JUDGED), None).lock
    found = resolve(project(tmp_path, replace(JUDGED, **{field: CHANGES[field]})), held).lock
    told = differences(held, found)
    assert {one.key for one in told} == {"checks/triage"}
    assert all("kind" in one.words for one in told)


def test_no_field_of_a_check_is_forgotten() -> None:
    """Name and task are in the names of what is pinned; all else is changed above."""
    assert {*Check.__struct_fields__} == {*CHANGES, "name", "task"}


def test_a_changed_question_is_told_in_words(tmp_path: Path) -> None:
    """`lock --check` and `lock diff` say which check, and what was asked before."""
    held = resolve(project(tmp_path, JUDGED), None).lock
    found = resolve(project(tmp_path, replace(JUDGED, judge=Judged("small", "Is it polite?"))), held).lock
    [told] = differences(held, found)
    assert told.words == (
        'checks/triage: the question of the check "kind" (judge.question) is "Is it polite?", was "Is it kind?"'
    )


def test_the_order_of_checks_is_pinned(tmp_path: Path) -> None:
    """The first that does not pass says what happens, so their order matters."""
    other = Check(name="right", task="triage", rule="answer")
    held = resolve(project(tmp_path, JUDGED, other), None).lock
    [told] = differences(held, resolve(project(tmp_path, other, JUDGED), held).lock)
    changed = '["kind", "right"] -> ["right", "kind"]'
    assert told.words == f"checks/triage: the order of the checks (order) is reordered: {changed}"


def test_a_task_without_checks_has_no_entry(tmp_path: Path) -> None:
    """Locks of projects without checks are what they were."""
    assert resolve(project(tmp_path), None).lock.of("checks") == {}


def test_a_lock_with_checks_is_read_again(tmp_path: Path) -> None:
    """What is written is what is read."""
    lock = resolve(project(tmp_path, JUDGED), None).lock
    assert decode(encode(lock), "trimtab.lock") == lock


def test_a_judge_is_a_model_of_the_task(tmp_path: Path) -> None:
    """A change of the judging model concerns the task, and one that is not declared is refused."""
    lock = resolve(project(tmp_path, JUDGED), None).lock
    [small] = lock.of("models").values()
    assert dependents(lock, small) == ("triage",)
    refused = resolve(project(tmp_path, replace(JUDGED, judge=Judged("large", "?"))), None).refusals
    assert [one.words for one in refused] == [
        'policies/triage: there is no model "large"; declare [models.large], or name another one'
    ]


def test_a_judge_whose_name_moves_is_refused(tmp_path: Path) -> None:
    """Judges are pinned like other models: `latest` is no pin."""
    toml = MODEL + '[models.judge]\nmodel = "gpt-5-latest"\nengine = "openai"\nreplicas = ["https://api.openai.com"]\n'
    judged = replace(JUDGED, judge=Judged("judge", "?"))
    refused = resolve(project(tmp_path, judged, toml=toml), None).refusals
    assert [one.key for one in refused] == ["models/judge"]


def test_where_checks_come_from(tmp_path: Path) -> None:
    """Who changed a check is whoever changed its table, or the file of its schema."""
    text = f'{TASK}[[check]]\nname = "form"\nschema = "form.json"\n'
    root = write(tmp_path, MODEL, triage=text)
    (root / "tasks" / "triage" / "form.json").write_text('{"type": "object"}')
    found = origins(load(root))["checks/triage"]
    assert [(one.path, one.only) for one in found] == [
        ("tasks/triage/task.toml", (("check",),)),
        ("tasks/triage/form.json", ()),
    ]


def test_the_snapshot_names_judges(tmp_path: Path) -> None:
    """The gateway lets a task's checks ask these models and no others."""
    assert compile_policy(project(tmp_path, JUDGED)).tasks["triage"].judges == ("small",)
