"""How far a search looks at a time: from the newest hour back, at first a little, then more, to the budget's end."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

HOUR_NS: Final = 3_600_000_000_000
FIRST_CALLS: Final = 300_000
"""How many stored calls the first window of a search holds at least, if there are as many."""
GROWTH: Final = 10


class Hour(NamedTuple):
    """An hour since 1970, and how many calls ended in it."""

    hour: int
    calls: int


class Window(NamedTuple):
    """A part of a search, [since, until) in ns since 1970."""

    since_ns: int
    until_ns: int


def within(hours: Iterable[Hour], budget: int) -> tuple[Sequence[Hour], bool]:
    """The newest of the hours that the budget reaches, the last perhaps in part; and whether these are all."""
    found: list[Hour] = []
    spent = 0
    for hour in sorted(hours, reverse=True):
        if spent >= budget:
            return found, False
        found.append(hour)
        spent += hour.calls
    return found, True


def windows(hours: Sequence[Hour], since_ns: int, until_ns: int) -> list[Window]:
    """The hours, newest first, put together to windows that grow, within [since, until)."""
    found: list[Window] = []
    least, held, end_ns = FIRST_CALLS, 0, 0
    for place, (hour, calls) in enumerate(hours):
        end_ns = end_ns or (hour + 1) * HOUR_NS
        held += calls
        if held >= least or place == len(hours) - 1:
            found.append(Window(max(since_ns, hour * HOUR_NS), min(until_ns, end_ns)))
            least, held, end_ns = least * GROWTH, 0, 0
    return found
