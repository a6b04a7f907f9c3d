"""How the messages of each surface are read for a context strategy: their role, texts, calls and what is no text."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from trimtab.gateway.surfaces.chat import ChatCompletions
from trimtab.gateway.surfaces.chat_history import CHAT, TextHistory
from trimtab.gateway.surfaces.messages import Messages
from trimtab.gateway.surfaces.messages_history import MESSAGES
from trimtab.gateway.surfaces.parts import IMAGE_TOKENS
from trimtab.gateway.surfaces.responses import Responses
from trimtab.gateway.surfaces.responses_history import RESPONSES
from trimtab.gateway.surfaces.surface import History, Message

IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
HISTORIES: list[History] = [CHAT, MESSAGES, RESPONSES, TextHistory("prompt")]


def read(history: History, message: Any) -> Message:
    return history.read(Raw(json.dumps(message).encode()))


@pytest.mark.parametrize(
    ("message", "found"),
    [
        ({"role": "developer", "content": "Hi"}, Message("system", ("Hi",))),
        ({"role": "user", "content": [{"type": "text", "text": "a"}, IMAGE]}, Message("user", ("a",), IMAGE_TOKENS)),
        ({"role": "assistant", "content": None, "refusal": "No."}, Message("assistant", ("No.",))),
        ({"role": "assistant", "content": "a", "reasoning_content": "b"}, Message("assistant", ("a", "b"))),
        (
            {"role": "assistant", "tool_calls": [{"id": "1", "function": {"name": "f", "arguments": "{}"}}]},
            Message("assistant", ("f", "{}"), calls=("1",)),
        ),
        (
            {"role": "assistant", "tool_calls": [{"id": "1", "type": "custom", "custom": {"name": "f", "input": "x"}}]},
            Message("assistant", ("f", "x"), calls=("1",)),
        ),
        ({"role": "tool", "tool_call_id": "1", "content": "r"}, Message("tool", ("r",), answers=("1",))),
        (
            {"role": "assistant", "function_call": {"name": "f", "arguments": "{}"}},
            Message("assistant", ("f", "{}"), calls=("f",)),
        ),
        ({"role": "function", "name": "f", "content": "r"}, Message("tool", ("r",), answers=("f",))),
        (
            {"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": "A" * 640_000}}]},
            Message("user", (), 640_000 // 64),
        ),
        ({"role": "user", "content": [{"type": "new", "odd": 1}]}, Message("user", ('{"type":"new","odd":1}',))),
        ({"role": "user", "content": {"a": 1}}, Message("user", ('{"a":1}',))),
        ("just a text", Message("user", ('"just a text"',))),
    ],
)
def test_chats(message: Any, found: Message) -> None:
    """Messages of chat completions, in all forms they have had."""
    assert read(CHAT, message) == found


@pytest.mark.parametrize(
    ("message", "found"),
    [
        ({"role": "user", "content": "Hi"}, Message("user", ("Hi",))),
        (
            {"role": "assistant", "content": [{"type": "tool_use", "id": "1", "name": "f", "input": {"a": 1}}]},
            Message("assistant", ("f", '{"a":1}'), calls=("1",)),
        ),
        (
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "1", "content": "r"}]},
            Message("tool", ("r",), answers=("1",)),
        ),
        (
            {
                "role": "user",
                "content": [
                    {"type": "tool_result", "tool_use_id": "1", "content": [{"type": "text", "text": "r"}, IMAGE]},
                    {"type": "text", "text": "and?"},
                ],
            },
            Message("tool", ("r", "and?"), IMAGE_TOKENS, answers=("1",)),
        ),
        (
            {"role": "assistant", "content": [{"type": "thinking", "thinking": "hm", "signature": "x" * 999}]},
            Message("assistant", ("hm",)),
        ),
        (
            {"role": "assistant", "content": [{"type": "redacted_thinking", "data": "x" * 6400}]},
            Message("assistant", (), 100),
        ),
        (
            {"role": "user", "content": [{"type": "image", "source": {"type": "base64", "data": "x" * 999_999}}]},
            Message("user", (), IMAGE_TOKENS),
        ),
        (
            {"role": "user", "content": [{"type": "document", "source": {"type": "text", "data": "The text."}}]},
            Message("user", ("The text.",)),
        ),
        (
            {"role": "user", "content": [{"type": "document", "source": {"type": "base64", "data": "x" * 128_000}}]},
            Message("user", (), 2000),
        ),
        (
            {
                "role": "assistant",
                "content": [
                    {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}},
                    {"type": "web_search_tool_result", "tool_use_id": "s", "content": [{"type": "text", "text": "r"}]},
                ],
            },
            Message("assistant", ("web_search", "{}", "r"), calls=("s",), answers=("s",)),
        ),
    ],
)
def test_messages(message: Any, found: Message) -> None:
    """Messages of Anthropic's API: a user's message with results of tools is their answer."""
    assert read(MESSAGES, message) == found


@pytest.mark.parametrize(
    ("item", "found"),
    [
        ({"role": "user", "content": "Hi"}, Message("user", ("Hi",))),
        (
            {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "a"}]},
            Message("user", ("a",)),
        ),
        (
            {"role": "user", "content": [{"type": "input_image", "image_url": "data:,"}]},
            Message("user", (), IMAGE_TOKENS),
        ),
        (
            {"type": "reasoning", "id": "rs", "summary": [{"type": "summary_text", "text": "hm"}]},
            Message("assistant", ("hm",), reasons=True),
        ),
        (
            {"type": "function_call", "call_id": "1", "id": "fc", "name": "f", "arguments": "{}"},
            Message("assistant", ("f", "{}"), calls=("1", "fc")),
        ),
        (
            {"type": "function_call_output", "call_id": "1", "output": "r"},
            Message("tool", ("r",), answers=("1",)),
        ),
        (
            {"type": "function_call_output", "call_id": "1", "output": [{"type": "input_text", "text": "r"}]},
            Message("tool", ("r",), answers=("1",)),
        ),
        (
            {"type": "custom_tool_call", "call_id": "1", "name": "f", "input": "x"},
            Message("assistant", ("f", "x"), calls=("1",)),
        ),
        (
            {"type": "mcp_approval_response", "approval_request_id": "m", "approve": True},
            Message("tool", (), answers=("m",)),
        ),
    ],
)
def test_items(item: Any, found: Message) -> None:
    """Input items of responses: calls, outputs and reasoning are messages of their own."""
    assert read(RESPONSES, item) == found


def test_texts() -> None:
    """Prompts are texts or lists of tokens, one or many."""
    history = TextHistory("prompt")
    assert read(history, "a text") == Message("user", ("a text",))
    assert read(history, [1, 2, 3]) == Message("user", (), 3)


@given(st.binary(max_size=60) | st.builds(lambda text: json.dumps(text).encode(), st.text()))
def test_any_bytes(data: bytes) -> None:
    """What is no message at all is read as one of a user: it is for the model's server to refuse."""
    for history in HISTORIES:
        assert history.read(Raw(data)).role in {"user", "assistant", "tool", "system"}


anything: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["type", "text", "content", "source", "data", "id", "output", "input", "name", "summary"])
            | st.text(max_size=5),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "role": st.sampled_from(["user", "assistant", "tool", "system", "function", 1, None]),
            "type": st.sampled_from(["message", "reasoning", "function_call", "function_call_output", "x", 3]),
            "content": anything,
            "tool_calls": anything,
            "function_call": anything,
            "tool_call_id": anything,
            "output": anything,
            "call_id": anything,
            "name": anything,
            "summary": anything,
        },
    )
)
def test_any_message(message: dict[str, Any]) -> None:
    """Whatever a message holds, it is read."""
    for history in HISTORIES:
        found = read(history, message)
        assert all(isinstance(text, str) for text in found.texts)
        assert all(isinstance(one, str) for one in (*found.calls, *found.answers))
        assert found.media_tokens >= 0


@pytest.mark.parametrize("surface", [ChatCompletions(), Messages(), Responses()], ids=lambda surface: surface.name)
def test_taking_messages_out(surface: Any) -> None:
    """All other fields stay as they were sent, and the bytes of the messages that stay too."""
    field = "input" if surface.name == "responses" else "messages"
    body = (
        f'{{"model": "m", "{field}": [{{"role":"user","content":"a"}}, {{"role" : "user", "content":"b"}}], "x":1.0}}'
    )
    asked = surface.read(body.encode())
    history = surface.history
    changed = history.with_messages(asked, [history.messages(asked)[1]])
    assert bytes(changed.fields[field]) == b'[{"role" : "user", "content":"b"}]'
    assert bytes(changed.fields["x"]) == b"1.0"
    assert len(history.messages(asked)) == 2
