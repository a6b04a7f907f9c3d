"""Requests and errors, as the OpenAI surfaces share them; `openai_answers` reads what comes back.

Source: the OpenAI API reference (chat completions, completions, embeddings).
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import Any

import msgspec
from msgspec import Raw, Struct

from trimtab.declare.project import Sampling
from trimtab.errors import CallError, InvalidRequest
from trimtab.gateway.surfaces.surface import Asked, Edits

SYSTEM_ROLES = frozenset({"system", "developer"})
ABSENT = Raw()
NO_SAMPLING = Sampling()
NOT_JSON = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What msgspec raises for bytes that are not the JSON they should be."""
SHORT_PROMPT_BYTES = 8 << 10
"""Digests of system prompts up to this size are remembered, 256 of them."""


class StreamOptions(Struct):
    """The one stream option the path must know."""

    include_usage: bool | None = None


class Extension(Struct):
    """Our own body field, `trimtab`: inputs for the task's prompt, and ids of what a retriever found for this call."""

    inputs: dict[str, Any] | None = None
    retrieval_ids: tuple[str, ...] = ()


class Said(Struct):
    """What of a request the path must know."""

    model: str | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    max_completion_tokens: int | None = None
    max_tokens: int | None = None
    trimtab: Extension | None = None


class SaidWithMessages(Said):
    """The same of a chat."""

    messages: tuple[Raw, ...] = ()


class Message(Struct):
    """As much of a message as tells whether it is the system's."""

    role: str = ""
    content: Raw = ABSENT


class ContentPart(Struct):
    """A text part of a message."""

    text: str = ""


_fields = msgspec.json.Decoder(dict[str, Raw])
_said = msgspec.json.Decoder(Said)
_said_with_messages = msgspec.json.Decoder(SaidWithMessages)
_message = msgspec.json.Decoder(Message)
_content = msgspec.json.Decoder(str | list[ContentPart] | None)
_encode = msgspec.json.Encoder().encode


def read_request(body: bytes) -> Asked:
    """What every OpenAI request has: the model, streaming, our own inputs and the output limit."""
    try:
        return _asked(body, _said.decode(body))
    except NOT_JSON as wrong:
        raise InvalidRequest(detail=f"the body is not a request of this API: {wrong}") from None


def read_chat(body: bytes) -> Asked:
    """The same, with the message list and the digest of the first system or developer text."""
    try:
        said = _said_with_messages.decode(body)
        asked = _asked(body, said)
        if said.messages:
            asked.messages = said.messages
            asked.system_prompt = _system_prompt(said.messages[0])
    except NOT_JSON as wrong:
        raise InvalidRequest(detail=f"the body is not a request of this API: {wrong}") from None
    return asked


def _asked(body: bytes, said: Said) -> Asked:
    if said.model is None:
        raise InvalidRequest(detail="`model` is missing: name a task or a model")
    asked = Asked(body, _fields.decode(body), said.model)
    if said.stream:
        asked.stream = True
        if said.stream_options is not None:
            asked.wants_usage = bool(said.stream_options.include_usage)
            asked.stream_options = _fields.decode(asked.fields["stream_options"])
    if said.trimtab is not None:
        asked.inputs, asked.retrieval_ids = said.trimtab.inputs, said.trimtab.retrieval_ids
    limit = said.max_completion_tokens
    asked.max_output_tokens = said.max_tokens if limit is None else limit
    return asked


def _system_prompt(first: Raw) -> str | None:
    """The digest of the first message's text, if it is the system's."""
    message = _message.decode(first)
    if message.role not in SYSTEM_ROLES:
        return None
    content = bytes(message.content)
    return _remembered_digest(content) if len(content) <= SHORT_PROMPT_BYTES else _text_digest(content)


def _text_digest(content: bytes) -> str:
    """`sha256:` and the digest of a message's text in UTF-8, the texts of its parts joined."""
    value = _content.decode(content) if content else None
    text = value if isinstance(value, str) else "".join(part.text for part in value or [])
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


_remembered_digest = lru_cache(maxsize=256)(_text_digest)


def splice_request(asked: Asked, edits: Edits, *, generates: bool) -> bytes:
    """The request for the replica: model, usage, sampling and prompt put in, our own field taken out.

    Every other value keeps its bytes, in the order the client sent them.
    """
    fields: dict[str, Any] = {**asked.fields, "model": edits.model}
    fields.pop("trimtab", None)
    if asked.stream and not asked.wants_usage:
        fields["stream_options"] = {**asked.stream_options, "include_usage": True}
    if edits.prompt:
        fields["messages"] = [*map(Raw, edits.prompt), *asked.messages]
    if generates and edits.sampling != NO_SAMPLING:
        _splice_sampling(fields, asked, edits.sampling)
    return _encode(fields)


def _splice_sampling(fields: dict[str, Any], asked: Asked, sampling: Sampling) -> None:
    for name in ("temperature", "top_p", "seed", "stop"):
        value = getattr(sampling, name)
        if value is not None:
            fields[name] = value
    limit = sampling.max_output_tokens
    if limit is not None and (asked.max_output_tokens is None or asked.max_output_tokens > limit):
        name = "max_completion_tokens" if "max_completion_tokens" in fields else "max_tokens"
        fields[name] = limit


def error_body(failure: CallError) -> bytes:
    """An error in OpenAI's shape, with our code."""
    kind = "invalid_request_error" if failure.status < 500 else "api_error"
    return msgspec.json.encode({"error": {"message": str(failure), "type": kind, "param": None, "code": failure.code}})


def error_event(failure: CallError) -> bytes:
    """The error as a server-sent event."""
    return b"data: " + error_body(failure) + b"\n\n"
