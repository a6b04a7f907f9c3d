"""Tools' answers in requests: which are new, of which tool, of which shape, and whether they are errors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.gateway.harness import RunningGateway, snapshot, task
from trimtab.gateway.surfaces.chat import ChatCompletions
from trimtab.gateway.surfaces.messages import Messages
from trimtab.gateway.surfaces.responses import Responses
from trimtab.gateway.tool_results import MAX_RESULTS, MAX_SHAPES_BYTES, tool_results
from trimtab.record.events import ToolResult
from trimtab.testing import Answer, ScriptedUpstream, chat_json

SURFACES = {"chat_completions": ChatCompletions(), "messages": Messages(), "responses": Responses()}


def call(name: str, call_id: str) -> dict[str, Any]:
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": "{}"}}


def answer(call_id: str, content: Any) -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": call_id, "content": content}


def chat(*messages: dict[str, Any]) -> dict[str, Any]:
    return {"model": "assist", "messages": [{"role": "user", "content": "Go."}, *messages]}


def read(surface: str, body: dict[str, Any], *, shapes: bool = True) -> tuple[ToolResult, ...]:
    asked = SURFACES[surface].read(json.dumps(body).encode())
    return tool_results(surface, asked, shapes=shapes)


def test_of_a_chat_those_behind_the_last_turn_of_the_model_are_new() -> None:
    """An earlier turn's answers were told with the call that brought them first."""
    body = chat(
        {"role": "assistant", "content": None, "tool_calls": [call("find", "a")]},
        answer("a", '{"old": 1}'),
        {"role": "assistant", "content": None, "tool_calls": [call("find", "b"), call("price", "c")]},
        answer("c", '{"usd": 1.5}'),
        answer("b", [{"type": "text", "text": "[1, 2]"}]),
        {"role": "user", "content": "And?"},
    )
    assert read("chat_completions", body) == (
        ToolResult("price", "{usd:number}", 12),
        ToolResult("find", "[integer]", 6),
    )


def test_of_messages_the_blocks_behind_the_last_turn_of_the_model_are_new() -> None:
    """Anthropic's protocol says which answers are errors."""
    body = {
        "model": "assist",
        "max_tokens": 9,
        "messages": [
            {"role": "user", "content": "Go."},
            {"role": "assistant", "content": [{"type": "tool_use", "id": "a", "name": "find", "input": {}}]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "a", "content": "{}"}]},
            {
                "role": "assistant",
                "content": [
                    {"type": "text", "text": "Again."},
                    {"type": "tool_use", "id": "b", "name": "find", "input": {}},
                    {"type": "tool_use", "id": "c", "name": "draw", "input": {}},
                ],
            },
            {
                "role": "user",
                "content": [
                    {"type": "tool_result", "tool_use_id": "b", "content": "no such row", "is_error": True},
                    {"type": "tool_result", "tool_use_id": "c", "content": [{"type": "image", "source": {}}]},
                    {"type": "text", "text": "Well?"},
                ],
            },
        ],
    }
    assert read("messages", body) == (ToolResult("find", "text", 11, True), ToolResult("draw", "", 0))


def test_of_responses_the_outputs_of_the_last_calls_are_new() -> None:
    """A server that keeps responses is sent the outputs alone: then the tool is not known here."""
    items = [
        {"role": "user", "content": "Go."},
        {"type": "function_call", "call_id": "a", "name": "find", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "a", "output": '{"old": 1}'},
        {"type": "function_call", "call_id": "b", "name": "find", "arguments": "{}"},
        {"type": "function_call", "call_id": "c", "name": "price", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "b", "output": '{"id": null}'},
        {"type": "function_call_output", "call_id": "c", "output": [{"type": "input_text", "text": "cheap"}]},
    ]
    assert read("responses", {"model": "assist", "input": items}) == (
        ToolResult("find", "{id:null}", 12),
        ToolResult("price", "text", 5),
    )
    assert read("responses", {"model": "assist", "input": items[-1:]}) == (ToolResult("", "text", 5),)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ('{"error": "no such order"}', True),
        ('{"error": {"code": 404}, "status": 404}', True),
        ('{"errors": [{"message": "x"}], "code": "bad"}', True),
        ('{"content": [], "isError": true}', False),
        ('{"isError": true, "content": []}', True),
        ('{"error": null, "orders": []}', False),
        ('{"error": null}', False),
        ('{"error": "", "ok": true}', False),
        ('{"error": "partial", "orders": [1]}', False),
        ('{"terror": 1}', False),
        ("Error: timed out", True),
        ("Error executing tool find: boom", True),
        ("An error occurred while running the tool. Please try again.", True),
        ("Traceback (most recent call last):\n  ...", True),
        ("Errors were found in 3 files", False),
        ('{"error": ', False),
        ("", False),
    ],
)
def test_what_counts_as_an_error(text: str, error: bool) -> None:
    """An error is what says nothing else; data that has a field of that name is none."""
    said = {"role": "assistant", "content": None, "tool_calls": [call("find", "a")]}
    [found] = read("chat_completions", chat(said, answer("a", text)))
    assert found.error is error


def test_nothing_is_told_of_shapes_where_nothing_may_be_kept() -> None:
    """The names of fields are kept only where the task's redaction allows more than nothing."""
    said = {"role": "assistant", "content": None, "tool_calls": [call("find", "a")]}
    assert read("chat_completions", chat(said, answer("a", '{"salary": 1}')), shapes=False) == (
        ToolResult("find", "", 13),
    )


def test_a_request_full_of_answers_is_bounded() -> None:
    """Neither their number nor their shapes can make a record large."""
    wide = json.dumps({f"field_{letter}{other}": 1 for letter in "abcdefghijkl" for other in "abcdefghijklmnopqrst"})
    calls = [call("find", str(number)) for number in range(100)]
    said = {"role": "assistant", "content": None, "tool_calls": calls}
    found = read("chat_completions", chat(said, *(answer(str(number), wide) for number in range(100))))
    assert len(found) == MAX_RESULTS
    assert 0 < sum(len(one.shape) for one in found) <= MAX_SHAPES_BYTES
    assert [bool(one.shape) for one in found] == sorted((bool(one.shape) for one in found), reverse=True)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
)


@given(surface=st.sampled_from(["chat_completions", "messages", "responses"]), messages=st.lists(JSON, max_size=4))
def test_foreign_messages_do_no_harm(surface: str, messages: list[Any]) -> None:
    """Whatever stands in a request that was let in, reading its tools' answers raises nothing."""
    key = "input" if surface == "responses" else "messages"
    marked = [*messages, {"role": "tool", "tool_call_id": 1, "tool_use_id": [], "type": "function_call_output"}]
    body = json.dumps({"model": "assist", key: marked}).encode()
    surface_of = SURFACES[surface]
    try:
        asked = surface_of.read(body)
    except Exception:  # noqa: BLE001 - what is refused at the door is not read
        return
    assert {one.tool for one in tool_results(surface, asked, shapes=True)} <= {""}


@pytest.mark.parametrize(("redaction", "shape"), [("full", "{usd:integer}"), ("digest", "{usd:integer}"), ("none", "")])
async def test_a_record_bears_them(tmp_path: Path, redaction: str, shape: str) -> None:
    """The end of a call tells what its request brought; the undeclared and redacted tell less."""
    body = chat({"role": "assistant", "content": None, "tool_calls": [call("price", "a")]}, answer("a", '{"usd": 3}'))
    async with ScriptedUpstream() as upstream:
        upstream.add(chat_json(Answer()))
        policy = snapshot({"small": upstream.url}, task("assist", "small", redaction=redaction))
        async with RunningGateway(tmp_path, policy) as gateway:
            await gateway.post(body)
            [settled] = (await gateway.events()).settled
    assert settled.tool_results == (ToolResult("price", shape, 10),)


async def test_a_dead_letter_tells_them_once(tmp_path: Path) -> None:
    """A call that is sent again brings no answer that the failed call has not told."""
    body = chat({"role": "assistant", "content": None, "tool_calls": [call("price", "a")]}, answer("a", '{"usd": 3}'))
    async with ScriptedUpstream() as upstream:
        upstream.add(chat_json(Answer()))
        policy = snapshot({"small": upstream.url}, task("assist", "small"))
        gateway = RunningGateway(tmp_path, policy)
        gateway.operator_key = b"tt_operator_of-this-life"
        async with gateway:
            await gateway.post(body, authorization="Bearer tt_operator_of-this-life", x_trimtab_redrive="letter-1")
            [settled] = (await gateway.events()).settled
    assert settled.admitted.redrive_of == "letter-1"
    assert settled.tool_results == ()
