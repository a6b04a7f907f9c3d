"""Ship, block or inconclusive: what differences say about a margin."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from msgspec import Struct

from trimtab.statistics.multiplicity import holm
from trimtab.statistics.paired import Difference


class Decision(StrEnum):
    """What a comparison says of a change."""

    SHIP = "ship"
    BLOCK = "block"
    INCONCLUSIVE = "inconclusive"


class Verdict(Struct, frozen=True):
    """A decision about one metric.

    `ship` is the p-value of the change being worse than the margin allows (small: it is fine), `block` that of its
    being no worse than that (small: it is bad). `margin` is below 0 where the change had to be better.
    """

    decision: Decision
    ship: float
    block: float
    margin: float
    alpha: float


class Combined(Struct, frozen=True):
    """A decision about several metrics and slices, and those that made it, by name."""

    decision: Decision
    blocked_by: tuple[str, ...]
    undecided: tuple[str, ...]


def non_inferiority(
    difference: Difference, margin: float, alpha: float = 0.05, higher_is_better: bool = True
) -> Verdict:
    """Ship if the difference is surely above -margin, block if it is surely below; each errs with probability alpha.

    Raises `ValueError` for a margin below 0.
    """
    if not margin >= 0:
        raise ValueError(f"{margin} is no margin: give how much worse is still fine, 0 or more")
    return judged(difference, margin, alpha, higher_is_better)


def superiority(
    difference: Difference, margin: float = 0.0, alpha: float = 0.05, higher_is_better: bool = True
) -> Verdict:
    """Ship if the change is surely better by more than `margin`, block if it is surely not that much better."""
    if not margin >= 0:
        raise ValueError(f"{margin} is no margin: give how much better it has to be, 0 or more")
    return judged(difference, -margin, alpha, higher_is_better)


def judged(difference: Difference, margin: float, alpha: float, higher_is_better: bool = True) -> Verdict:
    """What a difference says of the bound -margin, or margin where less is better; below 0, of being so much better."""
    if higher_is_better:
        ship, block = difference.above(-margin), difference.below(-margin)
    else:
        ship, block = difference.below(margin), difference.above(margin)
    decision = Decision.SHIP if ship <= alpha else Decision.BLOCK if block <= alpha else Decision.INCONCLUSIVE
    return Verdict(decision, ship, block, margin, alpha)


def combined(metrics: Mapping[str, Verdict], vetoes: Mapping[str, Verdict], alpha: float = 0.05) -> Combined:
    """One decision of several metrics, all of which must be fine, and of slices, each of which may veto.

    Block if any of all is bad after Holm's correction, so that a change that is fine everywhere is blocked with
    probability at most alpha. Ship if every metric is fine: no correction is needed, since one bad metric alone is
    shipped with probability at most alpha (R. L. Berger, Technometrics 24 (1982) 295-300, intersection-union tests).
    Slices only veto: they need not be shown to be fine.
    """
    everything = {**metrics, **{f"slice {name}": one for name, one in vetoes.items()}}
    adjusted = holm([one.block for one in everything.values()])
    blocked = tuple(name for name, p in zip(everything, adjusted, strict=True) if p <= alpha)
    undecided = tuple(name for name, one in metrics.items() if one.ship > alpha)
    decision = Decision.BLOCK if blocked else Decision.INCONCLUSIVE if undecided or not metrics else Decision.SHIP
    return Combined(decision, blocked, undecided)
