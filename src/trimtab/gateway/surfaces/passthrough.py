"""Routes of a model's server that are let through as they are, where the declaration lists them."""

from __future__ import annotations

from trimtab.errors import CallError
from trimtab.gateway.surfaces import openai
from trimtab.gateway.surfaces.surface import Asked, Edits, Facts, Reader


class OpaqueReader:
    """Forwards every byte; any byte is content, and the body's own end is the terminal marker."""

    __slots__ = ("content", "done", "failure", "forward")

    def __init__(self) -> None:
        self.forward = b""
        self.content = self.done = False
        self.failure = ""

    @property
    def facts(self) -> Facts:
        """Nothing is known of the answer."""
        return Facts()

    def feed(self, data: bytes) -> None:
        """Takes the next bytes of the body."""
        self.forward, self.content = data, True

    def finish(self) -> bool:
        """True: the framing of HTTP has already told that the body is whole."""
        self.done = True
        return True


class Passthrough:
    """Not a wire format: method, path and body go through untouched, under key, deadline and record."""

    name = "passthrough"
    method = ""
    path = ""
    repeatable = False
    forwards_headers = True

    def read(self, body: bytes) -> Asked:
        """Nothing is read; the answer is streamed as it comes."""
        return Asked(body=body, fields={}, model="", stream=True)

    def splice(self, asked: Asked, edits: Edits) -> bytes:
        """The body, untouched."""
        return asked.body

    def reader(self, asked: Asked) -> Reader:
        """A reader that lets all bytes pass."""
        return OpaqueReader()

    def whole(self, body: bytes) -> Facts:
        """Nothing is known of the answer."""
        return Facts()

    def error(self, failure: CallError) -> bytes:
        """An error in OpenAI's shape."""
        return openai.error_body(failure)

    def error_event(self, failure: CallError) -> bytes:
        """Nothing: an opaque stream has no place for an event; the cut connection tells."""
        return b""
