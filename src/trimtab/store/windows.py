"""How far a search looks at a time: from the newest hour back, at first a little, then as much more as it seems to
take, to the budget's end.
"""

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


def whole_hours(since_ns: int, until_ns: int) -> Window:
    """The whole hours that a window touches: what spend, conversations and undeclared calls are counted by."""
    return Window(since_ns // HOUR_NS * HOUR_NS, -(-until_ns // HOUR_NS) * HOUR_NS)


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


class Look(NamedTuple):
    """A window, how many calls ended in its hours, and how many of the hours are behind it."""

    window: Window
    calls: int
    hours: int


def look(hours: Sequence[Hour], behind: int, least: int, since_ns: int, until_ns: int) -> Look:
    """As many of the hours, newest first, as hold so many calls, after those that are behind; within [since, until)."""
    held, last = 0, behind
    for last in range(behind, len(hours)):
        held += hours[last].calls
        if held >= least:
            break
    end_ns = (hours[behind].hour + 1) * HOUR_NS
    return Look(Window(max(since_ns, hours[last].hour * HOUR_NS), min(until_ns, end_ns)), held, last + 1)


def windows(hours: Sequence[Hour], since_ns: int, until_ns: int) -> list[Window]:
    """The hours, newest first, put together to windows that grow, within [since, until)."""
    found: list[Window] = []
    behind, least = 0, FIRST_CALLS
    while behind < len(hours):
        one = look(hours, behind, least, since_ns, until_ns)
        found.append(one.window)
        behind, least = one.hours, least * GROWTH
    return found


def next_least(least: int, looked: int, found: int, missing: int) -> int:
    """How many calls to look at next, once `found` of those `looked` at are wanted and some are missing: half as many
    again as would do at that rate, ten times as many as the last time at most, and at most so many if none was found.
    """
    most = least * GROWTH
    return min(most, max(FIRST_CALLS, looked * missing * 3 // (2 * found))) if found else most
