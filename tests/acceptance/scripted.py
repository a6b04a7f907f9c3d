"""A model server whose answers are told beforehand: over chats, responses and messages, streamed and not."""

from __future__ import annotations

import contextlib
import json
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from tests.threaded_upstream import threaded_upstream
from trimtab.testing import (
    Answer,
    Close,
    Received,
    Script,
    Send,
    ToolCall,
    error_answer,
    head,
    json_answer,
    sse_answer,
)
from trimtab.testing.scripts import PLAIN

USAGE = (20, 5)  # tokens read and written in each turn


@dataclass(frozen=True)
class Turn:
    """What the model says once: a text, or calls of tools, each a name and its arguments as the model writes them.

    One that is `cut` breaks off: its connection closes after the first delta, or amid the body.
    """

    text: str = ""
    calls: tuple[tuple[str, str], ...] = ()
    cut: bool = False


Form = Callable[[Turn, int], tuple[dict[str, Any], list[bytes]]]
"""A turn and its number as the body of a whole answer, and as the events of a stream."""


@dataclass
class ScriptedModel:
    """Plays one turn a request, in the form the request wants; `asked` keeps the requests' bodies."""

    url: str = ""
    turns: deque[Turn] = field(default_factory=deque)
    asked: list[dict[str, Any]] = field(default_factory=list)

    def plays(self, *turns: Turn) -> None:
        """Forgets what was, and will say these turns."""
        self.turns, self.asked = deque(turns), []

    def answer(self, request: Received) -> Script:
        """The script for one request."""
        if request.method != "POST":
            return json_answer({})  # the gateway looks whether it is there
        body = json.loads(request.body)
        self.asked.append(body)
        if not self.turns:
            return error_answer(500, "no turn is left")
        turn, number = self.turns.popleft(), len(self.asked)
        forms: dict[str, Form] = {"/v1/chat/completions": chat, "/v1/responses": response, "/v1/messages": message}
        form = forms.get(request.target)
        if form is None:
            return error_answer(404, f"nothing is served at {request.target}")
        whole, events = form(turn, number)
        if body.get("stream"):
            return sse_answer(events) if not turn.cut else cut_stream(events)
        return json_answer(whole) if not turn.cut else cut_body(whole)


@contextlib.contextmanager
def running_scripted() -> Iterator[ScriptedModel]:
    """A scripted model that listens until the block ends."""
    model = ScriptedModel()
    with threaded_upstream(model.answer) as model.url:
        yield model


def halves(text: str) -> tuple[str, ...]:
    """A text in the two pieces that a stream sends it in."""
    middle = len(text) // 2
    return tuple(piece for piece in (text[:middle], text[middle:]) if piece)


def cut_stream(events: list[bytes]) -> Script:
    """A stream that breaks off after its first delta."""
    first = next(
        at for at, event in enumerate(events) if b"delta" in event.partition(b"\n")[0] or b'"content": "' in event
    )
    return Script((Send(PLAIN.head()), *PLAIN.steps(events[: first + 1]), Close()))


def cut_body(whole: dict[str, Any]) -> Script:
    """A body that breaks off halfway."""
    data = json.dumps(whole).encode()
    fields = (("content-type", "application/json"), ("content-length", str(len(data))))
    return Script((Send(head(200, fields) + data[: len(data) // 2]), Close()))


def chat(turn: Turn, number: int) -> tuple[dict[str, Any], list[bytes]]:
    """A turn as a chat completion."""
    calls = tuple(
        ToolCall(name, halves(arguments), f"call_{number}_{index}")
        for index, (name, arguments) in enumerate(turn.calls)
    )
    read, written = USAGE
    answer = Answer(
        pieces=halves(turn.text),
        tool_calls=calls,
        finish_reason="tool_calls" if calls else "stop",
        usage={"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written},
    )
    return answer.body(), answer.events()


def response(turn: Turn, number: int) -> tuple[dict[str, Any], list[bytes]]:
    """A turn as a response."""
    return response_of(turn, number), response_events(turn, number)


def message(turn: Turn, number: int) -> tuple[dict[str, Any], list[bytes]]:
    """A turn as a message."""
    return message_of(turn, number), message_events(turn, number)


def response_of(turn: Turn, number: int, status: str = "completed") -> dict[str, Any]:
    """A turn as a response (OpenAI API reference, the response object)."""
    read, written = USAGE
    usage = {
        "input_tokens": read,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": written,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": read + written,
    }
    done = status == "completed"
    return {
        "id": f"resp_{number}",
        "object": "response",
        "created_at": 1_767_225_600,
        "status": status,
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "metadata": {},
        "model": "scripted",
        "output": response_items(turn, number) if done else [],
        "parallel_tool_calls": True,
        "temperature": 1.0,
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
        "usage": usage if done else None,
    }


def response_items(turn: Turn, number: int) -> list[dict[str, Any]]:
    """The output items of a turn."""
    items: list[dict[str, Any]] = []
    if turn.text:
        part = {"type": "output_text", "text": turn.text, "annotations": []}
        items.append(
            {"type": "message", "id": f"msg_{number}", "status": "completed", "role": "assistant", "content": [part]}
        )
    for index, (name, arguments) in enumerate(turn.calls):
        call = {"type": "function_call", "id": f"fc_{number}_{index}", "call_id": f"call_{number}_{index}"}
        items.append({**call, "name": name, "arguments": arguments, "status": "completed"})
    return items


def response_events(turn: Turn, number: int) -> list[bytes]:
    """A turn as the events of a streamed response (OpenAI API reference, streaming events)."""
    events: list[dict[str, Any]] = [
        {"type": "response.created", "response": response_of(turn, number, "in_progress")},
        {"type": "response.in_progress", "response": response_of(turn, number, "in_progress")},
    ]
    for index, item in enumerate(response_items(turn, number)):
        events += text_events(index, item) if item["type"] == "message" else call_events(index, item)
    events.append({"type": "response.completed", "response": response_of(turn, number)})
    return [named_event({**event, "sequence_number": at}) for at, event in enumerate(events)]


def text_events(index: int, item: dict[str, Any]) -> list[dict[str, Any]]:
    """The events of one message of a response."""
    [part] = item["content"]
    here = {"item_id": item["id"], "output_index": index, "content_index": 0}
    begun = {**item, "status": "in_progress", "content": []}
    return [
        {"type": "response.output_item.added", "output_index": index, "item": begun},
        {"type": "response.content_part.added", **here, "part": {**part, "text": ""}},
        *(
            {"type": "response.output_text.delta", **here, "delta": piece, "logprobs": []}
            for piece in halves(part["text"])
        ),
        {"type": "response.output_text.done", **here, "text": part["text"], "logprobs": []},
        {"type": "response.content_part.done", **here, "part": part},
        {"type": "response.output_item.done", "output_index": index, "item": item},
    ]


def call_events(index: int, item: dict[str, Any]) -> list[dict[str, Any]]:
    """The events of one function call of a response."""
    here = {"item_id": item["id"], "output_index": index}
    begun = {**item, "status": "in_progress", "arguments": ""}
    done = {"name": item["name"], "arguments": item["arguments"]}
    return [
        {"type": "response.output_item.added", "output_index": index, "item": begun},
        *(
            {"type": "response.function_call_arguments.delta", **here, "delta": piece}
            for piece in halves(item["arguments"])
        ),
        {"type": "response.function_call_arguments.done", **here, **done},
        {"type": "response.output_item.done", "output_index": index, "item": item},
    ]


def message_of(turn: Turn, number: int) -> dict[str, Any]:
    """A turn as a message (Anthropic API reference, Messages)."""
    content: list[dict[str, Any]] = [{"type": "text", "text": turn.text}] if turn.text else []
    for index, (name, arguments) in enumerate(turn.calls):
        call = {"type": "tool_use", "id": f"toolu_{number}_{index}", "name": name}
        content.append({**call, "input": json.loads(arguments)})
    read, written = USAGE
    return {
        "id": f"msg_{number}",
        "type": "message",
        "role": "assistant",
        "model": "scripted",
        "content": content,
        "stop_reason": "tool_use" if turn.calls else "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": read, "output_tokens": written},
    }


def message_events(turn: Turn, number: int) -> list[bytes]:
    """A turn as the events of a streamed message (Anthropic API reference, Streaming Messages)."""
    whole = message_of(turn, number)
    begun = {**whole, "content": [], "stop_reason": None, "usage": {"input_tokens": USAGE[0], "output_tokens": 1}}
    events: list[dict[str, Any]] = [{"type": "message_start", "message": begun}]
    for index, block in enumerate(whole["content"]):
        if block["type"] == "text":
            start, kind, key, pieces = {**block, "text": ""}, "text_delta", "text", halves(block["text"])
        else:
            start, kind, key = {**block, "input": {}}, "input_json_delta", "partial_json"
            pieces = halves(json.dumps(block["input"]))
        events.append({"type": "content_block_start", "index": index, "content_block": start})
        events += (
            {"type": "content_block_delta", "index": index, "delta": {"type": kind, key: piece}} for piece in pieces
        )
        events.append({"type": "content_block_stop", "index": index})
    ended = {"stop_reason": whole["stop_reason"], "stop_sequence": None}
    events.append({"type": "message_delta", "delta": ended, "usage": {"output_tokens": USAGE[1]}})
    events.append({"type": "message_stop"})
    return [named_event(event) for event in events]


def named_event(event: dict[str, Any]) -> bytes:
    """One server-sent event under the name that is its type."""
    return f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode()
