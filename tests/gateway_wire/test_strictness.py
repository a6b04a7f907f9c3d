"""What is no good request gets one typed answer and the connection closes; what is good gets through."""

from __future__ import annotations

import pytest

from tests.gateway_wire.wire import post, serving
from trimtab.declare.project import Limits
from trimtab.errors import CallError
from trimtab.gateway.http.head import MAX_FIELDS, MAX_TARGET
from trimtab.gateway.http.request import RequestReader

LIMITS = Limits(max_header=16 << 10, max_body=1000)
GET = b"GET / HTTP/1.1\r\nHost: h\r\n"
POST = b"POST / HTTP/1.1\r\nHost: h\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"

REFUSED = {
    # framing that two readers could understand differently (RFC 9112, sections 6.1 to 6.3 and 11.2)
    "length twice, equal": (POST + b"Content-Length: 1\r\nContent-Length: 1\r\n\r\na", 400),
    "length twice, differing": (POST + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\naa", 400),
    "length as a list": (POST + b"Content-Length: 1, 1\r\n\r\na", 400),
    "length with a sign": (POST + b"Content-Length: +1\r\n\r\na", 400),
    "length negative": (POST + b"Content-Length: -1\r\n\r\na", 400),
    "length hexadecimal": (POST + b"Content-Length: 0x1\r\n\r\na", 400),
    "length empty": (POST + b"Content-Length:\r\n\r\n", 400),
    "length beyond 64 bits": (POST + b"Content-Length: 99999999999999999999\r\n\r\n", 400),
    "length, then coding": (POST + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    "coding, then length": (POST + b"Transfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n0\r\n\r\n", 400),
    "coding twice": (POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    "coding twice in a list": (POST + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", 400),
    "identity and chunked": (
        POST + b"Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        400,
    ),
    "gzip, chunked": (POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 400),
    "chunked, gzip": (POST + b"Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n", 400),
    "identity": (POST + b"Transfer-Encoding: identity\r\n\r\n", 400),
    "coding unknown": (POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 400),
    "coding with a parameter": (POST + b"Transfer-Encoding: chunked;q=1\r\n\r\n0\r\n\r\n", 400),
    "coding with a vertical tab": (POST + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n", 400),
    "coding empty": (POST + b"Transfer-Encoding:\r\n\r\n", 400),
    "coding in HTTP/1.0": (b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    # the Host field (RFC 9112, section 3.2)
    "host missing": (b"GET / HTTP/1.1\r\n\r\n", 400),
    "host twice": (GET + b"Host: h\r\n\r\n", 400),
    "host twice, other letters": (GET + b"hOST: other\r\n\r\n", 400),
    "host with a space": (b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400),
    "host with a path": (b"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400),
    "host with user info": (b"GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", 400),
    # lines and characters (RFC 9112, sections 2.2 and 5)
    "bare LF after the request line": (b"GET / HTTP/1.1\nHost: h\r\n\r\n", 400),
    "bare LF after a field": (GET + b"A: b\n\r\n", 400),
    "bare LF everywhere": (b"GET / HTTP/1.1\nHost: h\n\n", 400),
    "bare CR in a value": (GET + b"A: b\rc\r\n\r\n", 400),
    "folded field": (GET + b"A: b\r\n c\r\n\r\n", 400),
    "space before the first field": (b"GET / HTTP/1.1\r\n Host: h\r\n\r\n", 400),
    "space before the colon": (GET + b"A : b\r\n\r\n", 400),
    "tab before the colon": (GET + b"A\t: b\r\n\r\n", 400),
    "no colon": (GET + b"A\r\n\r\n", 400),
    "empty name": (GET + b": b\r\n\r\n", 400),
    "NUL in a value": (GET + b"A: \x00\r\n\r\n", 400),
    "NUL in a name": (GET + b"A\x00: b\r\n\r\n", 400),
    "control character in a value": (GET + b"A: \x01\r\n\r\n", 400),
    "delete in a value": (GET + b"A: \x7f\r\n\r\n", 400),
    "bracket in a name": (GET + b"A(b): c\r\n\r\n", 400),
    "latin-1 in a name": (GET + b"\xe4: c\r\n\r\n", 400),
    # the request line (RFC 9112, section 3)
    "HTTP/0.9": (b"GET /\r\n\r\n", 400),
    "HTTP/0.9 by name": (b"GET / HTTP/0.9\r\nHost: h\r\n\r\n", 400),
    "HTTP/1.2": (b"GET / HTTP/1.2\r\nHost: h\r\n\r\n", 400),
    "HTTP/2.0": (b"GET / HTTP/2.0\r\nHost: h\r\n\r\n", 400),
    "HTTP/2 preface": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
    "HTTP in small letters": (b"GET / http/1.1\r\nHost: h\r\n\r\n", 400),
    "method in small letters": (b"get / HTTP/1.1\r\nHost: h\r\n\r\n", 400),
    "method unknown": (b"BREW / HTTP/1.1\r\nHost: h\r\n\r\n", 400),
    "method CONNECT": (b"CONNECT h:443 HTTP/1.1\r\nHost: h:443\r\n\r\n", 400),
    "target with a space": (b"GET /a b HTTP/1.1\r\nHost: h\r\n\r\n", 400),
    "target without a slash": (b"GET a HTTP/1.1\r\nHost: h\r\n\r\n", 400),
    "target with raw UTF-8": (b"GET /\xc3\xa4 HTTP/1.1\r\nHost: h\r\n\r\n", 400),
    "target with a control character": (b"GET /\x01 HTTP/1.1\r\nHost: h\r\n\r\n", 400),
    "LF before the request line": (b"\nGET / HTTP/1.1\r\nHost: h\r\n\r\n", 400),
    "two CR before the request line": (b"\r\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n", 400),
    "TLS on a plain port": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
    "expectation unknown": (POST + b"Expect: the-unexpected\r\nContent-Length: 1\r\n\r\n", 400),
    # chunks (RFC 9112, section 7.1)
    "chunk size no number": (CHUNKED + b"z\r\n", 400),
    "chunk size empty": (CHUNKED + b"\r\n", 400),
    "chunk size with a sign": (CHUNKED + b"+1\r\na\r\n", 400),
    "chunk size negative": (CHUNKED + b"-1\r\na\r\n", 400),
    "chunk size 0x": (CHUNKED + b"0x1\r\na\r\n", 400),
    "chunk size underscored": (CHUNKED + b"1_0\r\na\r\n", 400),
    "chunk size of 17 digits": (CHUNKED + b"10000000000000001\r\na\r\n", 400),
    "chunk size after a space": (CHUNKED + b" 1\r\na\r\n", 400),
    "chunk size before a space": (CHUNKED + b"1 \r\na\r\n", 400),
    "chunk size ended by LF": (CHUNKED + b"1\na\r\n0\r\n\r\n", 400),
    "chunk size ended by CR": (CHUNKED + b"1\ra\r\n0\r\n\r\n", 400),
    "chunk extension with a control character": (CHUNKED + b"1;a=\x01\r\na\r\n", 400),
    "chunk extension too long": (CHUNKED + b"1;" + b"a" * 300 + b"\r\na\r\n", 400),
    "chunk longer than its size": (CHUNKED + b"1\r\nab\r\n0\r\n\r\n", 400),
    "chunk ended by LF": (CHUNKED + b"1\r\na\n0\r\n\r\n", 400),
    "trailer without a colon": (CHUNKED + b"0\r\nA\r\n\r\n", 400),
    "trailer with a space before the colon": (CHUNKED + b"0\r\nA : b\r\n\r\n", 400),
    "trailer folded": (CHUNKED + b"0\r\nA: b\r\n c\r\n\r\n", 400),
    "trailers ended by LF": (CHUNKED + b"0\r\nA: b\n\n", 400),
    "trailers too large": (CHUNKED + b"0\r\n" + b"A: b\r\n" * 3000 + b"\r\n", 400),
    "mostly framing": (CHUNKED + (b"1;" + b"a" * 250 + b"\r\na\r\n") * 100, 400),
    # limits
    "head of one byte too many": (GET + b"A: " + b"a" * (LIMITS.max_header - len(GET) - 6) + b"\r\n\r\n", 431),
    "head without an end": (GET + b"A: " + b"a" * LIMITS.max_header, 431),
    "head of spaces": (GET + b"A:" + b" " * LIMITS.max_header, 431),
    "head of empty lines": (b"\r\n" * (LIMITS.max_header // 2 + 1) + GET + b"\r\n", 431),
    "too many fields": (GET + b"A: b\r\n" * MAX_FIELDS + b"\r\n", 431),
    "target too long": (b"GET /" + b"a" * MAX_TARGET + b" HTTP/1.1\r\nHost: h\r\n\r\n", 431),
    "body announced too large": (POST + b"Content-Length: 1001\r\n\r\n", 413),
    "body announced absurd": (POST + b"Content-Length: 18446744073709551615\r\n\r\n", 413),
    "chunk announced too large": (CHUNKED + b"3e9\r\n", 413),
    "chunks too large together": (CHUNKED + b"1F4\r\n" + b"a" * 500 + b"\r\n1F5\r\n", 413),
    "chunk announced absurd": (CHUNKED + b"ffffffffffffffff\r\n", 413),
}

TAKEN = {
    "no body": (GET + b"\r\n", b"GET / "),
    "empty value": (GET + b"A:\r\n\r\n", b"GET / "),
    "latin-1 in a value": (GET + b"A: \xe4\r\n\r\n", b"GET / "),
    "every good character of a name": (GET + b"!#$%&'*+-.^_`|~0aZ: b\r\n\r\n", b"GET / "),
    "host empty": (b"GET / HTTP/1.1\r\nHost:\r\n\r\n", b"GET / "),
    "host an IPv6 address": (b"GET / HTTP/1.1\r\nHost: [::1]:8400\r\n\r\n", b"GET / "),
    "empty lines before the request line": (b"\r\n\r\n" + GET + b"\r\n", b"GET / "),
    "length": (post(b"abc"), b"POST / abc"),
    "length with white space around": (POST + b"Content-Length: \t3 \t\r\n\r\nabc", b"POST / abc"),
    "length with zeros before it": (POST + b"Content-Length: 003\r\n\r\nabc", b"POST / abc"),
    "body of the limit": (post(b"a" * 1000), b"POST / " + b"a" * 1000),
    "chunks": (CHUNKED + b"3\r\nabc\r\n0A\r\n0123456789\r\n0\r\n\r\n", b"POST / abc0123456789"),
    "chunked in other letters": (POST + b"transfer-encoding: CHUNKED\r\n\r\n1\r\na\r\n0\r\n\r\n", b"POST / a"),
    "chunk extension": (CHUNKED + b'1 ;a="b;c"\r\na\r\n0;d\r\n\r\n', b"POST / a"),
    "trailers": (CHUNKED + b"1\r\na\r\n0\r\nA: b\r\nContent-Length: 99\r\n\r\n", b"POST / a"),
    "absolute target": (b"GET http://other/p?q HTTP/1.1\r\nHost: h\r\n\r\n", b"GET /p "),
    "absolute target without a path": (b"GET http://other HTTP/1.1\r\nHost: h\r\n\r\n", b"GET / "),
    "asterisk": (b"OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n", b"OPTIONS * "),
    "query": (b"GET /p?a=/b HTTP/1.1\r\nHost: h\r\n\r\n", b"GET /p "),
    "percent and dots stay": (b"GET /a/../%2e HTTP/1.1\r\nHost: h\r\n\r\n", b"GET /a/../%2e "),
    "offer to switch protocols": (
        POST + b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nContent-Length: 3\r\n\r\nabc",
        b"POST / abc",
    ),
    "offer to switch, chunked": (
        POST + b"Connection: upgrade\r\nUpgrade: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        b"POST / abc",
    ),
    "expectation in HTTP/1.0": (b"POST / HTTP/1.0\r\nExpect: x\r\nContent-Length: 1\r\n\r\na", b"POST / a"),
}


@pytest.mark.parametrize("case", REFUSED)
async def test_a_bad_request_is_answered_once_and_the_connection_closes(case: str) -> None:
    """The status is that of the first rule broken, the body is `reject`'s, and nothing after it is answered."""
    data, status = REFUSED[case]
    async with serving(limits=LIMITS) as running:
        raw = await running.ask(data + GET + b"\r\n")
    head, _, body = raw.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status), case
    assert b"connection: close" in head.split(b"\r\n")
    assert body == {400: b"invalid_request", 413: b"payload_too_large", 431: b"headers_too_large"}[status]


@pytest.mark.parametrize("case", TAKEN)
async def test_a_good_request_gets_through_and_so_does_the_one_behind_it(case: str) -> None:
    """Method, path and body arrive as meant, and the next request begins where this one ends."""
    data, told = TAKEN[case]
    async with serving(limits=LIMITS) as running, await running.connect() as client:
        client.send(data)
        assert await client.answer() == (200, told)
        if b"HTTP/1.0" not in data:
            client.send(data + GET + b"\r\n")
            assert await client.answer() == (200, told)
            assert await client.answer() == (200, b"GET / ")


@pytest.mark.parametrize("byte", range(256))
def test_no_byte_breaks_out_of_a_value_a_name_or_a_target(byte: int) -> None:
    """A single byte in any of these places stays where it was put, or the request is refused."""
    raw = bytes((byte,))
    assert read(GET + b"A: x" + raw + b"y\r\n\r\n") in (None, (b"/", (b"a", b"x" + raw + b"y")))
    named = read(GET + b"a" + raw + b"b: c\r\n\r\n")
    assert named in (None, (b"/", ((b"a" + raw + b"b").lower(), b"c"))) or byte == ord(":")
    aimed = read(b"GET /a" + raw + b"b HTTP/1.1\r\nHost: h\r\nA: c\r\n\r\n")
    assert aimed in (None, (b"/a" + raw + b"b", (b"a", b"c")))
    assert (aimed is not None) <= (0x21 <= byte <= 0x7E)


def read(data: bytes) -> tuple[bytes, tuple[bytes, bytes]] | None:
    """Target and second field of a request, or None when it is refused."""
    reader = RequestReader()
    try:
        assert reader.feed(data, 0, LIMITS) == len(data)
    except CallError as refused:
        assert refused.status == 400
        return None
    assert reader.head is not None
    _, field = reader.head.headers.items()
    return reader.head.target, field


async def test_a_body_too_large_is_refused_before_it_is_sent() -> None:
    """413 comes on the head alone, while the client still waits with the body."""
    async with serving(limits=LIMITS) as running, await running.connect() as client:
        client.send(POST + b"Content-Length: 5000\r\n\r\n")
        assert (await client.answer())[0] == 413


async def test_a_head_of_exactly_the_limit_is_taken() -> None:
    """The limit counts the bytes of the head through its blank line."""
    head = GET + b"A: " + b"a" * (LIMITS.max_header - len(GET) - 7) + b"\r\n\r\n"
    assert len(head) == LIMITS.max_header
    async with serving(limits=LIMITS) as running, await running.connect() as client:
        client.send(head)
        assert (await client.answer())[0] == 200
