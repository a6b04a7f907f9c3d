"""Reads a stream whose answer is checked, held, edited or gone on with: more work than passing events on.

The fast way of `openai_answers` stays as it is; a call comes here only if something asks for it.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta, Raw, Struct

from trimtab.contracts.reply import Finish
from trimtab.gateway.surfaces.openai_answers import (
    ABSENT,
    Choice,
    EventReader,
    Piece,
    Said,
    added_by,
    error_text,
)
from trimtab.gateway.surfaces.openai_edits import with_fields, without_logprobs, without_role, without_usage
from trimtab.gateway.surfaces.openai_replies import Replies
from trimtab.gateway.surfaces.sse import NOT_A_STREAM, data_of, what_is_wrong
from trimtab.gateway.surfaces.surface import NOT_JSON, Added, Facts, Keep, Reader

DONE = b"data: [DONE]\n\n"
FINISH_REASONS: dict[Finish, str] = {"other": "stop", "": "stop"}
MAX_END_EVENTS: Final = 1024
"""Events that may come from the first end of a choice on; a stream with more of them fails."""

_encode = msgspec.json.Encoder().encode


class Identity(Struct):
    """What all events of one answer repeat."""

    id: Raw = Raw(b'""')
    object: Raw = Raw(b'"chat.completion.chunk"')
    created: Raw = Raw(b"0")
    model: Raw = Raw(b'""')

    def fields(self) -> dict[str, Any]:
        """As fields of an event."""
        return {"id": self.id, "object": self.object, "created": self.created, "model": self.model}


class Counted(Struct):
    """The two counts of an OpenAI usage object."""

    prompt_tokens: Annotated[int, Meta(ge=0)]
    completion_tokens: Annotated[int, Meta(ge=0)]


NOTHING_COUNTED: Final = Counted(0, 0)

_identity = msgspec.json.Decoder(Identity)
_counted = msgspec.json.Decoder(Counted)


class KeptReader(EventReader):
    """Reads events one by one, keeps what `keep` names, and edits what goes to the client.

    Of a resumed answer the client sees one: its events bear the identity of the first, its role is told once, and its
    usage is that of the first prompt and of all tokens made.
    """

    __slots__ = ("_end_events", "_finished", "_identity", "_keep", "_kind", "_only_text", "_open", "_replies",
                 "_resumed", "_spoke", "_uncounted", "_unknown", "_usage", "_usage_told")  # fmt: skip

    def __init__(self, keep: Keep, *, wants_usage: bool, kind: Literal["chat", "text"]) -> None:
        super().__init__(wants_usage=wants_usage)
        self._keep = keep
        self._kind = kind
        self._replies = Replies() if keep.replies else None
        self._identity: Identity | None = None
        self._open: set[int] = set()
        self._finished: set[int] = set()
        self._resumed: Counted | None = None
        self._usage: Raw = ABSENT
        self._usage_told = False
        self._spoke = self._uncounted = self._unknown = False
        self._only_text = True
        self._end_events = 0

    @property
    def facts(self) -> Facts:
        """What the stream has told so far, the replies included."""
        facts = self.gather.facts()
        if self._replies is not None:
            facts.replies, facts.unread = self._replies.whole(), self._replies.unread
        facts.only_text = self._only_text
        return facts

    @property
    def tokens(self) -> int | None:
        """Output tokens so far, those of the answer this one goes on with included; None if not all are counted."""
        counted = self.counted
        if counted is None or self._uncounted or self._unknown:
            return None
        return None if self._spoke and not counted.completion_tokens else counted.completion_tokens

    @property
    def counted(self) -> Counted | None:
        """Tokens of the first prompt, and all that were made so far, as the server counted them; None if unreadable."""
        try:
            here = NOTHING_COUNTED if self._usage is ABSENT else _counted.decode(self._usage)
        except NOT_JSON:
            return None
        if self._resumed is None:
            return here
        return Counted(self._resumed.prompt_tokens, self._resumed.completion_tokens + here.completion_tokens)

    def resume(self, before: Reader) -> None:
        """This answer goes on with that of `before`."""
        if isinstance(before, KeptReader):
            self._identity, self._resumed = before._identity, before.counted or NOTHING_COUNTED
            self._open, self._finished = set(before._open), set(before._finished)
            self._unknown, self._only_text = before.tokens is None, before._only_text

    def feed(self, data: bytes) -> None:
        """Takes the next bytes of the body."""
        self.content = False
        added: list[Added] = []
        self.added = added
        forward: list[bytes] = []
        try:
            for event in self.splitter.feed(data):
                if self.done or self.failure:
                    break
                self._take_event(event, added, forward)
        except NOT_A_STREAM as wrong:
            self.failure = what_is_wrong(wrong)
        self.forward = b"".join(forward)

    def stop(self, finish: Finish) -> bytes:
        """What is held of the end, an event that ends each open choice by `finish`, usage if known, and the marker."""
        if self.done:
            return self.ending
        identity = self._identity or Identity()
        reason = FINISH_REASONS.get(finish, finish)
        said: dict[str, Any] = {"delta": {}} if self._kind == "chat" else {"text": ""}
        events = self.ending
        for index in sorted(self._open - self._finished) or ([] if self._finished else [0]):
            choice = {"index": index, **said, "finish_reason": reason}
            events += b"data: " + _encode({**identity.fields(), "choices": [choice]}) + b"\n\n"
        if self.wants_usage and not self._usage_told and self._usage is not ABSENT and self.counted is not None:
            counted = {**identity.fields(), "choices": [], "usage": self._summed()}
            events += b"data: " + _encode(counted) + b"\n\n"
        return events + DONE

    def _take_event(self, event: bytes, added: list[Added], forward: list[bytes]) -> None:
        payload = data_of(event)
        if payload is None:
            forward.append(event)
        elif payload.strip() == b"[DONE]":
            self.done = True
            self._pass(DONE, forward, ends=True)
        else:
            self._take_payload(payload, event, added, forward)

    def _take_payload(self, payload: bytes, event: bytes, added: list[Added], forward: list[bytes]) -> None:
        chunk = self.gather.decode(payload)
        if chunk.error:
            self.failure = error_text(chunk.error)
            return
        if self._replies is not None:
            self._replies.take(payload)
        content = self.gather.take(chunk)
        self.content = self.content or content
        self._spoke = self._spoke or content
        if self._identity is None:
            self._identity = _identity.decode(payload)
        if chunk.usage is not ABSENT and bytes(chunk.usage) != b"null":
            self._usage, self._uncounted = chunk.usage, False
        elif content:
            self._uncounted = True
        if self._keep.counts and self._only_text:
            self._only_text = all(map(_is_text, chunk.choices))
        added += added_by(chunk)
        ends = self._note(chunk)
        seen = self._seen(chunk, payload, event, content=content or ends)
        if seen:
            self._pass(seen, forward, ends=ends)

    def _note(self, chunk: Piece) -> bool:
        """Notes the choices that ended; whether this event belongs to the answer's end."""
        ends = not chunk.choices and bool(self._finished)
        for choice in chunk.choices:
            self._open.add(choice.index)
            if choice.finish_reason:
                self._finished.add(choice.index)
                ends = True
        return ends

    def _seen(self, chunk: Piece, payload: bytes, event: bytes, *, content: bool) -> bytes:
        """The event as the client may see it; empty if it may not."""
        final_usage = not chunk.choices and chunk.usage is not ABSENT
        if final_usage and not self.wants_usage:
            return b""
        if self._resumed is not None and not content and not final_usage:
            return b""
        self._usage_told = self._usage_told or final_usage
        edited = payload
        hidden = self._keep.hide_counts and not final_usage
        if hidden and chunk.usage is not ABSENT:
            edited = without_usage(edited)
        if self._keep.hide_logprobs and chunk.choices:
            edited = without_logprobs(edited)
        if self._resumed is not None and self._identity is not None:
            changed = self._identity.fields()
            if self._usage is chunk.usage and chunk.usage is not ABSENT and not hidden:
                changed["usage"] = self._summed()
            edited = with_fields(without_role(edited), changed)
        return event if edited is payload else b"data: " + edited + b"\n\n"

    def _summed(self) -> dict[str, Any]:
        """The usage of a resumed answer as one."""
        counted = self.counted or NOTHING_COUNTED
        total = counted.prompt_tokens + counted.completion_tokens
        told: dict[str, Any] = {**msgspec.json.decode(self._usage, type=dict[str, Raw])}
        for details in ("prompt_tokens_details", "completion_tokens_details"):
            told.pop(details, None)
        return {**told, **msgspec.structs.asdict(counted), "total_tokens": total}

    def _pass(self, event: bytes, forward: list[bytes], *, ends: bool) -> None:
        if ends and self._keep.end:
            self.ending += event
            self._end_events += 1
            if self._end_events > MAX_END_EVENTS:
                self.failure = f"the stream has over {MAX_END_EVENTS} events at its end"
        else:
            forward.append(event)


def _is_text(choice: Choice) -> bool:
    """Whether a choice of a chunk is the only one and brings nothing but text."""
    said = choice.delta or choice.message
    return choice.index == 0 and (said is None or _is_only_text(said))


def _is_only_text(said: Said) -> bool:
    more = (said.reasoning_content, said.reasoning, said.refusal, said.function_call, said.audio, said.tool_calls)
    return not any(more) and (not said.content or isinstance(said.content, str))
