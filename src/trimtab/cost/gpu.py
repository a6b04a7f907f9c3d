"""What a call costs on hardware that is paid by the hour: its share of the time it ran."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal

from trimtab.cost.meter import Cost
from trimtab.cost.prices import PUSD_PER_USD

NS_PER_S = 10**9
SECONDS_PER_HOUR = 3600


def pusd_per_second(usd_per_hour: Decimal, count: int) -> int:
    """Picodollars a second for `count` accelerators at `usd_per_hour` each, to the nearest picodollar."""
    exact = usd_per_hour * count * PUSD_PER_USD / SECONDS_PER_HOUR
    return int(exact.to_integral_value(ROUND_HALF_EVEN))


def share(pusd_per_s: int, seconds: float, in_flight: int) -> Cost:
    """An equal share of a replica's `seconds` among the `in_flight` calls it was serving; always `estimated`.

    Seconds are taken to the nanosecond; the rest of the arithmetic is in integers, rounded down.
    """
    elapsed_ns = max(0, round(seconds * NS_PER_S))
    return Cost(pusd_per_s * elapsed_ns // (NS_PER_S * max(1, in_flight)), "estimated")
