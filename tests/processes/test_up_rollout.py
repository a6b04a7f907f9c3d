"""A rollout of a real `trimtab up`, by the command line: begun, kept over restarts, stopped, promoted."""

from __future__ import annotations

import asyncio
import json
import shutil
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.assemble.test_rollout import ended
from tests.processes.locking import write_lock
from tests.processes.upping import Up, write_project, write_task
from trimtab.declare.load import load
from trimtab.testing import ScriptedUpstream, chat_json

REASON = ("--without-evaluation", "a trial")
CANARY = ("rollout", "start", "--canary", "50%", "--exposed", "12", *REASON, "--rev")


@pytest.fixture
async def root(tmp_path: Path) -> AsyncIterator[Path]:
    """A locked project of two workers, and beside it a candidate with another deadline."""
    async with ScriptedUpstream() as upstream:
        upstream.always(chat_json())
        project, candidate = tmp_path / "project", tmp_path / "candidate"
        project.mkdir()
        write_project(project, upstream.url, workers=2)
        write_lock(project)
        shutil.copytree(project, candidate)
        write_task(candidate, first_token="19s")
        write_lock(candidate)
        yield project


async def trimtab(root: Path, *words: str) -> tuple[int, str]:
    """A verb in the project; its exit status and what it said."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "trimtab", *words, "--project", str(root), stdout=-1, stderr=-1
    )
    out, err = await process.communicate()
    return process.returncode or 0, (out or err).decode()


async def shown(root: Path) -> Any:
    return json.loads((await trimtab(root, "rollout", "status", "--json"))[1])["rollout"]


async def candidates(up: Up, lock: str, number: int = 40) -> set[int]:
    """The conversations that the candidate answers."""
    answers = [await up.call(f"c{one}") for one in range(number)]
    return {one for one, answer in enumerate(answers) if answer.headers["x-trimtab-lock"] == lock[:12]}


async def until_answered(up: Up, lock: str) -> None:
    """Waits until every worker has heard of it: some conversation of many goes to the candidate."""
    async with asyncio.timeout(60):
        while not await candidates(up, lock, 12):
            await asyncio.sleep(0.05)


async def test_a_canary_over_restarts_until_it_is_promoted_and_in_force(root: Path) -> None:
    """The same conversations stay with it on both workers, never more than declared; it ends when it is in force."""
    candidate = str(root.parent / "candidate")
    async with Up(root) as up:
        status, said = await trimtab(root, *CANARY, candidate)
        assert status == 0, said
        lock = (await shown(root))["rollout"]["lock"]
        await until_answered(up, lock)
        first = await candidates(up, lock)
        up.signal(signal.SIGUSR2)
        await up.logged("rolling_restart_ended")
        await until_answered(up, lock)
        assert await candidates(up, lock) == first
        assert (await trimtab(root, *CANARY, candidate))[0] == 1
    assert len(first) <= 12
    async with Up(root) as up:
        await until_answered(up, lock)
        assert await candidates(up, lock) >= first
        await candidates(up, lock, 120)
        assert (await shown(root))["exposed"]["reached"] == 12
        status, said = await trimtab(root, "rollout", "promote")
        assert (status, "chat: not evaluated" in said) == (1, True)
        ended(load(root), "e1", "ship", lock, (await shown(root))["rollout"]["base_lock"])
        status, said = await trimtab(root, "rollout", "promote")
        assert status == 0, said
        assert said.count("Next:") == 1
        assert (await shown(root))["rollout"]["evaluations"] == ["e1"]
        shutil.copy(root.parent / "candidate" / "trimtab.lock", root / "trimtab.lock")
        write_task(root, first_token="19s")
        async with asyncio.timeout(30):
            while (await shown(root))["rollout"]["state"] != "in_force":
                await asyncio.sleep(0.2)
        assert len(await candidates(up, lock)) == 40
        status, said = await trimtab(root, "promote", "--to", "production")
        assert status == 0, said
    promoted = json.loads((root / "promotions" / "production.json").read_text())
    assert (promoted["lock"], promoted["origin"], promoted["users"], promoted["why"]) == (lock, "test", 12, "a trial")
    assert (await trimtab(root, "promote", "--to", "production", "--check"))[0] == 0
    assert (await trimtab(root, "promote", "--to", "staging", "--check"))[0] == 1
    write_task(root, first_token="18s")
    write_lock(root)
    assert (await trimtab(root, "promote", "--to", "production", "--check"))[0] == 1
    told = sorted(up.changes("rollout"), key=lambda one: one.at_ns)
    assert [one.detail.partition(" ")[0] for one in told] == ["canary", "promoted:", "in"]


async def test_stop_and_what_is_not_begun(root: Path) -> None:
    """A stop holds on all workers; without evaluation or reason nothing begins."""
    candidate = str(root.parent / "candidate")
    async with Up(root) as up:
        status, said = await trimtab(root, "rollout", "start", "--canary", "50%", "--rev", candidate)
        assert (status, "not evaluated" in said) == (1, True)
        assert (await trimtab(root, "promote", "--to", "production"))[0] == 1
        assert (await trimtab(root, "rollout", "start", "--canary", "50%", "--rev", str(root), *REASON))[0] == 1
        await trimtab(root, *CANARY, candidate)
        lock = (await shown(root))["rollout"]["lock"]
        await until_answered(up, lock)
        assert "canary" in (await trimtab(root, "status"))[1]
        assert (await trimtab(root, "rollout", "stop", "--why", "enough"))[0] == 0
        async with asyncio.timeout(60):
            while await candidates(up, lock):
                await asyncio.sleep(0.05)
        assert (await shown(root))["rollout"]["why"] == "enough"
        assert "50 % of" in (await trimtab(root, "rollout", "status"))[1]
        status, said = await trimtab(root, "rollout", "stop")
        assert status == 1
        assert said.startswith("trimtab: It is not rolled out: no rollout is under way")
        assert said.rstrip().endswith("`trimtab rollout start` begins one.")
