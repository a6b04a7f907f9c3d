"""A figure held against that of the window before."""

from __future__ import annotations

from typing import Final

import msgspec

from trimtab.signals.figure import Compared, Figure, Verdict
from trimtab.signals.signal import Signal
from trimtab.statistics.differences import difference_of_shares

NOTHING: Final = Compared(None, 0, None, None, None, "")


def compared(signal: Signal, now: Figure, before: Figure | None) -> Figure:
    """The figure with its change; of shares by Newcombe's interval, of quantiles by those of both.

    The interval of a difference of quantiles takes the far ends of both intervals: it holds at least as often as it
    says. A sum or a mean cost has none.
    """
    if before is None:
        return msgspec.structs.replace(now, change=NOTHING)
    if now.kind == "shares":
        change = Compared(before.value, before.n, _distance(now, before), None, None, "")
        return msgspec.structs.replace(now, change=change)
    if now.value is None or before.value is None:
        return msgspec.structs.replace(now, change=Compared(before.value, before.n, None, None, None, ""))
    low, high = _interval(signal, now, before)
    verdict = _verdict(signal, low, high)
    change = Compared(before.value, before.n, now.value - before.value, low, high, verdict)
    return msgspec.structs.replace(now, change=change)


def _interval(signal: Signal, now: Figure, before: Figure) -> tuple[float | None, float | None]:
    if now.kind == "ratio":
        if not signal.independent or now.count is None or before.count is None:
            return None, None
        return difference_of_shares((before.count, before.n), (now.count, now.n))
    if now.low is None or now.high is None or before.low is None or before.high is None:
        return None, None
    return now.low - before.high, now.high - before.low


def _verdict(signal: Signal, low: float | None, high: float | None) -> Verdict:
    if low is None or high is None or low <= 0 <= high:
        return ""
    if signal.better == "neither":
        return "changed"
    return "better" if (low > 0) == (signal.better == "higher") else "worse"


def _distance(now: Figure, before: Figure) -> float:
    """Half the sum of what the shares differ by: the total variation distance."""
    shares = {part.name: part.share for part in now.parts}
    earlier = {part.name: part.share for part in before.parts}
    return sum(abs(shares.get(name, 0.0) - earlier.get(name, 0.0)) for name in {*shares, *earlier}) / 2
