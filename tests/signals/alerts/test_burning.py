"""Budgets that burn too fast, by windows that objectives of a month and of a day have."""

from __future__ import annotations

import pytest

from tests.signals.alerts.streams import Minute, Stream
from tests.signals.counted import HOUR_NS, NOON_NS, ByHand
from trimtab.declare.alert_defaults import DEFAULTS
from trimtab.declare.project import Objective
from trimtab.policy.watch import TaskWatch
from trimtab.signals.alerts.burning import burning
from trimtab.store.slices import Slice

MINUTE_NS = HOUR_NS // 60
LENGTHS = (5, 30, 60, 360)
"""Minutes that a page looks back."""
RULE = next(rule for rule in DEFAULTS if rule.name == "availability_burns")


def burns(window_days: int, bad: int) -> list[str]:
    """What is told where so many of each 1,000 calls fail all the while, of which 10 may."""
    spent = Slice("route", 0, calls=10_000, outcomes={"ok": 10 * (1000 - bad), "deadline_gap": 10 * bad})
    telemetry = ByHand({(NOON_NS - minutes * MINUTE_NS, NOON_NS): [spent] for minutes in LENGTHS})
    watch = TaskWatch(objective=Objective(success=0.99, window_s=window_days * 86_400.0), alerts=(RULE,))
    return [one.evidence.detail for one in burning(telemetry, {"route": watch}, NOON_NS // MINUTE_NS)]


@pytest.mark.parametrize(
    ("window_days", "bad", "told"),
    [
        (28, 50, []),
        (28, 70, ["7 times as fast as allowed over the last 6 h"]),
        (28, 150, ["15 times as fast as allowed over the last 1 h"]),
        (1, 15, []),
        (1, 30, ["3 times as fast as allowed over the last 1 h"]),
    ],
)
def test_a_page_is_about_twice_the_pace_that_is_allowed_or_more(window_days: int, bad: int, told: list[str]) -> None:
    """Of 28 days 2 % of the budget in an hour is 13.4 times the pace, 5 % in 6 hours 5.6 times; of a day both are less
    than the pace itself, so that there twice the pace counts.
    """
    assert burns(window_days, bad) == told


def test_no_window_is_longer_than_the_objective() -> None:
    """An objective over six hours less a minute is not asked about six hours."""
    spent = Slice("route", 0, calls=10_000, outcomes={"ok": 9_000, "deadline_gap": 1_000})
    calm = Slice("route", 0, calls=10_000, outcomes={"ok": 10_000})
    windows = {5: calm, 30: spent, 60: calm, 360: spent}
    telemetry = ByHand({(NOON_NS - minutes * MINUTE_NS, NOON_NS): [one] for minutes, one in windows.items()})
    for window_s, found in ((6 * 3600.0, 1), (6 * 3600.0 - 60, 0)):
        watch = TaskWatch(objective=Objective(success=0.99, window_s=window_s), alerts=(RULE,))
        assert len(burning(telemetry, {"route": watch}, NOON_NS // MINUTE_NS)) == found


@pytest.mark.parametrize("first", [58, 6])
def test_it_began_when_calls_began_to_fail(first: int) -> None:
    """All calls fail for two minutes: it began with them, however long there were calls before, and not with a few that
    failed long ago.
    """
    now = NOON_NS // MINUTE_NS
    stream = Stream()
    for ago in range(first, 0, -1):
        failed = {1: 100, 2: 100, 50: 10}.get(ago, 0)
        outcomes = {name: count for name, count in (("ok", 100 - failed), ("upstream_error", failed)) if count}
        at = now - ago
        stream.put(at, Minute(Slice("route", at * MINUTE_NS, calls=100, outcomes=outcomes)))
    watch = TaskWatch(objective=Objective(success=0.99, window_s=86_400.0), alerts=(RULE,))
    [found] = burning(stream, {"route": watch}, now)
    assert now - found.began == 2
