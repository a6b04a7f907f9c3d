"""When a window begins."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from trimtab.reports.window import clock_text, since_ns

NOW_NS = 1_760_011_200_000_000_000
"""2025-10-09 12:00:00 UTC."""


@pytest.mark.parametrize(
    ("text", "seconds"), [("30s", 30), ("5m", 300), ("1h", 3600), ("2d", 172_800), ("1w", 604_800), (" 1h ", 3600)]
)
def test_ago(text: str, seconds: int) -> None:
    """A number and a unit lie that far back."""
    assert since_ns(text, NOW_NS) == NOW_NS - seconds * 1_000_000_000


def test_never_before_1970() -> None:
    """However far back, time begins at 1970."""
    assert since_ns("999999w", NOW_NS) == 0


@pytest.mark.parametrize(
    ("text", "at_ns"),
    [
        ("2025-10-09T12:00:00+00:00", NOW_NS),
        ("2025-10-09T14:00:00+02:00", NOW_NS),
        ("2025-10-09T12:00:00.250000Z", NOW_NS + 250_000_000),
    ],
)
def test_at(text: str, at_ns: int) -> None:
    """A time with a zone is that time, to the microsecond."""
    assert since_ns(text, NOW_NS) == at_ns


def test_a_date_is_local() -> None:
    """A date without a zone is midnight where the reader sits."""
    midnight = datetime(2026, 11, 1).astimezone()
    assert since_ns("2026-11-01", NOW_NS) == int(midnight.timestamp()) * 1_000_000_000


@pytest.mark.parametrize("text", ["", "1", "h", "1y", "yesterday", "2026-13-01", "-1h", "1.5h"])
def test_what_is_no_time(text: str) -> None:
    """Anything else is refused with what to write."""
    with pytest.raises(ValueError, match="write 30m, 1h, 7d"):
        since_ns(text, NOW_NS)


@pytest.mark.parametrize("text", ["2262-05-01", "9999-12-31T23:59"])
def test_times_have_an_end(text: str) -> None:
    """What 63 bits of nanoseconds cannot hold no store can be asked for."""
    with pytest.raises(ValueError, match="1970 to 2261"):
        since_ns(text, NOW_NS)


def test_clock_text_is_local_with_its_zone() -> None:
    """A time is shown where the reader sits, to the second, and says in which zone."""
    expected = datetime.fromtimestamp(NOW_NS // 10**9, UTC).astimezone()
    assert clock_text(NOW_NS + 999_999_999) == expected.strftime("%Y-%m-%d %H:%M:%S %Z")
