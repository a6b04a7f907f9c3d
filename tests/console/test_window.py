"""Ranges of time in addresses."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest

from tests.store.samples import MINUTE_NS, NOON_NS, SECOND_NS
from trimtab.console.window import RANGES, Window, step_of, window_of
from trimtab.errors import InvalidRequest

BERLIN = ZoneInfo("Europe/Berlin")


def test_a_range_ends_with_the_minute_that_runs() -> None:
    """`1h` is sixty whole minutes, the one that runs among them."""
    found = window_of({"range": "1h"}, NOON_NS + 20 * SECOND_NS)
    assert found == Window(NOON_NS - 59 * MINUTE_NS, NOON_NS + MINUTE_NS, 60, "1h")
    assert found.query == {"range": "1h"}


def test_six_hours_unless_told() -> None:
    """Without a range there are six hours, which no address needs to tell."""
    found = window_of({}, NOON_NS)
    assert (found.name, found.until_ns - found.since_ns, found.query) == ("6h", 6 * 60 * MINUTE_NS, {})


def test_a_range_of_ones_own() -> None:
    """From and to are local unless they tell their zone, and widen to whole minutes; the address then tells UTC."""
    found = window_of({"from": "2025-10-09T13:00", "to": "2025-10-09T12:00:30Z"}, NOON_NS, BERLIN)
    assert found == Window(NOON_NS - 60 * MINUTE_NS, NOON_NS + MINUTE_NS, 60)
    assert found.query == {"from": "2025-10-09T11:00Z", "to": "2025-10-09T12:01Z"}
    assert window_of(found.query, NOON_NS, BERLIN) == found


@pytest.mark.parametrize(
    "asked",
    [
        {"range": "9y"},
        {"range": ""},
        {"from": "yesterday"},
        {"from": "2025-10-09T12:00Z", "to": "2025-10-09T12:00Z"},
        {"from": "2025-10-10T12:00Z", "to": "2025-10-09T12:00Z"},
        {"from": "2020-01-01", "to": "2025-01-01"},
        {"from": "0001-01-01T00:00", "to": "2025-01-01"},
        {"from": "9999-12-31T23:59:59-23:59"},
        {"from": "9998-01-01", "to": "9998-02-01"},
    ],
)
def test_what_is_no_range(asked: dict[str, str]) -> None:
    """What is no range is refused with what to write instead."""
    with pytest.raises(InvalidRequest):
        window_of(asked, NOON_NS, BERLIN)


@pytest.mark.parametrize("name", RANGES)
def test_steps(name: str) -> None:
    """No range has more than 180 steps, and they cover it."""
    found = window_of({"range": name}, NOON_NS)
    assert len(found.steps) <= 181
    assert found.steps[0] <= found.since_ns < found.steps[0] + found.step_s * SECOND_NS
    assert found.steps[-1] < found.until_ns <= found.steps[-1] + found.step_s * SECOND_NS
    assert all(at % (found.step_s * SECOND_NS) == 0 for at in found.steps)


def test_steps_of_any_length() -> None:
    """400 days have steps of a week; a day has quarters of an hour, of which stores hold sums, and no ten minutes."""
    assert step_of(400 * 86_400) == 7 * 86_400
    assert [step_of(hours * 3600) for hours in (15, 16, 24, 45, 46)] == [300, 900, 900, 900, 1800]


@pytest.mark.parametrize(
    ("calls", "step_s"), [(100_000, 120), (1086, 600), (1080, 600), (1079, 900), (90, 1800), (0, 1800)]
)
def test_steps_have_enough_calls(calls: int, step_s: int) -> None:
    """Steps of six hours are as short as leaves them 30 calls each, and never so long that there are fewer than 12."""
    assert window_of({}, NOON_NS).for_calls(calls).step_s == step_s


def test_the_range_before() -> None:
    """It is as long, and ends where this one begins."""
    found = window_of({"range": "15m"}, NOON_NS)
    assert (found.before.since_ns, found.before.until_ns) == (found.since_ns - 15 * MINUTE_NS, found.since_ns)


def test_steps_that_are_not_whole() -> None:
    """A step is cut where the window begins within it, ends within it, or now lies within it."""
    step_ns = 600 * 10**9
    window = Window(step_ns + 1, 5 * step_ns, 600)
    assert window.cut(9 * step_ns) == {step_ns}
    assert window.cut(5 * step_ns) == {step_ns}
    assert window.cut(4 * step_ns + 1) == {step_ns, 4 * step_ns}
    assert Window(step_ns, 5 * step_ns - 1, 600).cut(9 * step_ns) == {4 * step_ns}
    assert Window(step_ns, 5 * step_ns, 600).cut(9 * step_ns) == frozenset()
