"""What the OpenAI surfaces share: reading requests, the shape of errors, and the reader of their event streams.

Source: the OpenAI API reference (chat completions, completions, embeddings) and what vLLM, SGLang, DeepSeek and
others add to it (`reasoning_content`, `reasoning`, usage in every chunk, error events before `[DONE]`).
"""

from __future__ import annotations

import hashlib
from typing import Any, TypeVar

import msgspec
from msgspec import Raw, Struct

from trimtab.cost.usage import from_openai
from trimtab.errors import CallError, InvalidRequest
from trimtab.gateway.surfaces.sse import EventSplitter, EventTooLarge, NotAnEvent, data_of
from trimtab.gateway.surfaces.surface import Asked, Edits, Facts, UpstreamSaidError, splice_fields
from trimtab.record.events import LogprobSummary

LIMIT_FIELDS = ("max_completion_tokens", "max_tokens")
SYSTEM_ROLES = frozenset({"system", "developer"})
ABSENT = Raw()
NOT_JSON = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What msgspec raises for bytes that are not the JSON they should be."""

T = TypeVar("T")


class StreamOptions(Struct):
    """The one stream option the path must know."""

    include_usage: bool | None = None


class Extension(Struct):
    """Our own body field, `trimtab`: inputs for the task's prompt, and ids of what a retriever found for this call."""

    inputs: dict[str, Any] | None = None
    retrieval_ids: tuple[str, ...] = ()


class Message(Struct):
    """As much of a message as tells whether it is the system's."""

    role: str = ""
    content: Raw = ABSENT


class ContentPart(Struct):
    """A text part of a message."""

    text: str = ""


class ToolFunction(Struct):
    """The part of a tool call that grows."""

    arguments: str | None = None


class ToolCall(Struct):
    """Which tool call a fragment belongs to, and what it adds."""

    index: int | None = None
    function: ToolFunction | None = None


class Said(Struct):
    """A whole message, or what a chunk adds to one; whatever is truthy is content."""

    content: Any = None
    reasoning_content: Any = None
    reasoning: Any = None
    refusal: Any = None
    function_call: Any = None
    audio: Any = None
    tool_calls: list[ToolCall] | None = None


class TokenLogprob(Struct):
    """The log probability of one token."""

    logprob: float | None = None


class Logprobs(Struct):
    """Log probabilities: `content` is chat's list, `token_logprobs` the list of completions."""

    content: list[TokenLogprob] | None = None
    token_logprobs: list[float | None] | None = None


class Choice(Struct):
    """One choice of a chunk or of a whole answer, of chat or of completions."""

    index: int = 0
    delta: Said | None = None
    message: Said | None = None
    text: str | None = None
    finish_reason: str | None = None
    logprobs: Logprobs | None = None


class Chunk(Struct):
    """One event of a stream, or a whole answer."""

    id: str = ""
    model: str = ""
    system_fingerprint: str | None = None
    choices: list[Choice] = []
    usage: Raw = ABSENT
    error: Any = None


_fields = msgspec.json.Decoder(dict[str, Raw])
_list = msgspec.json.Decoder(list[Raw])
_message = msgspec.json.Decoder(Message)
_content = msgspec.json.Decoder(str | list[ContentPart] | None)
_chunk = msgspec.json.Decoder(Chunk)
_str = msgspec.json.Decoder(str | None)
_bool = msgspec.json.Decoder(bool | None)
_int = msgspec.json.Decoder(int | None)
_options = msgspec.json.Decoder(StreamOptions | None)
_option_fields = msgspec.json.Decoder(dict[str, Raw] | None)
_extension = msgspec.json.Decoder(Extension | None)


def read_fields(body: bytes) -> dict[str, Raw]:
    """The top-level values of a JSON object as bytes; raises `InvalidRequest`."""
    try:
        return _fields.decode(body)
    except NOT_JSON as wrong:
        raise InvalidRequest(detail=f"the body is not a JSON object: {wrong}") from None


def field(fields: dict[str, Raw], name: str, decoder: msgspec.json.Decoder[T | None]) -> T | None:
    """One top-level value, None if absent or null; raises `InvalidRequest` for one of another type."""
    raw = fields.get(name)
    if raw is None:
        return None
    try:
        return decoder.decode(raw)
    except NOT_JSON as wrong:
        raise InvalidRequest(detail=f"`{name}` is not valid: {wrong}") from None


def read_request(body: bytes) -> Asked:
    """What every OpenAI request has: the model, streaming, our own inputs and the output limit."""
    fields = read_fields(body)
    model = field(fields, "model", _str)
    if model is None:
        raise InvalidRequest(detail="`model` is missing: name a task or a model")
    asked = Asked(body=body, fields=fields, model=model)
    if "stream" in fields:
        asked.stream = bool(field(fields, "stream", _bool))
        options = field(fields, "stream_options", _options) if asked.stream else None
        asked.wants_usage = bool(options and options.include_usage)
    if "trimtab" in fields:
        extension = field(fields, "trimtab", _extension)
        if extension is not None:
            asked.inputs, asked.retrieval_ids = extension.inputs, extension.retrieval_ids
    for name in LIMIT_FIELDS:
        if name in fields:
            asked.max_output_tokens = field(fields, name, _int)
            break
    return asked


def read_messages(asked: Asked) -> None:
    """Fills in the message list and the digest of the first system or developer text."""
    raw = asked.fields.get("messages")
    if raw is None:
        return
    try:
        asked.messages = _list.decode(raw)
        first = _message.decode(asked.messages[0]) if asked.messages else None
        if first is not None and first.role in SYSTEM_ROLES:
            asked.system_prompt = system_prompt_digest(first.content)
    except NOT_JSON as wrong:
        raise InvalidRequest(detail=f"`messages` is not valid: {wrong}") from None


def system_prompt_digest(content: Raw) -> str:
    """`sha256:` and the digest of a message's text in UTF-8, the texts of its parts joined."""
    value = None if content is ABSENT else _content.decode(content)
    text = value if isinstance(value, str) else "".join(part.text for part in value or [])
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def splice_request(asked: Asked, edits: Edits, *, generates: bool) -> bytes:
    """The request for the replica: model, usage, sampling and prompt put in, our own field taken out."""
    changes: dict[str, bytes | None] = {"model": msgspec.json.encode(edits.model)}
    if asked.inputs is not None or "trimtab" in asked.fields:
        changes["trimtab"] = None
    if asked.stream and not asked.wants_usage:
        options = field(asked.fields, "stream_options", _option_fields) or {}
        changes["stream_options"] = splice_fields(options, {"include_usage": b"true"})
    if edits.prompt:
        messages: list[bytes | Raw] = [*edits.prompt, *(asked.messages or [])]
        changes["messages"] = b"[" + b",".join(messages) + b"]"
    if generates:
        _splice_sampling(asked, edits, changes)
    return splice_fields(asked.fields, changes)


def _splice_sampling(asked: Asked, edits: Edits, changes: dict[str, bytes | None]) -> None:
    sampling = edits.sampling
    for name in ("temperature", "top_p", "seed", "stop"):
        value = getattr(sampling, name)
        if value is not None:
            changes[name] = msgspec.json.encode(value)
    limit = sampling.max_output_tokens
    if limit is not None and (asked.max_output_tokens is None or asked.max_output_tokens > limit):
        present = next((name for name in LIMIT_FIELDS if name in asked.fields), "max_tokens")
        changes[present] = str(limit).encode()


def error_body(failure: CallError) -> bytes:
    """An error in OpenAI's shape, with our code."""
    kind = "invalid_request_error" if failure.status < 500 else "api_error"
    return msgspec.json.encode({"error": {"message": str(failure), "type": kind, "param": None, "code": failure.code}})


def error_event(failure: CallError) -> bytes:
    """The error as a server-sent event."""
    return b"data: " + error_body(failure) + b"\n\n"


def error_text(error: Any) -> str:
    """What an upstream's `error` value says, in at most 500 characters."""
    message = error.get("message") if isinstance(error, dict) else error
    return str(message or error)[:500]


def whole_answer(body: bytes) -> Facts:
    """The facts of an answer that came in one piece; raises `UpstreamSaidError`."""
    try:
        answer = _chunk.decode(body)
    except NOT_JSON as wrong:
        raise UpstreamSaidError(f"the answer is not what the surface defines: {wrong}") from None
    if answer.error:
        raise UpstreamSaidError(error_text(answer.error))
    gather = _Gatherer()
    gather.take(answer)
    return gather.facts()


class _Gatherer:
    """Adds up the facts of an answer over its chunks."""

    __slots__ = ("_choices", "_facts", "_logprobs", "_tools")

    def __init__(self) -> None:
        self._facts = Facts()
        self._choices: set[int] = set()
        self._tools: set[tuple[int, int]] = set()
        self._logprobs: list[float] = []

    def take(self, chunk: Chunk) -> bool:
        """Adds one chunk; whether it bore content."""
        facts = self._facts
        if not facts.upstream_id:
            facts.upstream_id, facts.upstream_model = chunk.id, chunk.model
            facts.system_fingerprint = chunk.system_fingerprint or ""
        content = False
        for choice in chunk.choices:
            self._choices.add(choice.index)
            if choice.finish_reason:
                facts.finish_reason = choice.finish_reason
            if choice.logprobs is not None:
                self._take_logprobs(choice.logprobs)
            said = choice.delta or choice.message
            added = len(choice.text or "") if said is None else self._take_said(choice.index, said)
            if added:
                facts.text_bytes += added
                content = True
        if chunk.usage is not ABSENT:
            facts.usage = from_openai(chunk.usage) or facts.usage
        return content

    def _take_said(self, choice: int, said: Said) -> int:
        """Adds a message or a delta; the size of its content, zero where it has none."""
        size = len(said.content) if isinstance(said.content, str) else 0
        if size and said.tool_calls is None:
            return size
        for value in (said.reasoning_content, said.reasoning, said.refusal):
            if isinstance(value, str):
                size += len(value)
        for value in (said.content, said.function_call, said.audio):
            if value and not isinstance(value, str):
                size += len(str(value))
        for position, call in enumerate(said.tool_calls or ()):
            self._tools.add((choice, position if call.index is None else call.index))
            size += 1 + len((call.function and call.function.arguments) or "")
        return size

    def _take_logprobs(self, logprobs: Logprobs) -> None:
        values = [token.logprob for token in logprobs.content or []] or logprobs.token_logprobs or []
        self._logprobs += [value for value in values if value is not None]

    def facts(self) -> Facts:
        facts, values = self._facts, self._logprobs
        facts.choices, facts.tool_calls = len(self._choices), len(self._tools)
        if values:
            facts.logprobs = LogprobSummary(len(values), sum(values) / len(values), min(values))
        return facts


class EventReader:
    """Reads a stream of chunks that ends in `[DONE]`; the usage event we asked for is kept from the client."""

    __slots__ = ("_gather", "_splitter", "_wants_usage", "content", "done", "failure", "forward")

    def __init__(self, *, wants_usage: bool) -> None:
        self._splitter = EventSplitter()
        self._gather = _Gatherer()
        self._wants_usage = wants_usage
        self.forward = b""
        self.content = self.done = False
        self.failure = ""

    @property
    def facts(self) -> Facts:
        """What the stream has told so far."""
        return self._gather.facts()

    def feed(self, data: bytes) -> None:
        """Takes the next bytes of the body."""
        self.content, self.forward = False, b""
        try:
            events = self._splitter.feed(data)
            if len(events) == 1:
                self.forward = events[0] if self._passes(events[0]) else b""
            elif events:
                self.forward = b"".join([event for event in events if self._passes(event)])
        except NOT_JSON as wrong:
            self.failure = f"an event of the stream is not valid: {wrong}"
        except NotAnEvent:
            self.failure = "the stream holds lines that are no server-sent events"
        except EventTooLarge:
            self.failure = "an event of the stream has no end"

    def _passes(self, event: bytes) -> bool:
        """Takes one event; whether the client may see it."""
        payload = None if self.done or self.failure else data_of(event)
        if payload is None:
            return not (self.done or self.failure)
        if payload.strip() == b"[DONE]":
            self.done = True
            return True
        chunk = _chunk.decode(payload)
        if chunk.error:
            self.failure = error_text(chunk.error)
            return False
        if self._gather.take(chunk):
            self.content = True
        return bool(chunk.choices) or self._wants_usage or chunk.usage is ABSENT

    def finish(self) -> bool:
        """Whether the terminal marker came and nothing failed before it."""
        return self.done and not self.failure
