"""Differences that may be looked at after every case: the error rate holds however often one looks."""

from __future__ import annotations

from msgspec import Struct

from trimtab.statistics.decision import Decision
from trimtab.statistics.intervals import Interval


class Look(Struct, frozen=True):
    """What is known after some cases: the decision, the mean difference and its interval, which holds at every look."""

    decision: Decision
    value: float
    interval: Interval
    cases: int


class Running(Struct, frozen=True):
    """What a test remembers: plain numbers, all that must be stored to go on exactly."""

    values: tuple[float, ...] = ()
    decided: Decision = Decision.INCONCLUSIVE


class AnytimeTest:
    """Non-inferiority with a look after each case, or group: no number of cases is fixed beforehand."""

    def __init__(self, margin: float, alpha: float = 0.05, spread: float | None = None) -> None:
        raise NotImplementedError

    def begin(self) -> Running:
        """Nothing seen."""
        raise NotImplementedError

    def step(self, running: Running, difference: float) -> tuple[Running, Look]:
        """After one more case's (or group's) difference, from -1 to 1."""
        raise NotImplementedError


class GroupSequentialTest:
    """Non-inferiority with some looks on the way to a declared number of cases."""

    def __init__(self, margin: float, most: int, looks: int = 10, alpha: float = 0.05) -> None:
        raise NotImplementedError

    def begin(self) -> Running:
        """Nothing seen."""
        raise NotImplementedError

    def step(self, running: Running, difference: float) -> tuple[Running, Look]:
        """After one more case's (or group's) difference; between looks nothing is decided."""
        raise NotImplementedError
