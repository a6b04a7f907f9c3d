"""The input items of a response, as a context strategy reads them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from msgspec import Raw

from trimtab.gateway.surfaces.chat_history import NULL, ROLES, ChatHistory, with_field
from trimtab.gateway.surfaces.parts import Found
from trimtab.gateway.surfaces.surface import NOT_JSON, Asked, Message

HELD: Final = ("previous_response_id", "conversation", "prompt")
REFERENCE: Final = b"item_reference"
RESULTS: Final = ("_output", "_response")
"""How the type of an item ends that answers another."""
LINKS: Final = ("call_id", "approval_request_id", "id")
SAID: Final = ("name", "arguments", "input", "output", "result", "action", "query", "queries", "code", "results")
"""Fields of an item that is no message which become tokens."""

_decode = msgspec.json.Decoder().decode
_kind = msgspec.json.Decoder(dict[str, Raw])


class ResponsesHistory(ChatHistory):
    """Input items of OpenAI's responses: messages, calls, their outputs and reasoning, each an item of its own."""

    name = "responses"

    def messages(self, asked: Asked) -> Sequence[Raw]:
        """The items of `input`, or the one text it is."""
        said = asked.fields.get("input", Raw(NULL))
        return (said,) if bytes(said).startswith(b'"') else asked.messages

    def outside(self, asked: Asked) -> Sequence[Raw]:
        """The instructions and the tools."""
        said = asked.fields.get("instructions", Raw(NULL))
        return asked.tools if bytes(said) == NULL else (said, *asked.tools)

    def at_provider(self, asked: Asked) -> str:
        """What refers to something that only the server has."""
        for name in HELD:
            if bytes(asked.fields.get(name, NULL)) != NULL:
                return name
        if REFERENCE in asked.body and any(_is_reference(item) for item in asked.messages):
            return REFERENCE.decode()
        return ""

    def read(self, message: Raw) -> Message:
        """An item: a message, a call, what answers one, or reasoning."""
        try:
            said = _decode(message)
        except NOT_JSON:
            said = None
        if not isinstance(said, dict):
            text = said if isinstance(said, str) else bytes(message).decode("utf-8", "replace")
            return Message("user", (text,))
        found, kind = Found(), str(said.get("type") or "message")
        if kind in {"message", "agent_message"} and "role" in said:
            found.take(said.get("content"))
            return Message(ROLES.get(str(said["role"]), "assistant"), tuple(found.texts), found.media_tokens)
        if kind == "reasoning":
            found.take({name: said[name] for name in ("summary", "content", "encrypted_content") if said.get(name)})
            return Message("assistant", tuple(found.texts), found.media_tokens, reasons=True)
        _take_item(said, found)
        links = tuple(said[name] for name in LINKS if isinstance(said.get(name), str))
        if kind.endswith(RESULTS):
            return Message("tool", tuple(found.texts), found.media_tokens, answers=links)
        return Message("assistant", tuple(found.texts), found.media_tokens, calls=links)

    def summary(self, text: str) -> Raw:
        """A message of role user."""
        return Raw(msgspec.json.encode({"role": "user", "content": text}))

    def with_messages(self, asked: Asked, messages: Sequence[Raw]) -> Asked:
        """The request with other items."""
        return with_field(asked, "input", messages)


def _take_item(said: dict[str, Any], found: Found) -> None:
    for name in SAID:
        value = said.get(name)
        if isinstance(value, str) or (isinstance(value, list) and name in {"output", "results"}):
            found.take(value)
        elif value is not None:
            found.json(value)


def _is_reference(item: Raw) -> bool:
    try:
        return bytes(_kind.decode(item).get("type", b"")) == b'"item_reference"'
    except NOT_JSON:
        return False


RESPONSES: Final = ResponsesHistory()
