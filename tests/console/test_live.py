"""Ticks to open pages: one producer, many readers, none of whom holds up another."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import pytest

from tests.console.conftest import Scene
from tests.control.asgi import ask
from trimtab.console import live as live_module
from trimtab.console.live import BEAT_TICKS, ECHO_TICKS, Live

HELLO = b"retry: 5000\n: listening\n\n"
BEAT = b": still here\n\n"


def news(version: int) -> bytes:
    return b"event: changed\ndata: %d\n\n" % version


class Reader:
    """One open page."""

    def __init__(self, live: Live, stream: AsyncIterator[bytes]) -> None:
        self.live = live
        self.stream: Any = stream
        self.got: list[bytes] = []
        self.task = asyncio.ensure_future(self._read())

    async def _read(self) -> None:
        async with aclosing(self.stream) as stream:
            async for part in stream:
                self.got.append(part)


async def settled() -> None:
    """Lets everybody who can go on do so."""
    for _ in range(5):
        await asyncio.sleep(0)


async def ticks(live: Live, count: int = 1) -> None:
    for _ in range(count):
        live.tick()
        await settled()


async def test_news_reach_every_page() -> None:
    """A change is told once to each, with the next look; without one nothing is told."""
    live = Live()
    readers = [Reader(live, live.stream(lambda: True)) for _ in range(3)]
    await settled()
    assert live.clients == 3
    await ticks(live)
    live.changed()
    live.changed()
    await ticks(live, 2)
    assert [reader.got for reader in readers] == [[HELLO, news(1)]] * 3
    assert repr(live) == "Live(3 pages, version 2)"
    live.close()
    await asyncio.gather(*(reader.task for reader in readers))


async def test_a_page_is_told_once_more_after_the_last_news() -> None:
    """What was shown with the first news may have been kept from before: so there is one tick more, and then quiet."""
    live = Live()
    reader = Reader(live, live.stream(lambda: True))
    await settled()
    live.changed()
    await ticks(live, 1 + ECHO_TICKS)
    assert [part for part in reader.got if part.startswith(b"event")] == [news(1), news(2)]
    await ticks(live, 3 * ECHO_TICKS)
    assert [part for part in reader.got if part.startswith(b"event")] == [news(1), news(2)]
    reader.task.cancel()


async def test_a_sign_of_life() -> None:
    """After fifteen looks without news there is a comment, so that a page that is gone is noticed."""
    live = Live()
    reader = Reader(live, live.stream(lambda: True))
    await settled()
    await ticks(live, 2 * BEAT_TICKS)
    assert reader.got == [HELLO, BEAT, BEAT]
    reader.task.cancel()


async def test_whoever_may_no_more_is_told_and_left() -> None:
    """With the first look after a revocation the stream ends."""
    live, may = Live(), [True]
    reader = Reader(live, live.stream(lambda: may[0]))
    await settled()
    may[0] = False
    await ticks(live)
    await reader.task
    assert reader.got[-1] == b"event: ended\ndata: 0\n\n"
    assert live.clients == 0


async def test_a_page_that_is_gone_is_noticed() -> None:
    """A reader that went away is counted no more."""
    live = Live()
    reader = Reader(live, live.stream(lambda: True))
    await settled()
    reader.task.cancel()
    await settled()
    assert live.clients == 0


async def test_a_slow_page_gets_the_latest_and_no_queue() -> None:
    """What a page did not read while others did is not kept for it: it is told the latest, once."""
    live = Live()
    async with aclosing(live.stream(lambda: True)) as stream:
        assert await anext(stream) == HELLO
        waiting = asyncio.ensure_future(anext(stream))
        await settled()
        live.changed()
        await ticks(live)
        assert await waiting == news(1)
        for _ in range(5):
            live.changed()
            live.tick()
        following = asyncio.ensure_future(anext(stream))
        await settled()
        live.changed()
        await ticks(live)
        assert await following == news(7)


async def test_closing_ends_every_stream() -> None:
    """When control stops, streams end, those that come later at once."""
    live = Live()
    reader = Reader(live, live.stream(lambda: True))
    await settled()
    live.close()
    await reader.task
    assert [part async for part in live.stream(lambda: True)] == [HELLO]
    assert live.clients == 0


async def test_pages_are_bounded(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """One page more than there is room for is told to come again."""
    monkeypatch.setattr(live_module, "MOST_CLIENTS", 1)
    live = Live()
    row = live.endpoint(lambda request: True)
    reader = Reader(live, live.stream(lambda: True))
    await settled()
    answer = await ask(scene.app(more=(row,)), "/events", key=scene.secret())
    assert (answer.status, answer.error, answer.headers["retry-after"]) == (503, "overloaded", "30")
    reader.task.cancel()


async def test_the_route_of_events(scene: Scene) -> None:
    """It is a stream that nothing on the way may hold back, for viewers only."""
    live = Live()
    live.close()
    row = live.endpoint(lambda request: True)
    answer = await ask(scene.app(more=(row,)), "/events", key=scene.secret())
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert (answer.headers["cache-control"], answer.headers["x-accel-buffering"]) == ("no-store", "no")
    assert (await ask(scene.app(more=(row,)), "/events", key=scene.secret("client"))).status == 403
