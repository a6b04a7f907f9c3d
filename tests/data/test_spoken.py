"""What was said in recorded calls, on each surface, whole and streamed."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.data.spoken import Asked, answered, asked

USER = {"role": "user", "content": "u"}


@pytest.mark.parametrize(
    ("body", "messages", "inputs"),
    [
        ({"messages": [USER]}, (USER,), None),
        ({"system": "s", "messages": [USER]}, ({"role": "system", "content": "s"}, USER), None),
        ({"input": "u", "instructions": "s"}, ({"role": "system", "content": "s"}, USER), None),
        ({"input": [USER, {"type": "item"}]}, (USER, {"type": "item"}), None),
        ({"prompt": "u"}, (USER,), None),
        ({"messages": [], "trimtab": {"inputs": {"a": 1}}}, (), {"a": 1}),
    ],
)
def test_requests(body: Any, messages: Any, inputs: Any) -> None:
    """The messages of a request, a system prompt beside them first, and inputs for the task's prompt."""
    assert asked(json.dumps(body).encode(), 1000) == Asked(inputs, messages)


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (None, "not_kept"),
        (b"x" * 1001, "too_large"),
        (b"not json", "not_read"),
        (b"[1]", "not_read"),
        (b'{"model": "m"}', "not_read"),
        (b"[" * 900, "not_read"),
        (b'{"redaction": "preview", "sha256": "0", "bytes": 9, "body": {"messages": []}}', "preview"),
    ],
)
def test_requests_that_give_nothing(body: bytes | None, why: str) -> None:
    """It is told why."""
    assert asked(body, 1000) == why


def events(*said: Any) -> bytes:
    return b"".join(b"event: x\ndata: %b\n\n" % json.dumps(one).encode() for one in said) + b"data: [DONE]\n\n"


def chat(**delta: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": delta}, {"index": 1, "delta": {"content": "other"}}]}


CALL = {"text": "", "tool_calls": [{"name": "f", "arguments": '{"a": 1}'}]}


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (json.dumps({"choices": [{"message": {"content": "hi"}}, {"message": {"content": "no"}}]}).encode(), "hi"),
        (json.dumps({"choices": [{"text": "hi"}]}).encode(), "hi"),
        (json.dumps({"content": [{"type": "text", "text": "h"}, {"type": "text", "text": "i"}]}).encode(), "hi"),
        (
            json.dumps({"output": [{"type": "message", "content": [{"type": "output_text", "text": "hi"}]}]}).encode(),
            "hi",
        ),
        (events(chat(role="assistant"), chat(content="h"), chat(content="i")), "hi"),
        (events({"choices": [{"index": 0, "text": "h"}]}, {"choices": [{"index": 0, "text": "i"}]}), "hi"),
        (
            events(
                {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "hi"}},
                {"type": "message_stop"},
            ),
            "hi",
        ),
        (
            events(
                {"type": "response.output_text.delta", "delta": "h"},
                {"type": "response.output_text.delta", "delta": "i"},
            ),
            "hi",
        ),
        (
            json.dumps(
                {
                    "choices": [
                        {
                            "message": {
                                "content": None,
                                "tool_calls": [{"function": {"name": "f", "arguments": '{"a": 1}'}}],
                            }
                        }
                    ]
                }
            ).encode(),
            CALL,
        ),
        (
            events(
                chat(tool_calls=[{"index": 0, "function": {"name": "f", "arguments": ""}}]),
                chat(tool_calls=[{"index": 0, "function": {"arguments": '{"a"'}}]),
                chat(tool_calls=[{"index": 0, "function": {"arguments": ": 1}"}}]),
            ),
            CALL,
        ),
        (
            events(
                {"type": "content_block_start", "index": 1, "content_block": {"type": "tool_use", "name": "f"}},
                {"type": "content_block_delta", "index": 1, "delta": {"partial_json": '{"a"'}},
                {"type": "content_block_delta", "index": 1, "delta": {"partial_json": ": 1}"}},
            ),
            CALL,
        ),
        (json.dumps({"content": [{"type": "tool_use", "name": "f", "input": {"a": 1}}]}).encode(), CALL),
        (json.dumps({"output": [{"type": "function_call", "name": "f", "arguments": '{"a": 1}'}]}).encode(), CALL),
        (
            events(
                {
                    "type": "response.output_item.done",
                    "output_index": 0,
                    "item": {"type": "function_call", **CALL["tool_calls"][0]},
                }  # type: ignore[dict-item]
            ),
            CALL,
        ),
        (b"", None),
        (None, None),
        (b'{"redaction": "preview", "sha256": "0", "body": {}}', None),
    ],
)
def test_answers(body: bytes | None, said: Any) -> None:
    """The text of the first choice, with its tool calls where there are any, the same from an answer and its stream."""
    assert answered(body, 10_000) == said


NAMES = "choices delta content tool_calls message index type output item function messages text".split()  # noqa: SIM905
ODD = st.recursive(
    st.none() | st.text(max_size=5) | st.integers(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=4),
    max_leaves=12,
)


@given(st.binary(max_size=200) | ODD.map(lambda value: json.dumps(value).encode()))
def test_any_bodies(body: bytes) -> None:
    """Nothing is raised, whatever a body holds, whole or as an event."""
    for data in (body, b"data: " + body):
        assert asked(data, 1000) is not None
        answered(data, 1000)
