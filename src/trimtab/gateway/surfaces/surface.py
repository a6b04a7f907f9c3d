"""The contract of a surface: one wire format that clients speak, and what the call path must know of it.

A surface reads what it must and keeps the rest as bytes. Adding one adds a file; the path does not change.
"""

from __future__ import annotations

from typing import Any, Protocol

from msgspec import Raw, Struct

from trimtab.declare.project import Sampling
from trimtab.errors import CallError
from trimtab.record.events import LogprobSummary, Usage


class Asked(Struct):
    """What a request asks for, as far as the path must know; `fields` holds every top-level value as it was sent."""

    body: bytes
    fields: dict[str, Raw]
    model: str
    stream: bool = False
    wants_usage: bool = False
    stream_options: dict[str, Raw] = {}
    messages: tuple[Raw, ...] = ()
    system_prompt: str | None = None
    inputs: dict[str, Any] | None = None
    retrieval_ids: tuple[str, ...] = ()
    max_output_tokens: int | None = None


class Edits(Struct, frozen=True):
    """What policy puts into a request before it goes to a replica."""

    model: str
    sampling: Sampling = Sampling()
    prompt: tuple[bytes, ...] = ()


class Facts(Struct):
    """What an answer told about itself; filled in while it is read."""

    upstream_id: str = ""
    upstream_model: str = ""
    system_fingerprint: str = ""
    finish_reason: str = ""
    choices: int = 0
    tool_calls: int = 0
    usage: Usage | None = None
    logprobs: LogprobSummary | None = None
    text_bytes: int = 0


class Reader(Protocol):
    """Reads one streamed answer, chunk by chunk.

    After `feed`, `forward` holds the bytes the client may see, `content` whether a content-bearing event came,
    `done` whether the terminal marker did, and `failure` what the stream said went wrong, if anything.
    """

    forward: bytes
    content: bool
    done: bool
    failure: str

    @property
    def facts(self) -> Facts:
        """What the answer has told so far."""

    def feed(self, data: bytes) -> None:
        """Takes the next bytes of the body; malformed ones set `failure`, nothing is raised."""

    def finish(self) -> bool:
        """Whether the answer is whole, now that the body has ended."""


class Surface(Protocol):
    """One wire format at one path."""

    name: str
    method: str
    path: str
    repeatable: bool
    """Whether the same request may be sent twice without another effect or cost worth speaking of."""
    forwards_headers: bool
    """Whether the client sees the replica's header fields, not only the content type and the request id."""

    def read(self, body: bytes) -> Asked:
        """What the request asks for; raises `InvalidRequest` on anything the path cannot work with."""

    def splice(self, asked: Asked, edits: Edits) -> bytes:
        """The body for the replica: what the client sent, with the edits put in and our own fields taken out."""

    def reader(self, asked: Asked) -> Reader:
        """A fresh reader for a streamed answer to this request."""

    def whole(self, body: bytes) -> Facts:
        """The facts of an answer that came in one piece; raises `UpstreamSaidError` if the answer is an error."""

    def error(self, failure: CallError) -> bytes:
        """The JSON body of an error, in this surface's own shape."""

    def error_event(self, failure: CallError) -> bytes:
        """The same as an event that ends a stream badly."""


class UpstreamSaidError(Exception):
    """An answer with a good status that holds an error, or is no answer at all; the text says which."""
