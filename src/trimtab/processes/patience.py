"""HTTP/1.1 for control's listeners, with patience that ends: whoever sends half a request holds no connection for good.

The parser is h11, which bounds the head of a request; httptools takes heads of any size into memory.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_BYTES: Final = 64 << 10
"""Of a request's head; a longer one is refused with 400."""
HEAD_S: Final = 10.0
"""How long a request may take to begin once its connection is open, or once its first byte is there."""


class PatientHttp(H11Protocol):
    """Closes a connection on which no request came to its body within `head_s`, or whose body goes on after the answer.

    Between requests the server's own keep-alive closes it sooner.
    """

    head_s = HEAD_S
    _waiting: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """The first request is waited for."""
        super().connection_made(transport)
        self._look()

    def data_received(self, data: bytes) -> None:
        """More of a request, or of what goes on after an answer."""
        super().data_received(data)
        self._look()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing more is waited for."""
        self._forget()
        super().connection_lost(exc)

    def _look(self) -> None:
        if self.cycle is not None and not self.cycle.response_complete:
            self._forget()
        elif self._waiting is None and not self.transport.is_closing():
            self._waiting = self.loop.call_later(self.head_s, self._end)

    def _forget(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None

    def _end(self) -> None:
        self._waiting = None
        if self.cycle is None or self.cycle.response_complete:
            self.transport.abort()
