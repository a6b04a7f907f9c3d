"""Answers that are JSON but not what their API sends: a typed error or passed on, never an internal error."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.gateway.harness import snapshot, task
from tests.gateway.jumping import play
from tests.gateway.test_odd_requests import VALUES, places
from tests.gateway.wires import CHAT, COMPLETIONS, MESSAGES, RESPONSES, Wire, code_of, named
from trimtab.declare.project import Output, Retry, Schema, Tool, ToolCalls
from trimtab.errors import CallError
from trimtab.policy.snapshot import Snapshot
from trimtab.testing import Answer, ToolCall, event, json_answer, sse_answer

ROUTES = {
    "chat": (CHAT, CHAT),
    "completions": (COMPLETIONS, COMPLETIONS),
    "messages": (MESSAGES, MESSAGES),
    "responses": (RESPONSES, RESPONSES),
    "chat over messages": (CHAT, MESSAGES),
    "messages over chat": (MESSAGES, CHAT),
}
GOOD = '{"label":"bug"}'
LOGPROBS = {
    "content": [{"token": GOOD, "logprob": -0.1, "bytes": [1], "top_logprobs": [{"token": GOOD, "logprob": -0.1}]}]
}
CALL = ToolCall("refund", ('{"order":', "7}"))
OBJECT = '{"type":"object","properties":{"label":{"enum":["bug","praise"]}}}'
TASKS = ("plain", "kept", "tools", "resumed", "loops")
Objects = list[dict[str, Any]]


def all_codes(root: type[CallError] = CallError) -> set[str]:
    """Every code that a call may end with, but for the internal one."""
    codes = {root.code} if "code" in vars(root) else set()
    return codes.union(*map(all_codes, root.__subclasses__())) - {"internal"}


def policy(url: str, server: Wire) -> Snapshot:
    """Tasks that keep nothing, everything, tools, what to go on with, and what repeats itself."""
    output = Output(Schema(OBJECT, "d"), "repair", confidence=server is CHAT)
    tools = (Tool("refund", "Pays back.", Schema('{"type":"object"}', "d")),)
    once = Retry(attempts=1)
    declared = snapshot(
        {"small": url, "vllm": url},
        task("plain", "small", retry=once),
        task("kept", "small", output=output, retry=once),
        task("tools", "small", tools=tools, tool_calls=ToolCalls("reject"), repetition="flag", retry=once),
        task("resumed", "vllm", retry=Retry(attempts=2)),
        task("loops", "small", repetition="stop", retry=once),
    )
    models = {name: replace(model, wire=server.model_wire) for name, model in declared.models.items()}
    models["vllm"] = replace(models["vllm"], engine="vllm")
    return replace(declared, models=models)


def objects_of(server: Wire, *, stream: bool, calls: bool) -> Objects:
    """A good answer as the objects of its events, or as one."""
    if server is CHAT:
        answer = Answer((GOOD[:4], GOOD[4:]), ("hm",), (CALL,) if calls else ())
        objects = [read(one) for one in answer.events()[:-1]] if stream else [answer.body()]
        for one in objects:
            for choice in one["choices"]:
                choice["logprobs"] = LOGPROBS
            if stream:
                one.setdefault("usage", {"prompt_tokens": 9, "completion_tokens": 1, "total_tokens": 10})
        return [json.loads(json.dumps(one)) for one in objects]
    if not stream:
        body = server.body(GOOD, "stop")
        if calls and server is MESSAGES:
            body["content"].append({"type": "tool_use", "id": "t", "name": "refund", "input": {"order": 7}})
        if calls and server is RESPONSES:
            item = {"type": "function_call", "call_id": "c", "name": "refund", "arguments": '{"order":7}'}
            body["output"] = [*body["output"], item]
        return [json.loads(json.dumps(body))]
    objects = [read(one) for one in server.events((GOOD[:4], GOOD[4:]), "stop") if b"[DONE]" not in one]
    if calls and server is MESSAGES:
        begin = {"type": "tool_use", "id": "t", "name": "refund", "input": {}}
        objects[-2:-2] = [
            {"type": "content_block_start", "index": 1, "content_block": begin},
            {"type": "content_block_delta", "index": 1, "delta": {"type": "input_json_delta", "partial_json": "{}"}},
            {"type": "content_block_stop", "index": 1},
        ]
    if calls and server is RESPONSES:
        item = {"type": "function_call", "id": "f", "call_id": "c", "name": "refund", "arguments": ""}
        here = {"item_id": "f", "output_index": 1}
        objects[-1:-1] = [
            {"type": "response.output_item.added", "output_index": 1, "item": item},
            {"type": "response.function_call_arguments.delta", **here, "delta": "{}"},
            {"type": "response.function_call_arguments.done", **here, "arguments": "{}"},
            {"type": "response.output_item.done", "output_index": 1, "item": {**item, "arguments": "{}"}},
        ]
    return objects


def read(one: bytes) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(one[one.index(b"{") :])
    return found


def written(server: Wire, objects: Objects) -> list[bytes]:
    if server in (CHAT, COMPLETIONS):
        return [*map(event, objects), event(b"[DONE]")]
    return [
        named(one["type"], **{name: value for name, value in one.items() if name != "type"})
        if isinstance(one, dict) and isinstance(one.get("type"), str)
        else event(one)
        for one in objects
    ]


@st.composite
def answers(draw: st.DrawFn) -> tuple[str, bool, bool, str, Objects]:
    """A route, whether it streams and calls tools, a task, and an answer with some values changed."""
    route = draw(st.sampled_from(sorted(ROUTES)))
    stream, calls = draw(st.booleans()), draw(st.booleans())
    objects = objects_of(ROUTES[route][1], stream=stream, calls=calls)
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(objects) - 1))
        inside: Any = objects
        for key in (place := (at, *draw(st.sampled_from([(), *places(objects[at])]))))[:-1]:
            inside = inside[key]
        inside[place[-1]] = json.loads(json.dumps(draw(VALUES)))
    if stream and draw(st.booleans()):
        moved = draw(st.integers(0, len(objects) - 1))
        objects.insert(draw(st.integers(0, len(objects) - 1)), objects.pop(moved))
    return route, stream, calls, draw(st.sampled_from(TASKS)), objects


@settings(deadline=None, max_examples=150)
@given(answers())
def test_no_shape_of_an_answer_is_an_internal_error(drawn: tuple[str, bool, bool, str, Objects]) -> None:
    """Whatever stands where, the client gets an answer or a typed error, and nothing of ours fails."""
    route, stream, calls, name, objects = drawn
    client, server = ROUTES[route]
    script = sse_answer(written(server, objects)) if stream else json_answer(objects[0])
    request = {"model": name, "stream": stream, **client.request}
    if calls and client is CHAT:
        request["tools"] = [{"type": "function", "function": {"name": "refund"}}]
    played = play(lambda url: policy(url, server), [script], request, client.path)
    assert played.logged == []
    settled = played.settled
    assert settled.outcome in {"ok", *all_codes()}
    if settled.outcome == "ok":
        assert played.response.status == 200
        assert played.response.whole
        assert settled.verdict in {"", "valid", "refused"} or name != "kept"
    else:
        assert played.response.status >= 400 or not played.response.whole
        if played.response.status != 200:
            assert code_of(played.response) in {settled.outcome, "None"}


@pytest.mark.parametrize("tokens", [2**31, 2**40, 2**63, 10**30])
@pytest.mark.parametrize("stream", [False, True])
def test_counts_beyond_all_sense_are_estimated(tokens: int, *, stream: bool) -> None:
    """A server that tells of more tokens than there can be is not believed, and its answer is delivered."""
    usage = {"prompt_tokens": tokens, "completion_tokens": tokens, "total_tokens": 2 * tokens}
    answer = Answer((GOOD,), usage=usage)
    script = sse_answer(answer.events()) if stream else json_answer(answer.body())
    played = play(lambda url: policy(url, CHAT), [script], {"model": "plain", "stream": stream, **CHAT.request})
    assert played.logged == []
    assert played.response.whole
    assert played.settled.cost_label == "estimated"


@pytest.mark.parametrize("stream", [False, True])
def test_what_a_server_calls_itself_is_bounded_in_the_record(*, stream: bool) -> None:
    """Names of any length pass to the client, and their beginnings into the record."""
    long = "n" * 100_000
    answer = Answer((GOOD,), finish_reason=long, model=long, id=long)
    script = sse_answer(answer.events()) if stream else json_answer(answer.body())
    played = play(lambda url: policy(url, CHAT), [script], {"model": "plain", "stream": stream, **CHAT.request})
    settled = played.settled
    assert played.response.whole
    assert long in played.response.body.decode()
    assert [settled.finish_reason, settled.upstream_model, settled.upstream_id] == ["n" * 200] * 3
