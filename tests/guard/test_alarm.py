import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.guard.alarm import Alarm
from trimtab.guard.deadlines import Clocks, Expiry
from trimtab.testing import JumpingLoop


class Call:
    """A call's alarm on the running loop, which counts the timers it sets and keeps what it tells."""

    def __init__(self, *, streamed=True, connect=1.0, first=2.0, gap=0.5, total=None, rounded=False):
        self.rounded = rounded
        self.loop = asyncio.get_running_loop()
        self.timers = 0
        self.fired = []
        clocks = Clocks(
            self.loop.time(), streamed=streamed, connect_s=connect, first_token_s=first, gap_s=gap, total_s=total
        )
        self.alarm = Alarm(clocks, self.loop.time, self.call_at, self.expired)

    def call_at(self, when, callback):
        self.timers += 1
        if self.rounded:
            when = self.loop.time() + round((when - self.loop.time()) * 1000) / 1000
        return self.loop.call_at(when, callback)

    def expired(self, expiry):
        self.fired.append((expiry, self.loop.time()))


async def test_a_hanging_connect_fires():
    """The connect clock fires a second after the attempt began."""
    call = Call()
    call.alarm.attempt(call.loop.time())
    await asyncio.sleep(60)
    assert call.fired == [(Expiry("deadline_connect", 1.0), pytest.approx(1001.0))]


async def test_a_shorter_clock_moves_the_timer_sooner():
    """The timer set for a first token in 2 s rings in time for a gap of 0.5 s after content came."""
    call = Call()
    call.alarm.attempt(call.loop.time())
    call.alarm.connected()
    await asyncio.sleep(0.1)
    call.alarm.progress(call.loop.time())
    await asyncio.sleep(60)
    assert call.fired == [(Expiry("deadline_gap", 0.5), pytest.approx(1000.6))]


async def test_a_long_healthy_stream_is_never_cut_and_sets_few_timers():
    """10,000 gaps of 80 % of the limit: nothing fires, and about one timer is set for each gap limit that passes."""
    call = Call()
    call.alarm.attempt(call.loop.time())
    call.alarm.connected()
    for _ in range(10_000):
        await asyncio.sleep(0.4)
        call.alarm.progress(call.loop.time())
    assert call.fired == []
    assert call.timers < 10_010


async def test_chunks_set_no_timer():
    """1,000 chunks within one gap limit set no timer of their own."""
    call = Call()
    call.alarm.attempt(call.loop.time())
    call.alarm.connected()
    for _ in range(1000):
        await asyncio.sleep(0.0004)
        call.alarm.progress(call.loop.time())
    assert call.timers <= 4


async def test_a_pause_holds_the_gap_clock():
    """Paused for an hour, nothing fires; 0.2 s before and 0.3 s after the pause make up the gap."""
    call = Call()
    call.alarm.attempt(call.loop.time())
    call.alarm.progress(call.loop.time())
    await asyncio.sleep(0.2)
    call.alarm.pause(call.loop.time())
    await asyncio.sleep(3600)
    assert call.fired == []
    call.alarm.resume(call.loop.time())
    resumed_at = call.loop.time()
    await asyncio.sleep(60)
    assert call.fired == [(Expiry("deadline_gap", 0.5), pytest.approx(resumed_at + 0.3))]


async def test_after_an_expiry_the_next_attempt_runs_its_own_clocks():
    """A clock that fired leaves the attempt at rest; the next attempt fires for itself."""
    call = Call()
    call.alarm.attempt(call.loop.time())
    await asyncio.sleep(10)
    call.alarm.attempt(call.loop.time())
    await asyncio.sleep(10)
    assert [expiry.code for expiry, _ in call.fired] == ["deadline_connect", "deadline_connect"]
    assert [at for _, at in call.fired] == [pytest.approx(1001.0), pytest.approx(1011.0)]


async def test_total_fires_between_attempts_and_ends_all():
    """The total clock runs while nothing is tried, fires once, and nothing fires after it."""
    call = Call(total=5)
    call.alarm.attempt(call.loop.time())
    call.alarm.rest(call.loop.time())
    await asyncio.sleep(10)
    call.alarm.attempt(call.loop.time())
    await asyncio.sleep(10)
    assert call.fired == [(Expiry("deadline_total", 5), pytest.approx(1005.0))]


async def test_a_stopped_alarm_never_rings():
    """After `stop` no clock fires and no verb sets a timer."""
    call = Call(total=5)
    call.alarm.attempt(call.loop.time())
    call.alarm.stop()
    timers = call.timers
    call.alarm.attempt(call.loop.time())
    call.alarm.stop()
    await asyncio.sleep(60)
    assert (call.fired, call.timers) == ([], timers)


async def test_a_limit_of_nothing_fires_at_once():
    """A client that leaves no time at all gets its deadline within a few milliseconds."""
    call = Call(total=0.0)
    call.alarm.attempt(call.loop.time())
    await asyncio.sleep(0.005)
    assert [expiry.code for expiry, _ in call.fired] == ["deadline_total"]


@given(st.lists(st.floats(0.01, 499), max_size=30), st.booleans())
def test_the_gap_fires_on_time_after_any_stream(gaps_ms, rounded):
    """Silence is told 0.5 s after the last content, within 2 ms even where a loop rounds timers as uvloop does."""

    async def main():
        call = Call(gap=0.5, rounded=rounded)
        call.alarm.attempt(call.loop.time())
        call.alarm.progress(call.loop.time())
        for gap in gaps_ms:
            await asyncio.sleep(gap / 1000)
            call.alarm.progress(call.loop.time())
        last = call.loop.time()
        await asyncio.sleep(5)
        ((expiry, at),) = call.fired
        assert expiry.code == "deadline_gap"
        assert 0.5 - 1e-9 <= at - last <= 0.502

    with asyncio.Runner(loop_factory=JumpingLoop) as runner:
        runner.run(main())
