"""Reads a stream whose answer is checked, held, edited or gone on with: more work than passing events on.

The fast way of `openai_answers` stays as it is; a call comes here only if something asks for it.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec
from msgspec import Raw, Struct

from trimtab.contracts.reply import Finish
from trimtab.gateway.surfaces.openai_answers import ABSENT, NOT_JSON, EventReader, Piece, added_by, error_text
from trimtab.gateway.surfaces.openai_edits import with_fields, without_logprobs, without_usage
from trimtab.gateway.surfaces.openai_replies import Replies
from trimtab.gateway.surfaces.sse import EventTooLarge, NotAnEvent, data_of
from trimtab.gateway.surfaces.surface import Added, Facts, Keep, Reader

DONE = b"data: [DONE]\n\n"
FINISH_REASONS: dict[Finish, str] = {"other": "stop", "": "stop"}

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

    prompt_tokens: int = 0
    completion_tokens: int = 0


_identity = msgspec.json.Decoder(Identity)
_counted = msgspec.json.Decoder(Counted)


class KeptReader(EventReader):
    """Reads events one by one, keeps what `keep` names, and edits what goes to the client.

    Of a resumed answer the client sees one: its events bear the identity of the first, its role is told once, and its
    usage is that of the first prompt and of all tokens made.
    """

    __slots__ = ("_finished", "_identity", "_keep", "_kind", "_open", "_replies", "_resumed", "_usage",
                 "_usage_told")  # fmt: skip

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

    @property
    def facts(self) -> Facts:
        """What the stream has told so far, the replies included."""
        facts = self.gather.facts()
        if self._replies is not None:
            facts.replies = self._replies.whole()
        return facts

    @property
    def tokens(self) -> int:
        """Output tokens so far, those of the answer this one goes on with included."""
        return self.counted.completion_tokens

    @property
    def counted(self) -> Counted:
        """Tokens of the first prompt, and all that were made so far, as the server counted them."""
        try:
            here = Counted() if self._usage is ABSENT else _counted.decode(self._usage)
        except NOT_JSON:
            here = Counted()
        if self._resumed is None:
            return here
        return Counted(self._resumed.prompt_tokens, self._resumed.completion_tokens + here.completion_tokens)

    def resume(self, before: Reader) -> None:
        """This answer goes on with that of `before`."""
        if isinstance(before, KeptReader):
            self._identity, self._resumed = before._identity, before.counted
            self._open, self._finished = set(before._open), set(before._finished)

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
        except NOT_JSON as wrong:
            self.failure = f"an event of the stream is not valid: {wrong}"
        except NotAnEvent:
            self.failure = "the stream holds lines that are no server-sent events"
        except EventTooLarge:
            self.failure = "an event of the stream has no end"
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
        if self.wants_usage and not self._usage_told and self._usage is not ABSENT:
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
        if self._identity is None:
            self._identity = _identity.decode(payload)
        if chunk.usage is not ABSENT and bytes(chunk.usage) != b"null":
            self._usage = chunk.usage
        added += added_by(chunk)
        ends = self._note(chunk)
        seen = self._seen(chunk, payload, event, content=content or ends)
        if seen:
            self._pass(seen, forward, ends=ends)

    def _note(self, chunk: Piece) -> bool:
        """Notes the choices that ended; whether this event belongs to the answer's end."""
        ends = not chunk.choices
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
        if self._keep.hide_counts and not final_usage and chunk.usage is not ABSENT:
            edited = without_usage(edited)
        if self._keep.hide_logprobs and chunk.choices:
            edited = without_logprobs(edited)
        if self._resumed is not None and self._identity is not None:
            changed = self._identity.fields()
            if final_usage:
                changed["usage"] = self._summed()
            edited = with_fields(edited, changed)
        return event if edited is payload else b"data: " + edited + b"\n\n"

    def _summed(self) -> dict[str, Any]:
        """The usage of a resumed answer as one."""
        counted = self.counted
        total = counted.prompt_tokens + counted.completion_tokens
        told: dict[str, Any] = {**msgspec.json.decode(self._usage, type=dict[str, Raw])}
        for details in ("prompt_tokens_details", "completion_tokens_details"):
            told.pop(details, None)
        return {**told, **msgspec.structs.asdict(counted), "total_tokens": total}

    def _pass(self, event: bytes, forward: list[bytes], *, ends: bool) -> None:
        if ends and self._keep.end:
            self.ending += event
        else:
            forward.append(event)
