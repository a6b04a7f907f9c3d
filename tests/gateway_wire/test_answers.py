"""What goes back to the client, by version, method and way of ending."""

from __future__ import annotations

import asyncio

import pytest

from tests.gateway_wire.wire import PLAIN, echo, post, serving
from trimtab.errors import NotFound
from trimtab.gateway.http.answer import Answer
from trimtab.gateway.http.headers import Headers
from trimtab.gateway.http.request import Request

GET = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"
OLD = b"GET / HTTP/1.0\r\n\r\n"
OLD_KEPT = b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"


async def streamed(request: Request, answer: Answer) -> None:
    answer.head(200, PLAIN)
    answer.chunk(b"first ")
    await asyncio.sleep(0)
    answer.chunk(b"")
    answer.chunk(b"second")
    answer.end()


def fields(head: bytes) -> dict[bytes, bytes]:
    lines = head.rstrip(b"\r\n").split(b"\r\n")[1:]
    return {name: value.strip() for name, _, value in (line.partition(b":") for line in lines)}


async def test_a_whole_answer_has_status_fields_length_and_date() -> None:
    """The very bytes, but for the time (RFC 9110, section 6.6.1)."""
    async with serving() as running, await running.connect() as client:
        client.send(GET)
        head = await client.head()
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    told = fields(head)
    assert told.pop(b"date").endswith(b" GMT")
    assert told == {b"content-type": b"text/plain", b"content-length": b"6"}


async def test_a_stream_is_chunked_and_leaves_the_connection_open() -> None:
    """Each chunk is one chunk on the wire, an empty one is none, and the next request is answered."""
    async with serving(streamed) as running, await running.connect() as client:
        for _ in range(2):
            client.send(GET)
            head = await client.head()
            assert fields(head)[b"transfer-encoding"] == b"chunked"
            assert await client.reader.readexactly(27) == b"6\r\nfirst \r\n6\r\nsecond\r\n0\r\n\r\n"


async def test_the_head_of_a_stream_does_not_wait_for_its_first_chunk_for_ever() -> None:
    """A client sees the head of a stream whose first chunk is not there yet."""
    go = asyncio.Event()

    async def slow(request: Request, answer: Answer) -> None:
        answer.head(200, PLAIN)
        await go.wait()
        answer.end(b"done")

    async with serving(slow) as running, await running.connect() as client:
        client.send(GET)
        head = await client.head()
        go.set()
        assert await client.body(head) == b"done"


async def test_the_last_piece_may_come_with_the_end() -> None:
    """`end(data)` sends the piece and the end in one."""

    async def brief(request: Request, answer: Answer) -> None:
        answer.head(200, PLAIN)
        answer.end(b"all")

    async with serving(brief) as running:
        assert (await running.ask(GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))).endswith(
            b"\r\n\r\n3\r\nall\r\n0\r\n\r\n"
        )


@pytest.mark.parametrize("request_", [OLD, OLD_KEPT])
async def test_a_stream_to_http_1_0_ends_with_the_connection(request_: bytes) -> None:
    """No chunks for HTTP/1.0 (RFC 9112, section 6.1), whether or not it asks to be kept."""
    async with serving(streamed) as running:
        head, _, body = (await running.ask(request_)).partition(b"\r\n\r\n")
    assert fields(head)[b"connection"] == b"close"
    assert b"transfer-encoding" not in fields(head)
    assert body == b"first second"


async def test_http_1_0_is_kept_only_when_it_asks() -> None:
    """With a known length and `Connection: keep-alive` it is told so and served again; without, it is closed."""
    async with serving() as running, await running.connect() as client:
        client.send(OLD_KEPT)
        head = await client.head()
        assert fields(head)[b"connection"] == b"keep-alive"
        assert await client.body(head) == b"GET / "
        client.send(OLD)
        head, _, body = (await client.rest()).partition(b"\r\n\r\n")
        assert fields(head)[b"connection"] == b"close"
        assert body == b"GET / "


async def test_head_gets_the_length_and_no_body() -> None:
    """HEAD is answered as GET would be, without the body, whole or streamed; the connection stays in step."""
    for handler in (echo, streamed):
        async with serving(handler) as running, await running.connect() as client:
            for _ in range(2):
                client.send(b"HEAD / HTTP/1.1\r\nHost: h\r\n\r\n")
                head = await client.head()
                assert fields(head).get(b"content-length") == (b"7" if handler is echo else None)


@pytest.mark.parametrize("status", [204, 304])
async def test_a_status_without_body_has_none(status: int) -> None:
    """204 and 304 carry neither body nor length (RFC 9110, sections 8.6, 15.3.5 and 15.4.5)."""

    async def empty(request: Request, answer: Answer) -> None:
        if request.path == "/whole":
            answer.whole(status, PLAIN, b"never")
        else:
            answer.head(status, PLAIN)
            answer.chunk(b"never")
            answer.end(b"ever")

    async with serving(empty) as running, await running.connect() as client:
        for path in ("/whole", "/streamed", "/whole"):
            client.send(post(b"", path))
            head = await client.head()
            assert not {b"content-length", b"transfer-encoding"} & fields(head).keys()


async def test_a_large_whole_answer_arrives_whole() -> None:
    """A megabyte goes out as it is."""
    body = bytes(range(256)) * 4096

    async def large(request: Request, answer: Answer) -> None:
        answer.whole(200, PLAIN, body)

    async with serving(large) as running, await running.connect() as client:
        for _ in range(2):
            client.send(GET)
            assert await client.answer() == (200, body)


async def test_an_unusual_status_goes_out() -> None:
    """A status without a name in the registry has an empty reason."""

    async def odd(request: Request, answer: Answer) -> None:
        answer.whole(599, b"", b"")

    async with serving(odd) as running, await running.connect() as client:
        client.send(GET)
        assert (await client.head()).startswith(b"HTTP/1.1 599 \r\n")


async def test_a_cut_stream_has_no_end() -> None:
    """What was sent arrives, the final chunk does not, and the connection closes without a reset."""

    async def cut(request: Request, answer: Answer) -> None:
        answer.head(200, PLAIN)
        answer.chunk(b"part")
        answer.cut()

    async with serving(cut) as running:
        assert (await running.ask(GET)).endswith(b"\r\n\r\n4\r\npart\r\n")


async def test_a_cut_stream_to_http_1_0_is_a_reset() -> None:
    """Where the end of the connection would be the end of the body, only a reset says that it is not."""

    async def cut(request: Request, answer: Answer) -> None:
        answer.head(200, PLAIN)
        answer.chunk(b"part")
        await asyncio.sleep(0)
        answer.cut()

    async with serving(cut) as running:
        with pytest.raises(ConnectionResetError):
            await running.ask(OLD)


async def test_a_handler_that_raises_is_an_internal_error(caplog: pytest.LogCaptureFixture) -> None:
    """Before the head it is a 500 on a connection that goes on; after it, a cut. The log names the request."""

    def wrong(request: Request, answer: Answer) -> None:
        if request.path == "/late":
            answer.head(200, PLAIN)
        raise RuntimeError("oops")

    async with serving(wrong) as running, await running.connect() as client:
        client.send(post())
        assert await client.answer() == (500, b"internal")
        client.send(post(path="/late"))
        assert (await client.rest()).endswith(b"\r\n\r\n")
    assert [record.getMessage() for record in caplog.records] == [
        "handling Request(POST / HTTP/1.1, 0 bytes from 127.0.0.1) failed",
        "handling Request(POST /late HTTP/1.1, 0 bytes from 127.0.0.1) failed",
    ]


async def test_a_call_error_that_escapes_a_handler_keeps_its_shape() -> None:
    """It goes out as `reject` shapes it."""

    def refusing(request: Request, answer: Answer) -> None:
        raise NotFound(path=request.path)

    async with serving(refusing) as running, await running.connect() as client:
        client.send(GET)
        assert await client.answer() == (404, b"not_found")


async def test_an_answer_begins_once() -> None:
    """A second beginning is a mistake of the handler and says so."""

    def twice(request: Request, answer: Answer) -> None:
        answer.head(200, PLAIN)
        with pytest.raises(RuntimeError, match="begins once"):
            answer.whole(200, PLAIN, b"")
        answer.end(b"once")
        answer.whole(200, PLAIN, b"never")
        answer.chunk(b"never")
        answer.end()
        answer.cut()

    async with serving(twice) as running, await running.connect() as client:
        for _ in range(2):
            client.send(GET)
            assert await client.answer() == (200, b"once")


def test_what_is_shown_of_requests_and_answers_has_no_secrets() -> None:
    """`repr` is for people and logs: names of fields, sizes and states."""
    headers = Headers({b"authorization": b"Bearer secret"})
    assert repr(headers) == "Headers(authorization)"
    request = Request("POST", b"/a?key=secret", "/a", headers, b"secret", 0.0, "127.0.0.1", "1.1")
    assert repr(request) == "Request(POST /a HTTP/1.1, 6 bytes from 127.0.0.1)"
