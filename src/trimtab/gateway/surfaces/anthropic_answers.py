"""Answers, as the Anthropic surfaces share them: whole messages, and streams of events.

Source: the Anthropic API reference (messages, streaming), and what vLLM makes of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Raw, Struct

from trimtab.contracts.reply import Finish, Reply, ToolCall
from trimtab.cost.usage import from_anthropic
from trimtab.gateway.surfaces.anthropic import ABSENT, MAX_TOLD_CHARACTERS, event
from trimtab.gateway.surfaces.sse import NOT_A_STREAM, EventSplitter, data_of, what_is_wrong
from trimtab.gateway.surfaces.surface import (
    NOT_JSON,
    NOTHING_KEPT,
    Added,
    Facts,
    Keep,
    Reader,
    Shape,
    UpstreamSaidError,
    Whole,
)

FINISHES: dict[str, Finish] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}
"""How an answer ended, by Anthropic's `stop_reason`; what is not here is `other`."""
STOP_REASONS = {
    "": "end_turn",
    "other": "end_turn",
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "content_filter": "refusal",
}
"""The `stop_reason` that tells how an answer ended; what is not here is told in its own word."""
MAX_BLOCKS = 1024
"""Content blocks of one message; a stream with more fails."""
SILENT_DELTAS = frozenset({"text_delta", "thinking_delta", "input_json_delta", "signature_delta"})
"""Deltas that bring nothing but their text; a signature brings none."""
MESSAGE_STOP = event(b"message_stop", b'{"type":"message_stop"}')


class StopDetails(Struct):
    """Why a model refused."""

    explanation: str | None = None


class Block(Struct):
    """A content block: whole in a message, the beginning of one in a stream."""

    type: str = ""
    text: str | None = None
    thinking: str | None = None
    signature: str | None = None
    data: str | None = None
    id: str | None = None
    name: str | None = None
    input: Raw = ABSENT


class Delta(Struct):
    """What an event adds to a block, or tells of the message's end."""

    type: str = ""
    text: str | None = None
    thinking: str | None = None
    partial_json: str | None = None
    signature: str | None = None
    stop_reason: str | None = None
    stop_sequence: str | None = None
    stop_details: StopDetails | None = None


class Message(Struct):
    """A whole message, or the one a stream begins with."""

    type: str = ""
    id: str = ""
    model: str = ""
    content: list[Block] | None = None
    stop_reason: str | None = None
    stop_sequence: str | None = None
    stop_details: StopDetails | None = None
    usage: Raw = ABSENT
    error: Any = None


class Event(Struct):
    """One event of a stream."""

    type: str = ""
    index: int = 0
    message: Message | None = None
    content_block: Block | None = None
    delta: Delta | None = None
    usage: Raw = ABSENT
    error: Any = None


decode_event = msgspec.json.Decoder(Event).decode
decode_message = msgspec.json.Decoder(Message).decode


def error_text(error: Any) -> str:
    """What an `error` value says, in at most 500 characters."""
    message = error.get("message") if isinstance(error, dict) else error
    return str(message or error or "an error without a word about it")[:MAX_TOLD_CHARACTERS]


def sole_event(data: bytes) -> bytes | None:
    """The JSON object in bytes that are one whole named event, as most reads of a stream are; else None."""
    if data.startswith(b"event: ") and data.endswith(b"}\n\n") and b"\r" not in data:
        named = data.find(b"\n")
        if data.startswith(b"\ndata: {", named) and data.find(b"\n", named + 1) == len(data) - 2:
            return data[named + 7 : -2]
    return None


def message_answer(body: bytes, keep: Keep = NOTHING_KEPT) -> Whole:
    """A message that came in one piece; raises `UpstreamSaidError`."""
    facts = message_facts(read_message(body), keep)
    return Whole(body, facts)


def read_message(body: bytes) -> Message:
    """The message in a whole answer; raises `UpstreamSaidError` if it is an error or no message."""
    try:
        message = decode_message(body)
    except NOT_JSON as wrong:
        raise UpstreamSaidError(f"the answer is not what the surface defines: {wrong}") from None
    if message.error or message.type == "error":
        raise UpstreamSaidError(error_text(message.error))
    if message.content is None:
        raise UpstreamSaidError("the answer holds no content")
    return message


def message_facts(message: Message, keep: Keep = NOTHING_KEPT) -> Facts:
    """What a whole message tells about itself."""
    gather = Gatherer(keep)
    gather.begin(message)
    for index, block in enumerate(message.content or ()):
        gather.open(index, block)
    gather.end(message.stop_reason, message.stop_details, message.usage)
    return gather.facts()


class Gatherer:
    """Adds up the facts of a message over its events."""

    __slots__ = ("_calls", "_facts", "_keep", "_refusal", "_start_usage", "_texts", "added", "finish")

    def __init__(self, keep: Keep) -> None:
        self._keep = keep
        self._facts = Facts()
        self._calls: dict[int, _Call] = {}
        self._texts: list[str] = []
        self._refusal = ""
        self._start_usage: Raw = ABSENT
        self.added: list[Added] = []
        self.finish: Finish = ""

    def begin(self, message: Message) -> None:
        """The message begins; its usage counts once its end is told."""
        facts = self._facts
        facts.upstream_id, facts.upstream_model, facts.choices = message.id, message.model, 1
        self._start_usage = message.usage

    def open(self, index: int, block: Block) -> bool:
        """A block begins; whether that bears content."""
        if block.type in {"text", "thinking"}:
            self._say(block.text or "")
            self._facts.text_bytes += len(block.thinking or "")
            return bool(block.text or block.thinking)
        if block.type == "tool_use":
            self._calls[index] = _Call(block.id or "", block.name or "", bytes(block.input).decode())
            self._facts.text_bytes += 1
        return True

    def add(self, index: int, delta: Delta) -> bool:
        """A block grows; whether that bears content."""
        size = len(delta.text or "") + len(delta.thinking or "") + len(delta.partial_json or "")
        self._facts.text_bytes += size
        if delta.text:
            self._facts.text_bytes -= len(delta.text)
            self._say(delta.text)
        elif delta.partial_json and self._keep.replies:
            call = self._calls.get(index)
            if call is not None:
                call.pieces.append(delta.partial_json)
        return bool(size) or delta.type not in SILENT_DELTAS

    def _say(self, text: str) -> None:
        if not text:
            return
        self._facts.text_bytes += len(text)
        if self._keep.replies:
            self._texts.append(text)
        if self._keep.added:
            self.added.append(Added(0, text))

    def end(self, stop_reason: str | None, details: StopDetails | None, usage: Raw) -> None:
        """The message's end is told: why, and its usage."""
        facts = self._facts
        if stop_reason:
            self.finish = FINISHES.get(stop_reason, "other")
            facts.finish_reason = stop_reason if self.finish == "other" else self.finish
        if details is not None and details.explanation:
            self._refusal = details.explanation
        told = [part for part in (self._start_usage, usage) if part]
        if usage:
            facts.usage = from_anthropic(*told) or facts.usage

    def facts(self) -> Facts:
        """What was told so far."""
        facts = self._facts
        facts.tool_calls = len(self._calls)
        if self._keep.replies and facts.choices:
            calls = [ToolCall(call.id, call.name, call.arguments()) for call in self._calls.values()]
            facts.replies = [Reply(0, "".join(self._texts), self._refusal, self.finish, calls)]
        return facts


class _Call(Struct):
    """A tool call as it comes: `begun` is the input its block began with, which the pieces replace."""

    id: str
    name: str
    begun: str
    pieces: list[str] = []

    def arguments(self) -> str:
        return "".join(self.pieces) or self.begun


class MessageReader:
    """Reads a stream of events that ends in `message_stop`."""

    __slots__ = (
        "_gather", "_keep", "_open", "_splitter", "_started", "_told_end", "added", "content", "done", "ending",
        "failure", "forward", "shape",
    )  # fmt: skip

    def __init__(self, keep: Keep = NOTHING_KEPT) -> None:
        self._keep = keep
        self._splitter = EventSplitter()
        self._gather = Gatherer(keep)
        self._open: set[int] = set()
        self._started = self._told_end = False
        self.forward = self.ending = b""
        self.added: Sequence[Added] = ()
        self.shape: Shape | None = None
        self.content = self.done = False
        self.failure = ""

    @property
    def tokens(self) -> int:
        """0: this wire counts at the end only."""
        return 0

    @property
    def facts(self) -> Facts:
        """What the stream has told so far."""
        return self._gather.facts()

    def feed(self, data: bytes) -> None:
        """Takes the next bytes of the body."""
        self.content, self.forward = False, b""
        if self._keep.added:
            self.added = self._gather.added = []
        if self._is_over():
            return
        passing: list[bytes] = []
        try:
            payload = None if self._splitter.held else sole_event(data)
            if payload is not None:
                self._takes(payload)
                self._pass(data, passing)
            else:
                for one in self._splitter.feed(data):
                    if self._is_over():
                        break
                    found = data_of(one)
                    if found is not None:
                        self._takes(found)
                    self._pass(one, passing)
        except NOT_A_STREAM as wrong:
            self.failure = what_is_wrong(wrong)
        self.forward = passing[0] if len(passing) == 1 else b"".join(passing)

    def _is_over(self) -> bool:
        return self.done or bool(self.failure)

    def _pass(self, one: bytes, passing: list[bytes]) -> None:
        """Puts an event that was taken where it belongs."""
        if self.failure:
            return
        if self._told_end and self._keep.end:
            self.ending += one
        else:
            passing.append(one)

    def _takes(self, payload: bytes) -> None:
        """Takes the JSON of one event."""
        said = decode_event(payload)
        kind, gather = said.type, self._gather
        if not 0 <= said.index < MAX_BLOCKS:
            self.failure = f"the stream speaks of block {said.index}; a message has {MAX_BLOCKS} at most"
            return
        if kind == "content_block_delta" and said.delta is not None:
            if gather.add(said.index, said.delta):
                self.content = True
        elif said.error or kind == "error":
            self.failure = error_text(said.error)
        elif kind == "content_block_start" and said.content_block is not None:
            self._open.add(said.index)
            if gather.open(said.index, said.content_block):
                self.content = True
        elif kind == "content_block_stop":
            self._open.discard(said.index)
        elif kind == "message_start" and said.message is not None:
            self._started = True
            gather.begin(said.message)
        elif kind == "message_delta":
            delta = said.delta or Delta()
            self._told_end = self._told_end or bool(delta.stop_reason)
            gather.end(delta.stop_reason, delta.stop_details, said.usage)
        elif kind == "message_stop":
            self._told_end = self.done = True

    def finish(self) -> bool:
        """Whether the terminal marker came and nothing failed before it."""
        return self.done and not self.failure

    def resume(self, before: Reader) -> None:
        """Not on this wire: it has no way to go on with an answer."""
        raise NotImplementedError

    def stop(self, finish: Finish) -> bytes:
        """The events that end the message here: what is open is closed, then why it ended, then the terminal marker."""
        if self._told_end and not self._keep.end:
            return b"" if self.done else MESSAGE_STOP
        facts = self.facts
        head = b"" if self._started else message_start(facts.upstream_id, facts.upstream_model, NO_USAGE)
        stops = [block_stop(index) for index in sorted(self._open)]
        output = facts.usage.output if facts.usage else 0
        told = message_delta(STOP_REASONS.get(finish, finish), None, {"output_tokens": output})
        return b"".join([head, *stops, told, MESSAGE_STOP])


NO_USAGE = {"input_tokens": 0, "output_tokens": 0}


def message_start(message_id: str, model: str, usage: dict[str, int]) -> bytes:
    """The event that begins a message."""
    message: dict[str, Any] = {
        "id": message_id,
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": usage,
    }
    return event(b"message_start", msgspec.json.encode({"type": "message_start", "message": message}))


def block_stop(index: int) -> bytes:
    """The event that ends a block."""
    return event(b"content_block_stop", b'{"type":"content_block_stop","index":%d}' % index)


def message_delta(stop_reason: str | None, stop_sequence: str | None, usage: dict[str, int]) -> bytes:
    """The event that tells how a message ended."""
    delta = {"stop_reason": stop_reason, "stop_sequence": stop_sequence}
    return event(b"message_delta", msgspec.json.encode({"type": "message_delta", "delta": delta, "usage": usage}))
