"""The tools' answers that come with a request for the first time: those behind the model's last turn.

They are read when the call has ended, so that they cost its client nothing; a call without any pays for one search in
its body. An answer counts as an error where its protocol says so (`is_error`), where it is a JSON object that says
nothing but an error (`error`, with a code or a status), or a text as frameworks begin it when a tool has raised
(`ERRORS`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, NamedTuple

import msgspec
from msgspec import Raw, Struct

from trimtab.contracts.shapes import shape_of
from trimtab.gateway.surfaces.surface import NOT_JSON, Asked
from trimtab.record.events import ToolResult

MAX_RESULTS: Final = 32
"""Of one request; parallel calls beyond are not told."""
MAX_SHAPES_BYTES: Final = 16 << 10
"""Of all shapes of one request; behind that, answers bear none."""
MAX_NAME: Final = 128
ABSENT: Final = Raw()
NULL: Final = b"null"

ERRORS: Final = re.compile(
    r"\s*(?:Error:|Error executing tool|Error calling tool|Tool execution failed"
    r"|An error occurred while running the tool|Traceback \(most recent call last\))"
)
_ERROR_KEY: Final = re.compile(r'\s*\{[^{}\[\]]{0,200}?"(?:is_?[eE]rror|errors?)"\s*:')
_BESIDE: Final = frozenset(
    {
        "code",
        "detail",
        "details",
        "error_code",
        "hint",
        "message",
        "ok",
        "request_id",
        "status",
        "statusCode",
        "success",
    }
    | {"status_code", "timestamp", "trace_id", "type"}
)
"""What an object may say beside its error."""


class Told(NamedTuple):
    """A tool's answer in a request: its name, its text (None for what is no text), whether it is marked an error."""

    tool: str
    text: str | None
    error: bool = False


class Called(Struct, frozen=True):
    """A function that a message calls."""

    name: str = ""


class ToolCall(Struct, frozen=True):
    """A tool call of an assistant's message."""

    id: str = ""
    function: Called = Called()


class Message(Struct, frozen=True):
    """As much of a chat's message as tells of tools."""

    role: str = ""
    content: Raw = ABSENT
    tool_call_id: str | None = None
    tool_calls: tuple[ToolCall, ...] | None = None


class Block(Struct, frozen=True):
    """As much of a content block as tells of tools and texts."""

    type: str = ""
    text: str = ""
    id: str = ""
    name: str = ""
    tool_use_id: str = ""
    content: Raw = ABSENT
    is_error: bool | None = None


class Item(Struct, frozen=True):
    """As much of an input item of the Responses API as tells of tools."""

    type: str = ""
    role: str = ""
    call_id: str = ""
    name: str | None = None
    output: Raw = ABSENT


_message = msgspec.json.Decoder(Message)
_item = msgspec.json.Decoder(Item)
_blocks = msgspec.json.Decoder(str | list[Block] | None)
_object = msgspec.json.Decoder(dict[str, Any])


def tool_results(surface: str, asked: Asked, *, shapes: bool) -> tuple[ToolResult, ...]:
    """The answers of a request at a surface, in their order; without `shapes` these are left empty."""
    reader = READERS.get(surface)
    if reader is None or reader.marker not in asked.body:
        return ()
    try:
        told = reader.read(asked.messages)
    except NOT_JSON:
        return ()
    found, room = [], MAX_SHAPES_BYTES
    for one in told[:MAX_RESULTS]:
        shape = shape_of(one.text) if shapes and one.text is not None else ""
        room -= len(shape.encode())
        size = 0 if one.text is None else len(one.text.encode())
        error = one.error or (one.text is not None and _says_error(one.text))
        found.append(ToolResult(one.tool[:MAX_NAME], shape if room >= 0 else "", size, error))
    return tuple(found)


def _says_error(text: str) -> bool:
    """Whether an answer says nothing but that the tool failed."""
    if ERRORS.match(text):
        return True
    if not _ERROR_KEY.match(text):
        return False
    try:
        said = _object.decode(text)
    except (*NOT_JSON, UnicodeEncodeError):
        return False
    if said.get("isError") is True or said.get("is_error") is True:
        return True
    failed = said.get("error") or said.get("errors")
    return bool(failed) and said.keys() <= _BESIDE | {"error", "errors"}


def _of_chat(messages: tuple[Raw, ...]) -> list[Told]:
    """Messages of the role `tool` behind the last of the assistant."""
    answers: list[Message] = []
    names: dict[str, str] = {}
    for raw in reversed(messages):
        message = _message.decode(raw)
        if message.role == "assistant":
            names = {call.id: call.function.name for call in message.tool_calls or ()}
            break
        if message.role == "tool":
            answers.append(message)
    return [Told(names.get(one.tool_call_id or "", ""), _text(one.content)) for one in reversed(answers)]


def _of_messages(messages: tuple[Raw, ...]) -> list[Told]:
    """`tool_result` blocks behind the last message of the assistant."""
    answers: list[Block] = []
    names: dict[str, str] = {}
    for raw in reversed(messages):
        message = _message.decode(raw)
        if b"tool_" not in bytes(message.content):
            if message.role == "assistant":
                break
            continue
        blocks = _blocks.decode(message.content)
        if isinstance(blocks, str) or blocks is None:
            continue
        if message.role == "assistant":
            names = {block.id: block.name for block in blocks if block.type == "tool_use"}
            break
        answers += [block for block in reversed(blocks) if block.type == "tool_result"]
    return [Told(names.get(one.tool_use_id, ""), _text(one.content), bool(one.is_error)) for one in reversed(answers)]


def _of_items(items: tuple[Raw, ...]) -> list[Told]:
    """`function_call_output` items behind the last call of a function that was answered before, or the last message."""
    answers: list[Item] = []
    names: dict[str, str] = {}
    for raw in reversed(items):
        item = _item.decode(raw)
        if item.type == "function_call_output" and not names:
            answers.append(item)
        elif item.type == "function_call":
            names[item.call_id] = item.name or ""
        elif names or item.role == "assistant":
            break
    return [Told(names.get(one.call_id, ""), _text(one.output)) for one in reversed(answers)]


class Reader(NamedTuple):
    """How a surface tells of tools' answers; a request that has any holds `marker`."""

    marker: bytes
    read: Callable[[tuple[Raw, ...]], list[Told]]


READERS: Final[Mapping[str, Reader]] = {
    "chat_completions": Reader(b"tool_call_id", _of_chat),
    "messages": Reader(b"tool_use_id", _of_messages),
    "responses": Reader(b"function_call_output", _of_items),
}
"""By surface; the others carry no tools."""


def _text(content: Raw) -> str | None:
    """The text of an answer: of its text parts joined, where it has parts; None where none of it is text."""
    raw = bytes(content)
    if not raw or raw == NULL:
        return ""
    if raw[:1] == b"{":
        return raw.decode()
    said = _blocks.decode(raw)
    if isinstance(said, str):
        return said
    texts = list(_texts(said or []))
    return "\n".join(texts) if texts else None


def _texts(blocks: list[Block]) -> Iterator[str]:
    return (block.text for block in blocks if block.type in ("text", "input_text", "output_text"))
