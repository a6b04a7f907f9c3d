"""A request, and how it is cut out of a connection's bytes (RFC 9112), strictly and within limits.

llhttp reads the head. On top of it stand the checks it lacks: HTTP/1.0 or 1.1 only, exactly one good Host, no transfer
coding but a single `chunked`, and limits. The verdict never depends on how the bytes were split over reads.
"""

from __future__ import annotations

import re
from io import BytesIO

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser
from msgspec import Struct

from trimtab.declare.project import Limits
from trimtab.errors import HeadersTooLarge, InvalidRequest, PayloadTooLarge, RequestTimeout
from trimtab.gateway.http.chunked import ChunkedBody
from trimtab.gateway.http.headers import Headers

MAX_FIELDS = 256
MAX_TARGET = 8192
_HOST = re.compile(rb"[A-Za-z0-9\-._~!$&'()*+;=%\[\]:]*")
_AUTHORITY = re.compile(rb"https?://[^/?#]*", re.IGNORECASE)
_END = b"\r\n\r\n"
_OWS = b" \t"
_CR, _LF = 13, 10


class Request(Struct, frozen=True, eq=False):
    """One request, whole.

    `target` is as sent; `path` is its path, neither percent-decoded nor normalised. `received_at` is monotonic seconds
    at its last byte; of a pipelined request, when the answer before it ended, if that is later. `peer` is the client's
    address without its port, `version` "1.1" or "1.0".
    """

    method: str
    target: bytes
    path: str
    headers: Headers
    body: bytes
    received_at: float
    peer: str
    version: str

    def __repr__(self) -> str:
        return f"Request({self.method} {self.path} HTTP/{self.version}, {len(self.body)} bytes from {self.peer})"


class RequestReader:
    """Reads one request.

    After a `feed` that returned an offset, every attribute holds. While the body is still coming, `head_done` is True
    and all but `body` hold.
    """

    __slots__ = (
        "_chunked",
        "_fields",
        "_half_line",
        "_length",
        "_parser",
        "_parts",
        "_size",
        "_tail",
        "body",
        "expects_continue",
        "head_done",
        "headers",
        "keep_alive",
        "method",
        "path",
        "target",
        "version",
    )

    def __init__(self) -> None:
        self._parser = HttpRequestParser(self)
        self._fields: list[tuple[bytes, bytes]] = []
        self._size = 0
        self._half_line = False
        self._tail = b""
        self._chunked: ChunkedBody | None = None
        self._parts: BytesIO | None = None
        self.target = b""
        self.body = b""
        self.head_done = False

    @property
    def buffered(self) -> int:
        """Bytes held back until the request is whole."""
        if self._chunked is not None:
            return self._chunked.buffered
        return self._size if self._parts is None else self._parts.tell()

    def feed(self, data: bytes, at: int, limits: Limits) -> int:
        """Takes `data` from offset `at`, a byte at least; the offset behind the request, or -1 while it is not whole.

        Raises `InvalidRequest`, `HeadersTooLarge` or `PayloadTooLarge`; the reader is of no use after that.
        """
        if not self.head_done:
            at = self._feed_head(data, at, limits.max_header)
            if at < 0:
                return -1
            self._read_head(limits)
        if self._chunked is not None:
            return self._feed_chunked(self._chunked, data, at, limits.max_body)
        return self._feed_length(data, at)

    def late(self, limits: Limits) -> RequestTimeout:
        """The error for a request that did not arrive in time."""
        if self.head_done:
            return RequestTimeout(limit_s=limits.body_timeout_s, setting="body_timeout")
        return RequestTimeout(limit_s=limits.header_timeout_s, setting="header_timeout")

    def on_url(self, part: bytes) -> None:
        """Part of the target (called by the parser)."""
        self.target += part

    def on_header(self, name: bytes, value: bytes) -> None:
        """One field (called by the parser)."""
        self._fields.append((name.lower(), value.rstrip(_OWS)))

    def _feed_head(self, data: bytes, at: int, limit: int) -> int:
        """The offset behind the head, or -1 while it is not whole."""
        if not self._tail and (self._half_line or data[at] in b"\r\n"):
            at = self._pass_empty_lines(data, at, limit)
            if at == len(data):
                return -1
        room = limit - self._size
        end = self._find_end(data, at, at + room)
        over = end < 0 and len(data) - at > room
        stop = end if end >= 0 else min(len(data), at + room)
        self._parse(data[at:stop])
        if over:
            raise HeadersTooLarge(limit=limit, count=MAX_FIELDS)
        self._size += stop - at
        if end < 0:
            self._tail = (self._tail + data[max(at, stop - 3) : stop])[-3:]
        return end

    def _pass_empty_lines(self, data: bytes, at: int, limit: int) -> int:
        """Empty lines before the request line are nothing (RFC 9112, section 2.2), but they count as head."""
        while at < len(data) and (self._half_line or data[at] in b"\r\n"):
            if data[at] != (_LF if self._half_line else _CR):
                raise InvalidRequest(detail="a line before the request line does not end with CRLF")
            self._half_line = not self._half_line
            self._size += 1
            at += 1
            if self._size > limit:
                raise HeadersTooLarge(limit=limit, count=MAX_FIELDS)
        return at

    def _find_end(self, data: bytes, at: int, stop: int) -> int:
        if self._tail:
            across = (self._tail + data[at : min(at + 3, stop)]).find(_END)
            if across >= 0:
                return at + across + len(_END) - len(self._tail)
        end = data.find(_END, at, stop)
        return end if end < 0 else end + len(_END)

    def _parse(self, part: bytes) -> None:
        try:
            self._parser.feed_data(part)
        except HttpParserUpgrade:
            return  # an offer to switch protocols may be passed over (RFC 9110, section 7.8); CONNECT is refused below
        except HttpParserError as fault:
            raise InvalidRequest(detail=f"it is not HTTP/1.1: {fault}") from None

    def _read_head(self, limits: Limits) -> None:
        """Judges a whole head; the order of the checks is the order of the answers when several things are wrong."""
        if len(self._fields) > MAX_FIELDS or len(self.target) > MAX_TARGET:
            raise HeadersTooLarge(limit=min(limits.max_header, MAX_TARGET), count=MAX_FIELDS)
        self.version = self._parser.get_http_version()
        if self.version not in ("1.1", "1.0"):
            raise InvalidRequest(detail=f"HTTP/{self.version} is not spoken here, send HTTP/1.1")
        self.headers = Headers(self._fields)
        self._check_host()
        self.method = self._parser.get_method().decode("ascii")
        if self.method == "CONNECT":
            raise InvalidRequest(detail="CONNECT is not served here")
        self.path = _path(self.target)
        self._read_framing(limits.max_body)
        self._read_connection()
        self.head_done = True

    def _check_host(self) -> None:
        host = self.headers.get(b"host")
        if host is None:
            if self.version == "1.1":
                raise InvalidRequest(detail="it has no Host field")
        elif _HOST.fullmatch(host) is None:
            raise InvalidRequest(detail="its Host field is repeated or is not host[:port]")

    def _read_framing(self, max_body: int) -> None:
        """RFC 9112, section 6.3: how long the body is; anything two readers could understand differently is refused."""
        coding = self.headers.get(b"transfer-encoding")
        length = self.headers.get(b"content-length")
        self._length = 0
        if coding is not None:
            if length is not None or self.version == "1.0" or coding.lower() != b"chunked":
                raise InvalidRequest(detail="its body is framed by more than one plain Transfer-Encoding: chunked")
            self._chunked = ChunkedBody()
        elif length is not None:
            if not length.isdigit():
                raise InvalidRequest(detail="its Content-Length is not one decimal number")
            self._length = int(length)
            if self._length > max_body:
                raise PayloadTooLarge(limit=max_body)

    def _read_connection(self) -> None:
        self.keep_alive = self.version == "1.1"
        options = self.headers.get(b"connection")
        if options is not None:
            said = [option.strip(_OWS) for option in options.lower().split(b",")]
            self.keep_alive = b"close" not in said and (self.keep_alive or b"keep-alive" in said)
        self.expects_continue = False
        expectation = self.headers.get(b"expect")
        if expectation is not None and self.version == "1.1":
            if expectation.lower() != b"100-continue":
                raise InvalidRequest(detail="it expects something other than 100-continue")
            self.expects_continue = True

    def _feed_length(self, data: bytes, at: int) -> int:
        if self._parts is None:
            if len(data) - at >= self._length:
                self.body = data[at : at + self._length]
                return at + self._length
            self._parts = BytesIO()
        parts = self._parts
        piece = data[at : at + self._length - parts.tell()]
        parts.write(piece)
        if parts.tell() < self._length:
            return -1
        self.body = parts.getvalue()
        return at + len(piece)

    def _feed_chunked(self, body: ChunkedBody, data: bytes, at: int, limit: int) -> int:
        end = body.feed(data, at, limit)
        if end >= 0:
            self.body = body.whole
        return end


def _path(target: bytes) -> str:
    """The path of a target in origin, absolute or asterisk form (RFC 9112, section 3.2)."""
    if not target.startswith(b"/"):
        authority = _AUTHORITY.match(target)
        if authority is not None:
            target = target[authority.end() :] or b"/"
    return target.partition(b"?")[0].decode("latin-1")
