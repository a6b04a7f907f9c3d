"""Credentials are there before they are needed, and what fails is tried again without holding anybody up."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from trimtab.errors import SecretMissing
from trimtab.gateway.upstreams.renewal import Fetched, NotFetched, Renewed
from trimtab.testing import JumpingClock, JumpingLoop

QUIET_S = 0.02
"""Real seconds that the loop waits for a thread before it lets time jump."""


class Source:
    """Gives one answer after another, the last again and again; keeps when it was asked."""

    def __init__(self, clock: JumpingClock, *answers: Fetched[str] | Exception) -> None:
        self._clock = clock
        self._answers = list(answers)
        self.asked: list[float] = []

    def __call__(self) -> Fetched[str]:
        self.asked.append(self._clock.monotonic() - 1000.0)
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


def lived(main: Callable[[JumpingClock], Coroutine[Any, Any, None]]) -> None:
    clock = JumpingClock()
    with asyncio.Runner(loop_factory=lambda: JumpingLoop(clock, QUIET_S)) as runner:
        runner.run(main(clock))


def missing(renewed: Renewed[str]) -> str:
    with pytest.raises(SecretMissing) as told:
        renewed.value()
    return str(told.value)


def test_renewed_before_it_expires() -> None:
    """The next fetch comes when the last one said, and the value of the moment is always at hand."""

    async def main(clock: JumpingClock) -> None:
        source = Source(clock, Fetched("one", 100, 80), Fetched("two", 100, 50), Fetched("three", None, 1000))
        renewed = Renewed("aws:a", source, clock)
        assert missing(renewed).startswith("The secret aws:a cannot be used (it is being fetched); ")
        running = asyncio.create_task(renewed.run())
        await renewed.tried()
        values = []
        for at in (1, 79, 81, 129, 131, 1129):
            await asyncio.sleep(1000 + at - clock.monotonic())
            values.append(renewed.value())
        assert values == ["one", "one", "two", "two", "three", "three"]
        assert source.asked == [0, 80, 130]
        running.cancel()

    lived(main)


def test_a_failing_fetch_is_repeated_and_the_last_value_used_until_it_expires() -> None:
    """Repeats come after 1, 2, 4, ... 60 s; an expired credential is never sent; what failed is told, not its text."""

    async def main(clock: JumpingClock) -> None:
        source = Source(clock, Fetched("one", 100, 90), NotFetched("RefreshError"), OSError("geheim"))
        renewed = Renewed("google:file", source, clock)
        running = asyncio.create_task(renewed.run())
        await asyncio.sleep(99.5)
        assert renewed.value() == "one"
        await asyncio.sleep(1)
        assert "google:file cannot be used (OSError)" in missing(renewed)
        await asyncio.sleep(300)
        assert source.asked == [0, 90, 91, 93, 97, 105, 121, 153, 213, 273, 333, 393]
        assert "geheim" not in missing(renewed)
        running.cancel()

    lived(main)


def test_a_fetch_that_comes_good() -> None:
    """After a failure the first good fetch counts, and the pauses begin anew."""

    async def main(clock: JumpingClock) -> None:
        source = Source(clock, NotFetched("x"), NotFetched("x"), Fetched("one", 10, 5), NotFetched("x"))
        renewed = Renewed("aws:a", source, clock)
        running = asyncio.create_task(renewed.run())
        await renewed.tried()
        assert "(x)" in missing(renewed)
        await asyncio.sleep(3.5)
        assert renewed.value() == "one"
        await asyncio.sleep(6)
        assert source.asked == [0, 1, 3, 8, 9]
        running.cancel()

    lived(main)


def test_a_fetch_never_follows_at_once() -> None:
    """A source that wants to be asked again at once is asked once a second."""

    async def main(clock: JumpingClock) -> None:
        source = Source(clock, Fetched("one", -5, -5))
        renewed = Renewed("aws:a", source, clock)
        running = asyncio.create_task(renewed.run())
        await asyncio.sleep(2.5)
        assert source.asked == [0, 1, 2]
        missing(renewed)
        running.cancel()

    lived(main)


async def test_a_fetch_that_hangs_holds_nobody_up() -> None:
    """While one hangs, the loop goes on, the value is told to be missing, and the loop can end."""
    hanging = threading.Event()
    clock = JumpingClock()

    def fetch() -> Fetched[str]:
        hanging.wait()
        return Fetched("late", None, 1)

    renewed = Renewed("aws:a", fetch, clock)
    running = asyncio.create_task(renewed.run())
    await asyncio.sleep(0)
    assert "it is being fetched" in missing(renewed)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    hanging.set()
    assert repr(renewed) == "Renewed(aws:a, none)"
