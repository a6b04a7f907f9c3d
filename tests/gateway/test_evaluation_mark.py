"""A call of an evaluation is served under the whole policy of its task, and recorded apart from users' calls."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from tests.gateway.harness import KEY, ClientKey, Response, RunningGateway, passing, snapshot, task
from trimtab.declare.project import Output, Prompt, Sampling, Schema, Turn
from trimtab.policy.snapshot import Snapshot
from trimtab.testing import Answer, ScriptedUpstream, chat_json

OPERATOR = b"tt_operator_of-this-life"
SCHEMA = Schema('{"type":"object","required":["label"]}', "a" * 64)
VALID = chat_json(Answer(pieces=('{"label":1}',)))
PROMPT = Prompt((Turn("system", "Sort it."),), (), "b" * 64)
MARK = {"authorization": f"Bearer {OPERATOR.decode()}", "x-trimtab-evaluation": "e1"}
BODY = {"model": "any", "messages": [{"role": "user", "content": "hi"}], "trimtab": {"inputs": {}}}


def policy(url: str, **more: Any) -> Snapshot:
    strict = task(
        "triage",
        "small",
        sampling=Sampling(temperature=0.25, max_output_tokens=9),
        prompt=PROMPT,
        output=Output(SCHEMA, on_invalid="reject"),
    )
    return snapshot({"small": url}, strict, task("other", "small"), **more)


def opened(directory: Path, made: Snapshot, operator: bytes = OPERATOR) -> RunningGateway:
    gateway = RunningGateway(directory, made)
    gateway.operator_key = operator
    return gateway


async def ask(gateway: RunningGateway, body: object = BODY, name: str = "triage", **more: str) -> Response:
    return await gateway.post(body, **{**MARK, "x-trimtab-task": name, **more})


async def test_the_whole_policy_of_the_task_holds(tmp_path: Path) -> None:
    """Model, prompt, sampling and contract are those of a user's call; only the name in the record is another."""
    async with ScriptedUpstream() as upstream:
        upstream.add(VALID, VALID, chat_json(Answer(pieces=("{}",))))
        async with opened(tmp_path, policy(upstream.url)) as gateway:
            await gateway.post(BODY, x_trimtab_task="triage")
            answer = await ask(gateway, **{"x-trimtab-step": "case-1/0"})
            broken = await ask(gateway)
            events = await gateway.events()
    assert (answer.status, broken.status) == (200, 422)
    assert upstream.requests[0].body == upstream.requests[1].body
    sent = json.loads(upstream.requests[1].body)
    assert (sent["model"], sent["temperature"], sent["messages"][0]["content"]) == ("served-small", 0.25, "Sort it.")
    users, marked, _ = events.admitted
    assert (users.task, marked.task, marked.key) == ("triage", "(evaluation) triage", "(evaluation)")
    assert (marked.run, marked.step, marked.schema, marked.prompt) == ("e1", "case-1/0", "a" * 64, "b" * 64)
    assert [one.verdict for one in events.settled] == ["valid", "valid", "invalid"]
    assert (events.settled[2].admitted.task, events.settled[2].outcome) == ("(evaluation) triage", "output_invalid")
    same = {"task", "key", "call", "at_ns", "run", "step"}
    assert replace(marked, **{name: getattr(users, name) for name in same}) == users


async def test_a_run_may_be_named_besides(tmp_path: Path) -> None:
    """The run is the evaluation unless the call names one."""
    async with ScriptedUpstream() as upstream:
        upstream.always(VALID)
        async with opened(tmp_path, policy(upstream.url)) as gateway:
            await ask(gateway, **{"x-trimtab-run": "r9"})
            [admitted] = (await gateway.events()).admitted
    assert admitted.run == "r9"


@pytest.mark.parametrize("keys", [{KEY: ClientKey("app")}, {}], ids=["a client's key", "open"])
async def test_a_client_cannot_pass_as_an_evaluation(tmp_path: Path, keys: dict[bytes, ClientKey]) -> None:
    """The header does nothing without the operator's key: the call is a user's, and counts as one."""
    async with ScriptedUpstream() as upstream:
        upstream.always(VALID)
        async with opened(tmp_path, policy(upstream.url, keys_required=bool(keys))) as gateway:
            gateway.keys.clear()
            gateway.keys.update(keys)
            answer = await gateway.post(BODY, x_trimtab_task="triage", x_trimtab_evaluation="e1")
            [admitted] = (await gateway.events()).admitted
    assert (answer.status, admitted.task, admitted.run) == (200, "triage", admitted.call)
    assert not any(name == b"x-trimtab-evaluation" for name, _ in upstream.requests[0].headers)


@pytest.mark.parametrize("secret", ["tt_operator_of-an-earlier-life", "tt_operator_"])
async def test_another_operator_key_is_refused(tmp_path: Path, secret: str) -> None:
    """Nothing reaches a replica under a key of another life."""
    async with ScriptedUpstream() as upstream, opened(tmp_path, policy(upstream.url)) as gateway:
        refused = await ask(gateway, authorization=f"Bearer {secret}")
        assert (await gateway.events()).admitted == []
    assert (refused.status, upstream.requests) == (401, [])


@pytest.mark.parametrize(
    ("name", "status", "code"),
    [
        ("gone", 404, "unknown_task"),
        ("(undeclared)", 404, "unknown_task"),
        ("(evaluation) triage", 404, "unknown_task"),
        ("", 400, "invalid_request"),
    ],
)
async def test_a_declared_task_must_be_named(tmp_path: Path, name: str, status: int, code: str) -> None:
    """Which task is evaluated is said, and not guessed from model, prompt or key."""
    async with ScriptedUpstream() as upstream, opened(tmp_path, policy(upstream.url)) as gateway:
        refused = await ask(gateway, {**BODY, "model": "triage"}, name)
        assert (await gateway.events()).admitted == []
    assert (refused.status, refused.json()["error"]["code"]) == (status, code)
    assert upstream.requests == []


async def test_a_route_that_passes_through_is_none_of_a_task(tmp_path: Path) -> None:
    """There is no policy of a task on it, so no evaluation either."""
    async with ScriptedUpstream() as upstream:
        made = policy(upstream.url)
        made = replace(made, models={"small": passing(made.models["small"], ("POST", "/tokenize"))})
        async with opened(tmp_path, made) as gateway:
            refused = await gateway.post({}, "/tokenize", **MARK)
    assert (refused.status, upstream.requests) == (403, [])
