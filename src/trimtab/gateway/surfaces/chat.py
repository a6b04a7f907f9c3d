"""`POST /v1/chat/completions`."""

from __future__ import annotations

from trimtab.errors import CallError
from trimtab.gateway.surfaces import openai, openai_answers
from trimtab.gateway.surfaces.surface import Asked, Edits, Facts, Reader


class ChatCompletions:
    """OpenAI chat completions, streamed and not."""

    name = "chat_completions"
    method = "POST"
    path = "/v1/chat/completions"
    repeatable = False
    forwards_headers = False

    def read(self, body: bytes) -> Asked:
        """What the request asks for, its messages included."""
        return openai.read_chat(body)

    def splice(self, asked: Asked, edits: Edits) -> bytes:
        """The body for the replica."""
        return openai.splice_request(asked, edits, generates=True)

    def reader(self, asked: Asked) -> Reader:
        """A reader of this answer's events."""
        return openai_answers.EventReader(wants_usage=asked.wants_usage)

    def whole(self, body: bytes) -> Facts:
        """The facts of an answer in one piece."""
        return openai_answers.whole_answer(body)

    def error(self, failure: CallError) -> bytes:
        """An error in OpenAI's shape."""
        return openai.error_body(failure)

    def error_event(self, failure: CallError) -> bytes:
        """An error as the last event of a stream."""
        return openai.error_event(failure)
