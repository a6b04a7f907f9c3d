"""Routes of a model's server that are let through as they are, where the declaration lists them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from trimtab.contracts.reply import Finish, Reply
from trimtab.errors import CallError
from trimtab.gateway.surfaces import openai
from trimtab.gateway.surfaces.surface import (
    NOTHING_KEPT,
    Added,
    Asked,
    Edits,
    Facts,
    History,
    Keep,
    OfferedTool,
    Reader,
    Shape,
    Whole,
    Wire,
)


class OpaqueReader:
    """Forwards every byte; any byte is content, and the body's own end is the terminal marker."""

    __slots__ = ("added", "content", "done", "ending", "failure", "forward", "shape")

    def __init__(self) -> None:
        self.forward = self.ending = b""
        self.added: Sequence[Added] = ()
        self.shape: Shape | None = None
        self.content = self.done = False
        self.failure = ""

    @property
    def tokens(self) -> int:
        """0: nothing is known of the answer."""
        return 0

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

    def resume(self, before: Reader) -> None:
        """Nothing goes on: the wire does not resume."""

    def stop(self, finish: Finish) -> bytes:
        """Nothing: an opaque stream has no place for an event."""
        return b""


class OpaqueWire:
    """A body that goes to the replica as it is, whatever it is, and its answer likewise."""

    path = ""
    resumes = False

    def splice(self, asked: Asked, edits: Edits) -> bytes:
        """The body, untouched."""
        return asked.body

    def reader(self, asked: Asked, keep: Keep = NOTHING_KEPT) -> Reader:
        """A reader that lets all bytes pass."""
        return OpaqueReader()

    def whole(self, asked: Asked, body: bytes, keep: Keep = NOTHING_KEPT) -> Whole:
        """Nothing is known of the answer."""
        return Whole(body, Facts())

    def rejected(self, status: int, body: bytes) -> bytes:
        """The server's error as it is."""
        return body


class Passthrough:
    """Not a wire format: method, path and body go through untouched, under key, deadline and record."""

    name = "passthrough"
    method = ""
    path = ""
    repeatable = False
    forwards_headers = True
    wires: Mapping[str, Wire] = {"openai": OpaqueWire(), "anthropic": OpaqueWire()}
    history: History | None = None

    def read(self, body: bytes) -> Asked:
        """Nothing is read; the answer is streamed as it comes."""
        return Asked(body=body, fields={}, model="", stream=True)

    def offered(self, asked: Asked) -> tuple[OfferedTool, ...]:
        """None: nothing is known of the request."""
        return ()

    def reask(self, asked: Asked, reply: Reply, complaints: Sequence[str]) -> Asked:
        """The same request: it has no turns."""
        return asked

    def error(self, failure: CallError) -> bytes:
        """An error in OpenAI's shape."""
        return openai.error_body(failure)

    def error_event(self, failure: CallError) -> bytes:
        """Nothing: an opaque stream has no place for an event; the cut connection tells."""
        return b""
