"""`POST /v1/chat/completions`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from trimtab.contracts.reply import Reply
from trimtab.errors import CallError
from trimtab.gateway.surfaces import openai, openai_answers
from trimtab.gateway.surfaces.chat_history import CHAT
from trimtab.gateway.surfaces.openai_kept import KeptReader
from trimtab.gateway.surfaces.surface import (
    ADDED_KEPT,
    NOTHING_KEPT,
    Asked,
    Edits,
    History,
    Keep,
    OfferedTool,
    Reader,
    Whole,
    Wire,
)
from trimtab.gateway.translate.chat_over_messages import ChatOverMessages


class OpenAIWire:
    """Chat completions, completions or embeddings to a server that speaks them: bytes are left alone where possible."""

    path = ""

    def __init__(self, kind: Literal["chat", "text", "embeddings"]) -> None:
        self._kind = kind
        self.resumes = kind == "chat"

    def splice(self, asked: Asked, edits: Edits) -> bytes:
        """The body for the replica; of embeddings only the model changes."""
        return openai.splice_request(asked, edits, generates=self._kind != "embeddings")

    def reader(self, asked: Asked, keep: Keep = NOTHING_KEPT) -> Reader:
        """A reader of this answer's events."""
        if keep in (NOTHING_KEPT, ADDED_KEPT):
            return openai_answers.EventReader(wants_usage=asked.wants_usage, watched=keep.added)
        return KeptReader(keep, wants_usage=asked.wants_usage, kind="chat" if self._kind == "chat" else "text")

    def whole(self, asked: Asked, body: bytes, keep: Keep = NOTHING_KEPT) -> Whole:
        """An answer in one piece."""
        return openai_answers.whole_answer(body, keep)

    def rejected(self, status: int, body: bytes) -> bytes:
        """The server's error as it is."""
        return body


class ChatCompletions:
    """OpenAI chat completions, streamed and not."""

    name = "chat_completions"
    method = "POST"
    path = "/v1/chat/completions"
    repeatable = False
    forwards_headers = False
    wires: Mapping[str, Wire] = {"openai": OpenAIWire("chat"), "anthropic": ChatOverMessages()}
    history: History | None = CHAT

    def read(self, body: bytes) -> Asked:
        """What the request asks for, its messages included."""
        return openai.read_chat(body)

    def offered(self, asked: Asked) -> tuple[OfferedTool, ...]:
        """The functions of the request."""
        return openai.offered(asked)

    def reask(self, asked: Asked, reply: Reply, complaints: Sequence[str]) -> Asked:
        """The chat with the reply and what is wrong with it behind it."""
        return openai.reask_chat(asked, reply, complaints)

    def error(self, failure: CallError) -> bytes:
        """An error in OpenAI's shape."""
        return openai.error_body(failure)

    def error_event(self, failure: CallError) -> bytes:
        """An error as the last event of a stream."""
        return openai.error_event(failure)
