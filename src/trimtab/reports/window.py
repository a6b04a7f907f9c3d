"""The window of time a report looks at."""

from __future__ import annotations

import re
from datetime import UTC, datetime

UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
AGO = re.compile(r"(\d{1,6})([smhdw])")
LATEST_NS = (1 << 63) - 1
"""The last time that stores can hold, in April 2262."""


def since_ns(text: str, now_ns: int) -> int:
    """When a window begins, in ns since 1970: `1h` ago, or at `2026-11-01` or `2026-11-01T10:30`.

    A date without a zone is local time. Raises `ValueError` with what to write instead.
    """
    ago = AGO.fullmatch(text.strip())
    if ago is not None:
        return max(0, now_ns - int(ago[1]) * UNITS_S[ago[2]] * 1_000_000_000)
    try:
        at = datetime.fromisoformat(text.strip())
    except ValueError:
        raise ValueError(f"`{text}` is no time; write 30m, 1h, 7d, 2026-11-01 or 2026-11-01T10:30") from None
    try:
        found = max(0, int(at.timestamp()) * 1_000_000_000 + at.microsecond * 1000)
    except (ValueError, OverflowError):
        found = LATEST_NS + 1
    if found > LATEST_NS:
        raise ValueError(f"`{text[:40]}` is no time that anything is known of; write a year from 1970 to 2261")
    return found


def span_s(text: str) -> int:
    """A length of time in seconds: `30m`, `1h`, `7d`; raises `ValueError` with what to write instead."""
    found = AGO.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"`{text[:40]}` is no length of time; write 5m, 1h or 1d")
    return int(found[1]) * UNITS_S[found[2]]


def clock_text(at_ns: int) -> str:
    """A time as people read it: local, to the second, with its zone."""
    return datetime.fromtimestamp(at_ns // 1_000_000_000, UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S %Z")
