"""Answers of Anthropic messages as answers of OpenAI chat: whole ones, and streams of chunks.

Thinking becomes `reasoning_content`; where it is signed, `thinking_blocks` repeats it with its signature, so that a
client that sends the message back sends the signature too.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec import Raw, Struct

from trimtab.contracts.reply import Finish
from trimtab.cost.usage import from_anthropic
from trimtab.gateway.surfaces.anthropic_answers import FINISHES, Block, Delta, Event, Message, decode_event
from trimtab.gateway.surfaces.surface import UpstreamSaidError

DONE: Final = b"data: [DONE]\n\n"
PING: Final = b": ping\n\n"
FINISH_REASONS: Final[dict[str, str]] = {"": "stop", "other": "stop"}
"""How an answer that is ended here is said to have ended, where it is not the word itself."""
ABSENT: Final = Raw()

_encode = msgspec.json.Encoder().encode


def chat_answer(message: Message, created: int) -> bytes:
    """A message as a chat completion; raises `UpstreamSaidError` for a block that a chat has no place for."""
    texts: list[str] = []
    thinking: list[str] = []
    signed: list[dict[str, Any]] = []
    calls: list[dict[str, Any]] = []
    for block in message.content or ():
        if block.type == "text":
            texts.append(block.text or "")
        elif block.type == "thinking":
            thinking.append(block.thinking or "")
            if block.signature:
                signed.append(_signed(len(signed), "".join(thinking[-1:]), block.signature))
        elif block.type == "redacted_thinking":
            signed.append(_redacted(len(signed), block))
        elif block.type == "tool_use":
            calls.append(_call(block, bytes(block.input).decode() or "{}"))
        else:
            raise _no_place(block)
    said: dict[str, Any] = {"role": "assistant", "content": "".join(texts) if texts else None, "refusal": None}
    if message.stop_details is not None:
        said["refusal"] = message.stop_details.explanation
    if any(thinking):
        said["reasoning_content"] = "".join(thinking)
    if signed:
        said["thinking_blocks"] = signed
    if calls:
        said["tool_calls"] = calls
    choice = {"index": 0, "message": said, "logprobs": None, "finish_reason": _finish_reason(message.stop_reason)}
    answer = {
        "id": _chat_id(message.id),
        "object": "chat.completion",
        "created": created,
        "model": message.model,
        "choices": [choice],
        "usage": _usage(message.usage),
    }
    return _encode(answer)


def _chat_id(message_id: str) -> str:
    return message_id if message_id.startswith("chatcmpl-") else f"chatcmpl-{message_id.removeprefix('msg_')}"


def _finish_reason(stop_reason: str | None) -> str | None:
    """In OpenAI's word, or in the server's own where OpenAI has none."""
    return FINISHES.get(stop_reason, stop_reason) if stop_reason else None


def _no_place(block: Block) -> UpstreamSaidError:
    return UpstreamSaidError(f"the answer holds a block of type {block.type!r}, for which a chat has no place")


def _signed(index: int, thinking: str, signature: str) -> dict[str, Any]:
    return {"index": index, "type": "thinking", "thinking": thinking, "signature": signature}


def _redacted(index: int, block: Block) -> dict[str, Any]:
    return {"index": index, "type": "redacted_thinking", "data": block.data or ""}


def _call(block: Block, arguments: str) -> dict[str, Any]:
    function = {"name": block.name or "", "arguments": arguments}
    return {"id": block.id or "", "type": "function", "function": function}


def _usage(*told: Raw) -> dict[str, Any] | None:
    """OpenAI's usage object, in which the prompt's tokens hold those of the cache; None if nothing was told."""
    usage = from_anthropic(*(part for part in told if part))
    if usage is None:
        return None
    prompt = usage.input + usage.cache_read + usage.cache_write
    details = {"cached_tokens": usage.cache_read}
    if usage.cache_write:
        details["cache_write_tokens"] = usage.cache_write
    counted: dict[str, Any] = {
        "prompt_tokens": prompt,
        "completion_tokens": usage.output,
        "total_tokens": prompt + usage.output,
        "prompt_tokens_details": details,
    }
    if usage.reasoning:
        counted["completion_tokens_details"] = {"reasoning_tokens": usage.reasoning}
    return counted


class _Open(Struct):
    """A block that is not closed yet: a call's number and its arguments, or a thinking's text and signature."""

    kind: str
    call: int = 0
    begun: str = ""
    told: bool = False
    thinking: list[str] = []
    signature: str = ""


class ChatWriter:
    """Writes chat chunks out of a message's events."""

    __slots__ = ("_calls", "_created", "_ended", "_head", "_identity", "_open", "_signed", "_usage", "_wants_usage")

    def __init__(self, created: int, *, wants_usage: bool) -> None:
        self._created = created
        self._wants_usage = wants_usage
        self._open: dict[int, _Open] = {}
        self._calls = self._signed = 0
        self._usage: tuple[Raw, Raw] = (ABSENT, ABSENT)
        self._ended = False
        self._identity: dict[str, Any] = {}
        self._head = b""
        self._identify("", "")

    def _identify(self, message_id: str, model: str) -> None:
        self._identity = {
            "id": _chat_id(message_id),
            "object": "chat.completion.chunk",
            "created": self._created,
            "model": model,
        }
        self._head = b"data: " + _encode(self._identity)[:-1] + b',"choices":[{"index":0,"delta":'

    def write(self, payload: bytes) -> bytes:
        """The chunks for one event."""
        said = decode_event(payload)
        kind = said.type
        if kind == "content_block_delta" and said.delta is not None:
            return self._grow(said.index, said.delta)
        if kind == "content_block_start" and said.content_block is not None:
            return self._begin(said.index, said.content_block)
        if kind == "content_block_stop":
            return self._close(said.index)
        if kind == "message_start" and said.message is not None:
            self._identify(said.message.id, said.message.model)
            self._usage = (said.message.usage, ABSENT)
            return self._chunk({"role": "assistant", "content": ""})
        if kind == "message_delta":
            return self._end(said)
        return self._rest(kind)

    def _rest(self, kind: str) -> bytes:
        if kind == "message_stop":
            return DONE
        return PING if kind == "ping" else b""

    def _chunk(self, delta: dict[str, Any], finish_reason: str | None = None) -> bytes:
        return b'%b%b,"logprobs":null,"finish_reason":%b}]}\n\n' % (self._head, _encode(delta), _encode(finish_reason))

    def _begin(self, index: int, block: Block) -> bytes:
        if block.type == "text":
            self._open[index] = _Open("text")
            return self._chunk({"content": block.text}) if block.text else b""
        if block.type == "thinking":
            opened = self._open[index] = _Open("thinking", signature=block.signature or "")
            return self._think(opened, block.thinking or "")
        if block.type == "redacted_thinking":
            self._signed += 1
            return self._chunk({"thinking_blocks": [_redacted(self._signed - 1, block)]})
        if block.type != "tool_use":
            raise _no_place(block)
        number, self._calls = self._calls, self._calls + 1
        self._open[index] = _Open("tool_use", number, begun=bytes(block.input).decode() or "{}")
        return self._chunk({"tool_calls": [{"index": number, **_call(block, "")}]})

    def _grow(self, index: int, delta: Delta) -> bytes:
        if delta.type == "text_delta":
            return self._chunk({"content": delta.text}) if delta.text else b""
        if delta.type == "thinking_delta":
            return self._think(self._open.setdefault(index, _Open("thinking")), delta.thinking or "")
        if delta.type == "signature_delta":
            self._open.setdefault(index, _Open("thinking")).signature = delta.signature or ""
            return b""
        if delta.type != "input_json_delta":
            raise UpstreamSaidError(f"the answer holds a delta of type {delta.type!r}, for which a chat has no place")
        opened = self._open.get(index)
        if opened is None or opened.kind != "tool_use":
            raise UpstreamSaidError("the answer holds arguments of a tool call that did not begin")
        if not delta.partial_json:
            return b""
        opened.told = True
        return self._arguments(opened, delta.partial_json)

    def _arguments(self, opened: _Open, text: str) -> bytes:
        return self._chunk({"tool_calls": [{"index": opened.call, "function": {"arguments": text}}]})

    def _think(self, opened: _Open, text: str) -> bytes:
        if not text:
            return b""
        opened.thinking.append(text)
        return self._chunk({"reasoning_content": text})

    def _close(self, index: int) -> bytes:
        """The end of a block: arguments that came with its beginning, if none came after it; signed thinking."""
        opened = self._open.pop(index, None)
        if opened is None:
            return b""
        if opened.kind == "tool_use" and not opened.told:
            return self._arguments(opened, opened.begun)
        if opened.kind == "thinking" and opened.signature:
            self._signed += 1
            block = _signed(self._signed - 1, "".join(opened.thinking), opened.signature)
            return self._chunk({"thinking_blocks": [block]})
        return b""

    def _end(self, said: Event) -> bytes:
        delta = said.delta or Delta()
        if said.usage:
            self._usage = (self._usage[0], said.usage)
        if not delta.stop_reason or self._ended:
            return b""
        self._ended = True
        explained = delta.stop_details.explanation if delta.stop_details else None
        closed = b"".join(self._close(index) for index in sorted(self._open))
        last: dict[str, Any] = {"refusal": explained} if explained else {}
        return closed + self._chunk(last, _finish_reason(delta.stop_reason)) + self._usage_chunk()

    def _usage_chunk(self) -> bytes:
        usage = _usage(*self._usage) if self._wants_usage else None
        if usage is None:
            return b""
        return b"data: " + _encode({**self._identity, "choices": [], "usage": usage}) + b"\n\n"

    def stop(self, finish: Finish, tokens: int | None) -> bytes:
        """A chunk that tells how the answer ended here, and the terminal marker; its usage is not known."""
        del tokens
        if self._ended:
            return DONE
        return self._chunk({}, FINISH_REASONS.get(finish, finish)) + DONE
