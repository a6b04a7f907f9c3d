"""Learning a hosted model: an undated name is resolved to the one that answers, under the project's own key."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from tests.lock.repositories import place
from trimtab.assemble.identity import learn, prune, verify
from trimtab.declare.load import load
from trimtab.declare.project import Project
from trimtab.lock.identity import pinned
from trimtab.lock.identity_baseline import FOLDER
from trimtab.lock.lockfile import Entry, Lock
from trimtab.lock.resolve import resolve
from trimtab.testing import ScriptedUpstream, chat_json
from trimtab.testing.answers import Answer

KEY = "sk-proj-0123456789abcdef"


def project(root: Path, url: str, model: str, engine: str = "openai") -> Project:
    """A project with one model of this name."""
    declared = f'[models.small]\nmodel = "{model}"\nengine = "{engine}"\nreplicas = ["{url}"]\napi_key = "env:KEY"\n'
    place(root, "trimtab.toml", declared)
    place(root, "tasks/triage/task.toml", 'model = "small"\n')
    return load(root)


def entry(lock: Lock) -> Entry:
    found = lock.get("models", "small")
    assert found is not None
    return found


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEY", KEY)


async def test_an_alias_is_resolved(tmp_path: Path) -> None:
    """The dated name of the first answer is locked, and all further questions name it."""
    async with ScriptedUpstream() as upstream:
        upstream.always(chat_json(Answer(("yes",), model="gpt-x-2026-01-15")))
        declared = project(tmp_path, f"http://127.0.0.1:{upstream.port}", "gpt-x")
        lock, [taught] = await asyncio.to_thread(learn, declared, resolve(declared, None).lock)
        asked = [json.loads(request.body)["model"] for request in upstream.requests if request.method == "POST"]
        assert asked[0] == "gpt-x"
        assert set(asked[-100:]) == {"gpt-x-2026-01-15"}
        assert {request.header("authorization") for request in upstream.requests} == {f"Bearer {KEY}".encode()}
        [verified] = await asyncio.to_thread(verify, declared, lock)
    assert (taught.resolved, taught.rung, taught.trouble) == ("gpt-x-2026-01-15", "exact", "")
    assert entry(lock).pinned["resolved"] == "gpt-x-2026-01-15"
    assert entry(lock).pinned["requested"] == "gpt-x"
    assert verified.standing.state == "same"
    assert KEY.encode() not in b"".join(path.read_bytes() for path in (tmp_path / FOLDER).iterdir())
    assert resolve(declared, lock).refusals == ()


async def test_a_name_without_a_dated_form_stays(tmp_path: Path) -> None:
    """Where the provider answers with the same name, that is what is known of it."""
    async with ScriptedUpstream() as upstream:
        upstream.always(chat_json(Answer(("yes",), model="gpt-x")))
        declared = project(tmp_path, f"http://127.0.0.1:{upstream.port}", "gpt-x")
        lock, _ = await asyncio.to_thread(learn, declared, resolve(declared, None).lock)
    assert entry(lock).pinned["resolved"] == "gpt-x"
    assert pinned(entry(lock).pinned).served_model == "gpt-x"


async def test_an_own_server_is_asked_under_its_own_name(tmp_path: Path) -> None:
    """What one serves oneself is no alias, whatever it is called."""
    async with ScriptedUpstream() as upstream:
        upstream.always(chat_json(Answer(("yes",), model="small-2026-01-15")))
        declared = project(tmp_path, f"http://127.0.0.1:{upstream.port}", "small", engine="vllm")
        lock, _ = await asyncio.to_thread(learn, declared, resolve(declared, None).lock)
        asked = {json.loads(request.body)["model"] for request in upstream.requests if request.method == "POST"}
    assert asked == {"small"}
    assert entry(lock).pinned["resolved"] == "small"


async def test_only_what_no_lock_names_is_deleted(tmp_path: Path) -> None:
    """A baseline that the lock before named and the one after does not; other files in the folder stay."""
    async with ScriptedUpstream() as upstream:
        upstream.always(chat_json(Answer(("yes",), model="small")))
        declared = project(tmp_path, f"http://127.0.0.1:{upstream.port}", "small", engine="vllm")
        bare = resolve(declared, None).lock
        before, _ = await asyncio.to_thread(learn, declared, bare)
        upstream.always(chat_json(Answer(("no",), model="small")))
        after, _ = await asyncio.to_thread(learn, declared, before)
    place(tmp_path, f"{FOLDER}/README.md", "mine")
    prune(tmp_path, before, after)
    kept = {path.name for path in (tmp_path / FOLDER).iterdir()}
    assert kept == {f"{pinned(entry(after).pinned).baseline}.json", "README.md"}
    prune(tmp_path, None, bare)
    assert {path.name for path in (tmp_path / FOLDER).iterdir()} == kept
