"""Answers of OpenAI chat as answers of Anthropic messages: whole ones, and streams of events.

A message's blocks come one after another, while a chat may weave the pieces of several tool calls into each other. So
the block in front is written as it comes, and what belongs to others waits until the one in front is complete.
"""

from __future__ import annotations

from collections import deque
from typing import Any, Final

import msgspec
from msgspec import Raw, Struct

from trimtab.contracts.reply import Finish
from trimtab.cost.usage import from_openai
from trimtab.gateway.surfaces.anthropic import event
from trimtab.gateway.surfaces.anthropic_answers import (
    MAX_BLOCKS,
    MESSAGE_STOP,
    NO_USAGE,
    STOP_REASONS,
    block_stop,
    message_delta,
    message_start,
)
from trimtab.gateway.surfaces.surface import NOT_JSON, UpstreamSaidError

MAX_WAITING: Final = 8 << 20
"""Characters that may wait for the block in front of them; an answer that has more of them fails."""
ABSENT: Final = Raw()


class FunctionPart(Struct):
    """What a chunk adds to a function call, or a whole one."""

    name: str | None = None
    arguments: str | None = None


class CallPart(Struct):
    """What a chunk adds to a tool call, or a whole one."""

    index: int | None = None
    id: str | None = None
    type: str | None = None
    function: FunctionPart | None = None


class SaidPart(Struct):
    """What a chunk adds to a message, or a whole one."""

    content: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    refusal: str | None = None
    tool_calls: list[CallPart] | None = None
    function_call: Any = None
    audio: Any = None
    annotations: Any = None


class ChoicePart(Struct):
    """A choice; `stop_reason` is vLLM's, the stop sequence that was met if it is a text."""

    index: int = 0
    delta: SaidPart | None = None
    message: SaidPart | None = None
    finish_reason: str | None = None
    stop_reason: Any = None


class Part(Struct):
    """A chunk or a whole answer."""

    id: str = ""
    model: str = ""
    choices: list[ChoicePart] = []
    usage: Raw = ABSENT


_part = msgspec.json.Decoder(Part)
_object = msgspec.json.Decoder(dict[str, Raw])
_encode = msgspec.json.Encoder().encode


def messages_answer(body: bytes) -> bytes:
    """A chat completion as a message; raises `UpstreamSaidError` for what a message has no place for."""
    try:
        answer = _part.decode(body)
    except NOT_JSON as wrong:
        raise UpstreamSaidError(f"the answer is not what the surface defines: {wrong}") from None
    if len(answer.choices) != 1 or answer.choices[0].message is None:
        raise UpstreamSaidError(f"the answer holds {len(answer.choices)} choices, and a message is one")
    choice, said = answer.choices[0], answer.choices[0].message
    _only_known(said)
    blocks: list[dict[str, Any]] = []
    thinking = said.reasoning_content or said.reasoning
    if thinking:
        blocks.append({"type": "thinking", "thinking": thinking, "signature": ""})
    blocks += [_text(text) for text in (said.content, said.refusal) if text]
    blocks += [_whole_call(number, call, answer.id) for number, call in enumerate(said.tool_calls or ())]
    called = any(block["type"] == "tool_use" for block in blocks)
    stop_reason, stop_sequence = stopped(choice.finish_reason, choice.stop_reason, called=called)
    message = {
        "id": _message_id(answer.id),
        "type": "message",
        "role": "assistant",
        "model": answer.model,
        "content": blocks,
        "stop_reason": "refusal" if said.refusal else stop_reason,
        "stop_sequence": stop_sequence,
        "usage": _usage(answer.usage),
    }
    return _encode(message)


def _only_known(said: SaidPart) -> None:
    for name, value in (
        ("function_call", said.function_call),
        ("audio", said.audio),
        ("annotations", said.annotations),
    ):
        if value:
            raise UpstreamSaidError(f"the answer holds `{name}`, for which a message has no place")


def _text(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}


def _whole_call(number: int, call: CallPart, answer_id: str) -> dict[str, Any]:
    """A tool call as its block, or in words where its arguments are no JSON object: a block has place for no others."""
    function = call.function or FunctionPart()
    name, arguments = function.name or "", function.arguments or ""
    if not name or not is_object(arguments):
        return _text(in_words(name, arguments))
    call_id = call.id or _call_id(answer_id, number)
    return {"type": "tool_use", "id": call_id, "name": name, "input": Raw(arguments.encode())}


def in_words(name: str, arguments: str) -> str:
    """A tool call that is none, as the model wrote it."""
    return f"{name}({arguments})"


def is_object(text: str) -> bool:
    """Whether a text is a JSON object."""
    try:
        _object.decode(text)
    except (*NOT_JSON, UnicodeEncodeError):
        return False
    return True


def _message_id(answer_id: str) -> str:
    return answer_id if answer_id.startswith("msg_") else f"msg_{answer_id.removeprefix('chatcmpl-')}"


def _call_id(answer_id: str, number: int) -> str:
    """An id for a tool call whose server gave it none."""
    return f"toolu_{answer_id.removeprefix('chatcmpl-')}_{number}"


def stopped(finish_reason: str | None, met: Any, *, called: bool) -> tuple[str | None, str | None]:
    """`stop_reason` and `stop_sequence`. Servers say `stop` of a tool call that was forced, too."""
    if finish_reason == "stop" and called:
        return "tool_use", None
    if finish_reason == "stop" and isinstance(met, str):
        return "stop_sequence", met
    if finish_reason in {"tool_calls", "function_call"}:
        return ("tool_use" if called else "end_turn"), None
    return (STOP_REASONS.get(finish_reason, finish_reason) if finish_reason else None), None


def _usage(raw: Raw) -> dict[str, int]:
    """Anthropic's usage object, whose counts exclude each other; zeros where nothing can be read."""
    usage = from_openai(raw) if raw and bytes(raw) != b"null" else None
    if usage is None:
        return NO_USAGE
    return {
        "input_tokens": usage.input,
        "cache_creation_input_tokens": usage.cache_write,
        "cache_read_input_tokens": usage.cache_read,
        "output_tokens": usage.output,
    }


class _Block(Struct):
    """A block in the making; of a call `said` are all its arguments, `waiting` what of them is not written yet."""

    kind: str
    id: str = ""
    name: str = ""
    said: list[str] = []
    waiting: list[str] = []
    begun: bool = False
    closed: bool = False

    def complete(self) -> bool:
        """Whether nothing more can belong to it, once another block has begun."""
        return self.kind != "tool_use" or bool(self.name and self.said and is_object("".join(self.said)))


class MessagesWriter:
    """Writes a message's events out of chat chunks."""

    __slots__ = ("_answer_id", "_blocks", "_called", "_calls", "_ended", "_finish", "_index", "_last", "_made",
                 "_refused", "_started", "_usage", "_waiting")  # fmt: skip

    def __init__(self) -> None:
        self._started = self._called = self._refused = self._ended = False
        self._answer_id = ""
        self._blocks: deque[_Block] = deque()
        self._calls: dict[int, _Block] = {}
        self._last = -1
        self._index = self._waiting = 0
        self._finish: tuple[str | None, Any] = (None, None)
        self._usage: Raw = ABSENT
        self._made = 0

    def write(self, payload: bytes) -> bytes:
        """The events for the data of one chunk."""
        if payload.strip() == b"[DONE]":
            return self._end()
        chunk = _part.decode(payload)
        written = b"" if self._started else self._start(chunk)
        if chunk.usage and bytes(chunk.usage) != b"null":
            self._usage = chunk.usage
        for choice in chunk.choices:
            if choice.index != 0:
                raise UpstreamSaidError("the answer holds more than one choice, and a message is one")
            if choice.delta is not None:
                self._take(choice.delta)
            if choice.finish_reason:
                self._finish = (choice.finish_reason, choice.stop_reason)
            written += self._advance(final=bool(choice.finish_reason))
        return written

    def _start(self, chunk: Part) -> bytes:
        self._started, self._answer_id = True, chunk.id
        return message_start(_message_id(chunk.id), chunk.model, NO_USAGE)

    def _take(self, said: SaidPart) -> None:
        """Adds what a delta brought to its blocks."""
        _only_known(said)
        self._say("thinking", said.reasoning_content or said.reasoning)
        self._say("text", said.content)
        if said.refusal:
            self._refused = True
            self._say("text", said.refusal)
        for part in said.tool_calls or ():
            self._add(part)
        if self._waiting > MAX_WAITING:
            raise UpstreamSaidError(f"the pieces of its tool calls are woven over {MAX_WAITING} characters")

    def _say(self, kind: str, text: str | None) -> None:
        if text:
            if not self._blocks or self._blocks[-1].kind != kind:
                self._open(_Block(kind))
            self._blocks[-1].waiting.append(text)
            self._waiting += len(text)

    def _open(self, block: _Block) -> None:
        if self._index + len(self._blocks) >= MAX_BLOCKS:
            raise UpstreamSaidError(f"the answer has over {MAX_BLOCKS} blocks")
        self._blocks.append(block)

    def _add(self, part: CallPart) -> None:
        """Adds a piece of a tool call. Where a server numbers none, an id begins a call and pieces go to the last."""
        number = part.index
        if number is None:
            begins = bool(part.id) and (self._last < 0 or part.id != self._calls[self._last].id)
            number = self._last + 1 if begins or self._last < 0 else self._last
        self._last = number
        block = self._calls.get(number)
        if block is None:
            block = self._calls[number] = _Block("tool_use")
            self._open(block)
        function = part.function or FunctionPart()
        block.id, block.name = block.id or part.id or "", block.name or function.name or ""
        arguments = function.arguments
        if not arguments:
            return
        if block.closed:
            if arguments.strip():
                raise UpstreamSaidError("a piece of a tool call came after its arguments were complete")
            return
        block.said.append(arguments)
        block.waiting.append(arguments)
        self._waiting += len(arguments)

    def _advance(self, *, final: bool) -> bytes:
        """Writes what can be written: the block in front, and those behind it once it is complete."""
        written = b""
        while self._blocks:
            front = self._blocks[0]
            written += self._flush(front)
            if not final and (len(self._blocks) == 1 or not front.complete()):
                break
            written += self._close(front)
            self._blocks.popleft()
        return written

    def _flush(self, block: _Block) -> bytes:
        """What waits of a block. A call is begun with the first of its arguments, when its name is known."""
        if not block.waiting or (block.kind == "tool_use" and not block.name):
            return b""
        text = "".join(block.waiting)
        block.waiting = []
        self._waiting -= len(text)
        written = b""
        if not block.begun:
            block.begun = True
            written = self._begin(block)
        return written + self._delta(block.kind, text)

    def _begin(self, block: _Block) -> bytes:
        content: dict[str, Any] = {"type": block.kind}
        if block.kind == "tool_use":
            self._called = True
            content |= {"id": block.id or _call_id(self._answer_id, self._index), "name": block.name, "input": {}}
        elif block.kind == "text":
            content["text"] = ""
        else:
            content |= {"thinking": "", "signature": ""}
        start = {"type": "content_block_start", "index": self._index, "content_block": content}
        return event(b"content_block_start", _encode(start))

    def _delta(self, kind: str, text: str) -> bytes:
        delta = {
            "tool_use": {"type": "input_json_delta", "partial_json": text},
            "text": {"type": "text_delta", "text": text},
            "thinking": {"type": "thinking_delta", "thinking": text},
        }[kind]
        return event(
            b"content_block_delta", _encode({"type": "content_block_delta", "index": self._index, "delta": delta})
        )

    def _close(self, block: _Block) -> bytes:
        """The end of a block; a call that never got a name or arguments is none, and is told in words."""
        written = b""
        block.closed = True
        if not block.begun:
            block.kind, block.begun = "text", True
            text = in_words(block.name, "".join(block.said))
            self._waiting -= sum(map(len, block.waiting))
            written = self._begin(block) + self._delta("text", text)
        written += block_stop(self._index)
        self._index += 1
        return written

    def _end(self) -> bytes:
        """The end of the message, once all has come that tells of it."""
        finish, met = self._finish
        reason, sequence = stopped(finish, met, called=self._called)
        return self._finished("refusal" if self._refused else reason, sequence)

    def _finished(self, reason: str | None, sequence: str | None) -> bytes:
        if self._ended:
            return b""
        self._ended = True
        head = b"" if self._started else self._start(Part())
        closed = self._advance(final=True)
        return head + closed + message_delta(reason, sequence, self._told_usage()) + MESSAGE_STOP

    def _told_usage(self) -> dict[str, int]:
        usage = _usage(self._usage)
        return {**usage, "output_tokens": self._made} if usage is NO_USAGE and self._made else usage

    def stop(self, finish: Finish, tokens: int | None) -> bytes:
        """The events that end the message here; as its server said, if that was told already.

        `tokens` is what the server counted of the answer, for want of its usage.
        """
        self._made = tokens or 0
        if self._finish[0]:
            return self._end()
        return self._finished(STOP_REASONS.get(finish, finish), None)
