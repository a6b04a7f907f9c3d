"""An upstream in a thread of its own, so that the code under test may block or run a loop of its own."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterator

from trimtab.testing import Received, Script, ScriptedUpstream

PATIENCE_S = 30.0


@contextlib.contextmanager
def threaded_upstream(answer: Callable[[Received], Script]) -> Iterator[str]:
    """The URL of an upstream that gives each request this answer, until the block ends."""
    listening, over = threading.Event(), threading.Event()
    urls: list[str] = []

    async def serve() -> None:
        async with ScriptedUpstream() as upstream:
            upstream.always(answer)
            urls.append(upstream.url)
            listening.set()
            await asyncio.to_thread(over.wait)

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    try:
        assert listening.wait(PATIENCE_S)
        yield urls[0]
    finally:
        over.set()
        thread.join(PATIENCE_S)
