"""Reads a stream of responses whose answer is checked, held or stopped: more work than passing events on."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec import Raw

from trimtab.contracts.reply import Finish
from trimtab.gateway.surfaces.openai_replies import Token
from trimtab.gateway.surfaces.responses_answers import ENDS, Answer, EventReader, Item, reply_of
from trimtab.gateway.surfaces.responses_draft import MAX_ITEMS, Draft, FullEvent, TooLarge
from trimtab.gateway.surfaces.responses_edits import event_without_logprobs
from trimtab.gateway.surfaces.surface import Added, Facts, Keep

JUDGED: Final = frozenset({"", "message", "function_call"})
"""Items that a contract is about; reasoning, and what a server does by itself, is passed on when it is done."""
COMPLETE: Final = frozenset({"stop", "tool_calls"})
REASON: Final[dict[Finish, str]] = {"content_filter": "content_filter"}
"""Why a response is told to be incomplete, by how it ended; `max_output_tokens` for all others."""
UNTOLD: Final = {
    "id": "",
    "object": "response",
    "created_at": 0,
    "model": "",
    "parallel_tool_calls": True,
    "tool_choice": "auto",
    "tools": (),
}
"""What a response must have, for a stream that was stopped before the server told of it."""

_event = msgspec.json.Decoder(FullEvent)
_fields = msgspec.json.Decoder(dict[str, Raw])
_encode = msgspec.json.Encoder().encode


class KeptReader(EventReader):
    """Reads events one by one, keeps what `keep` names and the items as they are written, and edits what is hidden."""

    __slots__ = ("_added", "_drafts", "_ending", "_keep", "_output", "_response", "_sequence", "_tokens",
                 "_top_logprobs")  # fmt: skip

    def __init__(self, keep: Keep, top_logprobs: Raw | None = None) -> None:
        super().__init__()
        self._keep = keep
        self._top_logprobs = top_logprobs
        self._added: list[Added] = []
        self._drafts: dict[int, Draft] = {}
        self._tokens: list[Token] = []
        self._output: list[Item] = []
        self._response: dict[str, Raw] = {}
        self._sequence = -1
        self._ending = False

    @property
    def facts(self) -> Facts:
        """What the stream has told so far, the reply included."""
        facts = super().facts
        if self._keep.replies:
            output = self._output or [self._drafts[index].item() for index in sorted(self._drafts)]
            facts.replies = [reply_of(output, facts.finish_reason, self._tokens)]
        return facts

    def feed(self, data: bytes) -> None:
        """Takes the next bytes of the body."""
        self.added = self._added = []
        super().feed(data)

    def stop(self, finish: Finish) -> bytes:
        """The events that end every open item and the response; usage is not known here.

        No event of this API tells of anything but a limit on tokens or a filter, so that our own field in the response,
        `trimtab`, says how it ended.
        """
        complete = finish in COMPLETE
        status = "completed" if complete else "incomplete"
        drafts = [self._drafts[index] for index in sorted(self._drafts)]
        told = [event for draft in drafts for event in draft.closing(status)]
        response: dict[str, Any] = {**UNTOLD, **self._response}
        response["status"], response["output"] = status, [draft.ended(status) for draft in drafts]
        if not complete:
            response["incomplete_details"] = {"reason": REASON.get(finish, "max_output_tokens")}
        response["trimtab"] = {"finish_reason": finish}
        told.append({"type": f"response.{status}", "response": response})
        return b"".join(self._written(event, number) for number, event in enumerate(told, self._sequence + 1))

    def _written(self, event: dict[str, Any], sequence: int) -> bytes:
        payload = _encode({**event, "sequence_number": sequence})
        return b"event: %b\ndata: %b\n\n" % (event["type"].encode(), self._shown(payload))

    def _take_payload(self, payload: bytes, event: bytes, forward: list[bytes]) -> None:
        said = _event.decode(payload)
        if not self.gather(said):
            return
        self._sequence = self._sequence + 1 if said.sequence_number is None else said.sequence_number
        try:
            self._note(said)
        except TooLarge:
            self.failure = "the answer has too many items"
            return
        self._pass(self._edited(event, payload), forward, ends=self._ends(said))

    def _ends(self, said: FullEvent) -> bool:
        """Whether an event is of the answer's end: from the first on that says that something to be judged is done."""
        if not self._ending and said.type.endswith(".done") and said.output_index is not None:
            self._ending = self._drafts[said.output_index].kind in JUDGED
        return self._ending or said.type in ENDS

    def _note(self, said: FullEvent) -> None:
        if bytes(said.response).startswith(b"{"):
            self._response = _fields.decode(said.response)
        if said.output_index is None:
            return
        draft = self._drafts.get(said.output_index)
        if draft is None:
            if len(self._drafts) == MAX_ITEMS:
                raise TooLarge
            draft = self._drafts[said.output_index] = Draft(said.output_index)
        text = draft.take(said)
        if text:
            self._added.append(Added(0, text))
        if said.logprobs and said.type.endswith(".delta"):
            self._tokens += said.logprobs

    def _gather_end(self, answer: Answer) -> None:
        super()._gather_end(answer)
        self._output = answer.output or []
        if not self._drafts:
            text = reply_of(self._output, "").text
            self._added += [Added(0, text)] if text else []

    def _edited(self, event: bytes, payload: bytes) -> bytes:
        """An event as the client may see it."""
        shown = self._shown(payload)
        if shown is payload:
            return event
        before, found, after = event.partition(payload)
        return before + shown + after if found else b"data: %b\n\n" % shown

    def _shown(self, payload: bytes) -> bytes:
        """The data of an event as the client may see it."""
        if self._keep.hide_logprobs and b"logprobs" in payload:
            return event_without_logprobs(payload, self._top_logprobs)
        return payload

    def _pass(self, event: bytes, forward: list[bytes], *, ends: bool) -> None:
        if ends and self._keep.end:
            self.ending += event
        else:
            forward.append(event)
