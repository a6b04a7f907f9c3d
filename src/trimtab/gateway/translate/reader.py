"""Reads a stream of another wire and writes it in the events of the client's.

The reader of the server's own wire says what came and how it ended; a writer puts its events into the client's format.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from trimtab.contracts.reply import Finish
from trimtab.gateway.surfaces.sse import EventSplitter, data_of, sole_object
from trimtab.gateway.surfaces.surface import NOT_JSON, Added, Facts, Reader, Shape, UpstreamSaidError


class Writer(Protocol):
    """Writes a client's events out of a server's; what it cannot write raises `UpstreamSaidError`."""

    def write(self, payload: bytes) -> bytes:
        """The client's events for the data of one of the server's."""

    def stop(self, finish: Finish, tokens: int | None) -> bytes:
        """The client's events that end the answer here; `tokens` is what the server counted so far, if it did."""


class TranslatedReader:
    """The answer of another wire, as the client's events."""

    __slots__ = ("_inner", "_splitter", "_translated", "_writer", "added", "content", "done", "ending", "failure",
                 "forward", "shape")  # fmt: skip

    def __init__(self, inner: Reader, writer: Writer) -> None:
        self._inner = inner
        self._writer = writer
        self._splitter = EventSplitter()
        self._translated = 0
        self.forward = self.ending = b""
        self.added: Sequence[Added] = ()
        self.shape: Shape | None = None
        self.content = self.done = False
        self.failure = ""

    @property
    def tokens(self) -> int | None:
        """What the server's events count."""
        return self._inner.tokens

    @property
    def facts(self) -> Facts:
        """What the stream has told so far."""
        return self._inner.facts

    def feed(self, data: bytes) -> None:
        """Takes the next bytes of the body."""
        self.content, self.forward = False, b""
        if self.failure or self.done:
            return
        inner = self._inner
        inner.feed(data)
        self.content, self.added = inner.content, inner.added
        try:
            if inner.forward:
                self.forward = self._write(inner.forward)
            if len(inner.ending) > self._translated:
                self.ending += self._write(inner.ending[self._translated :])
                self._translated = len(inner.ending)
        except NOT_JSON as wrong:
            self.failure = f"an event of the stream is not valid: {wrong}"
        except UpstreamSaidError as wrong:
            self.failure = str(wrong)
        self.failure = inner.failure or self.failure
        self.done = inner.done and not self.failure

    def _write(self, events: bytes) -> bytes:
        """The client's events for whole ones of the server's; comments stay as they are."""
        payload = sole_object(events)
        if payload is not None:
            return self._writer.write(payload)
        written = []
        for event in self._splitter.feed(events):
            found = data_of(event)
            if found is not None:
                written.append(self._writer.write(found))
            elif event.startswith(b":"):
                written.append(event)
        return b"".join(written)

    def finish(self) -> bool:
        """Whether the answer is whole, now that the body has ended."""
        return self._inner.finish() and not self.failure

    def resume(self, before: Reader) -> None:
        """This answer goes on with that of `before`, in the same client's message."""
        if isinstance(before, TranslatedReader):
            self._inner.resume(before._inner)
            self._writer = before._writer

    def stop(self, finish: Finish) -> bytes:
        """The events that end the answer here, behind those that are held of its end."""
        return self.ending + self._writer.stop(finish, self._inner.tokens)
