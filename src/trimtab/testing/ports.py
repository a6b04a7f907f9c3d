"""Ports of loopback on which no server answers."""

from __future__ import annotations

import select
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Final

HOST: Final = "127.0.0.1"
FILL_WITHIN_S: Final = 0.05
FILLERS_AT_MOST: Final = 16


@contextmanager
def refused_port() -> Iterator[int]:
    """A port that refuses connections, and that nobody else can take meanwhile."""
    with socket.socket() as bound:
        bound.bind((HOST, 0))
        yield bound.getsockname()[1]


@contextmanager
def unanswered_port() -> Iterator[int]:
    """A port on which connecting neither succeeds nor fails (Linux: a listener whose queue is full drops what comes).

    Raises `RuntimeError` if the queue does not fill.
    """
    with ExitStack() as opened:
        listener = opened.enter_context(socket.socket())
        listener.bind((HOST, 0))
        listener.listen(0)
        address = listener.getsockname()
        for _ in range(FILLERS_AT_MOST):
            filler = opened.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(address)
            if not select.select((), (filler,), (), FILL_WITHIN_S)[1]:
                break
        else:
            raise RuntimeError("the listener's queue does not fill")
        yield address[1]
