"""Who may call, which task a call belongs to, and what is answered without a replica."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from tests.gateway.harness import ClientKey, RunningGateway, passing, snapshot, task
from trimtab.policy.snapshot import Snapshot
from trimtab.testing import ScriptedUpstream, chat_json, error_answer, json_answer

MESSAGES = [{"role": "system", "content": "Classify."}, {"role": "user", "content": "hi"}]
CLASSIFY = "sha256:" + hashlib.sha256(b"Classify.").hexdigest()


def mapped(url: str, **more: Any) -> Snapshot:
    tasks = [task(name, "small") for name in ("by-header", "by-model", "by-prompt", "by-key")]
    return snapshot(
        {"small": url},
        *tasks,
        task_of_key={"support": "by-key"},
        task_of_system_prompt={CLASSIFY: "by-prompt"},
        **more,
    )


@pytest.mark.parametrize(
    ("model", "headers", "messages", "expected"),
    [
        ("by-model", {"x_trimtab_task": "by-header"}, MESSAGES, "by-header"),
        ("by-model", {}, MESSAGES, "by-model"),
        ("small", {}, MESSAGES, "by-prompt"),
        ("whatever", {}, MESSAGES, "by-prompt"),
        ("small", {}, MESSAGES[1:], "by-key"),
    ],
)
async def test_calls_are_mapped_in_the_stated_order(
    tmp_path: Path, model: str, headers: dict[str, str], messages: list[Any], expected: str
) -> None:
    """Header, then model, then system prompt, then key."""
    async with ScriptedUpstream() as upstream:
        upstream.always(chat_json())
        async with RunningGateway(tmp_path, mapped(upstream.url)) as gateway:
            gateway.keys[b"tt_test"] = ClientKey("support")
            response = await gateway.post({"model": model, "messages": messages}, **headers)
            events = await gateway.events()
    assert response.status == 200
    assert [end.admitted.task for end in events.settled] == [expected]


LOCK = "0123456789ab" + "c" * 52


@pytest.mark.parametrize("asked", [LOCK, f"sha256:{LOCK}", LOCK[:12], f" {LOCK[:20]} "])
async def test_call_that_demands_the_lock_in_force_is_let_in(tmp_path: Path, asked: str) -> None:
    """It may be named whole or by its beginning, as answers bear it; the record bears all of it."""
    async with ScriptedUpstream() as upstream:
        upstream.always(chat_json())
        async with RunningGateway(tmp_path, mapped(upstream.url, lock_id=LOCK)) as gateway:
            response = await gateway.post({"model": "by-model", "messages": []}, x_trimtab_lock=asked)
            events = await gateway.events()
    assert (response.status, response.headers["x-trimtab-lock"]) == (200, LOCK[:12])
    assert [admitted.lock for admitted in events.admitted] == [LOCK]


@pytest.mark.parametrize(
    ("in_force", "asked", "code", "said"),
    [
        (LOCK, "f" * 64, "lock_drift", "lock 0123456789ab is in force"),
        (LOCK, LOCK[:11] + "0" * 5, "lock_drift", "asks to be served under lock 0123456789a0"),
        ("", LOCK, "lock_drift", "what serves is not locked"),
        (LOCK, LOCK[:11], "invalid_request", "at least 12 hexadecimal digits"),
        (LOCK, "latest", "invalid_request", "no lock id"),
    ],
)
async def test_call_that_demands_another_lock_is_refused(
    tmp_path: Path, in_force: str, asked: str, code: str, said: str
) -> None:
    """No replica is asked; the message says which lock is in force."""
    async with ScriptedUpstream() as upstream:
        async with RunningGateway(tmp_path, mapped(upstream.url, lock_id=in_force)) as gateway:
            response = await gateway.post({"model": "by-model", "messages": []}, x_trimtab_lock=asked)
        assert upstream.requests == []
    assert response.status == {"lock_drift": 409, "invalid_request": 400}[code]
    error = response.json()["error"]
    assert (error["code"], said in error["message"]) == (code, True), error
    assert response.headers["x-should-retry"] == "false"


async def test_a_model_is_found_under_its_alias_too(tmp_path: Path) -> None:
    """A client may ask for the name that was declared, or for what the lock resolved it to."""
    async with ScriptedUpstream() as upstream:
        upstream.always(chat_json())
        async with RunningGateway(tmp_path, mapped(upstream.url, requested={"small": "an-alias"})) as gateway:
            answers = [await gateway.post({"model": name, "messages": []}) for name in ("an-alias", "served-small")]
            sent = [json.loads(request.body)["model"] for request in upstream.requests]
    assert ([answer.status for answer in answers], sent) == ([200, 200], ["served-small", "served-small"])


async def test_the_rest_is_undeclared_under_the_defaults(tmp_path: Path) -> None:
    """A call that names a model, or what its server calls it, runs as (undeclared) with bodies as digests only."""
    async with ScriptedUpstream() as upstream:
        upstream.always(chat_json())
        async with RunningGateway(tmp_path, mapped(upstream.url)) as gateway:
            for model in ("small", "served-small"):
                assert (await gateway.post({"model": model, "messages": []})).status == 200
            unknown = await gateway.post({"model": "nope", "messages": []})
            events = await gateway.events()
    assert (unknown.status, unknown.json()["error"]["code"]) == (404, "unknown_model")
    assert [end.admitted.task for end in events.settled] == ["(undeclared)"] * 2
    assert all(end.admitted.request_body and not end.admitted.messages for end in events.settled)


@pytest.mark.parametrize("authorization", ["", "Bearer wrong", "Basic dHRfdGVzdA==", "tt_test"])
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/models", "/tokenize"])
async def test_every_route_wants_a_key(tmp_path: Path, authorization: str, path: str) -> None:
    """Without a valid key nothing is told and nothing is recorded as a call."""
    async with ScriptedUpstream() as upstream, RunningGateway(tmp_path, mapped(upstream.url)) as gateway:
        reader, writer = await gateway.send(
            {"model": "small"}, path, "GET" if path == "/v1/models" else "POST", authorization=authorization
        )
        status = (await reader.readline()).split()[1]
        writer.close()
        events = await gateway.events()
    assert status == b"401"
    assert events.admitted == []
    assert upstream.requests == []


async def test_a_key_bound_to_tasks_may_not_use_another(tmp_path: Path) -> None:
    """A key's tasks are all it may use; an undeclared call is none of them."""
    async with ScriptedUpstream() as upstream:
        upstream.always(chat_json())
        async with RunningGateway(tmp_path, mapped(upstream.url)) as gateway:
            gateway.keys[b"tt_test"] = ClientKey("narrow", ("by-model",))
            allowed = await gateway.post({"model": "by-model", "messages": []})
            other = await gateway.post({"model": "by-header", "messages": []})
            undeclared = await gateway.post({"model": "small", "messages": []})
    assert [allowed.status, other.status, undeclared.status] == [200, 403, 403]
    assert other.json()["error"]["code"] == "forbidden"


@pytest.mark.parametrize("role", ["viewer", "operator", "admin"])
async def test_a_key_of_a_person_makes_no_calls(tmp_path: Path, role: str) -> None:
    """A key that opens control's pages is none to call models with; the refusal says what it is for."""
    async with ScriptedUpstream() as upstream, RunningGateway(tmp_path, mapped(upstream.url)) as gateway:
        gateway.keys[b"tt_test"] = ClientKey("ana", (), role)
        refused = await gateway.post({"model": "by-model", "messages": []})
    assert (refused.status, refused.json()["error"]["code"], upstream.requests) == (403, "forbidden", [])
    assert f"it is for a {role} at control" in refused.json()["error"]["message"]


async def test_labels_are_recorded_and_bounded(tmp_path: Path) -> None:
    """Run, step, conversation and user headers end up in the record; an overlong one is refused."""
    async with ScriptedUpstream() as upstream:
        upstream.always(chat_json())
        async with RunningGateway(tmp_path, mapped(upstream.url)) as gateway:
            body = {"model": "by-model", "messages": [], "trimtab": {"retrieval_ids": ["doc-1", "doc-2"]}}
            trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
            good = await gateway.post(
                body, x_trimtab_run="r1", x_trimtab_step="s1", x_trimtab_user="ana", traceparent=trace
            )
            bad = await gateway.post(body, x_trimtab_run="r" * 201)
            events = await gateway.events()
    assert (good.status, good.headers["x-trimtab-run"], bad.status) == (200, "r1", 400)
    [admitted] = events.admitted
    assert (admitted.run, admitted.step, admitted.end_user) == ("r1", "s1", "ana")
    assert admitted.retrieval_ids == ("doc-1", "doc-2")
    assert admitted.trace_id == "4bf92f3577b34da6a3ce929d0e0e4736"
    assert b"4bf92f3577b34da6a3ce929d0e0e4736" in (upstream.requests[0].header("traceparent") or b"")


async def test_nothing_is_replayed_without_a_journal(tmp_path: Path) -> None:
    """A call that asks for a recorded answer is told that there is none instead of being made anew."""
    async with ScriptedUpstream() as upstream, RunningGateway(tmp_path, mapped(upstream.url)) as gateway:
        refused = await gateway.post({"model": "by-model", "messages": []}, x_trimtab_replay="run-1")
    assert (refused.status, upstream.requests) == (400, [])
    assert "has none" in refused.json()["error"]["message"]


async def test_passthrough_only_where_it_is_listed(tmp_path: Path) -> None:
    """A listed method and path goes through as it is, recorded; anything else of the server is not reachable."""
    async with ScriptedUpstream() as upstream:
        upstream.always(json_answer({"tokens": [1, 2]}, headers=[("x-model-version", "7"), ("server", "uvicorn")]))
        policy = snapshot({"small": upstream.url}, task("triage", "small"))
        policy.models["small"] = passing(policy.models["small"], ("POST", "/tokenize"))
        async with RunningGateway(tmp_path, policy) as gateway:
            good = await gateway.post(b"any bytes", "/tokenize?x=1")
            bad = await gateway.post(b"any bytes", "/sleep")
            events = await gateway.events()
    assert (good.status, good.json()) == (200, {"tokens": [1, 2]})
    assert (good.headers["x-model-version"], "server" in good.headers) == ("7", False)
    assert (bad.status, bad.json()["error"]["code"]) == (404, "not_found")
    [request] = upstream.requests
    assert (request.target, request.body) == ("/tokenize?x=1", b"any bytes")
    assert [(end.outcome, end.admitted.surface) for end in events.settled] == [("ok", "passthrough")]


async def test_what_passes_through_is_sent_once(tmp_path: Path) -> None:
    """A POST whose effect nobody knows is not tried again; a GET is."""
    async with ScriptedUpstream() as upstream:
        upstream.always(error_answer(503, "busy"))
        policy = snapshot({"small": upstream.url}, task("triage", "small"))
        policy.models["small"] = passing(policy.models["small"], ("POST", "/load"), ("GET", "/version"))
        async with RunningGateway(tmp_path, policy) as gateway:
            await gateway.post(b"", "/load")
            sent_by_post = len(upstream.requests)
            _, writer = await gateway.send(b"", "/version", "GET")
            await upstream.received(3)
            writer.close()
    assert sent_by_post == 1


async def test_own_routes(tmp_path: Path) -> None:
    """Health and readiness need no key; the list of models names tasks and models; a wrong method says which."""
    async with ScriptedUpstream() as upstream, RunningGateway(tmp_path, mapped(upstream.url)) as gateway:
        statuses = {}
        for method, path in (("GET", "/health"), ("GET", "/ready"), ("GET", "/v1/chat/completions")):
            reader, writer = await gateway.send(b"", path, method, authorization="")
            statuses[path] = int((await reader.readline()).split()[1])
            writer.close()
        gateway.pipeline.draining = True
        draining = await gateway.post({"model": "by-model", "messages": []})
    assert statuses == {"/health": 200, "/ready": 200, "/v1/chat/completions": 405}
    assert (draining.status, draining.json()["error"]["code"]) == (503, "draining")
