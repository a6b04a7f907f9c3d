"""A client that times every event of an answer and looks closely at how the answer ends."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass, field
from typing import Any

from bench.arm import Target

STAMP = b" t="
STAMP_DIGITS = 19


@dataclass
class Answer:
    """What came back: times are CLOCK_MONOTONIC seconds.

    `whole` tells whether HTTP framing ended as it should, `hangs` that it had not ended when patience did.
    """

    sent_s: float
    ended_s: float = 0.0
    status: int = 0
    head: bytes = b""
    body: bytes = b""
    whole: bool = False
    hangs: bool = False
    arrivals: list[tuple[float, bytes]] = field(default_factory=list)

    @property
    def done_marker(self) -> bool:
        """Whether the stream says [DONE]."""
        return b"data: [DONE]" in self.body

    @property
    def error_code(self) -> str:
        """The `code` of an error answer or of an error event; empty without one."""
        if self.status != 200:
            return code_of(self.body)
        return next((code_of(one) for _, one in self.arrivals if b'"error"' in one), "")

    @property
    def error_s(self) -> float:
        """When the error arrived: the error event's time, or the end of an error answer."""
        return next((at for at, one in self.arrivals if b'"error"' in one and self.status == 200), self.ended_s)

    @property
    def last_stamp_s(self) -> float | None:
        """When the upstream sent the last content chunk that arrived."""
        place = self.body.rfind(STAMP)
        if place < 0:
            return None
        return int(self.body[place + len(STAMP) : place + len(STAMP) + STAMP_DIGITS]) / 1e9

    def header(self, name: bytes) -> str:
        """A header of the answer, or an empty text."""
        for line in self.head.split(b"\r\n")[1:]:
            key, _, value = line.partition(b":")
            if key.strip().lower() == name:
                return value.strip().decode()
        return ""


def code_of(body: bytes) -> str:
    """`error.code` of a JSON text, with or without `data: ` before it; "unreadable" where there is none."""
    try:
        return str(json.loads(body.strip().removeprefix(b"data: "))["error"]["code"])
    except (ValueError, KeyError, TypeError):
        return "unreadable"


def request(target: Target, body: dict[str, Any]) -> bytes:
    """A POST with this body, on a connection of its own."""
    data = json.dumps({"model": target.model} | body).encode()
    head = f"POST {target.path} HTTP/1.1\r\nhost: 127.0.0.1:{target.port}\r\nconnection: close\r\n"
    head += f"authorization: Bearer {target.key}\r\n" if target.key else ""
    head += "".join(f"{line}\r\n" for line in target.headers)
    head += f"content-type: application/json\r\ncontent-length: {len(data)}\r\n\r\n"
    return head.encode() + data


def scripted(target: Target, script: dict[str, Any], *, stream: bool = True) -> bytes:
    """A request whose last message tells the scripted upstream what to do."""
    return request(target, {"stream": stream, "messages": [{"role": "user", "content": json.dumps(script)}]})


async def ask(target: Target, data: bytes, limit_s: float = 120.0) -> Answer:
    """Send a request and read its answer to the end, or for `limit_s`."""
    reader, writer = await asyncio.open_connection("127.0.0.1", target.port, limit=1 << 20)
    answer = Answer(sent_s=time.monotonic())
    writer.write(data)
    try:
        async with asyncio.timeout(limit_s):
            await read_answer(reader, answer)
    except (ConnectionError, asyncio.IncompleteReadError, ValueError):
        answer.whole = False
    except TimeoutError:
        answer.hangs = True
    finally:
        answer.ended_s = time.monotonic()
        writer.transport.abort()
    return answer


async def read_answer(reader: asyncio.StreamReader, answer: Answer) -> None:
    """Head, then a counted, chunked or close-ended body; `whole` is set only at a proper end."""
    answer.head = await reader.readuntil(b"\r\n\r\n")
    answer.status = int(answer.head.split(b" ", 2)[1])
    if answer.header(b"transfer-encoding") == "chunked":
        await read_chunks(reader, answer)
    elif length := answer.header(b"content-length"):
        keep(answer, await reader.readexactly(int(length)))
    else:
        keep(answer, await reader.read(-1))
    answer.whole = True


async def read_chunks(reader: asyncio.StreamReader, answer: Answer) -> None:
    """Chunks up to the last; raises ValueError or IncompleteReadError where the framing breaks."""
    while size := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
        keep(answer, (await reader.readexactly(size + 2))[:-2])
    await reader.readuntil(b"\r\n")


def keep(answer: Answer, data: bytes) -> None:
    """Add to the body; each event is noted with the time of its arrival."""
    now = time.monotonic()
    answer.body += data
    answer.arrivals += [(now, one) for one in data.split(b"\n\n") if one]
