"""A replica's answers, read out of a connection's bytes (RFC 9112), strictly and within limits.

llhttp reads; on top of it stand the checks it lacks: HTTP/1.0 or 1.1 only, no transfer coding but `chunked`, nothing
behind the answer, and a bound on everything that is not body.
"""

from __future__ import annotations

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from trimtab.gateway.http.headers import Headers, gather
from trimtab.gateway.http.repeated import RepeatedHead, repeated

MAX_FIELDS = 256
_OWS = b" \t"
_END = b"\r\n\r\n"


class _StopParsingError(Exception):
    """Raised in a parser's callback: what follows is not looked at."""


class ResponseReader:
    """Reads the answers of one connection, one after the other.

    `expect` begins an answer. After a `feed`, `headers` holds the head if it has become whole (whoever takes it puts
    None there) and `body` what the feed brought of the body; `done` tells whether the answer is whole, `fault` what is
    wrong with it ("" if nothing), and then what came before the fault is good. `keep_alive` holds once `done`.

    From the second whole answer on, a head that differs from the one before in nothing but the number of its
    Content-Length is the same head again.
    """

    __slots__ = (
        "_bodiless",
        "_fields",
        "_known",
        "_known_headers",
        "_known_length",
        "_known_status",
        "_max_head",
        "_parser",
        "_parts",
        "_unpaid",
        "_until_close",
        "_version_good",
        "body",
        "done",
        "fault",
        "headers",
        "keep_alive",
        "on_body",
        "status",
    )

    def __init__(self, max_head: int) -> None:
        self._max_head = max_head
        self._parts: list[bytes] = []
        self.on_body = self._parts.append  # called by the parser with each piece of a body
        self._fields: list[tuple[bytes, bytes]] = []
        self._parser = HttpResponseParser(self)
        self._version_good = False
        self._known: RepeatedHead | None = None
        self._known_headers: Headers | None = None
        self._known_length = self._known_status = 0
        self.body = b""
        self.headers: Headers | None = None
        self.keep_alive = False
        self.fault = ""
        self.expect(bodiless=False)

    def expect(self, bodiless: bool) -> None:
        """The next bytes are of a new answer; one to a HEAD request is `bodiless`."""
        self._bodiless = bodiless
        self._unpaid = self.status = 0
        self._until_close = self.done = False

    def feed(self, data: bytes) -> None:
        """Takes the next bytes."""
        fresh = not self._unpaid and not self.status
        if fresh and self._feed_known(data):
            return
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
            if self.headers is not None and self._unpaid + len(data) > self._max_head:
                self._bound(len(data))
            self._unpaid = 0
        else:
            self.body = b""
            self._bound(len(data))
        if self._bodiless and self.done:
            self._end_bodiless()
        elif fresh and self.done and self.keep_alive:
            self._remember(data)

    def _feed_known(self, data: bytes) -> bool:
        """Takes a whole answer with the known head; False, and nothing is taken, if it is another or not whole."""
        known, headers = self._known, self._known_headers
        if known is None or headers is None or self._bodiless:
            return False
        length, body_at = known.find(data, 0)
        if length <= 0 or body_at + length != len(data) or body_at > self._max_head:
            return False
        if length != self._known_length:
            headers = self._known_headers = Headers(headers)
            headers[b"content-length"] = b"%d" % length
            self._known_length = length
        self.status, self.headers, self.body = self._known_status, headers, data[body_at:]
        self.done = self.keep_alive = True
        return True

    def _remember(self, data: bytes) -> None:
        """Makes the head of a whole answer the known one, at the second answer."""
        if self._known_status:
            self._known, self._known_headers = repeated(data[: data.find(_END) + len(_END)]), self.headers
            self._known_length = 0
        self._known_status = self.status

    def finish(self) -> bool:
        """The connection has ended; whether that ended the answer well, as it does where nothing else can."""
        if self._until_close and not self.fault:
            self.done = True
            self.keep_alive = False
        return self.done

    def on_message_begin(self) -> None:
        """Something begins (called by the parser); behind the answer nothing may."""
        if self.done:
            raise _StopParsingError

    def on_header(self, name: bytes, value: bytes) -> None:
        """One field (called by the parser); behind the head it is a trailer, which nobody wants."""
        self._fields.append((name.lower(), value.rstrip(_OWS)))

    def on_headers_complete(self) -> None:
        """The head is whole (called by the parser); that of an interim answer is nobody's."""
        status = self._parser.get_status_code()
        if status < 200:
            return
        headers = gather(self._fields)
        self._read_framing(status, headers)
        self._fields.clear()
        if self.fault:
            raise _StopParsingError
        self.status = status
        self.headers = headers

    def on_message_complete(self) -> None:
        """An answer is whole (called by the parser, which only now knows whether the connection may be kept)."""
        if self.status:
            self.done = True
            self.keep_alive = self._parser.should_keep_alive()
        self._fields.clear()

    def _read_framing(self, status: int, headers: Headers) -> None:
        """RFC 9112, section 6.3, as far as llhttp leaves it open."""
        if not self._version_good:
            self._version_good = self._parser.get_http_version() in ("1.1", "1.0")
        coding = headers.get(b"transfer-encoding")
        if status > 599 or not self._version_good:
            self.fault = "answered with a status line that is not HTTP/1.1"
        elif len(self._fields) > MAX_FIELDS:
            self.fault = f"sent more than {MAX_FIELDS} fields"
        elif coding is not None and coding.lower() != b"chunked":
            self.fault = "answered with a transfer coding other than chunked"
        elif self._bodiless:
            self.done = True
            self.keep_alive = self._parser.should_keep_alive()
        elif coding is None and headers.get(b"content-length") is None:
            self._until_close = status not in (204, 304)

    def _bound(self, size: int) -> None:
        """Bounds what comes without being body: heads, interim answers, chunk extensions, trailers."""
        before = self._unpaid
        self._unpaid = before + size
        if self._unpaid <= self._max_head or self.fault:
            return
        too_much = not self.done
        if self.headers is not None:
            too_much = before > self._max_head or _size(self.headers) > self._max_head
        if too_much:
            self.fault = f"sent over {self._max_head} bytes that are not body"
            self.headers, self.body, self.done = None, b"", False

    def _end_bodiless(self) -> None:
        """The parser waits for a body that does not come, so another takes its place."""
        self.keep_alive = self.keep_alive and not self.body
        self.body = b""
        self._parser = HttpResponseParser(self)


def _size(headers: Headers) -> int:
    return sum(len(name) + len(value) + 4 for name, value in headers.items())
