"""An answer whose end waits: the client sees it as it comes, but for its end, which is let go when it is on disk."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from trimtab.clock import Clock
from trimtab.gateway.http.answer import Answer
from trimtab.gateway.own_calls import Nowhere
from trimtab.record.capture import Capture

OURS: Final = b"x-trimtab-"
CONTENT_TYPE: Final = b"content-type"


class HeldAnswer(Answer):
    """Stands before the answer of a connection. Until `hold` it only passes on.

    From then on `capture` takes a copy of what the client is sent, and the end of the answer waits for `release`; all
    of one in a single piece does. `ending` tells whether what is being sent holds the end of a stream.
    """

    __slots__ = (
        "_all",
        "_clock",
        "_cut",
        "_holds",
        "_outer",
        "_tail",
        "_whole",
        "capture",
        "ending",
        "head_lines",
        "seq",
    )

    def __init__(self, outer: Answer, clock: Clock) -> None:
        super().__init__(Nowhere(), "POST", "1.1")
        self._outer = outer
        self._clock = clock
        self._holds = self._all = self._cut = False
        self._tail: list[bytes] = []
        self._whole: tuple[int, bytes, bytes] | None = None
        self.capture: Capture | None = None
        self.ending: Callable[[], bool] = _never
        self.head_lines = b""
        self.seq = 0
        outer.on_gone, outer.on_pause, outer.on_resume = self.lose, self.pause, self.resume

    @property
    def streamed(self) -> bool:
        """Whether the head has gone to the client already."""
        return self._outer.started

    def hold(self, capture: Capture, ending: Callable[[], bool]) -> None:
        """Holds back the end of what follows."""
        self._holds = True
        self.capture, self.ending = capture, ending

    def hold_all(self) -> None:
        """Holds back everything that follows."""
        self._all = True

    def release(self) -> None:
        """Lets go of what was held back, and holds nothing from now on."""
        self._holds = self._all = False
        outer = self._outer
        if self._whole is not None:
            outer.whole(*self._whole)
        elif self._cut:
            for piece in self._tail:
                outer.chunk(piece)
            outer.cut()
        elif self.ended:
            outer.end(b"".join(self._tail))
        self._whole = None
        self._tail = []

    def drop(self) -> None:
        """Forgets what was held back, so that something else can be told, and holds nothing from now on."""
        self._holds = self._all = self._cut = self.ended = False
        self._whole = None
        self._tail = []
        self.started = self._outer.started

    def whole(self, status: int, headers: bytes, body: bytes) -> None:
        """The whole answer at once."""
        if self.ended:
            return
        self.started = self.ended = True
        self.head_lines = headers
        headers = self._with_seq(headers)
        if not self._holds:
            self._outer.whole(status, headers, body)
            return
        self._copy(body)
        self._whole = status, headers, body

    def head(self, status: int, headers: bytes) -> None:
        """Begins a streamed answer."""
        if self.ended:
            return
        self.started = True
        self.head_lines = headers
        self._outer.head(status, self._with_seq(headers))

    def chunk(self, data: bytes) -> None:
        """Sends a piece of the body, or holds it back."""
        if self.ended or not data:
            return
        if not self._holds:
            self._outer.chunk(data)
            return
        self._copy(data)
        if self._tail or self._all or self.ending():
            self._tail.append(data)
        else:
            self._outer.chunk(data)

    def end(self, data: bytes = b"") -> None:
        """Ends a streamed answer well."""
        if self.ended:
            return
        if not self._holds:
            self.ended = True
            self._outer.end(data)
            return
        if data:
            self._copy(data)
            self._tail.append(data)
        self.ended = True

    def cut(self) -> None:
        """Ends the answer badly."""
        if self.ended:
            return
        self.ended = self._cut = True
        if not self._holds:
            self._outer.cut()

    def _copy(self, data: bytes) -> None:
        if self.capture is not None:
            self.capture.add(data, self._clock.monotonic())

    def _with_seq(self, headers: bytes) -> bytes:
        return headers if not self.seq else b"%bx-trimtab-seq: %d\r\n" % (headers, self.seq)

    def __repr__(self) -> str:
        return f"HeldAnswer({'holds' if self._holds else 'passes on'}, {self._outer!r})"


def _never() -> bool:
    return False


def told_lines(headers: bytes) -> tuple[str, str]:
    """The content type of a header block, and those of its lines that belong to the answer and not to the call."""
    content_type, kept = "", []
    for line in headers.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name == CONTENT_TYPE:
            content_type = value.strip().decode("latin-1")
        elif name and not name.startswith(OURS):
            kept.append(line.decode("latin-1"))
    return content_type, "\r\n".join(kept)
