"""The client's side of a call that a worker makes itself: the request as it is sent, and the answer as it is kept."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import msgspec
from msgspec import Struct

from trimtab.gateway.http.answer import Answer
from trimtab.gateway.http.headers import Headers
from trimtab.gateway.http.request import Request
from trimtab.gateway.own_calls import Nowhere
from trimtab.journal.background import BRANCH, Taken

CUT: Final = 0
"""In place of a status, where an answer broke off."""
MOST_LOOKED_AT: Final = 64 << 10
LATER: Final = frozenset({408, 429, 500, 502, 503, 504})
"""Statuses of failures that may be another way the next time."""


class Made(Struct, frozen=True):
    """How a try ended: its status, what its headers told, and its body."""

    status: int
    seq: int = 0
    retries: bool = False
    retry_after_s: float = 0.0
    body: bytes = b""

    @property
    def is_good(self) -> bool:
        """Whether it is an answer."""
        return 200 <= self.status < 300

    @property
    def is_for_good(self) -> bool:
        """Whether another try would end like this one."""
        return not (self.is_good or self.retries or self.status == CUT or self.status in LATER)

    @property
    def is_incomplete(self) -> bool:
        """Whether an answer of the Responses API says so of itself."""
        return bool(_field(self.body, "status") == "incomplete")

    @property
    def error(self) -> tuple[str, str]:
        """The code and the message of an error, in whichever shape."""
        if self.status == CUT:
            return "upstream_truncated", "the answer broke off"
        error = _field(self.body[:MOST_LOOKED_AT], "error")
        told = error if isinstance(error, dict) else {}
        code, message = told.get("code") or told.get("type"), told.get("message")
        return str(code or f"http_{self.status}")[:100], str(message or "")[:500]


class MadeAnswer(Answer):
    """An answer that nobody reads but who made the call: `made` is there when it has ended."""

    __slots__ = ("made",)

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(Nowhere(), "POST", "1.1")
        self.made: asyncio.Future[Made] = loop.create_future()

    def whole(self, status: int, headers: bytes, body: bytes) -> None:
        """The whole answer at once."""
        super().whole(status, headers, body)
        lines = dict(_line(line) for line in headers.split(b"\r\n"))
        seq, after = lines.get(b"x-trimtab-seq", b""), lines.get(b"retry-after", b"")
        self._end(
            Made(
                status,
                int(seq) if seq.isdigit() else 0,
                lines.get(b"x-should-retry") == b"true",
                float(after) if after.isdigit() else 0.0,
                body,
            )
        )

    def cut(self) -> None:
        """Ends the answer badly."""
        super().cut()
        self._end(Made(CUT))

    def lose(self) -> None:
        """The call is not wanted any more."""
        super().lose()
        self._end(Made(CUT))

    def _end(self, made: Made) -> None:
        if not self.made.done():
            self.made.set_result(made)


def request_of(taken: Taken, path: str, now_ns: int, now_s: float) -> Request:
    """The request as it goes down the path: a step of its own run, under the lease, for whoever submitted it."""
    call = taken.call
    left_ms = max(1, (call.deadline_ns - now_ns) // 1_000_000)
    fields = {
        **taken.headers,
        "content-type": "application/json",
        "x-trimtab-run": call.run,
        "x-trimtab-lease": str(taken.epoch),
        "x-trimtab-branch": BRANCH,
        "x-trimtab-after": str(taken.after),
        "x-trimtab-deadline-ms": str(left_ms),
    }
    headers = Headers({name.encode("latin-1"): value.encode("latin-1") for name, value in fields.items()})
    body = taken.content or b""
    return Request("POST", path.encode(), path, headers, body, now_s, "", "1.1", sent_for=call.key)


def _line(line: bytes) -> tuple[bytes, bytes]:
    name, _, value = line.partition(b":")
    return name.lower(), value.strip()


def _field(body: bytes, name: str) -> Any:
    try:
        found: Any = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return found.get(name) if isinstance(found, dict) else None
