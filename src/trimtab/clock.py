"""The only file that reads the time."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Where time comes from; the test twin is `trimtab.testing.JumpingClock`."""

    def monotonic(self) -> float:
        """Seconds that never go back; only differences mean anything."""

    def wall_ns(self) -> int:
        """Nanoseconds since 1970-01-01 UTC."""


class SystemClock:
    """The machine's clocks."""

    monotonic = staticmethod(time.monotonic)
    wall_ns = staticmethod(time.time_ns)


class Deadline:
    """A point in monotonic time, or none at all."""

    __slots__ = ("at",)

    def __init__(self, at: float | None) -> None:
        self.at = at

    @classmethod
    def after(cls, clock: Clock, seconds: float | None) -> Deadline:
        """The deadline that lies `seconds` ahead; None is never."""
        return cls(None if seconds is None else clock.monotonic() + seconds)

    def left_s(self, now: float) -> float | None:
        """Seconds from `now` until the deadline, never below zero; None when there is none."""
        return None if self.at is None else max(0.0, self.at - now)

    def sooner(self, other: Deadline) -> Deadline:
        """Whichever of the two comes first."""
        if self.at is None:
            return other
        if other.at is None:
            return self
        return self if self.at <= other.at else other

    def __repr__(self) -> str:
        return "Deadline(never)" if self.at is None else f"Deadline(at {self.at:.3f} s)"
