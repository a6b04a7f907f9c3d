"""OpenAI chat to a server that speaks Anthropic messages."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct

from trimtab.clock import Clock, SystemClock
from trimtab.gateway.surfaces.anthropic_answers import message_facts, read_message
from trimtab.gateway.surfaces.anthropic_wire import MessagesWire
from trimtab.gateway.surfaces.surface import NOT_JSON, NOTHING_KEPT, Asked, Edits, Keep, Reader, Whole
from trimtab.gateway.translate.answers_to_chat import ChatWriter, chat_answer
from trimtab.gateway.translate.chat_to_messages import to_messages
from trimtab.gateway.translate.reader import TranslatedReader

NS_PER_S = 10**9
MAX_TOLD_CHARACTERS = 500


class ToldError(Struct):
    """What is read of an error object of Anthropic's."""

    type: str = "api_error"
    message: str = ""


class ErrorBody(Struct):
    """An error body of Anthropic's."""

    error: ToldError


_error_body = msgspec.json.Decoder(ErrorBody)
_encode = msgspec.json.Encoder().encode


class ChatOverMessages:
    """A chat as a request for messages, and the message as a chat completion."""

    path = "/v1/messages"
    resumes = False

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock: Clock = clock or SystemClock()
        self._messages = MessagesWire()

    def splice(self, asked: Asked, edits: Edits) -> bytes:
        """The body for the replica; raises `InvalidRequest` naming what cannot be carried."""
        return self._messages.splice(to_messages(asked, edits), edits)

    def reader(self, asked: Asked, keep: Keep = NOTHING_KEPT) -> Reader:
        """A reader of a message's events that forwards chunks."""
        writer = ChatWriter(self._now_s(), wants_usage=asked.wants_usage)
        return TranslatedReader(self._messages.reader(asked, keep), writer)

    def whole(self, asked: Asked, body: bytes, keep: Keep = NOTHING_KEPT) -> Whole:
        """A message as a chat completion."""
        message = read_message(body)
        return Whole(chat_answer(message, self._now_s()), message_facts(message, keep))

    def rejected(self, status: int, body: bytes) -> bytes:
        """The server's error body in OpenAI's shape."""
        try:
            told = _error_body.decode(body).error
        except NOT_JSON:
            kind = "invalid_request_error" if status < 500 else "api_error"
            told = ToldError(kind, body[: 4 * MAX_TOLD_CHARACTERS].decode("utf-8", "replace")[:MAX_TOLD_CHARACTERS])
        error: dict[str, Any] = {"message": told.message, "type": told.type, "param": None, "code": None}
        return _encode({"error": error})

    def _now_s(self) -> int:
        return self._clock.wall_ns() // NS_PER_S
