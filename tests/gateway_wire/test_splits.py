"""How bytes are cut into reads never changes what they mean, and no bytes at all make a reader fail in another way."""

from __future__ import annotations

from collections.abc import Iterator

from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.gateway_wire.test_strictness import CHUNKED, REFUSED, TAKEN
from trimtab.declare.project import Limits
from trimtab.errors import CallError
from trimtab.gateway.http.request import RequestReader
from trimtab.gateway.upstreams.response import ResponseReader

LIMITS = Limits(max_header=1024, max_body=1000)
MAX_HEAD = 1024
Cuts = list[int]

PIECES = [
    b"GET ", b"POST ", b"HEAD ", b"/", b"/v1?x=1", b" HTTP/1.1\r\n", b" HTTP/1.0\r\n", b"\r\n", b"\n", b"\r",
    b"\r\n\r\n",
    b"Host: h\r\n", b"Content-Length: 3\r\n", b"Content-Length: 0\r\n", b"Transfer-Encoding: chunked\r\n",
    b"Transfer-Encoding: gzip\r\n", b"Connection: close\r\n", b"Upgrade: h2c\r\nConnection: upgrade\r\n",
    b"Expect: 100-continue\r\n", b"A: " + b"b" * 300 + b"\r\n", b"abc", b"3\r\nabc\r\n", b"0\r\n\r\n", b"3;x=y\r\n",
    b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 204 No Content\r\n", b" ", b"\x00", b"\xff",
]  # fmt: skip
messages = st.one_of(
    st.sampled_from([data for data, _ in (*REFUSED.values(), *TAKEN.values())]),
    st.lists(st.sampled_from(PIECES), max_size=12).map(b"".join),
    st.binary(max_size=60),
    st.tuples(st.binary(max_size=20)).map(lambda tail: CHUNKED + tail[0]),
)
streams = st.lists(messages, max_size=4).map(b"".join)
cuts = st.lists(st.integers(0, 400), max_size=12)


def pieces(data: bytes, sizes: Cuts) -> Iterator[bytes]:
    """`data` in reads of the given sizes, again and again; in one read when there is no size above zero."""
    at, turn = 0, 0
    while at < len(data):
        size = sizes[turn % len(sizes)] if any(sizes) else len(data)
        turn += 1
        if size:
            yield data[at : at + size]
            at += size


def requests(data: bytes, sizes: Cuts) -> list[object]:
    """All a connection would make of `data`: requests, then the refusal if there is one."""
    found: list[object] = []
    reader = RequestReader()
    for piece in pieces(data, sizes):
        at = 0
        while 0 <= at < len(piece):
            try:
                at = reader.feed(piece, at, LIMITS)
            except CallError as refused:
                return [*found, refused.status]
            assert reader.buffered <= LIMITS.max_header + LIMITS.max_body
            if at >= 0:
                head = reader.head
                assert head is not None
                told = (head.method, head.target, head.version, tuple(head.headers.items()), head.keep_alive)
                found.append((*told, reader.body))
                reader.clear()
    return found


def answers(data: bytes, sizes: Cuts, bodiless: bool) -> list[object]:
    """Status, fields, body and fate of the first answer in `data`."""
    reader = ResponseReader(MAX_HEAD)
    reader.expect(bodiless)
    head: tuple[object, ...] = ()
    body = b""
    for piece in pieces(data, sizes):
        reader.feed(piece)
        if reader.headers is not None:
            assert not head
            head = (reader.status, tuple(reader.headers.items()))
            reader.headers = None
        assert head or not reader.body
        body += reader.body
        if reader.done or reader.fault:
            break
    return [head, body, reader.done, bool(reader.fault), reader.done or reader.finish()]


@settings(deadline=None, max_examples=400)
@given(streams, cuts)
@example(b"\r\n" * 600 + b"GET / HTTP/1.1\r\nHost: h\r\n\r\n", [1])
@example(b"GET / HTTP/1.1\r\nHost: h\r\nA:" + b" " * 2000 + b"b\r\n\r\n", [7])
@example(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n" * 3, [3, 1])
def test_requests_mean_the_same_however_they_are_split(data: bytes, sizes: Cuts) -> None:
    """The same requests and the same refusal, in one read and in many; only typed errors are raised."""
    assert requests(data, sizes) == requests(data, [])


@settings(deadline=None, max_examples=400)
@given(streams, cuts, st.booleans())
@example(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nabc", [1], False)
@example(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n", [1], False)
def test_an_answer_means_the_same_however_it_is_split(data: bytes, sizes: Cuts, bodiless: bool) -> None:
    """The same head, body and fate, in one read and in many; nothing is raised."""
    assert answers(data, sizes, bodiless) == answers(data, [], bodiless)


@settings(deadline=None, max_examples=200)
@given(st.binary(max_size=900), st.lists(st.integers(1, 300), min_size=1, max_size=8), cuts)
def test_chunks_make_the_body_they_were_cut_from(body: bytes, sizes: Cuts, reads: Cuts) -> None:
    """A body comes back whole from any chunks in any reads."""
    coded = b"".join(b"%X\r\n%b\r\n" % (len(part), part) for part in pieces(body, sizes))
    (request,) = requests(CHUNKED + coded + b"0\r\n\r\n", reads)
    assert isinstance(request, tuple)
    assert request[-1] == body


@settings(deadline=None, max_examples=50)
@given(st.sampled_from([b"HTTP/1.1 200 OK\r\nA: ", b"HTTP/1.1 100 Continue\r\n\r\n"]), st.integers(1, 5000))
def test_a_head_without_end_is_cut_off(start: bytes, size: int) -> None:
    """A replica cannot make us hold more head, or read more interim answers, than the bound."""
    reader = ResponseReader(MAX_HEAD)
    reader.expect(bodiless=False)
    fed = 0
    filling = start if start.endswith(b"\n") else b"a"
    reader.feed(start)
    while not reader.fault:
        piece = filling * size
        reader.feed(piece)
        fed += len(piece)
        assert fed <= MAX_HEAD + len(piece)
