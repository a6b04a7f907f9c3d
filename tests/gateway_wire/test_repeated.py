"""A head that is known from before gets the verdict that it would get anew, however it differs from the known one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.declare.project import Limits
from trimtab.errors import CallError
from trimtab.gateway.http.repeated import ANOTHER, repeated
from trimtab.gateway.http.request import RequestReader
from trimtab.gateway.upstreams.response import ResponseReader

LIMITS = Limits(max_header=1024, max_body=1000)
MAX_HEAD = 1024
LENGTHS = [
    b"0", b"1", b"3", b"7", b"03", b"999", b"1000", b"1001", b"+3", b"-3", b"3, 3", b"3 ", b" 3", b"", b"x", b"\xb2",
    b"123456789012", b"1234567890123", b"99999999999999999999",
]  # fmt: skip
NAMES = [b"Content-Length: ", b"content-length:", b"CONTENT-LENGTH:\t"]
REQUEST_FIELDS = [
    b"",
    b"A: b\r\n",
    b"Connection: close\r\n",
    b"Expect: 100-continue\r\n",
    b"Transfer-Encoding: chunked\r\n",
]
ANSWER_FIELDS = [b"", b"Date: now\r\n", b"Connection: close\r\n", b"Transfer-Encoding: chunked\r\n"]
STARTS = [b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 503 Busy\r\n", b"HTTP/1.1 204 None\r\n", b"HTTP/1.0 200 OK\r\n"]


def message(start: bytes, name: bytes, length: bytes, field: bytes, body: int) -> bytes:
    return b"%b%b%b\r\n%b\r\n%b" % (start, name, length, field, b"b" * body)


def requests() -> st.SearchStrategy[bytes]:
    start = st.sampled_from([b"POST /a HTTP/1.1\r\nHost: h\r\n", b"POST /b HTTP/1.1\r\nHost: h\r\n"])
    return st.builds(
        message,
        start,
        st.sampled_from(NAMES),
        st.sampled_from(LENGTHS),
        st.sampled_from(REQUEST_FIELDS),
        st.sampled_from([0, 3, 7]),
    )


def answers() -> st.SearchStrategy[bytes]:
    return st.builds(
        message,
        st.sampled_from(STARTS),
        st.sampled_from(NAMES),
        st.sampled_from(LENGTHS),
        st.sampled_from(ANSWER_FIELDS),
        st.sampled_from([0, 3, 7]),
    )


def read_request(reader: RequestReader, data: bytes) -> tuple[object, ...] | None:
    """All that is known of a request when its bytes have come, and whether another may follow; None if not whole."""
    try:
        end = reader.feed(data, 0, LIMITS)
    except CallError as refused:
        return type(refused), str(refused), False
    if end < 0:
        return None
    head = reader.head
    assert head is not None
    found = (end, head.method, head.target, dict(head.headers), head.length, reader.body, head.keep_alive)
    reader.clear()
    return found


@given(st.lists(requests(), min_size=2, max_size=6))
def test_a_request_reader_that_has_seen_others_says_what_a_fresh_one_says(stream: list[bytes]) -> None:
    """Requests come one after the other on one connection; each is also given to a reader of its own."""
    kept = RequestReader()
    for data in stream:
        alone = read_request(RequestReader(), data)
        assert read_request(kept, data) == alone
        if alone is None or not alone[-1]:
            break  # not whole, refused or the last: this connection takes no further request


def read_answer(reader: ResponseReader, data: bytes) -> tuple[object, ...]:
    reader.expect(bodiless=False)
    reader.feed(data)
    headers, reader.headers = reader.headers, None
    shown = None if headers is None else dict(headers)
    return reader.status, shown, reader.body, reader.done, reader.fault, reader.done and reader.keep_alive


@given(st.lists(answers(), min_size=2, max_size=6))
def test_an_answer_reader_that_has_seen_others_says_what_a_fresh_one_says(stream: list[bytes]) -> None:
    """The same of answers, as long as the connection may be kept."""
    kept = ResponseReader(MAX_HEAD)
    for data in stream:
        alone = read_answer(ResponseReader(MAX_HEAD), data)
        assert read_answer(kept, data) == alone
        if not alone[-1]:
            break


def test_the_third_request_alike_does_not_pass_through_the_parser() -> None:
    """What the memory is for: a known head is found without llhttp, which is not even there."""
    reader = RequestReader()
    for number in (3, 7):
        read_request(reader, message(b"POST / HTTP/1.1\r\nHost: h\r\n", NAMES[0], b"%d" % number, b"", number))
    reader._parser = None
    end, *_, headers, length, body, _ = read_request(
        reader, message(b"POST / HTTP/1.1\r\nHost: h\r\n", NAMES[0], b"12", b"", 12)
    )
    assert reader._parser is None
    assert (headers[b"content-length"], length, body) == (b"12", 12, b"b" * 12)
    assert end == len(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 12\r\n\r\n") + 12


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b"GET /\r\nContent-Length: 25\r\nA: b\r\n\r\n", (25, 35)),
        (b"GET /\r\nContent-Length: 2x\r\nA: b\r\n\r\n", ANOTHER),
        (b"GET /\r\nContent-Length: 25\r\nA: c\r\n\r\n", ANOTHER),
        (b"GET /\r\nContent-Length: 25\r\nA: b\r\n", ANOTHER),
        (b"PUT /\r\nContent-Length: 25\r\nA: b\r\n\r\n", ANOTHER),
        (b"GET /\r\nContent-Length: \r\nA: b\r\n\r\n", ANOTHER),
    ],
)
def test_a_repeated_head_is_found_by_all_of_its_bytes(data: bytes, found: tuple[int, int]) -> None:
    """Another number is the same head; one other byte is another head."""
    known = repeated(b"GET /\r\nContent-Length: 3\r\nA: b\r\n\r\n")
    assert known is not None
    assert known.find(data, 0) == found
    assert known.find(b"xx" + data, 2) == (found if found is ANOTHER else (found[0], found[1] + 2))


@pytest.mark.parametrize("head", [b"GET /\r\nA: b\r\n\r\n", b"GET /\r\nContent-Length: 1234567890123\r\n\r\n"])
def test_a_head_without_a_plain_length_is_not_remembered(head: bytes) -> None:
    """There is nothing in it that could differ, or more than should."""
    assert repeated(head) is None
