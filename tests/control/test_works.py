"""What control does beside serving goes on, whatever becomes of it."""

from __future__ import annotations

import asyncio
import logging

import pytest

from trimtab.processes.control import AGAIN_S, kept_up
from trimtab.testing import JumpingClock, JumpingLoop


def test_a_work_that_breaks_is_told_and_begun_again(caplog: pytest.LogCaptureFixture) -> None:
    """Twice it breaks, a minute apart from the next try; the third time it ends well."""
    clock = JumpingClock()
    begun_s: list[float] = []

    async def work() -> None:
        begun_s.append(clock.monotonic())
        if len(begun_s) < 3:
            async with asyncio.TaskGroup():
                raise ValueError("foreign bytes")

    start_s = clock.monotonic()
    with asyncio.Runner(loop_factory=lambda: JumpingLoop(clock, 0.05)) as runner, caplog.at_level(logging.ERROR):
        runner.run(kept_up(work))
    assert begun_s == pytest.approx([start_s, start_s + AGAIN_S, start_s + 2 * AGAIN_S], abs=1)
    assert [record.message for record in caplog.records] == ["work_broke"] * 2


def test_a_work_that_is_cancelled_ends() -> None:
    """At the stop nothing is begun again."""

    async def stopped() -> None:
        async def work() -> None:
            await asyncio.Event().wait()

        task = asyncio.create_task(kept_up(work))
        await asyncio.sleep(0)
        task.cancel()
        await task

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(stopped())
