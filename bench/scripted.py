"""An upstream that does as each request says, and remembers when: `python -m bench.scripted PORT...`.

The text of a request's last message is a script, a JSON object:

    {"id": "t1", "act": "stall", "chunks": 3, "every_ms": 20}

| act | what happens after the request has been read |
|---|---|
| answer | `chunks` content chunks, finish, usage, [DONE]; whole JSON where no stream was asked for |
| silent | nothing at all |
| role_only | head, a role delta, then a ping comment every `every_ms`, never any content |
| stall | `chunks` content chunks, then nothing |
| trickle | content chunks without end |
| cut | an answer of `chunks` chunks that breaks off before byte `at` of its body, in the way `how` says |

How a cut ends: `fin` (connection closed), `rst` (connection reset), `tidy` (well-formed end of the HTTP body, but the
answer is not whole), `error` (an error event, then [DONE], HTTP all well: what a killed vLLM worker leaves behind).
`served` may restrict a script to one served model; other models answer in full. GET /log gives, for each id, a list of
{"model", "at_ns", "gone_ns"}: CLOCK_MONOTONIC when a request had been read, and when its connection closed.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import time
from collections import defaultdict
from typing import Any

import uvloop

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
WHOLE = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
LAST_CHUNK = b"0\r\n\r\n"
DONE = b"data: [DONE]\n\n"
FOREVER_S = 3600.0

Script = dict[str, Any]


def event(choices: list[dict[str, Any]], **more: Any) -> bytes:
    """One server-sent event of a chat completion."""
    body = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "scripted"}
    return b"data: " + json.dumps(body | {"choices": choices} | more).encode() + b"\n\n"


def content(number: int) -> bytes:
    """Content chunk `number`, stamped with the time of its sending."""
    text = f" {number} t={time.monotonic_ns():019d}"
    return event([{"index": 0, "delta": {"content": text}, "finish_reason": None}])


def events(chunks: int) -> list[bytes]:
    """All events of a whole streamed answer."""
    usage = {"prompt_tokens": 7, "completion_tokens": chunks, "total_tokens": 7 + chunks}
    finish = event([{"index": 0, "delta": {}, "finish_reason": "stop"}])
    return [content(i) for i in range(chunks)] + [finish, event([], usage=usage), DONE]


def whole(chunks: int) -> bytes:
    """A whole answer that is not streamed."""
    message = {"role": "assistant", "content": " ".join(str(i) for i in range(chunks))}
    usage = {"prompt_tokens": 7, "completion_tokens": chunks, "total_tokens": 7 + chunks}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    body = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "scripted"}
    return json.dumps(body | {"choices": [choice], "usage": usage}).encode()


def framed(data: bytes) -> bytes:
    """One HTTP chunk."""
    return b"%x\r\n%b\r\n" % (len(data), data)


class Reader(asyncio.StreamReader):
    """A reader that tells when the other side has left, without anything being read."""

    def __init__(self) -> None:
        super().__init__()
        self.gone = asyncio.Event()

    def feed_eof(self) -> None:
        """The other side closed."""
        super().feed_eof()
        self.gone.set()

    def set_exception(self, exc: Exception) -> None:
        """The other side reset the connection."""
        super().set_exception(exc)
        self.gone.set()


class Upstream:
    """Plays scripts; `log` is what GET /log shows."""

    def __init__(self) -> None:
        self.log: dict[str, list[dict[str, Any]]] = defaultdict(list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection: requests in turn until either side ends it."""
        assert isinstance(reader, Reader)
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while await self.one_request(reader, writer):
                pass
        writer.close()

    async def one_request(self, reader: Reader, writer: asyncio.StreamWriter) -> bool:
        """Read a request and play it; false when the connection is not to be used again."""
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        if head.startswith(b"get"):
            shown = json.dumps(self.log if b" /log " in head else {"object": "list", "data": []}).encode()
            writer.write(WHOLE % len(shown) + shown)
            return True
        length = int(head.partition(b"content-length:")[2].split(b"\r\n", 1)[0])
        body = json.loads(await reader.readexactly(length))
        script: Script = json.loads(body["messages"][-1]["content"])
        if body["model"] != script.get("served", body["model"]):
            script |= {"act": "answer"}
        entry = {"model": body["model"], "at_ns": time.monotonic_ns(), "gone_ns": None}
        self.log[script["id"]].append(entry)
        try:
            playing = asyncio.ensure_future(ACTS[script["act"]](script, bool(body.get("stream")), writer))
            gone = asyncio.ensure_future(reader.gone.wait())
            await asyncio.wait({playing, gone}, return_when=asyncio.FIRST_COMPLETED)
            gone.cancel()
            if not playing.done():
                playing.cancel()
                return False
            return playing.result()
        finally:
            entry["gone_ns"] = time.monotonic_ns()


async def answer(script: Script, stream: bool, writer: asyncio.StreamWriter) -> bool:
    """A whole answer."""
    if not stream:
        body = whole(script["chunks"])
        writer.write(WHOLE % len(body) + body)
        return True
    writer.write(HEAD)
    for one in events(script["chunks"]):
        writer.write(framed(one))
        await asyncio.sleep(script.get("every_ms", 0) / 1000)
    writer.write(LAST_CHUNK)
    return True


async def silent(script: Script, stream: bool, writer: asyncio.StreamWriter) -> bool:
    """Nothing, until the other side goes."""
    await asyncio.sleep(FOREVER_S)
    return False


async def role_only(script: Script, stream: bool, writer: asyncio.StreamWriter) -> bool:
    """Signs of life that are no token."""
    writer.write(HEAD + framed(event([{"index": 0, "delta": {"role": "assistant", "content": ""}}])))
    while True:
        await asyncio.sleep(script["every_ms"] / 1000)
        writer.write(framed(b": ping\n\n"))


async def stall(script: Script, stream: bool, writer: asyncio.StreamWriter) -> bool:
    """Some content, then nothing."""
    writer.write(HEAD)
    for i in range(script["chunks"]):
        writer.write(framed(content(i)))
        await asyncio.sleep(script["every_ms"] / 1000)
    return await silent(script, stream, writer)


async def trickle(script: Script, stream: bool, writer: asyncio.StreamWriter) -> bool:
    """Content without end."""
    writer.write(HEAD)
    for i in range(10**9):
        writer.write(framed(content(i)))
        await asyncio.sleep(script["every_ms"] / 1000)
    return False


async def cut(script: Script, stream: bool, writer: asyncio.StreamWriter) -> bool:
    """An answer that breaks off before byte `at` of its body (taken modulo its length)."""
    how = script["how"]
    if stream:
        wire = [framed(one) for one in events(script["chunks"])]
        at = script["at"] % sum(len(one) for one in wire[:-1])
        whole_ones = [one for i, one in enumerate(wire) if sum(map(len, wire[: i + 1])) <= at]
        if how in ("tidy", "error"):
            failure = framed(b'data: {"error": {"message": "EngineCore died", "code": 500}}\n\n') + framed(DONE)
            writer.write(HEAD + b"".join(whole_ones) + (failure if how == "error" else b"") + LAST_CHUNK)
            return True
        writer.write(HEAD + b"".join(wire)[:at])
    else:
        body = whole(script["chunks"])
        writer.write(WHOLE % len(body) + body[: script["at"] % len(body)])
    if how == "rst":
        await asyncio.sleep(script.get("every_ms", 5) / 1000)  # else the reset overtakes what was sent
        writer.transport.abort()
    return False


ACTS = {
    "answer": answer,
    "silent": silent,
    "role_only": role_only,
    "stall": stall,
    "trickle": trickle,
    "cut": cut,
}


async def main(ports: list[int]) -> None:
    """Serve on all ports, with one log, until killed."""
    upstream = Upstream()

    def protocol() -> asyncio.StreamReaderProtocol:
        return asyncio.StreamReaderProtocol(Reader(), upstream.serve)

    loop = asyncio.get_running_loop()
    servers = [await loop.create_server(protocol, "127.0.0.1", port, backlog=4096) for port in ports]
    await asyncio.gather(*(server.serve_forever() for server in servers))


if __name__ == "__main__":
    uvloop.run(main([int(port) for port in sys.argv[1:]]))
