"""Whether something is worse by more than a margin, looked at as often as one likes, for good.

Money is bet on harm, at several stakes at once, each with an equal part of it. If the mean loss is no larger than the
margin no bet is better than fair, so the money ever grows 1/alpha-fold with a chance of at most alpha (J. Ville, 1939).
The bets on means of bounded numbers are those of I. Waudby-Smith and A. Ramdas, "Estimating means of bounded random
variables by betting", JRSS B 86 (2024) 1-27; the mixture over stakes is after H. Robbins, Annals of Mathematical
Statistics 41 (1970) 1397-1409. Small stakes find small harm in time, large ones find great harm after a few losses.
"""

from __future__ import annotations

import math
from typing import Final

from msgspec import Struct

STAKES: Final = (0.025, 0.05, 0.1, 0.2, 0.4, 0.8)


class HarmRunning(Struct, frozen=True):
    """What a test remembers. `money` are logarithms, one for each stake, `best` that of the most there ever was in all.

    `total` is the sum of the differences of `seen` units.
    """

    seen: int = 0
    total: float = 0.0
    money: tuple[float, ...] = (0.0,) * len(STAKES)
    best: float = 0.0

    @property
    def mean(self) -> float:
        """The mean difference; 0 before there is one."""
        return self.total / self.seen if self.seen else 0.0

    @property
    def p_value(self) -> float:
        """The most probable that such a loss ever shows where there is no harm; it holds at every look."""
        return math.exp(-self.best)


class HarmTest:
    """Differences lie between -1 and 1, below 0 where it is worse. Raises `ValueError` for a margin not in [0, 1)."""

    def __init__(self, margin: float) -> None:
        if not 0 <= margin < 1:
            raise ValueError(f"a margin of {margin} is none: give one from 0 to below 1")
        self._margin = margin

    def step(self, running: HarmRunning, difference: float) -> HarmRunning:
        """After one more unit's difference. Raises `ValueError` for one that is not from -1 to 1."""
        if not -1 <= difference <= 1:
            raise ValueError(f"a difference of {difference} is none of rates: scale it to -1 to 1")
        harm = -difference - self._margin
        money = tuple(
            one + math.log1p(stake / (1 + self._margin) * harm)
            for one, stake in zip(running.money, STAKES, strict=True)
        )
        most = max(money)
        whole = most + math.log(math.fsum(math.exp(one - most) for one in money) / len(money))
        return HarmRunning(running.seen + 1, running.total + difference, money, max(running.best, whole))
