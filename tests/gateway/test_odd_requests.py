"""Requests that are JSON but not what their API takes: refused as such, never an internal error, whatever the shape."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.gateway.harness import snapshot, task
from tests.gateway.jumping import play
from trimtab.declare.project import Output, Retry, Sampling, Schema, Tool, ToolCalls
from trimtab.policy.snapshot import Snapshot
from trimtab.testing import chat_json, chat_stream

CHAT: dict[str, Any] = {
    "model": "triage",
    "messages": [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "hi"}]},
    ],
    "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}, "strict": False}}],
    "stream": True,
    "stream_options": {"include_usage": True},
    "max_completion_tokens": 6,
    "n": 1,
    "logprobs": False,
    "stop": ["x"],
    "trimtab": {"retrieval_ids": ["a"]},
}
MESSAGES: dict[str, Any] = {
    "model": "triage",
    "system": [{"type": "text", "text": "Be brief."}],
    "messages": [
        {"role": "user", "content": [{"type": "text", "text": "hi"}]},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "f", "input": {}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": "x"}]},
    ],
    "tools": [{"name": "f", "input_schema": {"type": "object"}}],
    "max_tokens": 5,
    "stop_sequences": ["x"],
    "output_config": {"effort": "low"},
    "tool_choice": {"type": "auto"},
}
RESPONSES: dict[str, Any] = {
    "model": "triage",
    "input": [{"role": "user", "content": [{"type": "input_text", "text": "hi"}]}],
    "instructions": "Be brief.",
    "tools": [
        {"type": "function", "name": "f", "parameters": {"type": "object"}},
        {"type": "namespace", "name": "n", "tools": [{"type": "function", "name": "g"}]},
    ],
    "text": {"verbosity": "low"},
    "include": ["message.output_text.logprobs"],
    "max_output_tokens": 4,
}
COMPLETIONS: dict[str, Any] = {"model": "triage", "prompt": "hi", "stream": True, "max_tokens": 4, "n": 1}
REQUESTS: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": CHAT,
    "/v1/completions": COMPLETIONS,
    "/v1/responses": RESPONSES,
    "/v1/messages": MESSAGES,
}
VALUES = st.one_of(
    st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=3),
    st.sampled_from([0, -1, 2**31, 2**63, 2**64, 10**30, 10**400]),
    st.sampled_from([[], {}, [[]], [None], [1], ["a"], [{}], {"name": 1}, {"function": {"name": None}}]),
    st.sampled_from([{"role": "system"}, {"role": "user", "content": [1]}, {"type": "function", "function": {}}]),
    st.sampled_from(
        [{"type": "function", "function": {"name": "f", "parameters": bad}} for bad in (5, "x", {"type": 5}, [1])]
        + [{"type": "function", "name": "f", "parameters": {"$ref": "http://x/"}}]
    ),
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in a JSON value but the whole."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [place for key, inner in items for place in ((*path, key), *places(inner, (*path, key)))]


@st.composite
def mutations(draw: st.DrawFn) -> tuple[str, bytes]:
    path = draw(st.sampled_from(sorted(REQUESTS)))
    request = json.loads(json.dumps(REQUESTS[path] | {"model": draw(st.sampled_from(["triage", "kept", "foreign"]))}))
    for _ in range(draw(st.integers(1, 3))):
        place = draw(st.sampled_from([one for one in places(request) if one != ("model",)]))
        inside = request
        for key in place[:-1]:
            inside = inside[key]
        inside[place[-1]] = json.loads(json.dumps(draw(VALUES)))
    body = json.dumps(request).encode()
    if draw(st.integers(0, 7)) == 0:
        at = draw(st.integers(0, len(body)))
        body = body[:at] + draw(st.sampled_from([b"\xff", b"\\ud800", b'"', b"}", b"\x00"])) + body[at:]
    return path, body


def policy(url: str) -> Snapshot:
    """A task that asks for nothing, one that asks for everything, and one on a model of another wire."""
    output = Output(Schema('{"type":"object","additionalProperties":false}', "d"), "repair")
    tools = {
        "tools": (Tool("refund", "Pays back.", Schema('{"type":"object"}', "d")),),
        "tool_calls": ToolCalls("repair"),
    }
    once = Retry(attempts=1)
    declared = snapshot(
        {"small": url, "claude": url},
        task("triage", "small", retry=once),
        task("kept", "small", output=output, retry=once, sampling=Sampling(max_output_tokens=7), **tools),
        task("foreign", "claude", output=output, retry=once, **tools),
    )
    models = dict(declared.models)
    models["small"] = replace(models["small"], engine="vllm")
    models["claude"] = replace(models["claude"], wire="anthropic", engine="anthropic")
    return replace(declared, models=models)


@settings(deadline=None, max_examples=150)
@given(mutations())
def test_no_shape_of_a_request_is_an_internal_error(asked: tuple[str, bytes]) -> None:
    """Whatever stands where, the call is refused or carried out, and nothing of ours fails."""
    path, body = asked
    played = play(policy, [chat_json()], body, path)
    assert played.logged == []
    assert played.response.status != 500
    assert b'"internal"' not in played.response.body


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/v1/chat/completions", "max_tokens"),
        ("/v1/chat/completions", "max_completion_tokens"),
        ("/v1/completions", "max_tokens"),
        ("/v1/messages", "max_tokens"),
        ("/v1/responses", "max_output_tokens"),
    ],
)
@pytest.mark.parametrize("limit", [2**31, 2**63, 10**40])
def test_a_limit_beyond_every_model_is_refused(path: str, field: str, limit: int) -> None:
    """No record could hold it, and no model makes as many tokens."""
    request = {name: value for name, value in REQUESTS[path].items() if not name.startswith("max_")}
    played = play(policy, [chat_stream()], request | {field: limit}, path)
    assert played.response.status == 400
    assert "2147483647" in played.response.json()["error"]["message"]
    assert played.sent == []


def test_a_tool_schema_that_is_no_text_is_refused() -> None:
    """Bytes that are not UTF-8 inside a schema are the request's fault."""
    body = json.dumps(CHAT).encode().replace(b'"object"', b'"ob\xffect"')
    played = play(policy, [chat_stream()], body)
    assert (played.response.status, played.response.json()["error"]["code"]) == (400, "invalid_request")


@pytest.mark.parametrize("value", [5, "x", ["a"]])
def test_what_our_edits_cannot_go_into_is_refused(value: object) -> None:
    """A task's schema goes into `output_config`, which has to be an object for that."""
    request = REQUESTS["/v1/messages"] | {"model": "foreign", "output_config": value}
    played = play(policy, [chat_json()], request, "/v1/messages")
    assert played.response.status == 400
    assert played.response.json()["error"]["code"] == "invalid_request"
    assert played.sent == []
