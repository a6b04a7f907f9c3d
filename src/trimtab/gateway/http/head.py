"""The head of a request, judged as a whole (RFC 9112, sections 2, 3, 5 and 6.3).

llhttp has read it by then. These are the checks it lacks: HTTP/1.0 or 1.1 only, exactly one good Host, no transfer
coding but a single `chunked`, and limits.
"""

from __future__ import annotations

import re

from msgspec import Struct

from trimtab.declare.project import Limits
from trimtab.errors import HeadersTooLarge, InvalidRequest, PayloadTooLarge
from trimtab.gateway.http.headers import Headers, gather

MAX_FIELDS = 256
MAX_TARGET = 8192
CHUNKED = -1
_HOST_CHARACTERS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~!$&'()*+;=%[]:"
_AUTHORITY = re.compile(rb"https?://[^/?#]*", re.IGNORECASE)
_OWS = b" \t"
_VERSIONS = ("1.1", "1.0")


class Head(Struct, frozen=True, eq=False):
    """A head that was found good. `length` is the body's in bytes, or CHUNKED."""

    method: str
    target: bytes
    path: str
    version: str
    headers: Headers
    length: int
    keep_alive: bool
    expects_continue: bool


class Judge:
    """Judges the heads of one connection; remembers its last good host and path, which seldom change."""

    __slots__ = ("_host", "_path", "_target")

    def __init__(self) -> None:
        self._host = self._target = b""
        self._path = ""

    def head(
        self, method: bytes, target: bytes, version: str, fields: list[tuple[bytes, bytes]], limits: Limits
    ) -> Head:
        """What llhttp read, found good.

        The order of the checks is the order of the answers when several things are wrong. Raises `InvalidRequest`,
        `HeadersTooLarge` and, by what Content-Length announces, `PayloadTooLarge`.
        """
        if len(fields) > MAX_FIELDS or len(target) > MAX_TARGET:
            raise HeadersTooLarge(limit=min(limits.max_header, MAX_TARGET), count=MAX_FIELDS)
        if version not in _VERSIONS:
            raise InvalidRequest(detail=f"HTTP/{version} is not spoken here, send HTTP/1.1")
        headers = gather(fields)
        get = headers.get
        host = get(b"host")
        if host != self._host or not host:
            _check_host(host, version)
            self._host = host or b""
        if method == b"CONNECT":
            raise InvalidRequest(detail="CONNECT is not served here")
        length, coding = get(b"content-length"), get(b"transfer-encoding")
        size = 0 if length is None and coding is None else _size(length, coding, version, limits.max_body)
        said, expectation = get(b"connection"), get(b"expect")
        keep_alive = version == "1.1" if said is None else _keeps(said, version)
        expects_continue = expectation is not None and _expects(expectation, version)
        if target != self._target:
            self._target, self._path = target, _path(target)
        return Head(method.decode("ascii"), target, self._path, version, headers, size, keep_alive, expects_continue)


def _check_host(host: bytes | None, version: str) -> None:
    if host is None:
        if version == "1.1":
            raise InvalidRequest(detail="it has no Host field")
    elif host.translate(None, _HOST_CHARACTERS):
        raise InvalidRequest(detail="its Host field is repeated or is not host[:port]")


def _size(length: bytes | None, coding: bytes | None, version: str, max_body: int) -> int:
    """How long the body is; anything that two readers could understand differently is refused."""
    if coding is not None:
        if length is not None or version == "1.0" or coding.lower() != b"chunked":
            raise InvalidRequest(detail="its body is framed by more than one plain Transfer-Encoding: chunked")
        return CHUNKED
    if length is None or not length.isdigit():
        raise InvalidRequest(detail="its Content-Length is not one decimal number")
    size = int(length)
    if size > max_body:
        raise PayloadTooLarge(limit=max_body)
    return size


def _keeps(said: bytes, version: str) -> bool:
    options = [option.strip(_OWS) for option in said.lower().split(b",")]
    return b"close" not in options and (version == "1.1" or b"keep-alive" in options)


def _expects(expectation: bytes, version: str) -> bool:
    if version == "1.0":
        return False
    if expectation.lower() != b"100-continue":
        raise InvalidRequest(detail="it expects something other than 100-continue")
    return True


def _path(target: bytes) -> str:
    """The path of a target in origin, absolute or asterisk form (RFC 9112, section 3.2)."""
    if not target.startswith(b"/"):
        authority = _AUTHORITY.match(target)
        if authority is not None:
            target = target[authority.end() :] or b"/"
    return target.partition(b"?")[0].decode("latin-1")
