"""Messages to a server that speaks Anthropic's wire format: bytes are left alone where possible."""

from __future__ import annotations

from trimtab.gateway.surfaces import anthropic, anthropic_answers
from trimtab.gateway.surfaces.surface import NOTHING_KEPT, Asked, Edits, Keep, Reader, Whole


class MessagesWire:
    """The messages of Anthropic's own wire format."""

    path = ""
    resumes = False

    def splice(self, asked: Asked, edits: Edits) -> bytes:
        """The body for the replica."""
        return anthropic.splice_request(asked, edits, generates=True)

    def reader(self, asked: Asked, keep: Keep = NOTHING_KEPT) -> Reader:
        """A reader of this answer's events."""
        return anthropic_answers.MessageReader(keep)

    def whole(self, asked: Asked, body: bytes, keep: Keep = NOTHING_KEPT) -> Whole:
        """An answer in one piece."""
        return anthropic_answers.message_answer(body, keep)

    def rejected(self, status: int, body: bytes) -> bytes:
        """The server's error body in Anthropic's shape."""
        return anthropic.rejected(status, body)
