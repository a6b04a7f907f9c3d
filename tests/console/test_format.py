"""How figures are written."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as some
from msgspec.structs import replace

from tests.store.samples import NOON_NS, SECOND_NS
from trimtab.console import format as written
from trimtab.console.figured import told_change
from trimtab.signals.figure import Compared, Figure

DAY_NS = 86_400 * SECOND_NS
BERLIN = ZoneInfo("Europe/Berlin")


@dataclass(frozen=True)
class Rate:
    n: int = 0
    value: float | None = None
    low: float | None = None
    high: float | None = None


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (1, "1"),
        (41.2, "41.2"),
        (999.4, "999"),
        (999.6, "1 k"),
        (1234, "1.23 k"),
        (12_345, "12.3 k"),
        (999_499, "999 k"),
        (999_500, "1 M"),
        (4_500_000, "4.5 M"),
        (2e9, "2 G"),
        (0.00912, "0.00912"),
        (0.0999951, "0.1"),
        (-1234, "-1.23 k"),
        (float("nan"), "\u2013"),
        (None, "\u2013"),
    ],
)
def test_numbers(value: float | None, text: str) -> None:
    """Three significant digits at most, thousands in letters, a dash for nothing."""
    assert written.number(value) == text


@given(some.floats(min_value=1e-9, max_value=1e12))
def test_numbers_never_have_more_than_three_digits(value: float) -> None:
    """Whatever the number, no more than three digits matter, and it is off by half of the last at most."""
    text = written.significant(value)
    assert len(text.replace(".", "").strip("0")) <= 3
    assert float(text) == pytest.approx(value, rel=0.00501)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.934, "93.4 %"),
        (1.0, "100 %"),
        (0.9999, ">99.9 %"),
        (0.9994, "99.9 %"),
        (0.0, "0 %"),
        (0.00001, "<0.01 %"),
        (0.0012, "0.12 %"),
        (-0.25, "-25 %"),
        (None, "\u2013"),
    ],
)
def test_shares(value: float | None, text: str) -> None:
    """A share is 100 % or 0 % only where it is all or none."""
    assert written.share(value) == text


@pytest.mark.parametrize(
    ("ends", "text"),
    [
        ((0.91, 0.952), "91.0-95.2"),
        ((0.99931, 0.9999), "99.93-99.99"),
        ((0.0, 1.0), "0.0-100.0"),
        ((0.0, 0.0381), "0.0-3.9"),
    ],
)
def test_intervals(ends: tuple[float, float], text: str) -> None:
    """Ends are rounded outwards, so that what is written holds what was reckoned."""
    assert written.interval(*ends) == text


def test_rates() -> None:
    """A rate stands with its interval and n; without calls there is a dash; a share of tokens has no interval."""
    assert written.rate(Rate(1000, 0.934, 0.91, 0.952)) == (
        '<span title="n = 1,000">93.4 %</span> <span class="ci">(91.0-95.2)</span>'
    )
    assert written.rate(Rate(5, 0.4)) == '<span title="n = 5">40 %</span>'
    assert "no calls" in written.rate(Rate())
    assert "no calls" in written.rate(None)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (0.00082, "820 \u00b5s"),
        (0.21, "210 ms"),
        (0.9996, "1 s"),
        (1.234, "1.23 s"),
        (99.9, "99.9 s"),
        (125, "2 min 5 s"),
        (3600, "1 h"),
        (12_000, "3 h 20 min"),
        (86_400 * 28, "28 d"),
        (187_200, "2 d 4 h"),
        (-0.266, "-266 ms"),
        (float("inf"), "\u2013"),
        (None, "\u2013"),
    ],
)
def test_durations(seconds: float | None, text: str) -> None:
    """A duration is in the unit in which people say it."""
    assert written.duration(seconds) == text


@pytest.mark.parametrize(
    ("pusd", "text"),
    [(2_100_000_000, "$0.0021"), (12_340_000_000_000, "$12.3"), (-5 * 10**11, "-$0.5"), (0, "$0"), (None, "\u2013")],
)
def test_money(pusd: int | None, text: str) -> None:
    """Picodollars are written as dollars."""
    assert written.money(pusd) == text


@pytest.mark.parametrize(("count", "text"), [(812, "812 B"), (1234, "1.23 kB"), (4_500_000, "4.5 MB")])
def test_sizes(count: int, text: str) -> None:
    """Bytes in powers of a thousand."""
    assert written.size(count) == text


def test_times_are_local_and_absolute_on_hover() -> None:
    """Today only the time of day is shown, this year the day too; the whole is on hover, and in UTC for programs."""
    today = written.when(NOON_NS, BERLIN, NOON_NS + 60 * SECOND_NS)
    assert today == ('<time datetime="2025-10-09T12:00:00.000Z" title="2025-10-09 14:00:00.000 CEST">14:00:00</time>')
    assert ">09 Oct 14:00:00<" in written.when(NOON_NS, BERLIN, NOON_NS + DAY_NS)
    assert ">2025-10-09 14:00:00<" in written.when(NOON_NS, BERLIN, NOON_NS + 365 * DAY_NS)
    assert written.when(0, UTC) == written.when(None, UTC) == '<span class="none">\u2013</span>'


def test_how_long_ago() -> None:
    """An age is in whole seconds, never below 0."""
    assert ">2 min 5 s ago<" in written.ago(NOON_NS, NOON_NS + 125 * SECOND_NS, UTC)
    assert ">0 s ago<" in written.ago(NOON_NS, NOON_NS - SECOND_NS, UTC)


def test_digests_are_cut() -> None:
    """Eight characters tell a digest; its algorithm goes without saying."""
    assert written.digest("sha256:0123456789abcdef") == "01234567"
    assert written.digest("") == "\u2013"


def test_axes() -> None:
    """An axis tells the time of day within two days, else the day."""
    assert written.clock(NOON_NS, UTC, 3600) == "12:00"
    assert written.clock(NOON_NS, UTC, 7 * 86_400) == "09 Oct"


def test_a_number_that_was_read_moves_by_numbers() -> None:
    """An amount in answers that rose by 1.07 did not rise by 107 points; the middle of a share did."""
    change = Compared(53.0, 90, 1.07, None, None, "")
    told = told_change(Figure("predictions", "spread", 100, 54.07, field="answer//amount", change=change))
    assert "+1.07" in told and "points" not in told and "%" not in told
    share = replace(change, value=0.5, difference=0.1)
    assert "+10 points" in told_change(Figure("parse_rate", "ratio", 100, 0.6, change=share))
