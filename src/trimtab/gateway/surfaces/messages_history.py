"""The messages of Anthropic's API, as a context strategy reads them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec
from msgspec import Raw

from trimtab.gateway.surfaces.chat_history import NULL, ROLES, ChatHistory
from trimtab.gateway.surfaces.parts import Found
from trimtab.gateway.surfaces.surface import NOT_JSON, Asked, Message

_decode = msgspec.json.Decoder().decode
_texts = msgspec.json.Decoder(list[Raw])


class MessagesHistory(ChatHistory):
    """Messages of Anthropic's API: the system's text stands apart, and blocks call tools and answer them."""

    name = "messages"

    def outside(self, asked: Asked) -> Sequence[Raw]:
        """The system's text and the tools."""
        system = asked.fields.get("system")
        return asked.tools if system is None or bytes(system) == NULL else (system, *asked.tools)

    def at_provider(self, asked: Asked) -> str:
        """`thread`, where the server keeps the conversation."""
        return "thread" if bytes(asked.fields.get("thread", NULL)) != NULL else ""

    def read(self, message: Raw) -> Message:
        """A message; one of the user with results of tools answers these, whatever else it says."""
        try:
            said = _decode(message)
        except NOT_JSON:
            said = None
        if not isinstance(said, dict):
            return Message("user", (bytes(message).decode("utf-8", "replace"),))
        content, found = said.get("content"), Found()
        calls: list[str] = []
        answers: list[str] = []
        for block in content if isinstance(content, list) else [content]:
            if not isinstance(block, dict):
                found.take(block)
            elif isinstance(block.get("tool_use_id"), str) and str(block.get("type")).endswith("tool_result"):
                answers.append(block["tool_use_id"])
                found.take(block.get("content"))
            elif isinstance(block.get("id"), str) and str(block.get("type")).endswith("tool_use"):
                calls.append(block["id"])
                found.take(block.get("name"))
                found.json(block.get("input"))
            else:
                found.take(block)
        role = ROLES.get(str(said.get("role")), "user")
        if role == "user" and answers:
            role = "tool"
        return Message(role, tuple(found.texts), found.media_tokens, tuple(calls), tuple(answers))


MESSAGES: Final = MessagesHistory()
