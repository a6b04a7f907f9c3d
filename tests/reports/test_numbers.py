"""Numbers in tables: three significant digits, units in the head, nothing rounded into certainty."""

from __future__ import annotations

import pytest

from trimtab.reports.numbers import milliseconds, percent, three_digits, usd, whole


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "-"),
        (0, "0"),
        (1, "1"),
        (12, "12"),
        (123, "123"),
        (1234.5, "1230"),
        (1_234_567, "1230000"),
        (999.6, "1000"),
        (9.996, "10"),
        (0.012345, "0.0123"),
        (0.00000123456, "0.00000123"),
        (-4.567, "-4.57"),
        (100, "100"),
        (1e15, "1000000000000000"),
    ],
)
def test_three_digits(value: float | None, text: str) -> None:
    """At most three significant digits, never an exponent, a dash for what is not known."""
    assert three_digits(value) == text


@pytest.mark.parametrize(
    ("share", "text"),
    [(1.0, "100"), (0.0, "0"), (0.9999, ">99.9"), (0.9991, "99.9"), (0.0004, "<0.1"), (0.934, "93.4"), (0.5, "50")],
)
def test_percent(share: float, text: str) -> None:
    """Something short of everything is never shown as 100 %, something more than nothing never as 0 %."""
    assert percent(share) == text


def test_milliseconds() -> None:
    """Seconds are told in milliseconds."""
    assert (milliseconds(0.2104), milliseconds(None), milliseconds(12.3456)) == ("210", "-", "12300")


def test_usd() -> None:
    """Picodollars are told in dollars."""
    assert (usd(2_500_000_000), usd(None), usd(0), usd(1_234_567_890_123_456)) == ("0.0025", "-", "0", "1230")


def test_whole() -> None:
    """Counts stand in full."""
    assert whole(1234567) == "1,234,567"
