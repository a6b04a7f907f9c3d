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
from trimtab.gateway.surfaces.sse import EventSplitter, EventTooLarge, data_of
from trimtab.gateway.surfaces.surface import Asked, Edits, Facts, UpstreamSaidError, splice_fields
from trimtab.record.events import LogprobSummary

LIMIT_FIELDS = ("max_completion_tokens", "max_tokens")
EMPTY = (b"", b"null", b'""', b"[]", b"{}")

T = TypeVar("T")

_fields = msgspec.json.Decoder(dict[str, Raw])
_list = msgspec.json.Decoder(list[Raw])


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
    content: Raw = Raw(b"null")


class ContentPart(Struct):
    """A text part of a message."""

    text: str = ""


class Delta(Struct):
    """What a chunk adds to a message, undecoded."""

    content: Raw = Raw()
    reasoning_content: Raw = Raw()
    reasoning: Raw = Raw()
    refusal: Raw = Raw()
    tool_calls: Raw = Raw()
    function_call: Raw = Raw()
    audio: Raw = Raw()


class ToolDelta(Struct):
    """Which tool call a fragment belongs to."""

    index: int = 0


class Choice(Struct):
    """One choice of a chunk or of a whole answer, of chat or of completions."""

    index: int = 0
    delta: Delta | None = None
    message: Delta | None = None
    text: Raw = Raw()
    finish_reason: str | None = None
    logprobs: Raw = Raw()


class Chunk(Struct):
    """One event of a stream, or a whole answer."""

    id: str = ""
    model: str = ""
    system_fingerprint: str | None = None
    choices: list[Choice] = []
    usage: Raw = Raw()
    error: Raw = Raw()


class TokenLogprob(Struct):
    """The log probability of one token."""

    logprob: float | None = None


class Logprobs(Struct):
    """Log probabilities: `content` is chat's list, `token_logprobs` the list of completions."""

    content: list[TokenLogprob] | None = None
    token_logprobs: list[float | None] | None = None


_chunk = msgspec.json.Decoder(Chunk)
_logprobs = msgspec.json.Decoder(Logprobs)
_tool_deltas = msgspec.json.Decoder(list[ToolDelta])


def read_fields(body: bytes) -> dict[str, Raw]:
    """The top-level values of a JSON object as bytes; raises `InvalidRequest`."""
    try:
        return _fields.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as wrong:
        raise InvalidRequest(detail=f"the body is not a JSON object: {wrong}") from None


def field(fields: dict[str, Raw], name: str, kind: type[T]) -> T | None:
    """One top-level value as `kind`, None if absent or null; raises `InvalidRequest` for another type."""
    raw = fields.get(name)
    if raw is None:
        return None
    try:
        return msgspec.json.decode(raw, type=kind | None)
    except (msgspec.DecodeError, UnicodeDecodeError) as wrong:
        raise InvalidRequest(detail=f"`{name}` is not valid: {wrong}") from None


def read_request(body: bytes) -> Asked:
    """What every OpenAI request has: the model, streaming, our own inputs and the output limit."""
    fields = read_fields(body)
    model = field(fields, "model", str)
    if model is None:
        raise InvalidRequest(detail="`model` is missing: name a task or a model")
    asked = Asked(body=body, fields=fields, model=model)
    if "stream" in fields:
        asked.stream = bool(field(fields, "stream", bool))
        options = field(fields, "stream_options", StreamOptions) if asked.stream else None
        asked.wants_usage = bool(options and options.include_usage)
    if "trimtab" in fields:
        extension = field(fields, "trimtab", Extension)
        if extension is not None:
            asked.inputs, asked.retrieval_ids = extension.inputs, extension.retrieval_ids
    for name in LIMIT_FIELDS:
        if name in fields:
            asked.max_output_tokens = field(fields, name, int)
            break
    return asked


def read_messages(asked: Asked) -> None:
    """Fills in the message list and the digest of the first system or developer text."""
    raw = asked.fields.get("messages")
    if raw is None:
        return
    try:
        asked.messages = _list.decode(raw)
        for message in asked.messages[:1]:
            first = msgspec.json.decode(message, type=Message)
            if first.role in {"system", "developer"}:
                asked.system_prompt = system_prompt_digest(first.content)
    except (msgspec.DecodeError, UnicodeDecodeError) as wrong:
        raise InvalidRequest(detail=f"`messages` is not valid: {wrong}") from None


def system_prompt_digest(content: Raw) -> str:
    """`sha256:` and the digest of a message's text in UTF-8, the texts of its parts joined."""
    value = msgspec.json.decode(content, type=str | list[ContentPart] | None)
    text = value if isinstance(value, str) else "".join(part.text for part in value or [])
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def splice_request(asked: Asked, edits: Edits, *, generates: bool) -> bytes:
    """The request for the replica: model, usage, sampling and prompt put in, our own field taken out."""
    changes: dict[str, bytes | None] = {"model": msgspec.json.encode(edits.model)}
    if asked.inputs is not None or "trimtab" in asked.fields:
        changes["trimtab"] = None
    if asked.stream and not asked.wants_usage:
        options = field(asked.fields, "stream_options", dict[str, Raw]) or {}
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


def error_text(raw: Raw) -> str:
    """What an upstream's `error` value says, in at most 500 characters."""
    try:
        value = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return bytes(raw)[:500].decode(errors="replace")
    message = value.get("message") if isinstance(value, dict) else value
    return str(message if message is not None else value)[:500]


def whole_answer(body: bytes) -> Facts:
    """The facts of an answer that came in one piece; raises `UpstreamSaidError`."""
    try:
        answer = _chunk.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as wrong:
        raise UpstreamSaidError(f"the answer is not what the surface defines: {wrong}") from None
    if bytes(answer.error) not in EMPTY:
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
            if bytes(choice.logprobs) not in EMPTY:
                self._take_logprobs(choice.logprobs)
            if self._take_content(choice):
                content = True
        if bytes(chunk.usage) not in EMPTY:
            facts.usage = from_openai(chunk.usage) or facts.usage
        return content

    def _take_content(self, choice: Choice) -> bool:
        facts = self._facts
        said = choice.delta or choice.message
        if said is None:
            text = bytes(choice.text)
            facts.text_bytes += max(0, len(text) - 2)
            return text not in EMPTY
        content = False
        for raw in (said.content, said.reasoning_content, said.reasoning, said.refusal, said.function_call, said.audio):
            text = bytes(raw)
            if text not in EMPTY:
                facts.text_bytes += len(text) - 2
                content = True
        calls = bytes(said.tool_calls)
        if calls not in EMPTY:
            content = True
            facts.text_bytes += len(calls)
            for position, fragment in enumerate(_tool_deltas.decode(calls)):
                self._tools.add((choice.index, fragment.index if choice.delta else position))
        return content

    def _take_logprobs(self, raw: Raw) -> None:
        logprobs = _logprobs.decode(raw)
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
        except (msgspec.DecodeError, UnicodeDecodeError) as wrong:
            self.failure = f"an event of the stream is not valid: {wrong}"
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
        if bytes(chunk.error) not in EMPTY:
            self.failure = error_text(chunk.error) or "an error event without a message"
            return False
        if self._gather.take(chunk):
            self.content = True
        return bool(chunk.choices) or self._wants_usage or not bytes(chunk.usage)

    def finish(self) -> bool:
        """Whether the terminal marker came and nothing failed before it."""
        return self.done and not self.failure
