"""Keeps a client alive while its answer is held back: comments that every reader of events passes over."""

from __future__ import annotations

import asyncio
from typing import Final

from trimtab.gateway import replies
from trimtab.gateway.exchange import Exchange

EVERY_S: Final = 5.0
"""Shorter than what proxies and clients commonly wait for a byte."""
COMMENT: Final = b": the answer is being checked\n\n"
"""A comment (WHATWG HTML, section 9.2.6)."""


class KeepAlive:
    """Sends a comment every 5 s until the answer's first content; the first brings status and headers with it."""

    __slots__ = ("_exchange", "_loop", "_timer")

    def __init__(self, exchange: Exchange, loop: asyncio.AbstractEventLoop) -> None:
        self._exchange = exchange
        self._loop = loop
        self._timer: asyncio.TimerHandle | None = loop.call_later(EVERY_S, self._send)

    def stop(self) -> None:
        """The answer comes, or the call has ended."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _send(self) -> None:
        exchange = self._exchange
        if exchange.content_sent or exchange.answer.ended:
            self._timer = None
            return
        if not exchange.head_sent:
            exchange.head_sent, exchange.status = True, 200
            exchange.answer.head(200, replies.headers(exchange, replies.EVENT_STREAM))
        exchange.answer.chunk(COMMENT)
        self._timer = self._loop.call_later(EVERY_S, self._send)
