"""The way back to the client: one answer, framed (RFC 9112, sections 6 and 7)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from http import HTTPStatus
from typing import Protocol

_STATUS_LINES = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus}
_EMPTY_STATUSES = frozenset((204, 304))
CLOSE = b"connection: close\r\n"
_KEEP_OLD = b"connection: keep-alive\r\n"
_CHUNKED = b"transfer-encoding: chunked\r\n"
_JOIN_BELOW = 64 << 10
_BEGINS_ONCE = "an answer begins once: whole() or head()"


class Way(Protocol):
    """What an answer needs of its connection."""

    keep: bool
    """Whether the connection may go on after this answer."""

    date_line: bytes
    """The Date field of an answer given now, with its CRLF."""

    def write(self, data: bytes) -> None:
        """Sends bytes."""

    def answered(self, keep: bool) -> None:
        """The answer has ended well; the connection goes on if `keep`."""

    def cut(self, hard: bool) -> None:
        """The answer has ended badly; `hard` when only a reset can tell the client so."""


class Answer:
    """One answer. Its methods never wait; once it has `ended`, or the client is `gone`, they do nothing.

    `headers` is a block of `name: value` lines, each with its CRLF. Content-Length, Transfer-Encoding, Connection and
    Date are written here and must not be in it. The handler may set `on_gone` (called once, when the client leaves
    before the end), `on_pause` and `on_resume` (the client reads too slowly, or again fast enough); these are called
    from within `chunk` as well.
    """

    __slots__ = (
        "_bodiless",
        "_chunked",
        "_held",
        "_keep",
        "_old",
        "_until_close",
        "_way",
        "ended",
        "gone",
        "on_gone",
        "on_pause",
        "on_resume",
        "paused",
        "started",
    )

    def __init__(self, way: Way, method: str, version: str) -> None:
        self._way = way
        self._bodiless = method == "HEAD"
        self._old = version == "1.0"
        self._chunked = False
        self._until_close = False
        self._keep = False
        self._held: bytes | None = None
        self.started = False
        self.ended = False
        self.gone = False
        self.paused = False
        self.on_gone: Callable[[], None] | None = None
        self.on_pause: Callable[[], None] | None = None
        self.on_resume: Callable[[], None] | None = None

    def whole(self, status: int, headers: bytes, body: bytes) -> None:
        """The whole answer at once."""
        if self.ended:
            return
        if self.started:
            raise RuntimeError(_BEGINS_ONCE)
        self.started = self.ended = True
        way = self._way
        keep = way.keep
        line = CLOSE if not keep else _KEEP_OLD if self._old else b""
        if self._bodiless:
            way.write(message(status, headers, len(body), b"", way.date_line, line))
        elif len(body) < _JOIN_BELOW:
            way.write(message(status, headers, len(body), body, way.date_line, line))
        else:
            way.write(message(status, headers, len(body), b"", way.date_line, line))
            way.write(body)
        self.on_gone = self.on_pause = self.on_resume = None
        way.answered(keep)

    def head(self, status: int, headers: bytes) -> None:
        """Begins a streamed answer; the head leaves with the first chunk, or else at the end of this loop turn."""
        if self.ended:
            return
        if self.started:
            raise RuntimeError(_BEGINS_ONCE)
        self.started = True
        self._bodiless = self._bodiless or status in _EMPTY_STATUSES
        self._chunked = not (self._old or self._bodiless)
        self._until_close = not (self._chunked or self._bodiless)
        self._keep = self._way.keep and not self._until_close
        self._held = b"%b%b%b%b%b\r\n" % (
            status_line(status),
            self._way.date_line,
            headers,
            _CHUNKED if self._chunked else b"",
            CLOSE if not self._keep else _KEEP_OLD if self._old else b"",
        )
        asyncio.get_running_loop().call_soon(self._flush)

    def chunk(self, data: bytes) -> None:
        """Sends a piece of the body as soon as it can go."""
        if self.ended or self._bodiless or not data:
            return
        if self._chunked:
            data = b"%x\r\n%b\r\n" % (len(data), data)
        if self._held is not None:
            data = self._held + data
            self._held = None
        self._way.write(data)

    def end(self, data: bytes = b"") -> None:
        """Ends a streamed answer well, with a last piece if given."""
        if self.ended:
            return
        if self._chunked:
            data = b"%x\r\n%b\r\n0\r\n\r\n" % (len(data), data) if data else b"0\r\n\r\n"
        elif self._bodiless:
            data = b""
        if self._held is not None:
            data = self._held + data
            self._held = None
        self.ended = True
        if data:
            self._way.write(data)
        self._forget()
        self._way.answered(self._keep and self._way.keep)

    def cut(self) -> None:
        """Ends the answer badly: what was written goes out, the end of the body does not, the connection closes.

        Where the end of the connection is the end of the body (HTTP/1.0), a reset tells the client; it may swallow the
        last bytes.
        """
        if self.ended:
            return
        self._flush()
        self.ended = True
        self._forget()
        self._way.cut(hard=self._until_close)

    def lose(self) -> None:
        """The client has left (called by the connection)."""
        if self.ended:
            return
        self.gone = self.ended = True
        self._held = None
        on_gone = self.on_gone
        self._forget()
        if on_gone is not None:
            on_gone()

    def pause(self) -> None:
        """The client does not keep up (called by the connection)."""
        self.paused = True
        if self.on_pause is not None:
            self.on_pause()

    def resume(self) -> None:
        """The client keeps up again (called by the connection)."""
        self.paused = False
        if self.on_resume is not None:
            self.on_resume()

    def _flush(self) -> None:
        if self._held is not None:
            held, self._held = self._held, None
            self._way.write(held)

    def _forget(self) -> None:
        """Lets go of the handler, which may hold this answer."""
        self.on_gone = self.on_pause = self.on_resume = None

    def __repr__(self) -> str:
        words = [word for word in ("started", "paused", "gone", "ended") if getattr(self, word)]
        return f"Answer({', '.join(words) or 'not started'})"


def status_line(status: int) -> bytes:
    """The first line of an answer with `status`."""
    return _STATUS_LINES.get(status) or b"HTTP/1.1 %d \r\n" % status


def message(status: int, headers: bytes, size: int, body: bytes, date_line: bytes, connection_line: bytes) -> bytes:
    """An answer of `size` bytes with what is given of its body; a status that has no body has no length either."""
    first = _STATUS_LINES.get(status) or status_line(status)
    if status in _EMPTY_STATUSES:
        return b"%b%b%b%b\r\n" % (first, date_line, headers, connection_line)
    framing = (first, date_line, headers, size, connection_line, body)
    return b"%b%b%bcontent-length: %d\r\n%b\r\n%b" % framing
