"""`POST /v1/messages/count_tokens`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from trimtab.contracts.reply import Reply
from trimtab.errors import CallError
from trimtab.gateway.surfaces import anthropic, anthropic_answers
from trimtab.gateway.surfaces.messages import reask
from trimtab.gateway.surfaces.surface import (
    NOT_JSON,
    NOTHING_KEPT,
    Asked,
    Edits,
    Facts,
    History,
    Keep,
    OfferedTool,
    Reader,
    UpstreamSaidError,
    Whole,
    Wire,
)


class Count(Struct):
    """What is read of an answer."""

    input_tokens: Annotated[int, Meta(ge=0)] | None = None
    error: Any = None


_count = msgspec.json.Decoder(Count)


class CountTokensWire:
    """Counting on Anthropic's own wire format."""

    path = ""
    resumes = False

    def splice(self, asked: Asked, edits: Edits) -> bytes:
        """The body for the replica; nothing is generated, so sampling stays out of it."""
        return anthropic.splice_request(asked, edits, generates=False)

    def reader(self, asked: Asked, keep: Keep = NOTHING_KEPT) -> Reader:
        """A reader of messages; an answer of this route is never streamed."""
        return anthropic_answers.MessageReader(keep)

    def whole(self, asked: Asked, body: bytes, keep: Keep = NOTHING_KEPT) -> Whole:
        """An answer in one piece; it tells no usage, since counting costs nothing."""
        try:
            answer = _count.decode(body)
        except NOT_JSON as wrong:
            raise UpstreamSaidError(f"the answer is not what the surface defines: {wrong}") from None
        if answer.error:
            raise UpstreamSaidError(anthropic_answers.error_text(answer.error))
        if answer.input_tokens is None:
            raise UpstreamSaidError("the answer holds no count")
        return Whole(body, Facts())

    def rejected(self, status: int, body: bytes) -> bytes:
        """The server's error body in Anthropic's shape."""
        return anthropic.rejected(status, body)


class CountTokens:
    """Anthropic's count of a request's tokens; only servers of its own wire format have it."""

    name = "count_tokens"
    method = "POST"
    path = "/v1/messages/count_tokens"
    repeatable = True
    forwards_headers = False
    wires: Mapping[str, Wire] = {"anthropic": CountTokensWire()}
    history: History | None = None

    def read(self, body: bytes) -> Asked:
        """What the request asks for; it is never streamed."""
        return anthropic.read_request(body, streams=False)

    def offered(self, asked: Asked) -> tuple[OfferedTool, ...]:
        """The tools of the request."""
        return anthropic.offered(asked)

    def reask(self, asked: Asked, reply: Reply, complaints: Sequence[str]) -> Asked:
        """As for messages; a count has no reply that could be wrong."""
        return reask(asked, reply, complaints)

    def error(self, failure: CallError) -> bytes:
        """An error in Anthropic's shape."""
        return anthropic.error_body(failure)

    def error_event(self, failure: CallError) -> bytes:
        """An error as the last event of a stream."""
        return anthropic.error_event(failure)
