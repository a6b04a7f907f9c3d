"""A replica's answers, read out of a connection's bytes (RFC 9112), strictly and within limits.

llhttp reads; on top of it stand the checks it lacks: HTTP/1.0 or 1.1 only, no transfer coding but `chunked`, nothing
behind the answer, and a bound on everything that is not body.
"""

from __future__ import annotations

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from trimtab.gateway.http.headers import Headers

MAX_FIELDS = 256
_OWS = b" \t"


class _StopParsingError(Exception):
    """Raised in a parser's callback: what follows is not looked at."""


class ResponseReader:
    """Reads the answers of one connection, one after the other.

    `expect` begins an answer. After each `feed`, `headers` holds the head if it became whole in it (else None) and
    `body` what it brought of the body; `done` whether the answer is whole, `fault` what is wrong with it ("" if
    nothing). With both, what came up to the fault is good. `keep_alive` holds once `done`.
    """

    __slots__ = (
        "_bodiless",
        "_fields",
        "_max_head",
        "_parser",
        "_parts",
        "_unpaid",
        "_until_close",
        "body",
        "done",
        "fault",
        "headers",
        "keep_alive",
        "status",
    )

    def __init__(self, max_head: int) -> None:
        self._max_head = max_head
        self._parser = HttpResponseParser(self)
        self._parts: list[bytes] = []
        self.body = b""
        self.headers: Headers | None = None
        self.expect(bodiless=False)

    def expect(self, bodiless: bool) -> None:
        """The next bytes are of a new answer; one to a HEAD request is `bodiless`."""
        self._bodiless = bodiless
        self._fields: list[tuple[bytes, bytes]] = []
        self._unpaid = self.status = 0
        self._until_close = self.done = self.keep_alive = False
        self.fault = ""

    def feed(self, data: bytes) -> None:
        """Takes the next bytes."""
        self.headers = None
        try:
            self._parser.feed_data(data)
        except HttpParserUpgrade:
            self.fault = "switched to another protocol"
        except HttpParserError as fault:
            if self.done:
                self.keep_alive = False
            elif not self.fault:
                self.fault = f"sent what is not HTTP/1.1: {fault}"
        parts = self._parts
        if parts:
            self.body = parts[0] if len(parts) == 1 else b"".join(parts)
            parts.clear()
        else:
            self.body = b""
        if self._unpaid + len(data) > self._max_head:
            self._bound()
        self._unpaid = 0 if self.body else self._unpaid + len(data)
        if self._bodiless and self.done:
            self._end_bodiless()

    def finish(self) -> bool:
        """The connection has ended; whether that ended the answer well, as it does where nothing else can."""
        if self._until_close and not self.fault:
            self.done = True
        return self.done

    def on_message_begin(self) -> None:
        """Something begins (called by the parser); behind the answer nothing may."""
        if self.done:
            raise _StopParsingError

    def on_header(self, name: bytes, value: bytes) -> None:
        """One field (called by the parser); behind the head it is a trailer, which nobody wants."""
        if len(self._fields) >= MAX_FIELDS:
            self.fault = f"sent more than {MAX_FIELDS} fields"
            raise _StopParsingError
        self._fields.append((name.lower(), value.rstrip(_OWS)))

    def on_headers_complete(self) -> None:
        """The head is whole (called by the parser); that of an interim answer is nobody's."""
        status = self._parser.get_status_code()
        if status < 200:
            return
        headers, self._fields = Headers(self._fields), []
        self._read_framing(status, headers)
        if self.fault:
            raise _StopParsingError
        self.status, self.headers = status, headers

    def on_body(self, part: bytes) -> None:
        """A piece of the body (called by the parser)."""
        self._parts.append(part)

    def on_message_complete(self) -> None:
        """An answer is whole (called by the parser, which only now knows whether the connection may be kept)."""
        self._fields = []
        if self.status:
            self.done = True
            self.keep_alive = self._parser.should_keep_alive()

    def _read_framing(self, status: int, headers: Headers) -> None:
        """RFC 9112, section 6.3, as far as llhttp leaves it open."""
        coding = headers.get(b"transfer-encoding")
        if self._parser.get_http_version() not in ("1.1", "1.0") or status > 599:
            self.fault = "answered with a status line that is not HTTP/1.1"
        elif coding is not None and coding.lower() != b"chunked":
            self.fault = "answered with a transfer coding other than chunked"
        elif self._bodiless:
            self.done = True
            self.keep_alive = self._parser.should_keep_alive()
        else:
            framed = coding is not None or headers.get(b"content-length") is not None
            self._until_close = not framed and status not in (204, 304)

    def _bound(self) -> None:
        """Bounds what comes without being body: heads, interim answers, chunk extensions, trailers."""
        if self.headers is not None:
            too_much = self._unpaid > self._max_head or _size(self.headers) > self._max_head
        else:
            too_much = not self.body and not self.done
        if too_much and not self.fault:
            self.fault = f"sent over {self._max_head} bytes that are not body"
            self.headers, self.body, self.done = None, b"", False

    def _end_bodiless(self) -> None:
        """The parser waits for a body that does not come, so another takes its place."""
        self.keep_alive = self.keep_alive and not self.body
        self.body = b""
        self._parser = HttpResponseParser(self)


def _size(headers: Headers) -> int:
    return sum(len(name) + len(value) + 4 for name, value in headers.items())
