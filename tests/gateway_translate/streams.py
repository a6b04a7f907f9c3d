"""Streams of both wires, event by event, as their servers would send them; and the readers across."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from tests.gateway_translate.golden import chunks
from trimtab.gateway.surfaces.chat import ChatCompletions
from trimtab.gateway.surfaces.messages import Messages
from trimtab.gateway.surfaces.surface import Asked, Keep, Reader
from trimtab.gateway.translate.chat_over_messages import ChatOverMessages
from trimtab.testing import JumpingClock

to_messages = Messages().wires["openai"]
to_chat = ChatOverMessages(JumpingClock())
message_asked = Messages().read(b'{"model":"m","stream":true}')


def chat_asked(*, usage: bool) -> Asked:
    options = {"stream_options": {"include_usage": True}} if usage else {}
    return ChatCompletions().read(json.dumps({"model": "m", "stream": True, "messages": [], **options}).encode())


def chunk(delta: Any, finish: str | None = None, **more: Any) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish, **more}
    return b"data: " + json.dumps({"id": "chatcmpl-1", "model": "q", "choices": [choice]}).encode() + b"\n\n"


def call(index: int | None, arguments: str | None = None, call_id: str | None = None, name: str | None = None) -> bytes:
    function = {key: value for key, value in (("name", name), ("arguments", arguments)) if value is not None}
    said = {"index": index, "id": call_id, "function": function}
    return chunk({"tool_calls": [{key: value for key, value in said.items() if value is not None}]})


def usage(**counts: Any) -> bytes:
    return b"data: " + json.dumps({"id": "chatcmpl-1", "choices": [], "usage": counts}).encode() + b"\n\n"


ROLE = chunk({"role": "assistant", "content": ""})
COUNTED = usage(prompt_tokens=20, completion_tokens=5, total_tokens=25, prompt_tokens_details={"cached_tokens": 12})
DONE = b"data: [DONE]\n\n"


def event(kind: str, **fields: Any) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (kind.encode(), json.dumps({"type": kind, **fields}).encode())


def start(index: int, **block: Any) -> bytes:
    return event("content_block_start", index=index, content_block=block)


def delta(index: int, **fields: Any) -> bytes:
    return event("content_block_delta", index=index, delta=fields)


def stop(index: int) -> bytes:
    return event("content_block_stop", index=index)


BEGIN = event(
    "message_start",
    message={
        "id": "msg_1",
        "model": "claude",
        "content": [],
        "usage": {
            "input_tokens": 9,
            "cache_read_input_tokens": 4,
            "cache_creation_input_tokens": 2,
            "output_tokens": 1,
        },
    },
)
END = event("message_stop")


def ending(reason: str, **more: Any) -> bytes:
    return event("message_delta", delta={"stop_reason": reason, **more}, usage={"output_tokens": 7})


READERS: dict[str, Callable[[Keep], Reader]] = {
    "chat_": lambda keep: to_messages.reader(message_asked, keep),
    "messages_": lambda keep: to_chat.reader(chat_asked(usage=True), keep),
}


def events_of(data: bytes) -> list[dict[str, Any]]:
    """The data of a message's events, whose names have to repeat their types."""
    found = []
    for one in chunks(data):
        name, body = one.split(b"\n")[:2]
        value = json.loads(body[len(b"data: ") :])
        assert name == b"event: " + value["type"].encode()
        found.append(value)
    return found


STOPPABLE = [ROLE, chunk({"content": "a"}), call(0, '{"x":', "c1", "f"), call(1, "{", "c2", "g")]

THOUGHT_AND_CALLED = [
    BEGIN,
    event("ping"),
    start(0, type="thinking", thinking="", signature=""),
    delta(0, type="thinking_delta", thinking="h"),
    delta(0, type="thinking_delta", thinking="m"),
    delta(0, type="signature_delta", signature="c2ln"),
    stop(0),
    start(1, type="redacted_thinking", data="eA=="),
    stop(1),
    start(2, type="text", text=""),
    delta(2, type="text_delta", text="a"),
    stop(2),
    start(3, type="tool_use", id="t1", name="f", input={}),
    delta(3, type="input_json_delta", partial_json='{"x":'),
    delta(3, type="input_json_delta", partial_json="1}"),
    stop(3),
    start(4, type="text", text="b"),
    stop(4),
    start(5, type="tool_use", id="t2", name="g", input={}),
    delta(5, type="input_json_delta", partial_json=""),
    stop(5),
    start(6, type="tool_use", id="t3", name="h", input={"y": 2}),
    stop(6),
    ending("tool_use"),
    END,
]
