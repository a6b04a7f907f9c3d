"""Many timers on one of the loop's: none is lost, none early, none later than a slot."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.guard.timers import Timers
from trimtab.testing import JumpingLoop


class Bench:
    """Timers on the running loop; counts how often the loop was asked, notes what rang when."""

    def __init__(self, *, rounded: bool = False) -> None:
        self.loop = asyncio.get_running_loop()
        self.rounded = rounded
        self.asked = 0
        self.rang: list[tuple[str, float]] = []
        self.faults: list[Exception] = []
        self.timers = Timers(self.loop.time, self.call_at, self.faults.append)

    def call_at(self, when, callback):
        self.asked += 1
        if self.rounded:
            when = self.loop.time() + round((when - self.loop.time()) * 1000) / 1000
        return self.loop.call_at(when, callback)

    def set(self, name: str, after_s: float):
        return self.timers.call_at(self.loop.time() + after_s, lambda: self.rang.append((name, self.loop.time())))


async def test_a_thousand_timers_of_one_moment_are_one_of_the_loop():
    """Calls that begin together set one timer between them, and all of them ring."""
    bench = Bench()
    for number in range(1000):
        bench.set(str(number), 5.0)
    await asyncio.sleep(10)
    assert bench.asked == 1
    assert len(bench.rang) == 1000


async def test_a_timer_that_was_taken_back_does_not_ring():
    """Before its time, after it and twice: taking back never fails."""
    bench = Bench()
    kept, taken = bench.set("kept", 1.0), bench.set("taken", 1.0)
    taken.cancel()
    taken.cancel()
    await asyncio.sleep(2)
    kept.cancel()
    assert [name for name, _ in bench.rang] == ["kept"]
    assert repr(bench.timers) == "Timers(0 set, in 0 slots)"


async def test_a_sooner_timer_is_not_held_up_by_a_later_one():
    """The loop is asked anew when something is due before what it waits for."""
    bench = Bench()
    bench.set("later", 60.0)
    bench.set("sooner", 1.0)
    await asyncio.sleep(5)
    assert [name for name, _ in bench.rang] == ["sooner"]
    await asyncio.sleep(60)
    assert [name for name, _ in bench.rang] == ["sooner", "later"]


async def test_a_callback_that_fails_stops_no_other():
    """Its fault is told, and those of its slot ring."""
    bench = Bench()
    at = bench.loop.time() + 1

    def fail() -> None:
        raise RuntimeError("oops")

    for _ in range(3):
        bench.timers.call_at(at, fail)
        bench.set("good", 1.0)
    await asyncio.sleep(2)
    assert len(bench.rang) == 3
    assert [str(fault) for fault in bench.faults] == ["oops"] * 3


async def test_a_timer_set_by_one_that_rings_rings_too():
    """Also when it is due at once."""
    bench = Bench()
    bench.timers.call_at(bench.loop.time() + 1, lambda: bench.set("next", 0.0) and None)
    await asyncio.sleep(2)
    assert [name for name, _ in bench.rang] == ["next"]


async def test_one_that_rings_may_take_back_its_neighbours():
    """What is taken back while its slot rings is not called any more, whichever comes first."""
    bench = Bench()
    at, rang, timers = bench.loop.time() + 1, [], []

    def ring() -> None:
        rang.append(1)
        for timer in timers:
            timer.cancel()

    timers += [bench.timers.call_at(at, ring) for _ in range(5)]
    await asyncio.sleep(2)
    assert rang == [1]


@pytest.mark.parametrize("rounded", [False, True])
@given(st.lists(st.integers(0, 30_000), min_size=1, max_size=30))
def test_none_rings_early_and_none_later_than_a_slot(rounded: bool, after_tenths: list[int]) -> None:
    """Whatever is set, in tenths of a millisecond; a loop that rounds to milliseconds adds one, and takes none."""

    async def main() -> None:
        bench = Bench(rounded=rounded)
        began = bench.loop.time()
        due = {str(number): began + tenths / 10_000 for number, tenths in enumerate(after_tenths)}
        for name, at in due.items():
            bench.set(name, at - began)
        await asyncio.sleep(10)
        assert sorted(name for name, _ in bench.rang) == sorted(due)
        for name, at in bench.rang:
            slot_s = 0.001 if due[name] - began < 1 else 0.02
            assert due[name] - 1e-9 <= at <= due[name] + slot_s + 0.001 + 1e-6

    with asyncio.Runner(loop_factory=JumpingLoop) as runner:
        runner.run(main())
