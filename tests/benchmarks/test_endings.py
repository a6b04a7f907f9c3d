"""What the truncation benchmark calls silent, on answers written by hand."""

import asyncio

import pytest

from bench import client
from bench.suites.truncation import ending

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
ERROR = b'data: {"error":{"code":"upstream_truncated"}}\n\n'
DONE = b"data: [DONE]\n\n"


def chunk(data: bytes) -> bytes:
    """One HTTP chunk."""
    return b"%x\r\n%b\r\n" % (len(data), data)


CONTENT = chunk(b'data: {"choices": [1]}\n\n')


async def read(wire: bytes) -> client.Answer:
    """The answer that a client makes of these bytes and then the end of the connection."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(wire)
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        target = client.Target(server.sockets[0].getsockname()[1])
        return await client.ask(target, client.request(target, {}), limit_s=5)


@pytest.mark.parametrize(
    ("wire", "how"),
    [
        (HEAD + CONTENT, "broken framing"),
        (HEAD + CONTENT[:7], "broken framing"),
        (HEAD + CONTENT + b"0\r\n\r\n", "silent"),
        (HEAD + CONTENT + chunk(DONE), "silent"),
        (HEAD + CONTENT + chunk(ERROR) + chunk(DONE) + b"0\r\n\r\n", "silent"),
        (HEAD + CONTENT + chunk(ERROR), "error event"),
        (b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 2\r\n\r\n{}", "status 502"),
    ],
)
async def test_ending_of_a_cut_stream(wire: bytes, how: str) -> None:
    """A cut stream is loud only if framing is broken, an error is told without [DONE], or the status is an error."""
    assert ending(await read(wire), stream=True) == how


async def test_ending_of_a_cut_whole_answer() -> None:
    """An answer shorter than its content-length is loud, one of the stated length is not."""
    short = b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n{}"
    exact = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"
    assert ending(await read(short), stream=False) == "broken framing"
    assert ending(await read(exact), stream=False) == "silent"
