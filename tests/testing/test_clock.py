import asyncio
import socket
import time

import pytest

from trimtab.testing import JumpingClock, JumpingLoop, Stuck


def run(main, loop):
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        return runner.run(main)


def test_both_times_move_together():
    """Monotonic and wall time advance by the same amount, from their stated starts."""
    clock = JumpingClock()
    assert (clock.monotonic(), clock.wall_ns()) == (1000.0, 1_767_225_600_000_000_000)
    clock.advance(1.5)
    assert (clock.monotonic(), clock.wall_ns()) == (1001.5, 1_767_225_601_500_000_000)


def test_time_never_goes_back():
    """A negative step is refused and leaves the clock where it was."""
    clock = JumpingClock()
    with pytest.raises(ValueError, match="go back"):
        clock.advance(-0.001)
    assert repr(clock) == "JumpingClock(0.000 s after its start)"


def test_a_sleep_takes_no_real_time():
    """A day of sleeping passes on the clock and not on the wall."""
    clock = JumpingClock()
    began = time.monotonic()
    run(asyncio.sleep(86_400), JumpingLoop(clock))
    assert clock.monotonic() == pytest.approx(1000.0 + 86_400)
    assert time.monotonic() - began < 600


def test_timers_ring_in_order_at_their_instants():
    """Timers set out of order ring in order, each exactly when it was set for."""

    async def main():
        loop = asyncio.get_running_loop()
        rung = []
        done = loop.create_future()
        for delay in (3.0, 1.0, 2.0):
            loop.call_later(delay, lambda delay=delay: rung.append((delay, loop.time())))
        loop.call_later(4.0, done.set_result, None)
        await done
        return rung

    assert run(main(), JumpingLoop()) == [(1.0, 1001.0), (2.0, 1002.0), (3.0, 1003.0)]


def test_what_is_ready_goes_before_a_jump():
    """Work that needs no waiting is done before any time passes."""

    async def main():
        loop = asyncio.get_running_loop()
        loop.call_later(0.001, lambda: None)
        for _ in range(1000):
            await asyncio.sleep(0)
        return loop.time()

    assert run(main(), JumpingLoop()) == 1000.0


def test_a_timeout_fires_over_a_wait_that_never_ends():
    """`asyncio.timeout` ends a wait for nothing at its limit."""

    async def main():
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(7):
                await asyncio.Event().wait()
        return asyncio.get_running_loop().time()

    assert run(main(), JumpingLoop()) == 1007.0


def test_bytes_on_a_socket_come_before_a_timer():
    """A peer in the same loop is heard before the clock jumps past a timeout, however short."""

    async def main():
        near, far = socket.socketpair()
        reader, near_writer = await asyncio.open_connection(sock=near)
        far_reader, writer = await asyncio.open_connection(sock=far)
        for _ in range(50):
            writer.write(b"x")
            async with asyncio.timeout(0.0001):
                await reader.readexactly(1)
        for end in (writer, near_writer):
            end.close()
            await end.wait_closed()
        assert await far_reader.read() == b""
        return asyncio.get_running_loop().time()

    assert run(main(), JumpingLoop()) == 1000.0


def test_a_threshold_waits_for_threads():
    """With a threshold, work of a thread that is shorter is done before the clock jumps."""

    async def main():
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(3600):
            await loop.run_in_executor(None, time.monotonic)
        return loop.time()

    assert run(main(), JumpingLoop(threshold_s=2.0)) == 1000.0


def test_a_test_that_can_never_end_fails(monkeypatch):
    """When everything waits and no timer is set, the loop raises instead of hanging."""
    monkeypatch.setattr("trimtab.testing.clock.STUCK_S", 0.05)

    async def main():
        await asyncio.get_running_loop().create_future()

    with pytest.raises(Stuck):
        run(main(), JumpingLoop())


async def test_the_hook_of_pytest_gives_the_loop():
    """A `conftest.py` as documented makes tests run on the jumping loop."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, JumpingLoop)
    before = loop.clock.monotonic()
    await asyncio.sleep(60)
    assert loop.clock.monotonic() == pytest.approx(before + 60)
