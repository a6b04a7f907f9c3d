"""Answers of `/v1/responses`: whole ones, and streams of named events.

Source: the OpenAI API reference (responses, streaming events), and what vLLM 0.32 sends: an answer that ran into its
limit ends in `response.completed` all the same, and only the status inside tells.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
from msgspec import Raw, Struct

from trimtab.contracts.reply import Finish, Reply, TokenProb, ToolCall
from trimtab.cost.usage import from_openai
from trimtab.gateway.surfaces.openai_answers import ABSENT, error_text
from trimtab.gateway.surfaces.openai_replies import Token
from trimtab.gateway.surfaces.responses_edits import response_without_logprobs
from trimtab.gateway.surfaces.sse import NOT_A_STREAM, EventSplitter, data_of, what_is_wrong
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

ENDS: Final = frozenset({"response.completed", "response.incomplete"})
FAILS: Final = frozenset({"response.failed", "error"})
CALLS: Final = frozenset({"function_call", "custom_tool_call"})
"""Items that ask the client to act; what a server does by itself is no tool call of the answer."""
REASONS: Final[dict[str, Finish]] = {"max_output_tokens": "length", "content_filter": "content_filter"}
DONE: Final = b"[DONE]"


class Event(Struct):
    """What of a stream's event every call needs."""

    type: str = ""
    delta: Any = None
    logprobs: list[Token] | None = None
    item: Raw = ABSENT
    response: Raw = ABSENT
    error: Any = None
    message: Any = None


class IncompleteDetails(Struct):
    """Why an answer is not complete."""

    reason: str | None = None


class Identity(Struct):
    """What the first event tells of the answer."""

    id: str = ""
    model: str = ""


class Item(Struct):
    """An output item, of any kind: what it has that is read."""

    type: str = ""
    call_id: str = ""
    name: str = ""
    arguments: str | None = None
    input: str | None = None
    content: Any = None
    summary: Any = None


class Answer(Identity):
    """A response, at its end or in one piece."""

    object: str = ""
    status: str | None = None
    error: Any = None
    incomplete_details: IncompleteDetails | None = None
    output: list[Item] | None = None
    usage: Raw = ABSENT


_event = msgspec.json.Decoder(Event)
_identity = msgspec.json.Decoder(Identity)
_item = msgspec.json.Decoder(Item | None)
_answer = msgspec.json.Decoder(Answer)


def whole_answer(body: bytes, keep: Keep = NOTHING_KEPT, top_logprobs: Raw | None = None) -> Whole:
    """The bytes and facts of an answer that came in one piece; raises `UpstreamSaidError`.

    `top_logprobs` is what the client asked for, shown to it again where log probabilities are hidden.
    """
    try:
        answer = _answer.decode(body)
        if answer.object != "response" and answer.output is None and not answer.error:
            raise UpstreamSaidError("the answer is no response")
        facts = Facts(answer.id, answer.model, choices=1)
        failure = take_end(facts, answer)
        if failure:
            raise UpstreamSaidError(failure)
        if keep.replies:
            facts.replies = [reply_of(answer.output or (), facts.finish_reason)]
        return Whole(response_without_logprobs(body, top_logprobs) if keep.hide_logprobs else body, facts)
    except NOT_JSON as wrong:
        raise UpstreamSaidError(f"the answer is not what the surface defines: {wrong}") from None


def failure_of(answer: Answer) -> str:
    """What a response says went wrong; empty for one that did not fail."""
    if answer.error or answer.status in {"failed", "cancelled"}:
        return error_text(answer.error or f"the response is {answer.status}")
    return ""


def finish_of(answer: Answer) -> Finish:
    """How a response ended, by its status; "" for one that did not end yet."""
    if answer.status == "incomplete" or (answer.status is None and answer.incomplete_details):
        reason = answer.incomplete_details.reason if answer.incomplete_details else None
        return REASONS.get(reason or "", "other")
    if answer.status in {"queued", "in_progress"}:
        return ""
    return "tool_calls" if any(item.type in CALLS for item in answer.output or ()) else "stop"


def take_end(facts: Facts, answer: Answer) -> str:
    """Adds what a response tells at its end; what went wrong, if it failed."""
    failure = failure_of(answer)
    if failure:
        return failure
    output = answer.output or ()
    facts.finish_reason = finish_of(answer)
    facts.tool_calls = max(facts.tool_calls, sum(item.type in CALLS for item in output))
    if answer.usage is not ABSENT:
        facts.usage = from_openai(answer.usage)
    if not facts.text_bytes:
        facts.text_bytes = sum(map(size_of, output))
    if facts.logprobs is None:
        facts.logprobs = summary([token.logprob for item in output for token in tokens_of(item)])
    return ""


def summary(values: Sequence[float | None]) -> LogprobSummary | None:
    """Mean and lowest of log probabilities; None where there are none."""
    told = [value for value in values if value is not None]
    return LogprobSummary(len(told), sum(told) / len(told), min(told)) if told else None


def size_of(item: Item) -> int:
    """How many characters the model wrote for an item; a tool call is at least one."""
    texts = [*parts_of(item.content), *parts_of(item.summary)]
    size = sum(len(text) for part in texts for text in (_text(part, "text"), _text(part, "refusal")))
    return size + len(item.arguments or "") + len(item.input or "") + (item.type in CALLS)


def parts_of(content: Any) -> list[dict[str, Any]]:
    """The parts of an item's content."""
    return [part for part in content if isinstance(part, dict)] if isinstance(content, list) else []


def _text(part: Mapping[str, Any], name: str) -> str:
    value = part.get(name)
    return value if isinstance(value, str) else ""


def tokens_of(item: Item) -> list[Token]:
    """The tokens of a message's texts, where their log probabilities are told."""
    if item.type != "message":
        return []
    told = (part.get("logprobs") for part in parts_of(item.content))
    return [token for tokens in told if tokens for token in msgspec.convert(tokens, list[Token])]


def reply_of(output: Sequence[Item], finish: str, tokens: Sequence[Token] = ()) -> Reply:
    """The one reply that a response's items are: texts and refusals joined, functions called in their order.

    Calls of custom tools are left out: what is written for one is no JSON, and there is no schema for it.
    """
    reply = Reply(finish=finish)  # type: ignore[arg-type]
    messages = [part for item in output if item.type == "message" for part in parts_of(item.content)]
    reply.text = "".join(_text(part, "text") for part in messages)
    reply.refusal = "".join(_text(part, "refusal") for part in messages)
    for item in output:
        if item.type == "function_call":
            reply.tool_calls.append(ToolCall(item.call_id, item.name, item.arguments or ""))
    reply.logprobs = [_token_prob(token) for token in tokens or [one for item in output for one in tokens_of(item)]]
    return reply


def _token_prob(said: Token) -> TokenProb:
    top = tuple((one.token, one.logprob) for one in said.top_logprobs or () if one.logprob is not None)
    return TokenProb(said.token, said.logprob if said.logprob is not None else float("-inf"), top)


class EventReader:
    """Passes a stream's events on and adds up its facts; it ends with the response's own last event."""

    __slots__ = ("_facts", "_logprobs", "added", "content", "done", "ending", "failure", "forward", "shape",
                 "splitter")  # fmt: skip

    def __init__(self) -> None:
        self.splitter = EventSplitter()
        self._facts = Facts()
        self._logprobs: list[float | None] = []
        self.added: Sequence[Added] = ()
        self.shape: Shape | None = None
        self.forward = self.ending = b""
        self.content = self.done = False
        self.failure = ""

    @property
    def tokens(self) -> int:
        """Not told before the end."""
        return 0

    @property
    def facts(self) -> Facts:
        """What the stream has told so far."""
        if self._logprobs:
            self._facts.logprobs = summary(self._logprobs)
        return self._facts

    def feed(self, data: bytes) -> None:
        """Takes the next bytes of the body."""
        self.content = False
        forward: list[bytes] = []
        try:
            payload = None if self.splitter.held else sole_payload(data)
            if payload is not None:
                self._take(payload, data, forward)
            else:
                for event in self.splitter.feed(data):
                    self._take(data_of(event), event, forward)
        except NOT_A_STREAM as wrong:
            self.failure = self.failure or what_is_wrong(wrong)
        self.forward = forward[0] if len(forward) == 1 else b"".join(forward)

    def finish(self) -> bool:
        """Whether the event that ends a response came and nothing failed before it."""
        return self.done and not self.failure

    def resume(self, before: Reader) -> None:
        """Not on this wire: a stream of responses is not gone on with."""
        raise NotImplementedError

    def stop(self, finish: Finish) -> bytes:
        """Not for this reader: who ends an answer has to know which items are open."""
        raise NotImplementedError

    def _take(self, payload: bytes | None, event: bytes, forward: list[bytes]) -> None:
        """Takes one event. Behind the last one only the `[DONE]` that some servers add is passed on, nowhere else."""
        if self.failure or (self.done and payload is None):
            return
        if payload is None:
            forward.append(event)
        elif payload.strip() == DONE:
            if self.done:
                self._pass(event, forward, ends=True)
        elif not self.done:
            self._take_payload(payload, event, forward)

    def _take_payload(self, payload: bytes, event: bytes, forward: list[bytes]) -> None:
        said = _event.decode(payload)
        if self.gather(said):
            forward.append(event)

    def _pass(self, event: bytes, forward: list[bytes], *, ends: bool) -> None:
        forward.append(event)

    def gather(self, said: Event) -> bool:
        """Adds what an event tells; False if it tells of a failure, which the client is told in our words."""
        kind, facts = said.type, self._facts
        if kind.endswith(".delta"):
            size = len(said.delta if isinstance(said.delta, str) else str(said.delta or ""))
            if size:
                facts.text_bytes += size
                self.content = True
            if said.logprobs:
                self._logprobs += [token.logprob for token in said.logprobs]
        elif kind in FAILS or said.error or not kind:
            self.failure = _failure_told(said)
            return False
        elif said.item is not ABSENT:
            self._gather_item(said)
        elif said.response is not ABSENT:
            self._gather_response(said)
        return not self.failure

    def _gather_item(self, said: Event) -> None:
        """A call that begins is content; so is an item that nothing was told of before it was done."""
        item = _item.decode(said.item) or Item()
        size = 0
        if said.type == "response.output_item.added" and item.type in CALLS:
            self._facts.tool_calls += 1
            size = 1
        elif said.type == "response.output_item.done" and not self._facts.text_bytes:
            size = size_of(item)
        if size:
            self._facts.text_bytes += size
            self.content = True

    def _gather_response(self, said: Event) -> None:
        if said.type in ENDS:
            self._gather_end(_answer.decode(said.response))
        elif not self._facts.upstream_id:
            identity = _identity.decode(said.response)
            self._facts.upstream_id, self._facts.upstream_model = identity.id, identity.model
            self._facts.choices = 1

    def _gather_end(self, answer: Answer) -> None:
        facts, untold = self.facts, not self._facts.text_bytes
        self.failure = take_end(facts, answer)
        if not self.failure:
            facts.upstream_id, facts.upstream_model = answer.id, answer.model
            facts.choices = 1
            self.content = self.content or (untold and facts.text_bytes > 0)
            self.done = True


def sole_payload(data: bytes) -> bytes | None:
    """The JSON object in bytes that are one whole named event, as most reads of such a stream are; else None."""
    if data.startswith(b"event: ") and data.endswith(b"}\n\n") and b"\r" not in data:
        start = data.find(b"\n") + 1
        if data.startswith(b"data: {", start) and data.find(b"\n", start) == len(data) - 2:
            return data[start + 6 : -2]
    return None


def _failure_told(said: Event) -> str:
    if said.error or said.message:
        return error_text(said.error or said.message)
    if said.response is not ABSENT:
        return error_text(_answer.decode(said.response).error or "the response failed")
    return "the stream failed" if said.type else "an event of the stream has no type"
