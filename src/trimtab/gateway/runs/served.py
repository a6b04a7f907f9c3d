"""A recorded answer is given again: byte for byte and chunk for chunk, at once or with the delays of then."""

from __future__ import annotations

import asyncio
import binascii
from base64 import b64decode
from collections.abc import Awaitable, Callable
from itertools import chain, repeat

from trimtab.clock import Clock
from trimtab.gateway import replies
from trimtab.gateway.exchange import Exchange
from trimtab.journal.entries import Body, Result
from trimtab.journal.recorded import is_none
from trimtab.record import varints
from trimtab.record.events import CLIENT_GONE, OK

Load = Callable[[str], Awaitable[bytes]]
"""The bytes of a body of the run by its digest."""


async def serve(exchange: Exchange, result: Result, load: Load, clock: Clock, *, paced: bool, seq: int = 0) -> None:
    """Answers the exchange with what is recorded, and tells its step where `seq` is given. An answer that had not begun
    when its client left is none: the connection closes.

    Raises `JournalRefusal` and `JournalUnavailable`.
    """
    output = await bytes_of(result.output, load)
    exchange.outcome = result.error or (OK if result.outcome == "ok" else CLIENT_GONE)
    exchange.status = result.status
    exchange.detail = result.detail
    exchange.response_body = "" if result.output is None else result.output.digest
    delays_us = _unpacked(result.chunk_delays_us)
    headers = replies.headers(exchange, result.content_type.encode("latin-1")) + _lines(result)
    headers += b"x-trimtab-seq: %d\r\n" % seq if seq else b""
    began_s = clock.monotonic()
    answer = exchange.answer
    if is_none(result):
        answer.cut()
        return
    if not result.chunk_lengths:
        await _wait(began_s, next(iter(delays_us), 0), clock, paced=paced)
        answer.whole(result.status, headers, output)
        return
    answer.head(result.status, headers)
    exchange.head_sent = exchange.content_sent = True
    at, due_us = 0, 0
    for length, delay_us in zip(_unpacked(result.chunk_lengths), chain(delays_us, repeat(0)), strict=False):
        due_us += delay_us
        await _wait(began_s, due_us, clock, paced=paced)
        if answer.paused:
            await _resumed(exchange)
        answer.chunk(output[at : at + length])
        at += length
    if result.outcome == "ok":
        answer.end()
    else:
        answer.cut()


async def bytes_of(body: Body | None, load: Load) -> bytes:
    """The bytes of a body; raises what `load` does."""
    if body is None:
        return b""
    return await load(body.digest) if body.inline is None else body.inline.encode()


def _lines(result: Result) -> bytes:
    return f"{result.headers}\r\n".encode("latin-1", "replace") if result.headers else b""


def _unpacked(text: str) -> list[int]:
    try:
        return varints.unpack(b64decode(text, validate=True))
    except (binascii.Error, ValueError):
        return []


async def _wait(began_s: float, due_us: int, clock: Clock, *, paced: bool) -> None:
    left_s = began_s + due_us / 1e6 - clock.monotonic() if paced else 0.0
    if left_s > 0:
        await asyncio.sleep(left_s)


async def _resumed(exchange: Exchange) -> None:
    """Waits until a client that read too slowly keeps up again."""
    again = asyncio.get_running_loop().create_future()

    def resume() -> None:
        if not again.done():
            again.set_result(None)

    exchange.answer.on_resume = resume
    await again
    exchange.answer.on_resume = None
