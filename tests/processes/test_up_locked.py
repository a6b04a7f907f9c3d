"""`trimtab up` under a lock, for real: refused in production, held back until the lock follows, borne and demanded."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.processes.locking import in_production, locked, write_lock
from tests.processes.upping import Up, write_project, write_task
from trimtab.lock import lockfile
from trimtab.lock.lockfile import Lock
from trimtab.lock.writing import write_file
from trimtab.processes.directory import DataDirectory
from trimtab.record.events import Admitted
from trimtab.testing import ScriptedUpstream, chat_json


@pytest.fixture
async def root(tmp_path: Path) -> AsyncIterator[Path]:
    """A project in production whose upstream answers."""
    async with ScriptedUpstream() as upstream:
        upstream.always(chat_json())
        write_project(tmp_path, upstream.url)
        in_production(tmp_path)
        yield tmp_path


def admitted(up: Up) -> list[Admitted]:
    return [event for event in up.events() if isinstance(event, Admitted)]


def edited(root: Path) -> Lock:
    """Edits the task and gives the lock that pins the edit, which is not written yet."""
    write_task(root, first_token="19s")
    return locked(root)


async def test_production_does_not_start_unlocked(root: Path) -> None:
    """It ends with the reason and what to do, and the directory is free again."""
    write_lock(root)
    write_task(root, first_token="19s")
    up = Up(root)
    await up.spawn()
    assert await up.ended() == 1
    said = "\n".join(str(line) for line in up.log)
    assert "is in production and serves only what is locked" in said
    assert "run `trimtab lock`, review and commit it" in said
    assert "policies/chat: " in said
    assert "first_token" in said
    with DataDirectory(root / ".trimtab").hold():
        pass


async def test_every_answer_and_record_bears_the_lock(root: Path) -> None:
    """Answers bear its first 12 digits, records all of it; the start is recorded as a change to this lock."""
    lock = write_lock(root)
    async with Up(root) as up:
        assert up.started["lock"] == lock.lock_id
        answer = await up.call()
        assert (answer.status, answer.headers["x-trimtab-lock"]) == (200, lock.lock_id[:12])
        assert (await up.call(model="nothing")).headers["x-trimtab-lock"] == lock.lock_id[:12]
        assert up.standing()["lock"] == lock.lock_id
        (change,) = up.changes("lock")
        assert (change.by, change.before, change.after) == ("start", "", lock.lock_id)
    assert [event.lock for event in admitted(up)] == [lock.lock_id]


@pytest.mark.parametrize("first", ["task", "lock"])
async def test_edit_is_held_back_until_both_files_are_saved(root: Path, first: str) -> None:
    """Task and lock are saved one after the other: the first alone changes nothing and is told in log, record and
    standing; within 1 s of the second both are in force, and the change names what differs.
    """
    before = write_lock(root)
    after = edited(root)
    write_task(root)
    async with Up(root) as up:
        digest = up.standing()["digest"]
        if first == "task":
            write_task(root, first_token="19s")
        else:
            write_file(root / lockfile.FILE, lockfile.encode(after))
        held = await up.logged("edit_held_back")
        assert any("first_token" in words for words in held["differences"])
        assert (held["keeps"], held["lock"]) == (digest, before.lock_id)
        standing = up.standing()
        assert (standing["digest"], standing["lock"], standing["drift"]["held_back"]) == (digest, before.lock_id, True)
        assert (await up.call()).headers["x-trimtab-lock"] == before.lock_id[:12]
        (change,) = up.changes("edit_held_back")
        assert "first_token" in change.detail
        if first == "task":
            write_file(root / lockfile.FILE, lockfile.encode(after))
        else:
            write_task(root, first_token="19s")
        await up.until(lambda: up.members("gateway")[0].snapshot != digest)
        assert (await up.call()).headers["x-trimtab-lock"] == after.lock_id[:12]
        assert up.standing()["drift"] is None
        (_, change) = up.changes("lock")
        assert (change.before, change.after, change.by) == (before.lock_id, after.lock_id, "edit")
        assert "first_token" in change.detail
    assert [event.lock for event in admitted(up)] == [before.lock_id, after.lock_id]


async def test_edit_that_is_saved_with_its_lock_is_not_held_back(root: Path) -> None:
    """Both files within the quiet time are one edit, taken whole."""
    before = write_lock(root)
    after = edited(root)
    write_task(root)
    async with Up(root) as up:
        digest = up.standing()["digest"]
        write_task(root, first_token="19s")
        write_file(root / lockfile.FILE, lockfile.encode(after))
        await up.until(lambda: up.members("gateway")[0].snapshot != digest)
        (_, change) = up.changes("lock")
        assert (change.before, change.after) == (before.lock_id, after.lock_id)
        assert up.changes("edit_held_back") == []


async def test_elsewhere_an_edit_serves_under_no_lock(root: Path) -> None:
    """Outside production the edit is in force at once; its answers and records bear no lock, and that is told."""
    declaration = root / "trimtab.toml"
    declaration.write_text(declaration.read_text().replace('"production"', '"test"'))
    lock = write_lock(root)
    async with Up(root) as up:
        digest = up.standing()["digest"]
        write_task(root, first_token="19s")
        await up.until(lambda: up.members("gateway")[0].snapshot != digest)
        assert (await up.call()).headers["x-trimtab-lock"] == ""
        assert "first_token" in str((await up.logged("not_locked"))["differences"])
        (change,) = up.changes("not_locked")
        assert (change.before, change.by) == (lock.lock_id, "edit")
    (event,) = admitted(up)
    assert (event.lock, event.snapshot) == ("", up.standing()["digest"])
