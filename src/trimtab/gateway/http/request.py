"""A request, and how it is cut out of a connection's bytes. The verdict never depends on how these were split."""

from __future__ import annotations

from io import BytesIO

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser
from msgspec import Struct
from msgspec.structs import replace

from trimtab.declare.project import Limits
from trimtab.errors import HeadersTooLarge, InvalidRequest
from trimtab.gateway.http.chunked import ChunkedBody
from trimtab.gateway.http.head import MAX_FIELDS, Head, Judge
from trimtab.gateway.http.headers import Headers
from trimtab.gateway.http.repeated import RepeatedHead, repeated

_END = b"\r\n\r\n"
_LINE_END = b"\r\n"
_VERSION_1_1 = b" HTTP/1.1"
_OWS = b" \t"


class Request(Struct, frozen=True, eq=False):
    """One request, whole.

    `target` is as sent; `path` is its path, neither percent-decoded nor normalised. `received_at` is monotonic seconds
    at its last byte; of a pipelined request, when the answer before it ended, if that is later. `peer` is the client's
    address without its port, `version` "1.1" or "1.0". `sent_for` is the name of the key that a background call was
    submitted with, which is made now; of a client's request it is None.
    """

    method: str
    target: bytes
    path: str
    headers: Headers
    body: bytes
    received_at: float
    peer: str
    version: str
    sent_for: str | None = None

    def __repr__(self) -> str:
        return f"Request({self.method} {self.path} HTTP/{self.version}, {len(self.body)} bytes from {self.peer})"


class RequestReader:
    """Reads the requests of one connection, one after the other.

    `head` holds as soon as its blank line has come, `body` when `feed` returned an offset; `clear` makes ready for the
    next. Only heads go through llhttp, and whole ones; a body is cut out by its length or its chunks. The parser lives
    on when the request came in one read, the usual case; otherwise the next request gets a new one.

    A client repeats itself: from the second request on, a head is remembered, and one that differs from it in nothing
    but the number of its Content-Length is the same head again, with the same verdict.
    """

    __slots__ = (
        "_again",
        "_body",
        "_fields",
        "_judge",
        "_known",
        "_known_head",
        "_parser",
        "_part",
        "_target",
        "body",
        "head",
    )

    def __init__(self) -> None:
        self._judge = Judge()
        self._again = False
        self._known: RepeatedHead | None = None
        self._known_head: Head
        self._parser: HttpRequestParser | None = None
        self._part: _PartOfHead | None = None
        self._body: ChunkedBody | BodyOfLength | None = None
        self._fields: list[tuple[bytes, bytes]] = []
        self._target = b""
        self.head: Head | None = None
        self.body = b""

    @property
    def buffered(self) -> int:
        """Bytes held back until the request is whole."""
        if self._body is not None:
            return self._body.buffered
        return 0 if self._part is None else len(self._part.raw)

    def clear(self) -> None:
        """The next bytes are of a new request."""
        self.head = None
        self.body = b""
        self._part = self._body = None

    def feed(self, data: bytes, at: int, limits: Limits) -> int:
        """Takes `data` from offset `at`, a byte at least; the offset behind the request, or -1 while it is not whole.

        Raises `InvalidRequest`, `HeadersTooLarge` or `PayloadTooLarge`; the reader is of no use after that.
        """
        if self._body is not None:
            return self._feed_body(self._body, data, at, limits)
        if self._part is None and data[at] not in _LINE_END:
            known = self._known
            if known is not None:
                end = self._feed_known(known, data, at, limits)
                if end >= 0:
                    return end
            end = data.find(_END, at, at + limits.max_header)
            if end >= 0:
                end += len(_END)
                return self._feed_whole_head(data[at:end], data, end, limits)
        if self._part is None:
            self._part = _PartOfHead()
        end = self._part.feed(data, at, limits.max_header)
        return end if end < 0 else self._feed_whole_head(bytes(self._part.raw), data, end, limits)

    def _feed_known(self, known: RepeatedHead, data: bytes, at: int, limits: Limits) -> int:
        """The offset behind a request that has the known head, or -1 if it has another or is not whole."""
        length, body_at = known.find(data, at)
        end = body_at + length
        if length < 0 or end > len(data) or body_at - at > limits.max_header or length > limits.max_body:
            return -1
        head = self._known_head
        if length != head.length:
            headers = Headers(head.headers)
            headers[b"content-length"] = b"%d" % length
            head = self._known_head = replace(head, headers=headers, length=length)
        self.head = head
        self.body = data[body_at:end]
        return end

    def on_url(self, part: bytes) -> None:
        """The target, in one part, because a head is fed whole (called by the parser)."""
        self._target = part

    def on_header(self, name: bytes, value: bytes) -> None:
        """One field (called by the parser)."""
        self._fields.append((name.lower(), value.rstrip(_OWS)))

    def _feed_whole_head(self, head: bytes, data: bytes, end: int, limits: Limits) -> int:
        parser = self._parser
        if parser is None:
            parser = self._parser = HttpRequestParser(self)
        self._fields = []
        upgrades = False
        try:
            parser.feed_data(head)
        except HttpParserUpgrade:
            upgrades = True  # an offer to switch protocols may be passed over (RFC 9110, section 7.8)
        except HttpParserError as fault:
            raise _not_http(fault) from None
        version = "1.1" if head.startswith(_VERSION_1_1, head.find(_LINE_END) - 9) else parser.get_http_version()
        judged = self._judge.head(parser.get_method(), self._target, version, self._fields, limits)
        self.head = judged
        length = judged.length
        if 0 <= length <= len(data) - end:
            stop = end + length
            self.body = body = data[end:stop]
            if upgrades:
                self._parser = None
            elif length:
                parser.feed_data(body)
            if self._again and not upgrades:
                self._known, self._known_head = repeated(head), judged
            self._again = True
            return stop
        self._parser = None
        self._body = BodyOfLength(length) if length >= 0 else ChunkedBody()
        return self._feed_body(self._body, data, end, limits)

    def _feed_body(self, body: ChunkedBody | BodyOfLength, data: bytes, at: int, limits: Limits) -> int:
        end = body.feed(data, at, limits.max_body)
        if end >= 0:
            self.body = body.whole
        return end


class BodyOfLength:
    """A body whose length was announced, on its way."""

    __slots__ = ("_data", "_left")

    def __init__(self, length: int) -> None:
        self._data = BytesIO()
        self._left = length

    @property
    def buffered(self) -> int:
        """Bytes so far."""
        return self._data.tell()

    @property
    def whole(self) -> bytes:
        """The body."""
        return self._data.getvalue()

    def feed(self, data: bytes, at: int, limit: int) -> int:
        """Takes `data` from offset `at`; the offset behind the body, or -1 while it goes on."""
        piece = data[at : at + self._left]
        self._data.write(piece)
        self._left -= len(piece)
        return -1 if self._left else at + len(piece)


class _PartOfHead:
    """A head that comes in more than one read, or with empty lines before it.

    A parser of its own looks at what has come, so that nonsense is refused without waiting for its end.
    """

    __slots__ = ("_before", "_parser", "raw")

    def __init__(self) -> None:
        self._before = 0
        self._parser = HttpRequestParser(None)
        self.raw = bytearray()

    def feed(self, data: bytes, at: int, limit: int) -> int:
        """The offset behind the head in `data`, or -1 while `raw` is not all of it."""
        if not self.raw:
            at = self._pass_empty_lines(data, at, limit)
        known = len(self.raw)
        self.raw += data[at : at + limit - self._before - known]
        end = self.raw.find(_END, max(0, known - len(_END) + 1))
        if end >= 0:
            del self.raw[end + len(_END) :]
            return at + len(self.raw) - known
        try:
            self._parser.feed_data(self.raw[known:])
        except HttpParserError as fault:
            raise _not_http(fault) from None
        if at + len(self.raw) - known < len(data):
            raise HeadersTooLarge(limit=limit, count=MAX_FIELDS)
        return -1

    def _pass_empty_lines(self, data: bytes, at: int, limit: int) -> int:
        """Empty lines before the request line are nothing (RFC 9112, section 2.2), but they count as head."""
        while at < len(data) and (self._before % 2 or data[at] in _LINE_END):
            if data[at] != _LINE_END[self._before % 2]:
                raise InvalidRequest(detail="a line before the request line does not end with CRLF")
            self._before += 1
            at += 1
            if self._before > limit:
                raise HeadersTooLarge(limit=limit, count=MAX_FIELDS)
        return at


def _not_http(fault: HttpParserError) -> InvalidRequest:
    return InvalidRequest(detail=f"it is not HTTP/1.1: {fault}")
