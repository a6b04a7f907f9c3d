"""How figures are written, in one place: three significant digits at most, the unit behind, an interval in brackets."""

from __future__ import annotations

import math
from datetime import UTC, datetime, tzinfo
from typing import Final, Protocol

from markupsafe import Markup

NOTHING: Final = "\u2013"
"""What stands where there is no figure."""
THOUSANDS: Final = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))
SECOND_NS: Final = 1_000_000_000


class Share(Protocol):
    """A share from 0 to 1 of `n`, with the ends of its interval where there is one."""

    @property
    def n(self) -> int:
        """Of how many."""

    @property
    def value(self) -> float | None:
        """The share."""

    @property
    def low(self) -> float | None:
        """The lower end of its interval."""

    @property
    def high(self) -> float | None:
        """The upper end of its interval."""


def significant(value: float, digits: int = 3) -> str:
    """A number with so many significant digits at most, without an exponent and without zeros at its end."""
    if not math.isfinite(value):
        return NOTHING
    if value == 0:
        return "0"
    exponent = math.floor(math.log10(abs(value)))
    places = digits - 1 - exponent
    rounded = round(value, places)
    if rounded and math.floor(math.log10(abs(rounded))) > exponent:
        places -= 1
    text = f"{rounded:.{max(0, places)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def number(value: float | None) -> str:
    """`41.2`, `1.23 k`, `4.5 M`; a whole number below 1000 in full."""
    if value is None:
        return NOTHING
    for size, letter in THOUSANDS:
        if abs(value) >= size * 0.9995:
            return f"{significant(value / size)} {letter}"
    return significant(value)


def exact(value: int) -> str:
    """A count in full, in groups of three: `12,345`."""
    return f"{value:,}"


def share(value: float | None) -> str:
    """`93.4 %`; `100 %` and `0 %` only where it is all or none."""
    if value is None or not math.isfinite(value):
        return NOTHING
    if 0.9995 <= value < 1:
        return ">99.9 %"
    if 0 < value < 0.00005:
        return "<0.01 %"
    return f"{significant(100 * value)} %"


def interval(low: float, high: float) -> str:
    """`91.0-95.2`: both ends in percent, with as many places as the finer one needs, two at most."""
    places = 1 if high - low >= 0.001 or (low, high) == (0.0, 1.0) else 2
    return f"{_floor(100 * low, places)}-{_ceil(100 * high, places)}"


def rate(value: Share | None) -> Markup:
    """`93.4 % (91.0-95.2)`, the interval smaller and `n` on hover; nothing where n is 0."""
    if value is None or value.value is None:
        return Markup('<span class="none" title="no calls to measure it on">{}</span>').format(NOTHING)
    told = Markup('<span title="n = {}">{}</span>').format(exact(value.n), share(value.value))
    if value.low is None or value.high is None:
        return told
    return Markup('{} <span class="ci">({})</span>').format(told, interval(value.low, value.high))


def duration(seconds: float | None) -> str:
    """`820 µs`, `210 ms`, `1.23 s`, `2 min 5 s`, `3 h 20 min`, `2 d 4 h`."""
    if seconds is None or not math.isfinite(seconds):
        return NOTHING
    if seconds < 0:
        return f"-{duration(-seconds)}"
    if seconds == 0:
        return "0 s"
    if seconds < 0.0009995:
        return f"{significant(seconds * 1e6)} \u00b5s"
    if seconds < 0.9995:
        return f"{significant(seconds * 1e3)} ms"
    if seconds < 99.95:
        return f"{significant(seconds)} s"
    for size, unit, smaller, smaller_unit in ((86_400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        whole, rest = divmod(round(seconds / smaller), size // smaller)
        if whole:
            return f"{whole} {unit} {rest} {smaller_unit}" if rest and whole < 100 else f"{whole} {unit}"
    return f"{significant(seconds)} s"


def money(pusd: float | None) -> str:
    """US dollars from picodollars: `$0.0021`, `$12.3`, `$1.23 k`."""
    if pusd is None:
        return NOTHING
    if pusd < 0:
        return f"-{money(-pusd)}"
    return f"${number(pusd / 1e12)}"


def size(bytes_: float | None) -> str:
    """`812 B`, `1.23 kB`, `4.5 MB`."""
    if bytes_ is None:
        return NOTHING
    told = number(bytes_)
    return f"{told}B" if told[-1:].isalpha() else f"{told} B"


def when(at_ns: int | None, zone: tzinfo, now_ns: int | None = None) -> Markup:
    """A time as `<time>`: local to the second, with the day unless that is today; absolute on hover."""
    if not at_ns:
        return Markup('<span class="none">{}</span>').format(NOTHING)
    local = datetime.fromtimestamp(at_ns // SECOND_NS, zone)
    now = datetime.fromtimestamp(now_ns // SECOND_NS, zone) if now_ns is not None else None
    told = "%Y-%m-%d %H:%M:%S"
    if now is not None and now.date() == local.date():
        told = "%H:%M:%S"
    elif now is not None and now.year == local.year:
        told = "%d %b %H:%M:%S"
    return Markup('<time datetime="{}" title="{}">{}</time>').format(
        stamp(at_ns), absolute(at_ns, zone), local.strftime(told)
    )


def ago(at_ns: int | None, now_ns: int, zone: tzinfo) -> Markup:
    """How long ago, as `<time>` with the absolute time on hover: `3 min ago`."""
    if not at_ns:
        return Markup('<span class="none">{}</span>').format(NOTHING)
    passed = max(0, now_ns - at_ns) / SECOND_NS
    return Markup('<time datetime="{}" title="{}">{} ago</time>').format(
        stamp(at_ns), absolute(at_ns, zone), duration(round(passed) if passed >= 1 else 0)
    )


def stamp(at_ns: int) -> str:
    """ISO 8601 in UTC, to the millisecond."""
    return datetime.fromtimestamp(at_ns / SECOND_NS, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def absolute(at_ns: int, zone: tzinfo) -> str:
    """Date, time to the millisecond, and zone."""
    local = datetime.fromtimestamp(at_ns / SECOND_NS, zone)
    return f"{local:%Y-%m-%d %H:%M:%S}.{local.microsecond // 1000:03d} {local:%Z}"


def clock(at_ns: int, zone: tzinfo, span_s: float) -> str:
    """A time as an axis tells it: `14:05` within a day or so, `03 Nov` over more."""
    local = datetime.fromtimestamp(at_ns // SECOND_NS, zone)
    return local.strftime("%H:%M" if span_s <= 2 * 86_400 else "%d %b")


def digest(text: str) -> str:
    """The beginning of a digest."""
    return text.removeprefix("sha256:")[:8] or NOTHING


def _floor(value: float, places: int) -> str:
    return f"{math.floor(round(value * 10**places, 6)) / 10**places:.{places}f}"


def _ceil(value: float, places: int) -> str:
    return f"{math.ceil(round(value * 10**places, 6)) / 10**places:.{places}f}"
