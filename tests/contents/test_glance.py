"""What was asked and answered, in each wire format, whole and in preview."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.contents.place import ANSWER, asked, chat
from trimtab.data.glance import Question, Reply, question, reply
from trimtab.record.redact import preview_of

MOST = 1 << 20
USER = {"role": "user", "content": "Where is it?"}
SYSTEM = {"role": "system", "content": "You sort tickets."}

REQUESTS: dict[str, Any] = {
    "chat": {"messages": [SYSTEM, {"role": "user", "content": "Before."}, {"role": "assistant", "content": "x"}, USER]},
    "chat parts": {"messages": [{"role": "user", "content": [{"type": "text", "text": "Where is it?"}]}]},
    "tool answer last": {"messages": [USER, {"role": "assistant", "tool_calls": []}, {"role": "tool", "content": "9"}]},
    "completions": {"prompt": "Where is it?"},
    "responses": {"instructions": "You sort tickets.", "input": "Where is it?"},
    "responses items": {"input": [{"role": "user", "content": [{"type": "input_text", "text": "Where is it?"}]}]},
    "messages": {"system": "You sort tickets.", "messages": [{"role": "user", "content": "Where is it?"}]},
}


def sse(*events: object) -> bytes:
    lines = [f"data: {json.dumps(event)}\n\n" for event in events]
    return "".join([*lines, "data: [DONE]\n\n"]).encode()


TEXT = json.dumps(ANSWER)
HALVES = TEXT[:9], TEXT[9:]
ANSWERS: dict[str, bytes] = {
    "chat": chat(ANSWER),
    "chat streamed": sse(*({"choices": [{"index": 0, "delta": {"content": half}}]} for half in HALVES)),
    "completions": json.dumps({"choices": [{"index": 0, "text": TEXT}]}).encode(),
    "completions streamed": sse(*({"choices": [{"index": 0, "text": half}]} for half in HALVES)),
    "responses": json.dumps(
        {"output": [{"type": "message", "content": [{"type": "output_text", "text": TEXT}]}]}
    ).encode(),
    "responses streamed": sse(
        *({"type": "response.output_text.delta", "delta": half} for half in HALVES),
        {"type": "response.output_text.done", "text": TEXT},
        {
            "type": "response.completed",
            "response": {"output": [{"type": "message", "content": [{"type": "output_text", "text": TEXT}]}]},
        },
    ),
    "messages": json.dumps({"type": "message", "content": [{"type": "text", "text": TEXT}]}).encode(),
    "messages streamed": sse(
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        *(
            {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": half}}
            for half in HALVES
        ),
    ),
}


@pytest.mark.parametrize("name", REQUESTS)
@pytest.mark.parametrize("kept", ["full", "preview"])
def test_the_last_thing_that_was_asked(name: str, kept: str) -> None:
    """The text of the last user message, whatever the format, and whether the body was kept whole or in preview."""
    body = json.dumps(REQUESTS[name]).encode()
    assert question(body if kept == "full" else preview_of(body), MOST) == Question("Where is it?", {})


def test_inputs_of_a_prompt() -> None:
    """Inputs are told as they were sent; string inputs are part of what was asked, in the order of their names."""
    found = question(asked("And?", ticket="My printer.", age=3, b="Now."), MOST)
    assert found == Question("Now.\nMy printer.\nAnd?", {"ticket": "My printer.", "age": 3, "b": "Now."})


@pytest.mark.parametrize("name", ANSWERS)
def test_the_whole_answer(name: str) -> None:
    """The text of the answer, streamed or not, in every format."""
    assert reply(ANSWERS[name], MOST) == Reply(TEXT, whole=True)


@pytest.mark.parametrize("name", ANSWERS)
def test_an_answer_in_preview(name: str) -> None:
    """A preview has a short answer whole."""
    assert reply(preview_of(ANSWERS[name]), MOST) == Reply(TEXT, whole=True)


def test_a_long_answer_in_preview_is_not_whole() -> None:
    """Of a long answer a preview has 200 characters, and it is told that there may be more."""
    assert reply(preview_of(chat("x" * 500)), MOST) == Reply("x" * 200, whole=False)
    streamed = sse(*({"choices": [{"index": 0, "delta": {"content": letter * 150}}]} for letter in "abc"))
    assert reply(preview_of(streamed), MOST) == Reply("a" * 150 + "b" * 50, whole=False)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"nothing", b'{"a": 1}', b"data: {\n\n", b"\xff\xfe", b"[" * 5000])
def test_what_cannot_be_read(body: bytes) -> None:
    """It is not known what was asked or answered."""
    assert question(body, MOST) is None
    assert reply(body, MOST) is None


def test_too_large() -> None:
    """A body over the bound is not read."""
    assert question(asked("x" * 100), 50) is None
    assert reply(chat("x" * 100), 50) is None


PIECES = st.sampled_from([
    b'{"redaction":"preview","sha256":"0","bytes":1,"body":', b'{"messages":[', b'{"role":"user","content":', b'"a"',
    b"}", b"]", b",", b'"choices":[{"delta":{"content":', b"data: ", b"\n\n", b"null", b"1e999", b'"\\ud800"', b"\xff",
    b'{"trimtab":{"inputs":{"a":', b'"content":[{"text":', b'"type":"content_block_delta","delta":',
])  # fmt: skip


@given(st.lists(PIECES | st.binary(max_size=4), max_size=25).map(b"".join))
def test_any_bytes(body: bytes) -> None:
    """Whatever the bytes, there is a text or nothing."""
    for found in (question(body, MOST), reply(body, MOST)):
        assert found is None or isinstance(found.text, str)
