"""How long to wait before a child that died is started again."""

from __future__ import annotations

from typing import Final, NamedTuple

FIRST_DELAY_S: Final = 0.1
LONGEST_DELAY_S: Final = 5.0
STEADY_S: Final = 10.0
"""A child that worked this long starts a new count."""
LOOP_AFTER: Final = 5


class Delay(NamedTuple):
    """The wait before the next start; `deaths` in a row led to it, and `looping` says that they are a crash loop."""

    seconds: float
    deaths: int
    looping: bool


class Backoff:
    """The deaths in a row of one place in the crew: at once after the first, then 0.1 s doubling to 5 s."""

    def __init__(self) -> None:
        self._deaths = 0

    def died(self, worked_s: float | None) -> Delay:
        """A child died after it had been ready for `worked_s` seconds, or before it was ready (None)."""
        if worked_s is not None and worked_s >= STEADY_S:
            self._deaths = 0
        self._deaths += 1
        doublings = self._deaths - 2
        seconds = 0.0 if doublings < 0 else min(LONGEST_DELAY_S, FIRST_DELAY_S * 2.0 ** min(doublings, 16))
        return Delay(seconds, self._deaths, self._deaths >= LOOP_AFTER)

    def __repr__(self) -> str:
        return f"Backoff({self._deaths} deaths in a row)"
