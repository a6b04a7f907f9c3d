"""Answers, as the OpenAI surfaces share them: whole ones, and streams of events.

Source: the OpenAI API reference (chat completions, completions, embeddings) and what vLLM, SGLang, DeepSeek and
others add to it (`reasoning_content`, `reasoning`, usage in every chunk, error events before `[DONE]`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec
from msgspec import Raw, Struct

from trimtab.contracts.reply import Finish
from trimtab.cost.usage import from_openai
from trimtab.gateway.surfaces.openai_edits import without_logprobs
from trimtab.gateway.surfaces.openai_replies import Replies, text_of
from trimtab.gateway.surfaces.sse import NOT_A_STREAM, EventSplitter, data_of, sole_object, what_is_wrong
from trimtab.gateway.surfaces.surface import (
    NOT_JSON,
    NOTHING_KEPT,
    Added,
    Facts,
    Keep,
    Reader,
    Shape,
    UpstreamSaidError,
    Whole,
)
from trimtab.record.events import LogprobSummary

ABSENT = Raw()


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


class Piece(Struct):
    """What may be new in each event of a stream."""

    choices: list[Choice] = []
    usage: Raw = ABSENT
    error: Any = None


class Chunk(Piece):
    """One event of a stream with what all events repeat, or a whole answer."""

    id: str = ""
    model: str = ""
    system_fingerprint: str | None = None


WATCHED_CHUNKS: Final = 32
"""Chunks whose text is looked at together: repetition that is only noted can wait a little."""
LOOKS_FOR_SHAPE: Final = 8
"""Events of a stream that are looked at to learn their shape; if all say more than text, none has one."""
PROBE: Final = "\x7f"
"""Stands in for the text of an event whose shape is learned; no text that `plain` takes can be it."""

plain = re.compile(rb"[ !#-\[\]-~]+").fullmatch
"""Matches bytes that are printable ASCII and mean themselves inside a JSON string."""

_chunk = msgspec.json.Decoder(Chunk)
_piece = msgspec.json.Decoder(Piece)


def error_text(error: Any) -> str:
    """What an upstream's `error` value says, in at most 500 characters."""
    message = error.get("message") if isinstance(error, dict) else error
    return str(message or error)[:500]


def whole_answer(body: bytes, keep: Keep = NOTHING_KEPT) -> Whole:
    """The bytes and facts of an answer that came in one piece; raises `UpstreamSaidError`."""
    try:
        answer = _chunk.decode(body)
    except NOT_JSON as wrong:
        raise UpstreamSaidError(f"the answer is not what the surface defines: {wrong}") from None
    if answer.error:
        raise UpstreamSaidError(error_text(answer.error))
    gather = Gatherer()
    gather.take(answer)
    facts = gather.facts()
    if keep.replies:
        replies = Replies()
        try:
            replies.take(body)
        except NOT_JSON as wrong:
            raise UpstreamSaidError(f"the answer is not what the surface defines: {wrong}") from None
        facts.replies, facts.unread = replies.whole(), replies.unread
    return Whole(without_logprobs(body) if keep.hide_logprobs else body, facts)


class Gatherer:
    """Adds up the facts of an answer over its chunks."""

    __slots__ = ("_choices", "_logprobs", "_tools", "_usage", "decode", "told")

    def __init__(self) -> None:
        self.decode: Callable[[bytes], Piece] = _chunk.decode
        self.told = Facts()
        self._choices: set[int] = set()
        self._tools: set[tuple[int, int]] = set()
        self._logprobs: list[float] = []
        self._usage = ABSENT

    def take(self, chunk: Piece) -> bool:
        """Adds one chunk; whether it bore content. Until an id has come, chunks have to be decoded whole."""
        facts = self.told
        if isinstance(chunk, Chunk) and not facts.upstream_id:
            facts.upstream_id, facts.upstream_model = chunk.id, chunk.model
            facts.system_fingerprint = chunk.system_fingerprint or ""
            if chunk.id:
                self.decode = _piece.decode
        content = False
        for choice in chunk.choices:
            self._choices.add(choice.index)
            if choice.finish_reason:
                facts.finish_reason = choice.finish_reason
            if choice.logprobs is not None:
                self._take_logprobs(choice.logprobs)
            said = choice.delta or choice.message
            if said is None:
                added = len(choice.text or "")
            elif isinstance(said.content, str) and said.content and said.tool_calls is None:
                added = len(said.content)
            else:
                added = self._take_said(choice.index, said)
            if added:
                facts.text_bytes += added
                content = True
        if chunk.usage is not ABSENT and bytes(chunk.usage) != b"null":
            self._usage = chunk.usage
        return content

    def _take_said(self, choice: int, said: Said) -> int:
        """Adds a message or a delta; the size of its content, zero where it has none."""
        size = 0
        for value in (said.content, said.reasoning_content, said.reasoning, said.refusal):
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
        """What has been told so far."""
        facts, values = self.told, self._logprobs
        if self._usage is not ABSENT:
            facts.usage = from_openai(self._usage) or facts.usage
            self._usage = ABSENT
        facts.choices, facts.tool_calls = len(self._choices), len(self._tools)
        if values:
            facts.logprobs = LogprobSummary(len(values), sum(values) / len(values), min(values))
        return facts


def added_by(chunk: Piece) -> list[Added]:
    """The text that a chunk brings for each of its choices."""
    added = []
    for choice in chunk.choices:
        said = choice.delta or choice.message
        text = (choice.text or "") if said is None else text_of(said.content)
        if text:
            added.append(Added(choice.index, text))
    return added


class EventReader:
    """Reads a stream of chunks that ends in `[DONE]`; the usage event we asked for is kept from the client.

    If `watched`, the text of the first choice is in `added`: that of some chunks at a time, of the rest at the end.
    """

    __slots__ = ("_learned", "_looks", "_texts", "_watched", "added", "content", "done", "ending", "failure", "forward",
                 "gather", "shape", "splitter", "wants_usage")  # fmt: skip

    def __init__(self, *, wants_usage: bool, watched: bool = False) -> None:
        self.added: Sequence[Added] = ()
        self.ending = b""
        self.shape: Shape | None = None
        self.splitter = EventSplitter()
        self.gather = Gatherer()
        self.wants_usage = wants_usage
        self.forward = b""
        self.content = self.done = False
        self.failure = ""
        self._watched = watched
        self._texts: list[str] = []
        self._learned: Shape | None = None
        self._looks = LOOKS_FOR_SHAPE

    @property
    def tokens(self) -> int | None:
        """None: counts in events are for `openai_kept`."""
        return None

    @property
    def facts(self) -> Facts:
        """What the stream has told so far."""
        return self.gather.facts()

    def feed(self, data: bytes) -> None:
        """Takes the next bytes of the body."""
        self._feed(data)
        self.shape = None if self.splitter.held else self._learned
        if self._watched:
            self._tell_texts(WATCHED_CHUNKS)

    def _feed(self, data: bytes) -> None:
        self.content, self.forward = False, b""
        try:
            payload = None if self.done or self.failure or self.splitter.held else sole_object(data)
            if payload is not None:
                if self._takes(payload):
                    self.forward = data
                    if self._looks and self.content:
                        self._look(data, payload)
                return
            events = [event for event in self.splitter.feed(data) if self._passes(event)]
            if events:
                self.forward = events[0] if len(events) == 1 else b"".join(events)
        except NOT_A_STREAM as wrong:
            self.failure = what_is_wrong(wrong)

    def _feed_alike(self, events: Sequence[bytes]) -> None:
        """Takes events of the shape that was learned, all at once if they hold plain text alone."""
        shape = self._learned
        if shape is None:
            return
        start, end = len(shape.before), -len(shape.behind)
        text = b"".join([event[start:end] for event in events])
        if plain(text):
            self.gather.told.text_bytes += len(text)
            if self._watched:
                self._texts.append(str(text, "ascii"))
        else:
            for event in events:
                self._feed(event)
        if self._watched:
            self._tell_texts(1)

    def _tell_texts(self, enough: int) -> None:
        """Tells of the text that was watched, when there is enough of it."""
        texts = self._texts
        if len(texts) >= enough or (self.done and texts):
            self.added, self._texts = (Added(0, "".join(texts)),), []
        else:
            self.added = ()

    def _passes(self, event: bytes) -> bool:
        """Takes one event; whether the client may see it."""
        payload = None if self.done or self.failure else data_of(event)
        if payload is None:
            return not (self.done or self.failure)
        if payload.strip() == b"[DONE]":
            self.done = True
            return True
        return self._takes(payload)

    def _takes(self, payload: bytes) -> bool:
        """Takes the JSON of one event; whether the client may see it."""
        gather = self.gather
        chunk = gather.decode(payload)
        if chunk.error:
            self.failure = error_text(chunk.error)
            return False
        if gather.take(chunk):
            self.content = True
            if self._watched:
                self._texts += [text for choice, text in added_by(chunk) if choice == 0]
        return bool(chunk.choices) or self.wants_usage or chunk.usage is ABSENT

    def _look(self, data: bytes, payload: bytes) -> None:
        """Looks whether further events can be known by the shape of this one."""
        if self.gather.told.upstream_id:
            self._looks -= 1
            found = shape_of(data, payload)
            if found is not None:
                self._learned, self._looks = Shape(*found, self._feed_alike), 0

    def finish(self) -> bool:
        """Whether the terminal marker came and nothing failed before it."""
        return self.done and not self.failure

    def resume(self, before: Reader) -> None:
        """Not for this reader: what goes on has to be kept from the first event on."""
        raise NotImplementedError

    def stop(self, finish: Finish) -> bytes:
        """Not for this reader: who ends an answer has to know which choices are open."""
        raise NotImplementedError


PLAINEST: Final = Piece([Choice(delta=Said(content=PROBE))]), Piece([Choice(text=PROBE)])


def shape_of(data: bytes, payload: bytes) -> tuple[bytes, bytes] | None:
    """What stands around the text of an event that adds plain text to the first choice; None if it does more.

    `payload` is the JSON in `data`. That the text stands where it is looked for is proved by another in its place.
    """
    for key in (b'"content"', b'"text"'):
        at = payload.find(key)
        quote = payload.find(b'"', at + len(key)) + 1
        end = payload.find(b'"', quote)
        if at < 0 or quote == 0 or end <= quote or plain(payload, quote, end) is None:
            continue
        before, behind = payload[:quote], payload[end:]
        try:
            probed = _piece.decode(b"%b%b%b" % (before, PROBE.encode(), behind))
        except NOT_JSON:
            continue
        if probed.usage is not ABSENT and bytes(probed.usage) == b"null":
            probed.usage = ABSENT
        if probed.usage is ABSENT and probed in PLAINEST:
            shift = data.find(payload)
            return data[: shift + quote], data[shift + end :]
    return None
