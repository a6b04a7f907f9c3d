"""What was said in a recorded call: the request as a case's inputs, and the text of the answer.

The bodies are those of the client's own wire format: OpenAI chat completions, completions and responses, or Anthropic
messages; an answer may be a stream of server-sent events.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final, Literal

import msgspec
from msgspec import Struct

MOST_CALLS: Final = 256
"""Tool calls of one answer that are kept."""
Unfit = Literal["not_kept", "preview", "not_read", "too_large"]
"""Why a call gives no case: no body was kept, only its beginning, it is none of the formats, or it is too large."""


class Asked(Struct, frozen=True):
    """A request: inputs for the task's prompt, where it brought some, and its messages."""

    inputs: dict[str, Any] | None = None
    messages: tuple[dict[str, Any], ...] = ()


def asked(body: bytes | None, most_bytes: int) -> Asked | Unfit:
    """What a recorded request asked, or why that is not known."""
    if body is None:
        return "not_kept"
    if len(body) > most_bytes:
        return "too_large"
    said = _json(body)
    if not isinstance(said, dict):
        return "not_read"
    return "preview" if is_preview(said) else asked_in(said)


def is_preview(said: dict[str, Any]) -> bool:
    """Whether a body is the preview that was kept in place of one."""
    return said.get("redaction") == "preview" and "sha256" in said


def asked_in(said: dict[str, Any]) -> Asked | Unfit:
    """What a request asks, given as its JSON."""
    extension = said.get("trimtab")
    inputs = extension.get("inputs") if isinstance(extension, dict) else None
    messages = tuple(_messages(said))
    inputs = inputs if isinstance(inputs, dict) and inputs else None
    return Asked(inputs, messages) if inputs or messages else "not_read"


def _messages(said: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for name in ("system", "instructions"):
        if isinstance(said.get(name), (str, list)) and said[name]:
            yield {"role": "system", "content": said[name]}
    for name in ("messages", "input"):
        if isinstance(said.get(name), list):
            yield from (one if isinstance(one, dict) else {"role": "user", "content": one} for one in said[name])
    for name in ("prompt", "input"):
        if isinstance(said.get(name), str) and said[name]:
            yield {"role": "user", "content": said[name]}


def answered(body: bytes | None, most_bytes: int) -> Any:
    """What the answer said: its text; with tool calls `{"text", "tool_calls"}`; None where that is not known."""
    if body is None or len(body) > most_bytes:
        return None
    whole = _json(body) if not body.startswith((b"data:", b"event:")) else None
    if isinstance(whole, dict):
        return None if is_preview(whole) else answered_in(whole)
    said = _Said()
    for line in body.splitlines():
        event = _event(line[5:]) if line.startswith(b"data:") else None
        if isinstance(event, dict):
            said.take_event(event)
    return said.told()


def answered_in(whole: dict[str, Any]) -> Any:
    """What an answer in one piece said, given as its JSON."""
    said = _Said()
    said.take_whole(whole)
    return said.told()


def _json(data: bytes) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return None


def _event(data: bytes) -> Any:
    """An event of a stream, of which texts alone are read: there may be thousands."""
    try:
        return msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


class _Said:
    """Gathers the first choice of an answer."""

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._calls: dict[Any, dict[str, str]] = {}

    def told(self) -> Any:
        text = _sayable("".join(self._texts))
        if self._calls:
            calls = [{name: _sayable(part) for name, part in call.items()} for call in self._calls.values()]
            return {"text": text, "tool_calls": calls}
        return text or None

    def take_whole(self, answer: dict[str, Any]) -> None:
        for choice in _dicts(answer.get("choices"))[:1]:
            message = choice.get("message")
            self._add(choice.get("text"))
            if isinstance(message, dict):
                self._add(message.get("content"))
                for number, call in enumerate(_dicts(message.get("tool_calls"))):
                    self._call(number, call.get("function"))
        for number, block in enumerate([*_dicts(answer.get("content")), *_dicts(answer.get("output"))]):
            self._block(number, block)

    def take_event(self, event: dict[str, Any]) -> None:
        for choice in _dicts(event.get("choices")):
            if choice.get("index", 0) != 0:
                continue
            delta = choice.get("delta")
            self._add(choice.get("text"))
            if isinstance(delta, dict):
                self._add(delta.get("content"))
                for call in _dicts(delta.get("tool_calls")):
                    self._call(call.get("index"), call.get("function"))
        kind, delta = event.get("type"), event.get("delta")
        if kind == "content_block_start" and isinstance(event.get("content_block"), dict):
            block = event["content_block"]
            if block.get("type") == "tool_use":
                self._call(event.get("index"), {"name": block.get("name")})
        elif kind == "content_block_delta" and isinstance(delta, dict):
            self._add(delta.get("text"))
            if "partial_json" in delta:
                self._call(event.get("index"), {"arguments": delta["partial_json"]})
        elif kind == "response.output_text.delta":
            self._add(delta)
        elif kind == "response.output_item.done":
            item = event.get("item")
            if isinstance(item, dict) and item.get("type") == "function_call":
                self._call(event.get("output_index"), item)

    def _block(self, number: int, block: dict[str, Any]) -> None:
        if block.get("type") == "text":
            self._add(block.get("text"))
        elif block.get("type") == "tool_use":
            self._call(number, {"name": block.get("name"), "arguments": json.dumps(block.get("input"))})
        elif block.get("type") == "function_call":
            self._call(number, block)
        elif block.get("type") == "message":
            for part in _dicts(block.get("content")):
                self._add(part.get("text"))

    def _add(self, text: Any) -> None:
        if isinstance(text, str):
            self._texts.append(text)
        elif isinstance(text, list):
            self._texts += [part["text"] for part in _dicts(text) if isinstance(part.get("text"), str)]

    def _call(self, place: Any, function: Any) -> None:
        if not isinstance(function, dict) or not isinstance(place, (int, str)):
            return
        if place not in self._calls and len(self._calls) == MOST_CALLS:
            return
        call = self._calls.setdefault(place, {"name": "", "arguments": ""})
        for part in call:
            if isinstance(function.get(part), str):
                call[part] += function[part]


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _sayable(text: str) -> str:
    """The text with what is no character (half of a surrogate pair) replaced: JSON may escape it, UTF-8 has none."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()
