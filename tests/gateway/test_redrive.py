"""A dead letter's call that is sent again keeps its identity, and nobody but the operator can send one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from tests.gateway.harness import ClientKey, RunningGateway, snapshot, task
from trimtab.declare.project import Prompt, Turn
from trimtab.policy.snapshot import Snapshot
from trimtab.processes.resend import labels
from trimtab.record.events import Admitted
from trimtab.testing import ScriptedUpstream, chat_json, error_answer

OPERATOR = b"tt_operator_of-this-life"
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
NAMES = {
    "x_trimtab_run": "run-7",
    "x_trimtab_step": "look up",
    "x_trimtab_parent": "step-3",
    "x_trimtab_conversation": "talk-1",
    "x_trimtab_user": "ana",
    "traceparent": TRACE,
}
OF_ITS_OWN = {"call", "at_ns", "redrive_of"}


def policy(url: str, **more: Any) -> Snapshot:
    return snapshot({"small": url}, task("triage", "small"), task("by-key", "small"), **more)


def opened(directory: Path, made: Snapshot) -> RunningGateway:
    gateway = RunningGateway(directory, made)
    gateway.operator_key = OPERATOR
    return gateway


async def redriven(gateway: RunningGateway, letter: Admitted, body: object, **changed: str) -> Any:
    """Sends a letter's call as control does."""
    headers = {**labels(letter), "authorization": f"Bearer {OPERATOR.decode()}", **changed}
    return await gateway.post(body, **headers)


@pytest.mark.parametrize("names", [NAMES, {}], ids=["all names", "none"])
@pytest.mark.parametrize(
    ("model", "task_of_key", "expected"),
    [("triage", {}, "triage"), ("small", {"support": "by-key"}, "by-key"), ("small", {}, "(undeclared)")],
)
async def test_identity_is_kept(
    tmp_path: Path, names: dict[str, str], model: str, task_of_key: dict[str, str], expected: str
) -> None:
    """Task, key, run, step, parent, conversation, end user, trace and what was asked for are those of the first."""
    body = {"model": model, "messages": [{"role": "user", "content": "hi"}], "max_tokens": 7}
    async with ScriptedUpstream() as upstream:
        upstream.add(error_answer(500, "broken"))
        upstream.always(chat_json())
        async with opened(tmp_path, policy(upstream.url, task_of_key=task_of_key)) as gateway:
            gateway.keys[b"tt_test"] = ClientKey("support")
            await gateway.post(body, **names)
            [first] = (await gateway.events()).admitted
            gateway.keys.clear()
            answer = await redriven(gateway, first, body)
            events = await gateway.events()
    again = events.admitted[-1]
    assert (answer.status, answer.headers["x-trimtab-run"]) == (200, first.run)
    assert (first.task, first.key, again.redrive_of) == (expected, "support", first.call)
    assert again.call != first.call
    kept = {name: getattr(first, name) for name in first.__struct_fields__ if name not in OF_ITS_OWN}
    assert {name: getattr(again, name) for name in kept} == kept
    assert events.settled[-1].admitted == again


async def test_an_undeclared_call_stays_one(tmp_path: Path) -> None:
    """What belonged to no task then belongs to none now, though its key or model has got a task meanwhile."""
    body = {"model": "small", "messages": []}
    async with ScriptedUpstream() as upstream:
        upstream.always(chat_json())
        async with opened(tmp_path, policy(upstream.url)) as gateway:
            await gateway.post(body)
            [first] = (await gateway.events()).admitted
            gateway.pipeline.switch(policy(upstream.url, task_of_key={"tester": "by-key"}))
            await redriven(gateway, first, body)
            await gateway.post(body)
            tasks = [one.task for one in (await gateway.events()).admitted]
    assert tasks == ["(undeclared)", "(undeclared)", "by-key"]


async def test_a_prompt_that_was_edited_since(tmp_path: Path) -> None:
    """Messages that were rendered from an earlier version of the prompt are sent again, and bear no other."""
    prompt = Prompt((Turn("system", "s"),), (), "f" * 64)
    body = {"model": "triage", "messages": [], "trimtab": {"prompt": prompt.digest}}
    async with ScriptedUpstream() as upstream:
        upstream.always(chat_json())
        made = snapshot({"small": upstream.url}, task("triage", "small", prompt=prompt))
        async with opened(tmp_path, made) as gateway:
            await gateway.post(body)
            [first] = (await gateway.events()).admitted
            edited = task("triage", "small", prompt=replace(prompt, digest="e" * 64))
            gateway.pipeline.switch(snapshot({"small": upstream.url}, edited))
            answer = await redriven(gateway, first, body)
            again = (await gateway.events()).admitted[-1]
    assert (first.prompt, answer.status, again.prompt) == ("f" * 64, 200, "")


async def test_undeclared_is_no_task_that_a_client_may_name(tmp_path: Path) -> None:
    """Only a re-driven call is kept from its task."""
    async with ScriptedUpstream() as upstream, opened(tmp_path, policy(upstream.url)) as gateway:
        refused = await gateway.post({"model": "small", "messages": []}, x_trimtab_task="(undeclared)")
    assert (refused.status, refused.json()["error"]["code"]) == (404, "unknown_task")


@pytest.mark.parametrize("keys_required", [True, False])
@pytest.mark.parametrize(
    "secret", [b"tt_operator_of-an-earlier-life", b"tt_operator_", OPERATOR[:-1], OPERATOR + b"x", OPERATOR.upper()]
)
async def test_another_operator_key_is_refused(tmp_path: Path, secret: bytes, keys_required: bool) -> None:
    """Also where clients need no key: the call would go under no name."""
    letter = Admitted("c1", 1, "g0", "test", "s", "triage", "support", "chat_completions", "triage")
    async with ScriptedUpstream() as upstream:
        upstream.always(chat_json())
        async with opened(tmp_path, policy(upstream.url, keys_required=keys_required)) as gateway:
            answer = await redriven(
                gateway, letter, {"model": "triage", "messages": []}, authorization=f"Bearer {secret.decode()}"
            )
            events = await gateway.events()
    if secret.startswith(b"tt_operator_") or keys_required:
        assert (answer.status, answer.json()["error"]["code"]) == (401, "unauthorized")
        assert (events.admitted, upstream.requests) == ([], [])
    else:
        assert [(one.key, one.redrive_of) for one in events.admitted] == [("", "")]


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/models", "/tokenize"])
async def test_the_operator_key_opens_nothing_but_a_redrive(tmp_path: Path, path: str) -> None:
    """Without a letter it is no key at all."""
    async with ScriptedUpstream() as upstream, opened(tmp_path, policy(upstream.url)) as gateway:
        method = "GET" if path == "/v1/models" else "POST"
        reader, writer = await gateway.send(
            {"model": "small"}, path, method, authorization=f"Bearer {OPERATOR.decode()}"
        )
        status = (await reader.readline()).split()[1]
        writer.close()
        assert (await gateway.events()).admitted == []
    assert (status, upstream.requests) == (b"401", [])


async def test_a_gateway_without_an_operator_key_takes_none(tmp_path: Path) -> None:
    """Where there is no key file nothing is a redrive."""
    letter = Admitted("c1", 1, "g0", "test", "s", "triage", "support", "chat_completions", "triage")
    async with ScriptedUpstream() as upstream, RunningGateway(tmp_path, policy(upstream.url)) as gateway:
        for secret in ("tt_operator_", OPERATOR.decode(), ""):
            answer = await redriven(gateway, letter, {"model": "triage"}, authorization=f"Bearer {secret}")
            assert answer.status == 401
    assert upstream.requests == []


@pytest.mark.parametrize("key", ["support", ""])
async def test_a_client_cannot_pass_as_a_redrive(tmp_path: Path, key: str) -> None:
    """The headers of a redrive do nothing without the operator's key, and go to no replica."""
    headers = {"x_trimtab_redrive": "c1", "x_trimtab_redrive_key": "somebody-else"}
    async with ScriptedUpstream() as upstream:
        upstream.always(chat_json())
        async with opened(tmp_path, policy(upstream.url, keys_required=bool(key))) as gateway:
            gateway.keys.clear()
            gateway.keys.update({b"tt_test": ClientKey(key)} if key else {})
            answer = await gateway.post({"model": "triage", "messages": []}, **headers)
            [admitted] = (await gateway.events()).admitted
    assert (answer.status, admitted.key, admitted.redrive_of) == (200, key, "")
    [request] = upstream.requests
    assert not any(name.startswith(b"x-trimtab-redrive") for name, _ in request.headers)


async def test_only_the_check_of_the_key_is_passed_by(tmp_path: Path) -> None:
    """A task that is gone, a body that is broken and a name that is no name are refused as for anybody."""
    letter = Admitted("c1", 1, "g0", "test", "s", "triage", "support", "chat_completions", "triage")
    body = {"model": "triage", "messages": []}
    async with ScriptedUpstream() as upstream, opened(tmp_path, policy(upstream.url)) as gateway:
        gone = await redriven(gateway, replace(letter, task="gone"), body)
        broken = await redriven(gateway, letter, b"{")
        nameless = await redriven(gateway, letter, body, **{"x-trimtab-redrive": "c" * 201})
        gateway.pipeline.draining = True
        draining = await redriven(gateway, letter, body)
    assert [answer.status for answer in (gone, broken, nameless, draining)] == [404, 400, 400, 503]
    assert upstream.requests == []


async def test_the_operator_key_is_nowhere_in_the_records(tmp_path: Path) -> None:
    """Neither spool nor bodies hold it, nor does it go to a replica."""
    letter = Admitted("c1", 1, "g0", "test", "s", "triage", "support", "chat_completions", "triage")
    async with ScriptedUpstream() as upstream:
        upstream.always(chat_json())
        async with opened(tmp_path, policy(upstream.url)) as gateway:
            assert (await redriven(gateway, letter, {"model": "triage", "messages": []})).status == 200
            await gateway.events()
    written = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert OPERATOR not in written
    assert all(OPERATOR not in value for request in upstream.requests for _, value in request.headers)
