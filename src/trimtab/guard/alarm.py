"""The one timer of a call: rings when a clock has run out, and is set again only when it has to be.

Progress moves the gap clock later and touches no timer: a timer that rings early looks, and is set for the next
instant. Only what can move the next instant sooner (an attempt, its first token, a resumed replica) sets it anew.
"""

from __future__ import annotations

from collections.abc import Callable

from trimtab.errors import DeadlineTotal
from trimtab.guard.deadlines import NEVER, Clocks, Expiry
from trimtab.guard.timers import LOOK_AGAIN_S, CallAt, TimerHandle


class Alarm:
    """The clocks of a call, joined to an event loop.

    Takes the verbs of `Clocks`; the first `attempt` sets the timer. `expired` is called once for a clock that ran out,
    after which the attempt is at rest: the total clock goes on unless it was the one. `now` and `call_at` must tell the
    same time, as `time.monotonic` and `Timers.call_at` do.
    """

    __slots__ = ("_call_at", "_expired", "_now", "_ring_at", "_stopped", "_timer", "clocks")

    def __init__(
        self, clocks: Clocks, now: Callable[[], float], call_at: CallAt, expired: Callable[[Expiry], None]
    ) -> None:
        self.clocks = clocks
        self._now = now
        self._call_at = call_at
        self._expired = expired
        self._ring_at = NEVER
        self._timer: TimerHandle | None = None
        self._stopped = False

    def attempt(self, now: float) -> None:
        """An attempt begins at `now`."""
        self.clocks.attempt(now)
        self._set(now)

    def connected(self) -> None:
        """The connection of this attempt is ready."""
        self.clocks.connected()

    def progress(self, now: float) -> None:
        """A content-bearing event came at `now`."""
        if self.clocks.progress(now):
            self._set(now)

    def pause(self, now: float) -> None:
        """We stopped reading from the replica."""
        self.clocks.pause(now)

    def resume(self, now: float) -> None:
        """We read from the replica again."""
        self.clocks.resume(now)
        self._set(now)

    def rest(self, now: float) -> None:
        """The attempt is over."""
        self.clocks.rest(now)

    def stop(self) -> None:
        """The call is settled: the timer never rings again."""
        self._stopped = True
        self._cancel()

    def _set(self, now: float) -> None:
        """Sets the timer if it would ring too late."""
        next_at = self.clocks.next_at()
        if self._stopped or next_at >= self._ring_at:
            return
        self._cancel()
        self._ring_at = max(next_at, now + LOOK_AGAIN_S)
        self._timer = self._call_at(self._ring_at, self._ring)

    def _cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None
        self._ring_at = NEVER

    def _ring(self) -> None:
        self._timer = None
        self._ring_at = NEVER
        now = self._now()
        expiry = self.clocks.look(now)
        if expiry is None:
            self._set(now)
            return
        self.clocks.rest(now)
        if expiry.code == DeadlineTotal.code:
            self._stopped = True
        self._set(now)
        self._expired(expiry)
