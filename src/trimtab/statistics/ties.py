"""Comparisons in which answers hardly vary: what shows there is told by the test itself.

A pilot in which nothing differed has no variance to plan with. Of candidates that differ nowhere it is known for
certain what `paired` says of so many cases. Of a drop it is known that it varies by itself: where cases turn from right
to wrong, differences are -1 for that share of cases and 0 for the others.
"""

from __future__ import annotations

import math
from typing import Final

from trimtab.statistics.clustered import Observation
from trimtab.statistics.paired import paired_test
from trimtab.statistics.power import Shape, Spread, spread_of

MOST_CASES: Final = 100_000
_PILOT: Final = 300


def is_seen(distance: float, cases: int, samples: int, alpha: float = 0.05, cases_per_group: float = 1.0) -> bool:
    """Whether a test of one side at level `alpha` sees a distance from 0 in so many cases none of which differs."""
    alike = _right(int(cases / cases_per_group), samples)
    return len(alike) > 1 and paired_test(alike, alike, exact=cases_per_group <= 1).above(-distance) <= alpha


def cases_needed(distance: float, samples: int, alpha: float = 0.05, cases_per_group: float = 1.0) -> int | None:
    """The least number of cases, none of which differs, that show a distance; None beyond 100,000, or without one."""
    if not distance > 0:
        return None
    low, high = 1, 2
    while not is_seen(distance, high, samples, alpha, cases_per_group):
        low, high = high, high * 2
        if high > MOST_CASES:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if is_seen(distance, middle, samples, alpha, cases_per_group) else (middle, high)
    return high


def spread_of_drop(drop: float, samples: int) -> Spread:
    """How a drop varies of which each case that turns is right in all samples of the base, in none of the candidate."""
    right = _right(_PILOT, samples)
    turned = [
        one._replace(values=(0.0,) * samples) if math.floor((place + 1) * drop) > math.floor(place * drop) else one
        for place, one in enumerate(right)
    ]
    return spread_of(right, turned)


def shape_before(cases: int, squares: float, mixed: int) -> Shape:
    """What the test will add to comparisons of pass or fail, as one arm of so many cases tells before two were seen.

    `squares` is the sum of the squared differences that is expected, `mixed` the number of cases that were right in
    some samples only: as many are expected to differ, or as many as the squares take. See `paired` on the two clusters.
    """
    differing = max(squares, float(mixed))
    return Shape(added=2 * (squares + 2) / (differing + 2) * cases**2 / ((cases + 1) * (cases + 2)))


def _right(cases: int, samples: int) -> list[Observation]:
    return [Observation(str(place), str(place), (1.0,) * samples) for place in range(cases)]
