"""Requests and errors, as the Anthropic surfaces share them; `anthropic_answers` reads what comes back.

Source: the Anthropic API reference (messages, count tokens, errors).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import msgspec
from msgspec import Raw, Struct

from trimtab.declare.project import Sampling
from trimtab.errors import CallError, InvalidRequest
from trimtab.gateway.surfaces.surface import NOT_JSON, Asked, Edits, OfferedTool, SchemaEdit

ABSENT = Raw()
NULL = b"null"
NO_SAMPLING = Sampling()
SHORT_PROMPT_BYTES = 8 << 10
"""Digests of system prompts up to this size are remembered, 256 of them."""
MAX_TOLD_CHARACTERS = 500
"""What is passed on of an upstream's own words that are not in the shape of its API."""

ERROR_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    502: "api_error",
    503: "overloaded_error",
    504: "timeout_error",
}
"""Anthropic's name for an error, by HTTP status; every other status below 500 is an invalid request."""


class Extension(Struct):
    """Our own body field, `trimtab`: inputs for the task's prompt, the digest of its version that the messages were
    rendered from, and ids of what a retriever found for this call.
    """

    inputs: dict[str, Any] | None = None
    retrieval_ids: tuple[str, ...] = ()
    prompt: str = ""


class Said(Struct):
    """What of a request the path must know."""

    model: str | None = None
    stream: bool | None = None
    system: Raw = ABSENT
    messages: tuple[Raw, ...] = ()
    tools: tuple[Raw, ...] | None = None
    max_tokens: int | None = None
    trimtab: Extension | None = None


class Message(Struct):
    """As much of a message as tells whether it is the system's."""

    role: str = ""
    content: Raw = ABSENT


class TextBlock(Struct):
    """A text block of a system prompt."""

    text: str = ""


class Tool(Struct):
    """What is read of a tool; those that Anthropic defines have no schema of their own."""

    name: str = ""
    input_schema: Raw = ABSENT


class ToldError(Struct):
    """What is read of the error object of any server."""

    message: Any = None
    code: Any = None


class ErrorBody(Struct):
    """An error body of this API, or of one like OpenAI's."""

    type: Any = None
    error: Any = None


_fields = msgspec.json.Decoder(dict[str, Raw])
_said = msgspec.json.Decoder(Said)
_message = msgspec.json.Decoder(Message)
_texts = msgspec.json.Decoder(str | list[TextBlock] | None)
_tool = msgspec.json.Decoder(Tool)
_error_body = msgspec.json.Decoder(ErrorBody)
_encode = msgspec.json.Encoder().encode


def read_request(body: bytes, *, streams: bool) -> Asked:
    """What a request asks for, with its messages and the digest of its system prompt."""
    try:
        said = _said.decode(body)
        if said.model is None:
            raise InvalidRequest(detail="`model` is missing: name a task or a model")
        asked = Asked(body, _fields.decode(body), said.model, messages=said.messages, tools=said.tools or ())
        asked.system_prompt = _system_prompt(said)
        offered(asked)
    except NOT_JSON as wrong:
        raise InvalidRequest(detail=f"the body is not a request of this API: {wrong}") from None
    asked.stream = streams and bool(said.stream)
    asked.wants_usage = True
    asked.max_output_tokens = said.max_tokens
    if said.trimtab is not None:
        asked.inputs, asked.retrieval_ids = said.trimtab.inputs, said.trimtab.retrieval_ids
        asked.prompt_version = said.trimtab.prompt
    return asked


def _system_prompt(said: Said) -> str | None:
    """The digest of the system prompt, or of a first message that is the system's."""
    content = bytes(said.system)
    if not content and said.messages:
        first = _message.decode(said.messages[0])
        content = bytes(first.content) if first.role == "system" else b""
    if not content or content == NULL:
        return None
    return _remembered_digest(content) if len(content) <= SHORT_PROMPT_BYTES else _text_digest(content)


def _text_digest(content: bytes) -> str:
    """`sha256:` and the digest of a system prompt's text in UTF-8, the texts of its blocks joined."""
    return "sha256:" + hashlib.sha256("".join(_text_list(content)).encode()).hexdigest()


def _text_list(content: bytes) -> list[str]:
    value = _texts.decode(content)
    return [value] if isinstance(value, str) else [block.text for block in value or []]


_remembered_digest = lru_cache(maxsize=256)(_text_digest)


def offered(asked: Asked) -> tuple[OfferedTool, ...]:
    """The tools of the request that have a name; no schema is known of those that Anthropic defines."""
    tools = [_tool.decode(tool) for tool in asked.tools]
    return tuple(OfferedTool(tool.name, bytes(tool.input_schema)) for tool in tools if tool.name)


def splice_request(asked: Asked, edits: Edits, *, generates: bool) -> bytes:
    """The request for the replica: model, sampling, prompt, schema and tools put in, our own field taken out.

    Every other value keeps its bytes, in the order the client sent them. Raises `InvalidRequest` for what this wire
    has no field for, and for a conversation that the server is to hold, if it holds none.
    """
    if edits.engine != "anthropic":
        refuse_thread(asked, edits.model)
    fields: dict[str, Any] = {**asked.fields, "model": edits.model}
    fields.pop("trimtab", None)
    if edits.prompt:
        _put_prompt(fields, asked, edits.prompt)
    if generates:
        if edits.top_logprobs is not None:
            raise InvalidRequest(detail=f"log probabilities cannot be asked of {edits.model}: its wire has none")
        if edits.sampling != NO_SAMPLING:
            _put_sampling(fields, asked, edits)
    if edits.schema is not None:
        _put_schema(fields, asked, edits.schema)
    if edits.tools or edits.strict_tools:
        _put_tools(fields, asked, edits)
    return _encode(fields)


def refuse_thread(asked: Asked, model: str) -> None:
    """Raises `InvalidRequest` for a request whose conversation the server is to hold, in the shape in which Anthropic
    itself says that it cannot: its client then sends the whole history (`error_body`)."""
    if bytes(asked.fields.get("thread", NULL)) != NULL:
        raise InvalidRequest(
            detail=f"`thread` needs a server that keeps conversations, and that of {model} keeps none: "
            "send the whole history in `messages`",
            unsupported=("thread",),
        )


def _put_prompt(fields: dict[str, Any], asked: Asked, prompt: Sequence[bytes]) -> None:
    """Puts the rendered messages first: the system's in front of `system`, the others in front of `messages`."""
    system: list[Any] = []
    turns: list[Any] = []
    for rendered in prompt:
        message = _message.decode(rendered)
        if message.role == "system":
            system += [{"type": "text", "text": text} for text in _text_list(bytes(message.content))]
        else:
            turns.append(Raw(rendered))
    fields["messages"] = [*turns, *asked.messages]
    if not system:
        return
    theirs = asked.fields.get("system", ABSENT)
    said = msgspec.json.decode(theirs, type=str | list[Raw] | None) if theirs else None
    if isinstance(said, str):
        said = [Raw(_encode({"type": "text", "text": said}))]
    blocks = [*system, *(said or [])]
    fields["system"] = blocks[0]["text"] if len(blocks) == 1 else blocks


def _put_sampling(fields: dict[str, Any], asked: Asked, edits: Edits) -> None:
    sampling = edits.sampling
    if sampling.seed is not None:
        raise InvalidRequest(detail=f"the task's `seed` cannot be carried to {edits.model}: its wire has no such field")
    for name, value in (
        ("temperature", sampling.temperature),
        ("top_p", sampling.top_p),
        ("stop_sequences", sampling.stop),
    ):
        if value is not None:
            fields[name] = value
    limit = sampling.max_output_tokens
    if limit is not None and (asked.max_output_tokens is None or asked.max_output_tokens > limit):
        fields["max_tokens"] = limit


def _put_schema(fields: dict[str, Any], asked: Asked, schema: SchemaEdit) -> None:
    """Puts the schema into `output_config`, the one form this wire has; what else stands there stays."""
    theirs = asked.fields.get("output_config", ABSENT)
    said = msgspec.json.decode(theirs, type=dict[str, Raw] | None) if theirs else None
    fields["output_config"] = {**(said or {}), "format": {"type": "json_schema", "schema": schema.schema}}


def _put_tools(fields: dict[str, Any], asked: Asked, edits: Edits) -> None:
    """Adds the task's tools behind the request's; asks for strict arguments where nothing was said of them."""
    names = {_tool.decode(tool).name for tool in asked.tools}
    added = [
        {"name": tool.name, "description": tool.description, "input_schema": tool.schema}
        for tool in edits.tools
        if tool.name not in names
    ]
    tools: list[Any] = [*asked.tools, *added]
    if edits.strict_tools:
        tools = [_strict(tool) for tool in tools]
    if tools:
        fields["tools"] = tools


def _strict(tool: Any) -> Any:
    fields: dict[str, Any] = _fields.decode(tool) if isinstance(tool, Raw) else tool
    return {**fields, "strict": True} if "input_schema" in fields and "strict" not in fields else tool


def error_type(status: int) -> str:
    """Anthropic's name for an error with this status."""
    return ERROR_TYPES.get(status, "invalid_request_error" if status < 500 else "api_error")


def error_body(failure: CallError) -> bytes:
    """An error in Anthropic's shape, with our code."""
    error: dict[str, Any] = {"type": error_type(failure.status), "message": str(failure), "code": failure.code}
    unsupported = failure.facts.get("unsupported")
    if unsupported:
        error["details"] = {"error_code": "thread_unsupported_request", "unsupported": unsupported}
    return _encode({"type": "error", "error": error})


def error_event(failure: CallError) -> bytes:
    """The error as the event that ends a stream badly."""
    return event(b"error", error_body(failure))


def event(name: bytes, data: bytes) -> bytes:
    """A server-sent event of this API, where its name repeats the `type` of its data."""
    return b"event: %b\ndata: %b\n\n" % (name, data)


def rejected(status: int, body: bytes) -> bytes:
    """A server's error body in Anthropic's shape: as it is if it has that shape, else what it says in it."""
    try:
        told = _error_body.decode(body)
        if told.type == "error" and isinstance(told.error, dict):
            return body
        error = msgspec.convert(told.error, ToldError) if isinstance(told.error, dict) else ToldError(told.error)
    except (*NOT_JSON, msgspec.ValidationError):
        error = ToldError(body[: 4 * MAX_TOLD_CHARACTERS].decode("utf-8", "replace"))
    said: dict[str, Any] = {"type": error_type(status), "message": str(error.message or "")[:MAX_TOLD_CHARACTERS]}
    if isinstance(error.code, str):
        said["code"] = error.code
    return _encode({"type": "error", "error": said})
