"""The messages of a chat, as a context strategy reads them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

import msgspec
from msgspec import Raw
from msgspec.structs import replace

from trimtab.gateway.surfaces.parts import Found
from trimtab.gateway.surfaces.surface import NOT_JSON, Asked, Message

ROLES: Final[Mapping[str, Literal["system", "user", "assistant", "tool"]]] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "assistant": "assistant",
    "tool": "tool",
    "function": "tool",
}
NULL: Final = b"null"

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


class ChatHistory:
    """Messages of OpenAI's chat completions."""

    name = "chat"

    def messages(self, asked: Asked) -> Sequence[Raw]:
        """`messages`."""
        return asked.messages

    def outside(self, asked: Asked) -> Sequence[Raw]:
        """The tools."""
        return asked.tools

    def alone(self, asked: Asked) -> bool:
        """False: they are one conversation."""
        return False

    def at_provider(self, asked: Asked) -> str:
        """Nothing: a chat is sent whole."""
        return ""

    def read(self, message: Raw) -> Message:
        """A message with its tool calls; a function call of the old form has its function's name for an id."""
        try:
            said = _decode(message)
        except NOT_JSON:
            said = None
        if not isinstance(said, dict):
            return Message("user", (bytes(message).decode("utf-8", "replace"),))
        found = Found()
        found.take(said.get("content"))
        found.take(said.get("reasoning_content") or said.get("reasoning"))
        found.take(said.get("refusal"))
        calls = _calls(said, found)
        role = ROLES.get(str(said.get("role")), "assistant")
        answered = said.get("tool_call_id") or said.get("name")
        answers = (answered,) if role == "tool" and isinstance(answered, str) else ()
        return Message(role, tuple(found.texts), found.media_tokens, calls, answers)

    def summary(self, text: str) -> Raw:
        """A message of role user."""
        return Raw(_encode({"role": "user", "content": text}))

    def with_messages(self, asked: Asked, messages: Sequence[Raw]) -> Asked:
        """The chat with other messages."""
        return with_field(asked, "messages", messages)


def _calls(said: dict[str, Any], found: Found) -> tuple[str, ...]:
    """The ids of a message's tool calls; their names and arguments become tokens."""
    ids = []
    told = said.get("tool_calls")
    for call in told if isinstance(told, list) else ():
        if not isinstance(call, dict):
            continue
        function = call.get("function") or call.get("custom")
        for name in ("name", "arguments", "input"):
            found.take(function.get(name) if isinstance(function, dict) else None)
        if isinstance(call.get("id"), str):
            ids.append(call["id"])
    old = said.get("function_call")
    if isinstance(old, dict):
        found.take(old.get("name"))
        found.take(old.get("arguments"))
        if isinstance(old.get("name"), str):
            ids.append(old["name"])
    return tuple(ids)


def with_field(asked: Asked, field: str, messages: Sequence[Raw]) -> Asked:
    """The request with other messages, which are in this field of it."""
    return replace(asked, messages=tuple(messages), fields={**asked.fields, field: Raw(_encode(messages))})


class TextHistory(ChatHistory):
    """The prompts of completions or the inputs of embeddings: each is a request of its own, of which nothing can go."""

    name = "text"

    def __init__(self, field: Literal["prompt", "input"]) -> None:
        self._field = field

    def messages(self, asked: Asked) -> Sequence[Raw]:
        """The prompts, or the one there is: texts or lists of tokens."""
        raw = asked.fields.get(self._field, Raw(NULL))
        if not bytes(raw).startswith(b"["):
            return () if bytes(raw) == NULL else (raw,)
        try:
            prompts = msgspec.json.decode(raw, type=list[Raw])
        except NOT_JSON:
            return (raw,)
        return (raw,) if prompts and bytes(prompts[0])[:1].isdigit() else prompts

    def alone(self, asked: Asked) -> bool:
        """True."""
        return True

    def read(self, message: Raw) -> Message:
        """A prompt: a text, or tokens, which are as many as they are."""
        try:
            said = _decode(message)
        except NOT_JSON:
            said = bytes(message).decode("utf-8", "replace")
        if isinstance(said, list) and all(isinstance(one, int) for one in said):
            return Message("user", (), len(said))
        found = Found()
        found.take(said)
        return Message("user", tuple(found.texts), found.media_tokens)


CHAT: Final = ChatHistory()
