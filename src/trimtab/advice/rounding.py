"""Numbers that a person would write: a measured figure with its margin, rounded to the safe side."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Final

STEPS: Final = (1.0, 1.2, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0)
"""What limits begin with."""
FINE: Final = (*STEPS, 1.1, 1.3, 1.4, 1.6, 1.8, 2.2, 2.8, 3.2, 3.5, 4.5, 5.5, 6.5, 7.0, 7.5, 9.0)
"""What goals begin with."""
SHARES: Final = (0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999)
SLACK: Final = 1e-9


def at_least(value: float) -> float:
    """The next larger number of those that limits are written in."""
    power = _power(value)
    return next(step * power for step in STEPS if step * power >= value * (1 - SLACK))


def at_most(value: float) -> float:
    """The next smaller number of those that goals are written in."""
    power = _power(value)
    return max(step * power for step in FINE if step * power <= value * (1 + SLACK))


def tokens_at_least(value: float) -> int:
    """The next larger of 16, 24, 32, 48, 64, 96 and so on."""
    power = 16
    while power < value:
        if power * 3 // 2 >= value:
            return power * 3 // 2
        power *= 2
    return power


def share_at_least(value: float, n: int) -> float:
    """The next larger share that a goal is written in, as far as `n` calls can show one: there is room for one failure.

    A share that is seen on fewer calls than it needs gives the largest one that they can show.
    """
    shown = [share for share in SHARES if n * (1 - share) >= 1 - SLACK]
    if not shown:
        return SHARES[0]
    return next((share for share in shown if share >= value - SLACK), shown[-1])


def duration(seconds: float) -> str:
    """Seconds as a declaration writes them: `250ms`, `1.5s`."""
    if seconds < 1:
        return f"{_plain(round(seconds * 1000, 3))}ms"
    return f"{_plain(round(seconds, 3))}s"


def _plain(number: float) -> str:
    return f"{Decimal(repr(number)).normalize():f}"


def _power(value: float) -> float:
    if not (value > 0 and math.isfinite(value)):
        raise ValueError(f"{value} cannot be rounded to a limit; give a number above 0")
    return float(10.0 ** math.floor(math.log10(value) + SLACK))
