"""Many timers on one of an event loop's.

Every call sets a timer and, as a rule, takes it back before it rings. A timer here is a place in a set, and the loop
hears only of the earliest set: setting and taking back cost a fraction of what they cost the loop.
"""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush
from typing import Final, Protocol

from msgspec import Struct

FAR_S: Final = 1.0
NEAR_SLOTS_PER_S: Final = 1000
FAR_SLOTS_PER_S: Final = 50
"""Timers within a slot ring together, at its end: 1 ms, or 20 ms for those that were set for a second ahead or more."""
LOOK_AGAIN_S: Final = 0.001
"""The least time ahead that the loop is asked for: loops round to milliseconds and may ring early."""


class TimerHandle(Protocol):
    """What `call_at` gives back, an event loop's and ours."""

    def cancel(self) -> object:
        """Makes the timer not ring."""


CallAt = Callable[[float, Callable[[], None]], TimerHandle]


class Timer(Struct, eq=False):
    """One timer that is set."""

    _slot: set[Timer]
    callback: Callable[[], None]

    def cancel(self) -> None:
        """Makes the timer not ring; again, or after it rang, does nothing."""
        self._slot.discard(self)


class Timers:
    """Timers on a loop's `call_at` that never ring early, and at most a slot late: 1 ms, or 2 % and no more than 20 ms.

    `call_at` and `now` must tell the same time, as `loop.call_at` and `time.monotonic` do. What a callback raises goes
    to `failed`, and the others ring all the same.
    """

    def __init__(
        self,
        now: Callable[[], float],
        call_at: CallAt,
        failed: Callable[[Exception], None],
    ) -> None:
        self._now = now
        self._call_at = call_at
        self._failed = failed
        self._slots: dict[float, set[Timer]] = {}
        self._order: list[float] = []
        self._armed: TimerHandle | None = None
        self._armed_for = 0.0

    def call_at(self, when: float, callback: Callable[[], None]) -> Timer:
        """Calls `callback` at `when`, in seconds of `now`, or up to a slot later."""
        slots_per_s = NEAR_SLOTS_PER_S if when - self._now() < FAR_S else FAR_SLOTS_PER_S
        end = (int(when * slots_per_s) + 1) / slots_per_s
        slot = self._slots.get(end)
        if slot is None:
            slot = self._slots[end] = set()
            heappush(self._order, end)
            self._arm()
        timer = Timer(slot, callback)
        slot.add(timer)
        return timer

    def _arm(self) -> None:
        """Asks the loop for the first slot, unless it has been asked for that or for one before it."""
        if not self._order or (self._armed is not None and self._armed_for <= self._order[0]):
            return
        if self._armed is not None:
            self._armed.cancel()
        self._armed_for = self._order[0]
        self._armed = self._call_at(max(self._armed_for, self._now() + LOOK_AGAIN_S), self._ring)

    def _ring(self) -> None:
        """Rings what is due; a loop that rings early, because it rounds, is asked again."""
        self._armed = None
        due = self._now()
        while self._order and self._order[0] <= due:
            slot = self._slots.pop(heappop(self._order))
            while slot:
                try:
                    slot.pop().callback()
                except Exception as fault:  # noqa: BLE001  told, not swallowed
                    self._failed(fault)
        self._arm()

    def __repr__(self) -> str:
        return f"Timers({sum(map(len, self._slots.values()))} set, in {len(self._slots)} slots)"
