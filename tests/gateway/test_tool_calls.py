"""Tool calls in answers: held against the tools of the request and of the task, flagged, refused or repaired."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from tests.gateway.harness import RunningGateway, snapshot, task
from trimtab.declare.project import OnInvalid, Schema, Tool, ToolCalls
from trimtab.policy.snapshot import Snapshot
from trimtab.record.events import ToolOutcome
from trimtab.testing import Answer, ScriptedUpstream, ToolCall, chat_json, chat_stream

PARAMETERS = {
    "type": "object",
    "properties": {"order": {"type": "integer", "minimum": 1}},
    "required": ["order"],
    "additionalProperties": False,
}
REFUND = {"type": "function", "function": {"name": "refund", "description": "Pays back.", "parameters": PARAMETERS}}
ASK: dict[str, Any] = {"model": "assist", "messages": [{"role": "user", "content": "Refund 7."}], "tools": [REFUND]}
STREAM = {**ASK, "stream": True}
GOOD = ToolCall("refund", ('{"order":', " 7}"))
BAD = ToolCall("refund", ('{"order":', ' "x"}'))
GARBAGE = ToolCall("refund", ('{"order"', ": 7"))
UNKNOWN = ToolCall("pay", ("{}",))


def calling(*calls: ToolCall) -> Answer:
    numbered = tuple(ToolCall(call.name, call.arguments, f"call_{at}") for at, call in enumerate(calls))
    return Answer(pieces=(), tool_calls=numbered, finish_reason="tool_calls")


def assisted(url: str, on_invalid: OnInvalid = "pass", engine: str = "other", **more: Any) -> Snapshot:
    policy = snapshot({"small": url}, task("assist", "small", tool_calls=ToolCalls(on_invalid), **more))
    return replace(policy, models={"small": replace(policy.models["small"], engine=engine)})


@pytest.mark.parametrize("body", [ASK, STREAM])
@pytest.mark.parametrize(
    ("call", "outcome"),
    [(GOOD, "valid"), (BAD, "schema_invalid"), (GARBAGE, "bad_json"), (UNKNOWN, "unknown_tool")],
)
async def test_every_call_has_an_outcome_and_passes_unchanged(
    tmp_path: Path, body: dict[str, Any], call: ToolCall, outcome: str
) -> None:
    """What is only flagged reaches the client as the model wrote it, never as {}."""
    async with ScriptedUpstream() as upstream:
        upstream.add(chat_stream(calling(call)) if "stream" in body else chat_json(calling(call)))
        async with RunningGateway(tmp_path, assisted(upstream.url)) as gateway:
            response = await gateway.post(body)
            [settled] = (await gateway.events()).settled
    assert response.whole
    assert settled.outcome == "ok"
    assert settled.tool_outcomes == (ToolOutcome(call.name, outcome, 1),)
    arguments = "".join(call.arguments)
    if "stream" in body:
        deltas = [json.loads(event)["choices"][0]["delta"] for event in response.events if event.startswith("{")]
        told = "".join(part["function"]["arguments"] for delta in deltas for part in delta.get("tool_calls", []))
        assert told == arguments
    else:
        assert response.json()["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"] == arguments


@pytest.mark.parametrize("body", [ASK, STREAM])
async def test_a_rejected_call_is_a_typed_error(tmp_path: Path, body: dict[str, Any]) -> None:
    """The error names the tool and what is wrong; a stream has no clean end."""
    async with ScriptedUpstream() as upstream:
        upstream.add(chat_stream(calling(BAD)) if "stream" in body else chat_json(calling(BAD)))
        async with RunningGateway(tmp_path, assisted(upstream.url, "reject")) as gateway:
            response = await gateway.post(body)
            [settled] = (await gateway.events()).settled
    told = json.loads(response.events[-1]) if "stream" in body else response.json()
    assert told["error"]["code"] == "tool_call_invalid"
    assert "refund: schema_invalid (/order: type)" in told["error"]["message"]
    assert "[DONE]" not in response.events
    assert settled.outcome == "tool_call_invalid"


@pytest.mark.parametrize("body", [ASK, STREAM])
async def test_a_repair_answers_each_call_with_what_is_wrong(tmp_path: Path, body: dict[str, Any]) -> None:
    """The model sees its calls and one tool message for each; the client only the calls of the second answer."""
    answer = chat_stream if "stream" in body else chat_json
    async with ScriptedUpstream() as upstream:
        upstream.add(answer(calling(GOOD, BAD)), answer(calling(GOOD)))
        async with RunningGateway(tmp_path, assisted(upstream.url, "repair")) as gateway:
            response = await gateway.post(body)
            [settled] = (await gateway.events()).settled
    turns = json.loads(upstream.requests[1].body)["messages"][1:]
    assert [turn["role"] for turn in turns] == ["assistant", "tool", "tool"]
    assert [call["id"] for call in turns[0]["tool_calls"]] == ["call_0", "call_1"]
    assert [turn["tool_call_id"] for turn in turns[1:]] == ["call_0", "call_1"]
    assert "/order" in turns[2]["content"]
    assert response.status == 200
    assert b'\\"x\\"' not in response.body
    assert settled.tool_outcomes == (
        ToolOutcome("refund", "valid", 1),
        ToolOutcome("refund", "schema_invalid", 1),
        ToolOutcome("refund", "valid", 2),
    )
    assert settled.repairs == 1


async def test_arguments_that_are_no_json_go_back_as_text(tmp_path: Path) -> None:
    """Servers refuse a history with such arguments, so the model is shown what it wrote as a text."""
    async with ScriptedUpstream() as upstream:
        upstream.add(chat_json(calling(GARBAGE)), chat_json(calling(GOOD)))
        async with RunningGateway(tmp_path, assisted(upstream.url, "repair")) as gateway:
            response = await gateway.post(ASK)
    turns = json.loads(upstream.requests[1].body)["messages"][1:]
    assert [turn["role"] for turn in turns] == ["assistant", "user"]
    assert turns[0]["content"] == 'refund({"order": 7)'
    assert response.status == 200


async def test_tools_of_the_task_are_offered_and_hold(tmp_path: Path) -> None:
    """A task's tool is put into the request, and its schema holds beside the request's own."""
    text = json.dumps(PARAMETERS, sort_keys=True, separators=(",", ":"))
    strict = Tool("refund", "Pays back.", Schema(text, "d"))
    loose = {"type": "function", "function": {"name": "refund", "parameters": {"type": "object"}}}
    async with ScriptedUpstream() as upstream:
        upstream.always(chat_json(calling(BAD)))
        async with RunningGateway(tmp_path, assisted(upstream.url, tools=(strict,))) as gateway:
            await gateway.post({"model": "assist", "messages": ASK["messages"]})
            await gateway.post({**ASK, "tools": [loose]})
            settled = (await gateway.events()).settled
    bare, given = (json.loads(request.body)["tools"] for request in upstream.requests)
    assert bare == [REFUND]
    assert given == [loose]
    assert [end.tool_outcomes[0].outcome for end in settled] == ["schema_invalid", "schema_invalid"]


async def test_a_vllm_is_asked_to_constrain_arguments(tmp_path: Path) -> None:
    """Only strict tools are constrained there; a tool that says otherwise is left alone."""
    lax = {"type": "function", "function": {**REFUND["function"], "name": "lax", "strict": False}}
    async with ScriptedUpstream() as upstream:
        upstream.always(chat_json(calling(GOOD)))
        async with RunningGateway(tmp_path, assisted(upstream.url, engine="vllm")) as gateway:
            await gateway.post({**ASK, "tools": [REFUND, lax]})
    sent = json.loads(upstream.requests[0].body)["tools"]
    assert [tool["function"]["strict"] for tool in sent] == [True, False]


async def test_calls_of_no_task_are_looked_at_too(tmp_path: Path) -> None:
    """An undeclared call's tool calls are flagged in the record, and nothing else happens to them."""
    async with ScriptedUpstream() as upstream:
        upstream.always(chat_json(calling(UNKNOWN)))
        async with RunningGateway(tmp_path, snapshot({"small": upstream.url})) as gateway:
            response = await gateway.post({**ASK, "model": "small"})
            [settled] = (await gateway.events()).settled
    assert response.status == 200
    assert settled.tool_outcomes == (ToolOutcome("pay", "unknown_tool", 1),)
