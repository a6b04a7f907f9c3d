"""The project's past, read off the event loop and kept while nothing changed."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.console.past import NEW_LOCK, NEW_PROMPT, NEW_SYSTEM, OLD_LOCK, OLD_PROMPT, project, prompt_file
from tests.lock.repositories import commit, place
from trimtab.errors import StoreError
from trimtab.processes.project_history import KEPT_S, MOST_KEPT, ProjectHistory
from trimtab.testing import JumpingClock


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return project(tmp_path / "project")


@pytest.fixture
def clock() -> JumpingClock:
    return JumpingClock()


@pytest.fixture
def past(root: Path, tmp_path: Path, clock: JumpingClock) -> ProjectHistory:
    return ProjectHistory(root, tmp_path / "run", clock)


async def test_an_answer_is_shared_and_kept(past: ProjectHistory, clock: JumpingClock) -> None:
    """Those who ask at once get one answer, and so does who asks later while nothing changed on the disk."""
    first, second = await asyncio.gather(past.locks(), past.locks())
    assert first is second
    clock.advance(KEPT_S + 1)
    assert await past.locks() is first


async def test_a_commit_is_seen(past: ProjectHistory, root: Path, clock: JumpingClock) -> None:
    """A new commit, or another file, is a new answer once the old one is a few seconds old."""
    before = await past.prompt("extract")
    assert [one.digest for one in before.versions] == [NEW_PROMPT, OLD_PROMPT]
    place(root, "tasks/extract/prompt.md", prompt_file(NEW_SYSTEM, "{{ invoice }}, please\n"))
    commit(root, "politer", at="2026-11-04T10:00:00Z")
    assert await past.prompt("extract") is before
    clock.advance(KEPT_S + 1)
    assert [one.commit.subject for one in (await past.prompt("extract")).versions if one.commit] == [
        "politer",
        "Amounts keep their currency",
        "Invoices are read",
    ]


async def test_changes_of_locks(past: ProjectHistory) -> None:
    """A lock against the one before or another one; what is not known is None."""
    change = await past.change(NEW_LOCK)
    assert change is not None and change.before is not None
    assert change.before.lock_id == OLD_LOCK
    back = await past.change(OLD_LOCK, NEW_LOCK)
    assert back is not None and back.before is not None
    assert back.before.lock_id == NEW_LOCK
    assert await past.change("0" * 64) is None
    assert await past.change(NEW_LOCK, "0" * 64) is None


@pytest.mark.parametrize("name", ["..", ".", "../../etc", "a/b", "", "a\0b"])
async def test_what_is_no_name_of_a_task(past: ProjectHistory, name: str) -> None:
    """Nothing is read for it."""
    assert (await past.prompt(name)).versions == ()


async def test_few_answers_are_kept(past: ProjectHistory) -> None:
    """However many tasks are asked for."""
    for number in range(MOST_KEPT + 5):
        await past.prompt(f"task{number}")
    assert repr(past) == f"ProjectHistory({MOST_KEPT} kept)"


async def test_a_damaged_lock_that_was_committed(past: ProjectHistory, root: Path, clock: JumpingClock) -> None:
    """It is passed over; the project's past is told all the same."""
    place(root, "trimtab.lock", "{")
    commit(root, "broken", at="2026-11-05T10:00:00Z")
    clock.advance(KEPT_S + 1)
    assert [one.lock_id for one in (await past.locks()).locks] == [NEW_LOCK, OLD_LOCK]


async def test_a_standing_that_cannot_be_read(past: ProjectHistory, tmp_path: Path) -> None:
    """It is an error of the store, which pages tell; none at all is nothing in force."""
    assert (await past.standing()).lock == ""
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "declaration.json").write_text("[]")
    with pytest.raises(StoreError):
        await past.standing()
