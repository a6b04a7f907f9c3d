"""The surfaces that answer with text, each over its own wire: what is asked, what a server says, what is read of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.gateway.harness import Response
from trimtab.testing import Answer, Script, event, json_answer, sse_answer

USAGE = {"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13}
Texts = tuple[str, ...]
Events = list[bytes]


@dataclass(frozen=True)
class Wire:
    """One surface. `events` and `body` say a text, ended by `stop` or `length`; `finish` reads how it ended."""

    name: str
    path: str
    model_wire: str
    request: dict[str, Any]
    events: Callable[[Texts, str], Events]
    body: Callable[[str, str], dict[str, Any]]
    text_of_event: Callable[[dict[str, Any]], str]
    text_of_body: Callable[[dict[str, Any]], str]
    finish_of_event: Callable[[dict[str, Any]], str]
    last: str

    def said(self, *texts: str, finish: str = "stop", stream: bool = True) -> Script:
        """An answer with that text, streamed in these pieces or whole."""
        if stream:
            return sse_answer(self.events(texts, finish))
        return json_answer(self.body("".join(texts), finish))

    def text(self, response: Response) -> str:
        """The text of an answer, as far as it came."""
        if "text/event-stream" in response.headers.get("content-type", ""):
            return "".join(self.text_of_event(one) for one in objects(response))
        return self.text_of_body(response.json())

    def finish(self, response: Response) -> str:
        """How a streamed answer said that it ended; "" if it did not."""
        return "".join(self.finish_of_event(one) for one in objects(response) if "error" not in one)

    def ended(self, response: Response) -> bool:
        """Whether the terminal marker came."""
        return data_of(response)[-1:] == [self.last] if self.last == "[DONE]" else self.last in response.body.decode()


def data_of(response: Response) -> list[str]:
    """The data of each event of a stream."""
    lines = response.body.decode().split("\n")
    return [line.removeprefix("data: ") for line in lines if line.startswith("data: ")]


def objects(response: Response) -> list[dict[str, Any]]:
    """The objects in the events of a stream."""
    return [json.loads(data) for data in data_of(response) if data.startswith("{")]


def code_of(response: Response) -> str:
    """The code of the error that an answer is, or that ends its stream; "" for none."""
    if response.status == 200:
        errors = [one["error"] for one in objects(response) if "error" in one]
    else:
        errors = [response.json()["error"]]
    return "".join(str(error["code"]) for error in errors)


def named(kind: str, **fields: Any) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **fields})}\n\n".encode()


def _chat_events(texts: Texts, finish: str) -> Events:
    return Answer(texts, finish_reason=finish, usage=USAGE).events()


def _chat_body(text: str, finish: str) -> dict[str, Any]:
    return Answer((text,), finish_reason=finish, usage=USAGE).body()


def _chat_text(one: dict[str, Any]) -> str:
    return "".join(choice["delta"].get("content") or "" for choice in one.get("choices", []))


def _chat_finish(one: dict[str, Any]) -> str:
    return "".join(choice["finish_reason"] or "" for choice in one.get("choices", []))


def _completion(choice: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"id": "cmpl-1", "object": "text_completion", "created": 1, "model": "m", "choices": [choice], **more}


def _completion_events(texts: Texts, finish: str) -> Events:
    pieces = [event(_completion({"index": 0, "text": text, "finish_reason": None})) for text in texts]
    end = event(_completion({"index": 0, "text": "", "finish_reason": finish}))
    return [*pieces, end, event({**_completion({}), "choices": [], "usage": USAGE}), event(b"[DONE]")]


def _completion_body(text: str, finish: str) -> dict[str, Any]:
    return _completion({"index": 0, "text": text, "finish_reason": finish}, usage=USAGE)


def _completion_text(one: dict[str, Any]) -> str:
    return "".join(choice["text"] for choice in one.get("choices", []))


STOP_REASONS = {"stop": "end_turn", "length": "max_tokens"}


def _messages_events(texts: Texts, finish: str) -> Events:
    message = {**_messages_body("", finish), "content": [], "stop_reason": None, "usage": {"input_tokens": 9}}
    deltas = [
        named("content_block_delta", index=0, delta={"type": "text_delta", "text": text}) for text in texts if text
    ]
    return [
        named("message_start", message=message),
        named("content_block_start", index=0, content_block={"type": "text", "text": ""}),
        *deltas,
        named("content_block_stop", index=0),
        named("message_delta", delta={"stop_reason": STOP_REASONS[finish]}, usage={"output_tokens": 4}),
        named("message_stop"),
    ]


def _messages_body(text: str, finish: str) -> dict[str, Any]:
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "m",
        "content": [{"type": "text", "text": text}],
        "stop_reason": STOP_REASONS[finish],
        "stop_sequence": None,
        "usage": {"input_tokens": 9, "output_tokens": 4},
    }


def _messages_text(one: dict[str, Any]) -> str:
    return one.get("delta", {}).get("text", "")


def _messages_finish(one: dict[str, Any]) -> str:
    return one.get("delta", {}).get("stop_reason") or ""


def _response(status: str, *output: dict[str, Any], finish: str = "stop") -> dict[str, Any]:
    said = {"id": "resp_1", "object": "response", "created_at": 1, "model": "m", "status": status, "output": output}
    if finish == "length" and status != "in_progress":
        said |= {"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}
    return {**said, "usage": {"input_tokens": 9, "output_tokens": 4, "total_tokens": 13}}


def _item(text: str, status: str = "completed") -> dict[str, Any]:
    content = [{"type": "output_text", "text": text, "annotations": []}] if status == "completed" else []
    return {"type": "message", "id": "m_1", "role": "assistant", "status": status, "content": content}


def _responses_events(texts: Texts, finish: str) -> Events:
    text, here = "".join(texts), {"item_id": "m_1", "output_index": 0, "content_index": 0}
    part = {"type": "output_text", "text": text, "annotations": []}
    events = [
        ("response.created", {"response": _response("in_progress")}),
        ("response.output_item.added", {"output_index": 0, "item": _item("", "in_progress")}),
        ("response.content_part.added", {**here, "part": {**part, "text": ""}}),
        *[("response.output_text.delta", {**here, "delta": piece, "logprobs": []}) for piece in texts if piece],
        ("response.output_text.done", {**here, "text": text, "logprobs": []}),
        ("response.content_part.done", {**here, "part": part}),
        ("response.output_item.done", {"output_index": 0, "item": _item(text)}),
        (
            "response.completed" if finish == "stop" else "response.incomplete",
            {"response": _response("completed", _item(text), finish=finish)},
        ),
    ]
    return [named(kind, **fields, sequence_number=number) for number, (kind, fields) in enumerate(events)]


def _responses_body(text: str, finish: str) -> dict[str, Any]:
    return _response("completed", _item(text), finish=finish)


def _responses_text(one: dict[str, Any]) -> str:
    return one["delta"] if one["type"] == "response.output_text.delta" else ""


def _responses_finish(one: dict[str, Any]) -> str:
    """The status of an item or response that is not in progress any more."""
    inside = one.get("item") or one.get("response") or {}
    return "" if inside.get("status") in {None, "in_progress"} else inside["status"]


CHAT = Wire(
    name="chat_completions",
    path="/v1/chat/completions",
    model_wire="openai",
    request={"messages": [{"role": "user", "content": "It broke."}]},
    events=_chat_events,
    body=_chat_body,
    text_of_event=_chat_text,
    text_of_body=lambda body: body["choices"][0]["message"]["content"],
    finish_of_event=_chat_finish,
    last="[DONE]",
)
COMPLETIONS = Wire(
    name="completions",
    path="/v1/completions",
    model_wire="openai",
    request={"prompt": "It broke."},
    events=_completion_events,
    body=_completion_body,
    text_of_event=_completion_text,
    text_of_body=lambda body: body["choices"][0]["text"],
    finish_of_event=_chat_finish,
    last="[DONE]",
)
MESSAGES = Wire(
    name="messages",
    path="/v1/messages",
    model_wire="anthropic",
    request={"messages": [{"role": "user", "content": "It broke."}], "max_tokens": 99},
    events=_messages_events,
    body=_messages_body,
    text_of_event=_messages_text,
    text_of_body=lambda body: body["content"][0]["text"],
    finish_of_event=_messages_finish,
    last='"message_stop"',
)
RESPONSES = Wire(
    name="responses",
    path="/v1/responses",
    model_wire="openai",
    request={"input": "It broke."},
    events=_responses_events,
    body=_responses_body,
    text_of_event=_responses_text,
    text_of_body=lambda body: body["output"][0]["content"][0]["text"],
    finish_of_event=_responses_finish,
    last='"response.completed"',
)
WIRES = (CHAT, COMPLETIONS, MESSAGES, RESPONSES)
