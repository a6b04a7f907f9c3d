"""What was said, read of bodies of every format that clients speak, whole and streamed, and of foreign bytes."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.console.answered import is_stream, streamed_turns, whole_turns
from trimtab.console.bodies import Body, read_answer, read_request
from trimtab.console.said import MOST_PARTS, Part, Turn, pretty, request_turns, said_of, tool_names, within
from trimtab.record.redact import preview_of


def stream(*events: Any, named: bool = False) -> bytes:
    """Server-sent events."""
    names = [f"event: {event.get('type', '')}\n" if named else "" for event in events]
    return "".join(f"{name}data: {json.dumps(event)}\n\n" for name, event in zip(names, events, strict=True)).encode()


def text(role: str, *words: str) -> Turn:
    return Turn(role, tuple(Part("text", one) for one in words))


CALL = Part("tool_call", '{\n  "n": 1\n}', "look", "c1")


@pytest.mark.parametrize(
    ("said", "turns"),
    [
        ({"messages": [{"role": "user", "content": "hi"}]}, (text("user", "hi"),)),
        (
            {"messages": [{"role": "developer", "content": "be kind", "name": "ops"}]},
            (Turn("developer", (Part("text", "be kind"),), "ops"),),
        ),
        (
            {
                "messages": [
                    {
                        "role": "assistant",
                        "content": None,
                        "tool_calls": [{"id": "c1", "function": {"name": "look", "arguments": '{"n":1}'}}],
                    },
                    {"role": "tool", "tool_call_id": "c1", "content": "[1]"},
                ]
            },
            (Turn("assistant", (CALL,)), Turn("tool", (Part("tool_result", "[\n  1\n]", "", "c1"),))),
        ),
        (
            {
                "messages": [
                    {
                        "role": "user",
                        "content": [{"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}],
                    }
                ]
            },
            (Turn("user", (Part("media", "wav, 4 characters of data in the request", "audio"),)),),
        ),
        (
            {
                "messages": [
                    {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "http://a/b.png"}}]}
                ]
            },
            (Turn("user", (Part("media", "at http://a/b.png, not loaded", "image"),)),),
        ),
        (
            {
                "system": [{"type": "text", "text": "be brief"}],
                "messages": [
                    {
                        "role": "assistant",
                        "content": [
                            {"type": "thinking", "thinking": "hm"},
                            {"type": "tool_use", "id": "c1", "name": "look", "input": {"n": 1}},
                        ],
                    },
                    {
                        "role": "user",
                        "content": [{"type": "tool_result", "tool_use_id": "c1", "content": "no", "is_error": True}],
                    },
                ],
            },
            (
                text("system", "be brief"),
                Turn("assistant", (Part("reasoning", "hm"), CALL)),
                Turn("user", (Part("tool_result", "no", "", "c1", error=True),)),
            ),
        ),
        (
            {
                "instructions": "be brief",
                "input": [
                    {"role": "user", "content": [{"type": "input_text", "text": "hi"}]},
                    {"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}]},
                    {"type": "function_call", "call_id": "c1", "name": "look", "arguments": '{"n":1}'},
                    {"type": "function_call_output", "call_id": "c1", "output": "yes"},
                ],
            },
            (
                text("system", "be brief"),
                text("user", "hi"),
                Turn("assistant", (Part("reasoning", "hm"),)),
                Turn("assistant", (CALL,)),
                Turn("tool", (Part("tool_result", "yes", "", "c1"),)),
            ),
        ),
        ({"input": "hi"}, (text("user", "hi"),)),
        ({"prompt": "once"}, (text("prompt", "once"),)),
        ({"prompt": ["a", "b"]}, (text("prompt", "a"), text("prompt", "b"))),
        ({"input": ["a", "b"], "model": "e"}, (text("input", "a"), text("input", "b"))),
        ({"input": [1, 2, 3]}, (Turn("input", (Part("data", "3 tokens as numbers"),)),)),
        (
            {"trimtab": {"inputs": {"a": 1}}, "messages": []},
            (Turn("inputs", (Part("data", '{\n  "a": 1\n}'),)),),
        ),
        ({}, ()),
        ([], ()),
        (None, ()),
        ({"messages": "odd", "prompt": None}, (Turn("prompt", (Part("data", "null"),)),)),
    ],
)
def test_requests(said: Any, turns: tuple[Turn, ...]) -> None:
    """A request of any format becomes turns with their parts in order."""
    assert request_turns(said) == turns


@pytest.mark.parametrize(
    ("said", "turns"),
    [
        ({"choices": [{"message": {"role": "assistant", "content": "hi"}}]}, (text("assistant", "hi"),)),
        (
            {"choices": [{"message": {"content": "a"}}, {"message": {"content": "b"}}]},
            (Turn("assistant", (Part("text", "a"),), choice=0), Turn("assistant", (Part("text", "b"),), choice=1)),
        ),
        (
            {"choices": [{"message": {"reasoning_content": "hm", "refusal": "no", "content": None}}]},
            (Turn("assistant", (Part("reasoning", "hm"), Part("refusal", "no"))),),
        ),
        ({"choices": [{"text": " upon a time"}]}, (text("assistant", " upon a time"),)),
        (
            {
                "role": "assistant",
                "content": [{"type": "redacted_thinking", "data": "x"}, {"type": "text", "text": "hi"}],
            },
            (Turn("assistant", (Part("reasoning", "(kept by the provider)"), Part("text", "hi"))),),
        ),
        (
            {
                "output": [
                    {"type": "message", "content": [{"type": "output_text", "text": "hi"}]},
                    {"type": "function_call", "name": "look", "call_id": "c1", "arguments": '{"n":1}'},
                ]
            },
            (Turn("assistant", (Part("text", "hi"), CALL)),),
        ),
        ({"data": [{"embedding": [0.1] * 3}] * 2}, (Turn("answer", (Part("data", "2 vectors of 3 numbers"),)),)),
        ({"data": [{"embedding": "A" * 16}]}, (Turn("answer", (Part("data", "1 vectors of 3 numbers"),)),)),
        ({"error": {"code": "overloaded"}}, (Turn("error", (Part("data", '{\n  "code": "overloaded"\n}'),)),)),
        ({"detail": "?"}, ()),
        (7, ()),
    ],
)
def test_answers_in_one_piece(said: Any, turns: tuple[Turn, ...]) -> None:
    """An answer of any format becomes turns, one for each choice."""
    assert whole_turns(said) == turns


CHAT = stream(
    {"choices": [{"index": 0, "delta": {"role": "assistant", "reasoning": "h"}}]},
    {"choices": [{"index": 0, "delta": {"reasoning": "m"}}]},
    {"choices": [{"index": 0, "delta": {"content": "h"}}, {"index": 1, "delta": {"content": "yo"}}]},
    {"choices": [{"index": 0, "delta": {"content": "i"}}]},
    {"choices": [], "usage": {}},
)
MESSAGES = stream(
    {"type": "message_start", "message": {}},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "thinking", "thinking": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "hm"}},
    {"type": "content_block_start", "index": 1, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 1, "delta": {"type": "text_delta", "text": "hi"}},
    {"type": "content_block_start", "index": 2, "content_block": {"type": "tool_use", "id": "c1", "name": "look"}},
    {"type": "content_block_delta", "index": 2, "delta": {"type": "input_json_delta", "partial_json": '{"n"'}},
    {"type": "content_block_delta", "index": 2, "delta": {"type": "input_json_delta", "partial_json": ":1}"}},
    {"type": "message_stop"},
    named=True,
)
RESPONSES = (
    {"type": "response.created", "response": {"output": []}},
    {"type": "response.reasoning_summary_text.delta", "output_index": 0, "summary_index": 0, "delta": "hm"},
    {"type": "response.output_text.delta", "output_index": 1, "content_index": 0, "delta": "h"},
    {"type": "response.output_text.delta", "output_index": 1, "content_index": 0, "delta": "i"},
    {"type": "response.output_item.added", "output_index": 2, "item": {"name": "look", "call_id": "c1"}},
    {"type": "response.function_call_arguments.delta", "output_index": 2, "delta": '{"n":1}'},
)
COMPLETED = {
    "type": "response.completed",
    "response": {"output": [{"type": "message", "content": [{"type": "output_text", "text": "all of it"}]}]},
}
THOUGHT_SAID_CALLED = (Turn("assistant", (Part("reasoning", "hm"), Part("text", "hi"), CALL)),)


@pytest.mark.parametrize(
    ("body", "turns"),
    [
        (
            CHAT,
            (
                Turn("assistant", (Part("reasoning", "hm"), Part("text", "hi")), choice=0),
                Turn("assistant", (Part("text", "yo"),), choice=1),
            ),
        ),
        (MESSAGES, THOUGHT_SAID_CALLED),
        (stream(*RESPONSES), THOUGHT_SAID_CALLED),
        (stream(*RESPONSES, COMPLETED, named=True), (text("assistant", "all of it"),)),
        (
            stream({"choices": [{"index": 0, "text": "on"}]}, {"choices": [{"index": 0, "text": "ce"}]}),
            (text("assistant", "once"),),
        ),
        (
            stream({"choices": [{"delta": {"content": "h"}}]}) + b'data: {"error": "gone"}\n\ndata: {"cut',
            (text("assistant", "h"), Turn("error", (Part("data", "gone"),))),
        ),
        (b": ping\n\ndata: [DONE]\n\n", ()),
    ],
)
def test_streams(body: bytes, turns: tuple[Turn, ...]) -> None:
    """A stream of any format is put together; of one that was cut, what came is there."""
    assert is_stream(body)
    assert streamed_turns(body) == turns


def test_tools_of_a_request() -> None:
    """Tools are known by name, whatever the format."""
    tools = [{"type": "function", "function": {"name": "a"}}, {"name": "b"}, {"type": "web_search"}, {}, 7]
    assert tool_names({"tools": tools}) == ("a", "b", "web_search", "?")
    assert tool_names(None) == ()


def test_bounds() -> None:
    """Too many messages end in a word that there are more; JSON too deep, and texts too long, are cut, not lost."""
    turns = request_turns({"messages": [{"role": "user", "content": "x"}] * (MOST_PARTS + 5)})
    assert (len(turns), turns[-1].role) == (MOST_PARTS + 1, "rest")
    deep = '{"messages":[{"role":"user","content":' + "[" * 5000 + "]" * 5000 + "}]}"
    assert request_turns(said_of(deep.encode())) == ()
    cut = within((text("user", "a" * 9000), text("assistant", "b" * 3000)), 4000)
    assert [len(one.parts[0].text.partition("\n")[0]) for one in cut] == [2000, 3000]
    assert "7,000 characters more" in cut[0].parts[0].text


@pytest.mark.parametrize(
    "body", [b'{"messages":[{"role":"user","content":"' + b"y" * 500 + b'"}]}', b"not JSON " * 100]
)
def test_previews_of_requests(body: bytes) -> None:
    """Of a preview what it shows is shown, and that it is not all."""
    kept = preview_of(body)
    said = read_request(Body("kept", len(body), "d", kept))
    assert not said.whole
    assert len(said.turns[0].parts[0].text) == 200


@pytest.mark.parametrize("body", [CHAT, MESSAGES, b'{"choices":[{"message":{"content":"hi"}}]}'])
def test_previews_of_answers(body: bytes) -> None:
    """The preview of a stream shows the text it came to."""
    said = read_answer(Body("kept", len(body), "d", preview_of(body)))
    assert not said.whole
    assert said.turns[0].parts[0].text.startswith("hi")


def test_json_is_set_out() -> None:
    """Numbers stay as they were written, and what is no JSON stays as it is."""
    assert pretty('{"a":1.50,"b":12345678901234567890}') == '{\n  "a": 1.50,\n  "b": 12345678901234567890\n}'
    assert pretty('{"a":') == '{"a":'
    assert pretty("[" * 100_000) == "[" * 100_000


NAMES = (
    *("role", "content", "type", "text", "messages", "input", "tool_calls", "function", "choices", "delta", "index"),
    *("output", "data", "embedding", "error", "item", "response", "content_block", "arguments", "image_url", "id"),
)
KINDS = ("text", "tool_use", "image", "message", "reasoning", "response.completed", "content_block_delta")
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(NAMES), inner | st.sampled_from(KINDS), max_size=5)
    ),
    max_leaves=20,
)


@given(JSON)
def test_any_json(value: Any) -> None:
    """Whatever JSON a body holds, it is read without failing, and what was read can be told as JSON."""
    body = json.dumps(value).encode()
    event = b"data: " + body
    found = (
        request_turns(said_of(body)),
        whole_turns(said_of(body)),
        streamed_turns(event),
        read_request(Body("kept", len(body), "d", body)),
        read_answer(Body("kept", len(event), "d", event)),
        tool_names(said_of(body)),
    )
    assert msgspec.json.encode(found)


@given(st.binary(max_size=200))
def test_any_bytes(body: bytes) -> None:
    """Any bytes are read without failing."""
    for read in (read_request, read_answer):
        assert msgspec.json.encode(read(Body("kept", len(body), "d", body)))
        assert msgspec.json.encode(read(Body("kept", len(body), "d", b"data: " + body)))
