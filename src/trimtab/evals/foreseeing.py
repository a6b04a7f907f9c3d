"""What an evaluation will be able to tell, before anything is spent on it."""

from __future__ import annotations

import math
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from trimtab.declare.evaluating import Evals
from trimtab.evals.looking import looks_of
from trimtab.evals.observing import AMOUNTS
from trimtab.evals.report import ALL_OF, CaseResult, Report
from trimtab.evals.words import count, digits
from trimtab.statistics import power, ties
from trimtab.statistics.clustered import Observation, VarianceParts, variance_parts
from trimtab.statistics.group_sequential import plan

USUAL_RIGHT: Final = 0.85
"""The share of right answers that is expected where no earlier evaluation tells."""
_STEPS: Final = 12
"""By halves, to within a 40th of a point."""


class Foresight(Struct, frozen=True):
    """What so many cases with so many samples can tell of the first score.

    `ships` is the probability that a candidate which is as good as the base is shipped, `to_ship` how many cases give
    the suite's power for that. `blocked` is the smallest drop that is blocked with that power. None is what cannot be
    told, or takes more than ten million cases. `is_known` says that an earlier evaluation told how scores vary.
    """

    cases: int
    samples: int
    ships: float
    to_ship: int | None
    blocked: float | None
    is_known: bool
    words: str


def spread_of(earlier: Report | None) -> power.Spread:
    """How much the first score will vary: as it did in an earlier evaluation, else as 85 % of right answers do."""
    if earlier is None or not tells(earlier):
        return power.spread_before(VarianceParts(0.0, USUAL_RIGHT * (1 - USUAL_RIGHT), math.nan, 100, 100, 1.0))
    found = earlier.spread
    if found is None:
        return _spread_of_single(earlier)
    if earlier.base is not None:  # of differences: what samples add comes from both arms
        each = found.within_cases / 2
        return power.Spread(found.between_cases, each, each, found.design_effect, found.cases_per_group, found.shapes)
    cases, samples = max(2, len(earlier.cases)), earlier.exactly.samples
    spread = power.spread_before(
        VarianceParts(0.0, found.between_cases, found.within_cases, cases, cases, float(samples))
    )
    if not _is_pass_or_fail(earlier):
        return spread
    mixed = sum(one.candidate not in {None, 0.0, 1.0} for one in earlier.cases)
    return replace(spread, shapes=(ties.shape_before(cases, cases * spread.of_case(samples), mixed),))


def tells(earlier: Report) -> bool:
    """Whether an evaluation tells how the first score varies; one with a single sample of each case too."""
    return earlier.spread is not None or len(_marked(earlier)) > 1


def _marked(earlier: Report) -> list[CaseResult]:
    """The cases whose one sample was marked in each arm there is, where there was one of each."""
    is_share = bool(earlier.metrics) and earlier.metrics[0].unit == "share"
    if earlier.exactly.samples > 1 or not is_share:
        return []
    return [
        one for one in earlier.cases if one.candidate is not None and (earlier.base is None or one.base is not None)
    ]


def _spread_of_single(earlier: Report) -> power.Spread:
    """What one sample of each case tells: all that varies counts as between cases."""
    marked = _marked(earlier)
    base, candidate = (
        [Observation(one.case, one.group or one.case, (value or 0.0,)) for one, value in side]
        for side in ([(one, one.base) for one in marked], [(one, one.candidate) for one in marked])
    )
    if earlier.base is not None:
        return power.spread_of(base, candidate)
    spread = power.spread_before(variance_parts(candidate))
    if not _is_pass_or_fail(earlier) or not spread.of_case(1) > 0:
        return spread
    return replace(spread, shapes=(ties.shape_before(len(marked), len(marked) * spread.of_case(1), 0),))


def foresee(evals: Evals, cases: int, earlier: Report | None = None, *, early: bool = False) -> Foresight:
    """What an evaluation of so many cases will tell; one that may end `early` is told for its longest run.

    Raises `ValueError` for a suite without a scorer, or whose first one marks amounts.
    """
    if not evals.scorers or evals.scorers[0].kind in AMOUNTS:
        raise ValueError("nothing can be foreseen of a suite whose first scorer is none of right and wrong")
    first = evals.scorers[0]
    margin = evals.margin if first.margin is None else first.margin
    spread, samples = spread_of(earlier), evals.samples
    worth = _worth(cases, evals) if early else cases
    if spread.of_case(samples) > 0:
        ships = power.power_of(spread, samples, worth, margin, evals.alpha)
        needed = power.cases_needed(spread, samples, margin, evals.power, evals.alpha) if margin > 0 else None
    else:  # nothing differed: what the test makes of that is certain
        ships = float(ties.is_seen(margin, worth, samples, evals.alpha, spread.cases_per_group))
        needed = ties.cases_needed(margin, samples, evals.alpha, spread.cases_per_group)
    to_ship = needed
    if early and needed is not None:
        to_ship = plan(needed, looks_of(cases), evals.power, evals.alpha).most
    blocked = _smallest_drop(evals, worth, margin, earlier)
    is_known = earlier is not None and tells(earlier)
    found = Foresight(cases, samples, ships, to_ship, blocked, is_known, "")
    return Foresight(cases, samples, ships, to_ship, blocked, is_known, _words(found, evals, margin))


def _worth(cases: int, evals: Evals) -> int:
    """How many cases with one look at the end tell as much as these, which are looked at on the way."""
    hundred = plan(100, looks_of(cases), evals.power, evals.alpha).most
    return max(1, cases * 100 // hundred)


def _smallest_drop(evals: Evals, worth: int, margin: float, earlier: Report | None) -> float | None:
    """The smallest drop of the first score that is blocked with the suite's power, None where none is."""
    level = _to_block(evals)
    seen = spread_of(earlier).mirrored()
    least = margin + power.smallest_effect(seen, evals.samples, worth, evals.power, level)
    if least > 1 or not _varies_by_itself(evals, earlier):
        return least if least <= 1 else None

    def is_blocked(drop: float) -> bool:
        spread = ties.spread_of_drop(drop, evals.samples).mirrored()
        return power.power_of(spread, evals.samples, worth, drop - margin, level) >= evals.power

    low, high = least, 1.0
    if low > margin and is_blocked(low):
        return low
    for _ in range(_STEPS):
        middle = (low + high) / 2
        low, high = (low, middle) if is_blocked(middle) else (middle, high)
    return high if high < 1 else None


def cases_to_block(evals: Evals, drop: float, earlier: Report | None = None) -> int | None:
    """How many cases a drop needs to be blocked with the suite's power; None for one within the margin."""
    first = evals.scorers[0] if evals.scorers else None
    margin = evals.margin if first is None or first.margin is None else first.margin
    spreads = [spread_of(earlier).mirrored()]
    if _varies_by_itself(evals, earlier):
        spreads.append(ties.spread_of_drop(drop, evals.samples).mirrored())
    found = [power.cases_needed(one, evals.samples, drop - margin, evals.power, _to_block(evals)) for one in spreads]
    known = [one for one in found if one is not None]
    return max(known) if len(known) == len(found) else None


def _varies_by_itself(evals: Evals, earlier: Report | None) -> bool:
    """Whether a drop varies by itself, however little answers did: where they are right or wrong, or did not vary."""
    return _is_pass_or_fail(earlier) or not spread_of(earlier).of_case(evals.samples) > 0


def _is_pass_or_fail(earlier: Report | None) -> bool:
    if earlier is None:
        return False
    if earlier.spread is None:
        return all(value in {None, 0.0, 1.0} for one in _marked(earlier) for value in (one.base, one.candidate))
    return any(one.name.startswith(ALL_OF) for one in earlier.metrics)


def _to_block(evals: Evals) -> float:
    """The level at which the first score blocks: half of alpha where something else may veto, see `deciding`."""
    vetoes = len(evals.scorers) > 1 or evals.guards or evals.slices
    return evals.alpha / 2 if vetoes else evals.alpha


def _words(found: Foresight, evals: Evals, margin: float) -> str:
    size = f"{count(found.cases, 'case')} with {count(found.samples, 'sample')} of each"
    told = f"{size}: a candidate as good as the base is shipped with a probability of {_percent(found.ships)}"
    if found.ships < evals.power and found.to_ship is not None:
        told += f"; {_percent(evals.power)} takes {count(found.to_ship, 'case')}"
    told += f" (margin {digits(margin * 100)} points)."
    if found.blocked is not None:
        told += f" A drop of {found.blocked * 100:.1f} points is blocked with {_percent(evals.power)}."
    if not found.is_known:
        told += f" This takes it that {USUAL_RIGHT * 100:g} % of answers are right; the first evaluation will tell."
    return told


def _percent(share: float) -> str:
    return f"{min(share, 0.99) * 100:.0f} %" if share < 0.995 else "more than 99 %"
