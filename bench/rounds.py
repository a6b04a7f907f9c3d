"""Interleaved rounds: every arm once in each round, in a random order that a seed fixes.

Rounds go on until the interval that matters is narrow enough, within a least and a most number. The rule looks at the
interval's width only, never at which side of a limit it lies, so looking again and again favours no verdict
(fixed-width sequential intervals: Chow & Robbins, Annals of Mathematical Statistics 36(2), 1965).
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

Round = dict[str, dict[str, float]]


@dataclass(frozen=True)
class Plan:
    """How many rounds: at least `least`, then until `wide` says no, at most `most`. Arms in `every` join each k-th."""

    least: int
    most: int
    seed: int
    every: Mapping[str, int] = field(default_factory=dict)


@dataclass
class Rounds:
    """What was measured, round by round: arm -> measure -> value. `repeated` counts rounds thrown away and redone."""

    done: list[Round] = field(default_factory=list)
    repeated: int = 0

    def pairs(self, arm: str, base: str, measure: str) -> list[tuple[float, float]]:
        """The measure of `arm` and of `base` in every round that has both."""
        both = (r for r in self.done if measure in r.get(arm, {}) and measure in r.get(base, {}))
        return [(r[arm][measure], r[base][measure]) for r in both]

    def values(self, arm: str, measure: str) -> list[float]:
        """The measure of `arm` in every round that has it."""
        return [r[arm][measure] for r in self.done if measure in r.get(arm, {})]


class FellBehindError(Exception):
    """The machine stalled during a measurement, which would make it look cheaper or dearer than it is."""


def interleave(
    arms: Sequence[str],
    measure: Callable[[str], dict[str, float]],
    plan: Plan,
    wide: Callable[[Rounds], bool],
    tell: Callable[[str], None],
) -> Rounds:
    """Run rounds of `measure(arm)`; a round in which an arm raises `FellBehindError` is redone whole, and counted.

    Raises FellBehindError when more rounds had to be thrown away than may be kept.
    """
    order = random.Random(plan.seed)
    rounds = Rounds()
    while len(rounds.done) < plan.least or (len(rounds.done) < plan.most and wide(rounds)):
        number = len(rounds.done)
        taking_part = [arm for arm in arms if number % plan.every.get(arm, 1) == 0]
        order.shuffle(taking_part)
        try:
            rounds.done.append({arm: measure(arm) for arm in taking_part})
        except FellBehindError as error:
            rounds.repeated += 1
            tell(f"round {number + 1} is repeated: {error}")
            if rounds.repeated > plan.most:
                raise
            continue
        tell(f"round {number + 1} of {plan.least} to {plan.most}")
    return rounds
