"""Anthropic messages to a server that speaks OpenAI chat."""

from __future__ import annotations

from trimtab.gateway.surfaces import anthropic
from trimtab.gateway.surfaces.chat import OpenAIWire
from trimtab.gateway.surfaces.surface import NOTHING_KEPT, Asked, Edits, Keep, Reader, Whole
from trimtab.gateway.translate.answers_to_messages import MessagesWriter, messages_answer
from trimtab.gateway.translate.messages_to_chat import to_chat
from trimtab.gateway.translate.reader import TranslatedReader


class MessagesOverChat:
    """A request for messages as a chat, and the chat completion as a message."""

    path = "/v1/chat/completions"
    resumes = True

    def __init__(self) -> None:
        self._chat = OpenAIWire("chat")

    def splice(self, asked: Asked, edits: Edits) -> bytes:
        """The body for the replica; raises `InvalidRequest` naming what cannot be carried."""
        return self._chat.splice(to_chat(asked, edits), edits)

    def reader(self, asked: Asked, keep: Keep = NOTHING_KEPT) -> Reader:
        """A reader of chunks that forwards a message's events."""
        return TranslatedReader(self._chat.reader(asked, keep), MessagesWriter())

    def whole(self, asked: Asked, body: bytes, keep: Keep = NOTHING_KEPT) -> Whole:
        """A chat completion as a message."""
        answer = self._chat.whole(asked, body, keep)
        return Whole(messages_answer(answer.body), answer.facts)

    def rejected(self, status: int, body: bytes) -> bytes:
        """The server's error body in Anthropic's shape."""
        return anthropic.rejected(status, body)
