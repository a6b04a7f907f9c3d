"""Scripts for `ScriptedUpstream`: what a server puts on the wire, when, and how it fails.

A script is a list of small steps and nothing else; `sse_answer` and `json_answer` write the usual ones.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

REASONS: Final = {
    200: "OK",
    400: "Bad Request",
    401: "Unauthorized",
    404: "Not Found",
    429: "Too Many Requests",
    500: "Internal Server Error",
    502: "Bad Gateway",
    503: "Service Unavailable",
}
LAST_CHUNK: Final = b"0\r\n\r\n"


@dataclass(frozen=True)
class Send:
    """Puts these very bytes on the wire; two in a row with nothing between may arrive as one."""

    data: bytes


@dataclass(frozen=True)
class Wait:
    """Does nothing for so many seconds."""

    seconds: float


@dataclass(frozen=True)
class WaitFor:
    """Does nothing until the test sets the event."""

    event: asyncio.Event


@dataclass(frozen=True)
class Hang:
    """Does nothing until the peer goes away."""


@dataclass(frozen=True)
class Close:
    """Closes the connection after everything sent has been delivered."""


@dataclass(frozen=True)
class Cut:
    """Closes the connection at once; what the kernel has not taken yet is lost."""


@dataclass(frozen=True)
class Reset:
    """Resets the connection: the peer's next read fails instead of ending."""


@dataclass(frozen=True)
class Repeat:
    """Plays steps over and over: so many times, or until the peer goes away."""

    steps: tuple[Step, ...]
    times: int | None = None


Step = Send | Wait | WaitFor | Hang | Close | Cut | Reset | Repeat


@dataclass(frozen=True)
class Script:
    """What is done with one request; unless a step closed the connection, it is kept for the next one.

    With `reads_body` false the steps begin as soon as the head has been read.
    """

    steps: tuple[Step, ...]
    reads_body: bool = True

    def then(self, *steps: Step) -> Script:
        """The same with more steps at the end."""
        return Script((*self.steps, *steps), self.reads_body)


@dataclass(frozen=True)
class Framing:
    """How a streamed answer is cut up and paced.

    `events_in_chunk` events share one HTTP chunk; `byte_s` sends byte by byte that far apart. `newline` is that of the
    events. `until_close` has no framing: the body ends with the connection.
    """

    transfer: Literal["chunked", "until_close"] = "chunked"
    newline: bytes = b"\n"
    events_in_chunk: int = 1
    first_wait_s: float = 0.0
    gap_s: float = 0.0
    byte_s: float | None = None
    headers: tuple[tuple[str, str], ...] = ()

    def head(self) -> bytes:
        """The head of a streamed answer."""
        transfer = ("transfer-encoding", "chunked") if self.transfer == "chunked" else ("connection", "close")
        return head(200, (("content-type", "text/event-stream; charset=utf-8"), transfer, *self.headers))

    def steps(self, events: Sequence[bytes]) -> tuple[Step, ...]:
        """The events in their chunks, each after its wait; without head or end."""
        steps: list[Step] = []
        for start in range(0, len(events), self.events_in_chunk):
            wait_s = self.gap_s if start else self.first_wait_s
            if wait_s > 0:
                steps.append(Wait(wait_s))
            data = b"".join(events[start : start + self.events_in_chunk]).replace(b"\n", self.newline)
            data = chunk(data) if self.transfer == "chunked" else data
            steps.extend([Send(data)] if self.byte_s is None else trickle(data, self.byte_s))
        return tuple(steps)

    def end(self) -> tuple[Step, ...]:
        """What ends the body well."""
        return (Send(LAST_CHUNK),) if self.transfer == "chunked" else (Close(),)


PLAIN: Final = Framing()


def head(status: int, headers: Iterable[tuple[str, str]] = ()) -> bytes:
    """A status line and header lines, blank line included."""
    lines = [f"HTTP/1.1 {status} {REASONS.get(status, 'Unknown')}", *(f"{name}: {value}" for name, value in headers)]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def chunk(data: bytes) -> bytes:
    """One HTTP/1.1 chunk (RFC 9112, section 7.1)."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def event(data: object) -> bytes:
    """One server-sent event with an object as JSON, or bytes as they are."""
    return b"data: %b\n\n" % (data if isinstance(data, bytes) else json.dumps(data).encode())


def trickle(data: bytes, every_s: float) -> list[Step]:
    """The bytes one by one."""
    steps: list[Step] = []
    for byte in data:
        steps += (Send(bytes((byte,))), Wait(every_s))
    return steps


def sse_answer(events: Sequence[bytes], framing: Framing = PLAIN) -> Script:
    """A whole streamed answer of these events."""
    return Script((Send(framing.head()), *framing.steps(events), *framing.end()))


def json_answer(body: object, status: int = 200, headers: Sequence[tuple[str, str]] = ()) -> Script:
    """A whole answer in one piece; `body` as JSON, or bytes as they are."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    fields = (("content-type", "application/json"), ("content-length", str(len(data))), *headers)
    return Script((Send(head(status, fields) + data),))


def error_answer(status: int, message: str, headers: Sequence[tuple[str, str]] = ()) -> Script:
    """An error as OpenAI-compatible servers send it."""
    body: dict[str, Any] = {"error": {"message": message, "type": "scripted", "param": None, "code": status}}
    return json_answer(body, status, headers)
