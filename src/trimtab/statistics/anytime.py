"""Differences that may be looked at after every case: the error rate holds however often one looks.

Money is bet against the change being worse than the margin, and other money against its being no worse. Fair bets do
not grow: if the change is worse, the first ever grows twentyfold with a probability of at most 1 / 20 (J. Ville,
1939). The bets are those of I. Waudby-Smith and A. Ramdas, "Estimating means of bounded random variables by betting",
JRSS B 86 (2024) 1-27: a share of the money that is best for a change which lies as far from the bound as the margin is
wide, given what was seen before. The interval is their empirical Bernstein confidence sequence (theorem 2).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Final

from msgspec import Struct

from trimtab.statistics.baseline import HOURS, RateBaseline, RateStep
from trimtab.statistics.decision import Decision
from trimtab.statistics.intervals import Interval
from trimtab.statistics.rates import RateDetector
from trimtab.statistics.sequential import Detector

ALLOWANCE: Final = 1.5
"""So many times the cases of a test with one look at the end give the same power; far fewer are used on average."""
FALLS: Final = (0.7, 0.2, 0.1)
"""Which part of the false alarms is for a drop as declared, and for larger ones (`rates.STEPS`)."""
_MOST_AT_STAKE: Final = 0.9
_PRIOR: Final = 5.0
_USUAL_VARIANCE: Final = 0.1
_LEAST_VARIANCE: Final = 1e-4
_NEWTON_STEPS: Final = 8
_LEAST_STEPS: Final = 24
_LEAST_CLUMPING: Final = 0.25


class Look(Struct, frozen=True):
    """What is known after some cases: the decision, the mean difference and its interval, which holds at every look.

    `ship` and `block` are p-values that hold at every look too: the least chance so far, if the change is worse than
    the margin, or no worse.
    """

    decision: Decision
    value: float
    interval: Interval
    cases: int
    ship: float
    block: float


class Running(Struct, frozen=True):
    """What a test remembers: plain numbers, all that must be stored to go on exactly.

    `ship` and `block` are logarithms of the money, `best` the largest of each so far. `weight`, `weighted` and `spent`
    are what the interval is made of. A decision, once made, stays.
    """

    cases: int = 0
    total: float = 0.0
    squares: float = 0.0
    fourths: float = 0.0
    ship: float = 0.0
    block: float = 0.0
    best: tuple[float, float] = (0.0, 0.0)
    weight: float = 0.0
    weighted: float = 0.0
    spent: float = 0.0
    decision: Decision = Decision.INCONCLUSIVE


class AnytimeTest:
    """Non-inferiority with a look after each case, or each group of cases that depend on each other.

    `margin` is how much worse is still fine, above 0. Differences lie between -`largest` and `largest`, 1 for scores
    from 0 to 1. `variance` is that of a case's difference as planned; it steers the first bets only. It ships a change
    that is worse than the margin with probability at most `alpha`, and blocks one that is not with the same.
    Raises `ValueError` for a margin not between 0 and `largest`, or a foreign alpha.
    """

    def __init__(self, margin: float, alpha: float = 0.05, variance: float | None = None, largest: float = 1.0) -> None:
        if not 0 < margin < largest or not 0 < alpha < 1:
            raise ValueError(
                f"a margin of {margin} at a level of {alpha} is no test: give a margin above 0 and below {largest}, "
                "and a level between 0 and 1"
            )
        self.margin, self.alpha, self.largest = margin / largest, alpha, largest
        self.variance = (_USUAL_VARIANCE if variance is None else variance / largest**2) or _LEAST_VARIANCE
        self._limit = -math.log(alpha)

    def begin(self) -> Running:
        """Nothing seen."""
        return Running()

    def step(self, running: Running, difference: float) -> tuple[Running, Look]:
        """After one more case's (or group's mean) difference. Raises `ValueError` for one beyond the largest."""
        x = difference / self.largest
        if not -1 <= x <= 1:
            raise ValueError(f"a difference of {difference} lies beyond {self.largest}: scale scores to 0 to 1")
        mean, variance, bet = self._known(running)
        bet = min(bet, _MOST_AT_STAKE / (1 + self.margin))
        ship = running.ship + math.log1p(bet * (x + self.margin))
        block = running.block + math.log1p(bet * (-x - self.margin))
        best = max(running.best[0], ship), max(running.best[1], block)
        decision = running.decision
        if decision is Decision.INCONCLUSIVE:
            shipped, blocked = best[0] >= self._limit, best[1] >= self._limit
            decision = Decision.SHIP if shipped else Decision.BLOCK if blocked else decision
        cases = running.cases + 1
        share = min(0.5, math.sqrt(2 * math.log(2 / self.alpha) / (variance / 4 * cases * math.log1p(cases))))
        off = (x - mean) / 2
        after = Running(
            cases=cases,
            total=running.total + x,
            squares=running.squares + x * x,
            fourths=running.fourths + x**4,
            ship=ship,
            block=block,
            best=best,
            weight=running.weight + share,
            weighted=running.weighted + share * x,
            spent=running.spent + off * off * (-math.log1p(-share) - share),
            decision=decision,
        )
        return after, self.look(after)

    def look(self, running: Running) -> Look:
        """What is known, without a step."""
        if not running.cases:
            return Look(running.decision, 0.0, Interval(-self.largest, self.largest), 0, 1.0, 1.0)
        middle = running.weighted / running.weight
        half = 2 * (math.log(2 / self.alpha) + running.spent) / running.weight
        interval = Interval(self.largest * max(-1.0, middle - half), self.largest * min(1.0, middle + half))
        return Look(
            running.decision, self.largest * running.total / running.cases, interval, running.cases,
            math.exp(-running.best[0]), math.exp(-running.best[1]),
        )  # fmt: skip

    def _known(self, running: Running) -> tuple[float, float, float]:
        """Mean and variance of what was seen before, with the planned ones counted as five cases, and the best bet.

        That one makes the expected logarithm of the money largest, up to its fourth order: as far from the bound as
        the margin is wide, m, it is the root of bet * variance + bet^3 * fourth moment = m.
        """
        n = running.cases
        mean = running.total / (n + 1)
        off = running.squares - n * (running.total / n) ** 2 if n else 0.0
        variance = max(_LEAST_VARIANCE, (_PRIOR * self.variance + off) / (_PRIOR + n))
        fourth = (_PRIOR * self.variance + running.fourths) / (_PRIOR + n)
        bet = self.margin / variance
        for _ in range(_NEWTON_STEPS):
            bet -= (bet * variance + bet**3 * fourth - self.margin) / (variance + 3 * bet**2 * fourth)
        return mean, variance, bet


class DropDetector(RateDetector):
    """A `RateDetector` of falls alone, of the same cases again and again: their baseline is `steady_rate`.

    Nothing but the error of learning has to be spared for, so that evidence is held to more of the false alarms; most
    of these are for a fall of the size that was asked for, the rest for larger ones.
    """

    spare = 0.7

    def __init__(self, baseline: RateBaseline, drop: float, false_alarms_per_month: float) -> None:
        super().__init__(baseline, "falls", drop, false_alarms_per_month)
        weighted = [one._replace(weight=part) for one, part in zip(self.alternatives, FALLS, strict=True)]
        Detector.__init__(self, weighted, false_alarms_per_month)


def drop_detector(baseline: RateBaseline, drop: float = 0.05, false_alarms_per_month: float = 1.0) -> DropDetector:
    """Whether a success rate has fallen by about `drop` from what was learned, for an evaluation that goes on for ever.

    A test of a fixed question would find the least change some day; this one finds any change in time, and its false
    alarms are so many a month at most however often it looks (`sequential.Detector`, which see for its steps).
    """
    return DropDetector(baseline, drop, false_alarms_per_month)


def steady_rate(steps: Iterable[RateStep]) -> RateBaseline:
    """The baseline of a success rate that knows no hours or weekdays: the same cases, evaluated on a schedule.

    The same cases vary less than as many fresh ones, since each has its own chance: `clumping` is what the steps show,
    with one standard error for caution, and may be below 1. Days count as different where that is beyond chance. No
    steps give a baseline of which nothing is known, against which nothing raises an alarm.
    """
    counts = [step for step in steps if step.n > 0]
    of, n = sum(step.of for step in counts), sum(step.n for step in counts)
    share = (of + 0.5) / (n + 1)
    variance = share * (1 - share)
    days: dict[int, list[float]] = {}
    pearson = 0.0
    for step in counts:
        off = step.of - step.n * share
        pearson += off * off / (step.n * variance)
        sums = days.setdefault((step.minute - 1) // (24 * 60), [0.0, 0.0])
        sums[0] += off
        sums[1] += step.n * variance
    freedom = len(counts) - 1
    enough = freedom >= _LEAST_STEPS
    clumping = max(_LEAST_CLUMPING, pearson / freedom * (1 + math.sqrt(2 / freedom))) if enough else 1.0
    wobble = _wobble(list(days.values()), clumping)
    error = clumping * (1 / (of + 0.5) + 1 / (n - of + 0.5)) + wobble**2 / max(1, len(days))
    return RateBaseline((share,) * HOURS, (math.sqrt(error),) * HOURS, wobble, clumping, n, len(days))


def _wobble(days: list[list[float]], clumping: float) -> float:
    """How much logits of days differ, 0 where that is within two standard errors of nothing."""
    squares = math.fsum(variance * variance for _, variance in days)
    if len(days) < 2 or squares <= 0:
        return 0.0
    seen = math.fsum(off * off - clumping * variance for off, variance in days) / squares
    chance = math.sqrt(2 * clumping**2 / squares)
    return math.sqrt(seen) if seen > 2 * chance else 0.0
