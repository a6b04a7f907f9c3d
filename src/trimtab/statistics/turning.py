"""The place at which something turned: which step of a run decided how it ended.

At each place some trials go on from there anew, and each of them ends well or badly. Places are numbered from 0, where
everything is done anew, to the last; behind it nothing is, so that it ends as badly as it did. The share that ends well
falls from one place to the next where what lies between them decided.

Along a run that share is a martingale: at each place it is the mean, over what may come next, of that at the next one
(J. L. Doob, "Stochastic Processes", 1953). So where it is nil at the first place it is nil at all of them, and there is
nothing to find. It need not fall all the time; halving finds a place where it does whatever it does elsewhere, and
trying all of them from the last one on finds the last.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final, Literal, NamedTuple

from msgspec import Struct

from trimtab.statistics.exact import clopper_pearson
from trimtab.statistics.flaky import hypergeometric_tail
from trimtab.statistics.intervals import Interval

GONE_PART: Final = 0.2
"""A place counts as one where the good outcome is gone when it comes at most this part as often as at the first."""
MOST_SURE: Final = 0.95
UNTRUE: Final = 0.05
"""The level at which a later share that is higher than an earlier one is no chance."""


class Tally(NamedTuple):
    """Trials at a place, and how many of them ended well."""

    good: int = 0
    trials: int = 0

    @property
    def share(self) -> float:
        """The share that ended well."""
        return self.good / self.trials if self.trials else 0.0


class Next(Struct, frozen=True):
    """Where the next trial is wanted; None when there is an answer.

    Then `at` is the place that turned it, -1 where none did: not even trials from the first place on end well.
    """

    place: int | None
    at: int = -1


class Turning(Struct, frozen=True):
    """How sure a turning place is.

    `here` and `behind` are the exact intervals of the shares there and at the next place. `p_value` is the probability
    that the first would be so much the larger if it were not, times the number of places that could have been named.
    `falling` is false where a later place was surely better than an earlier one: then others may have turned it too.
    """

    here: Interval
    behind: Interval
    p_value: float
    falling: bool


def leaning(tally: Tally, base: float, error: float) -> Literal["back", "gone", ""]:
    """Whether the good outcome comes as often as at the first place (`base`) or is gone; empty while that is open.

    Wald's sequential test, which is wrong with probability `error` at most where the share is one of the two.
    Source: A. Wald, "Sequential tests of statistical hypotheses", Annals of Mathematical Statistics 16 (1945) 117-186.
    """
    evidence = _evidence(tally, base)
    limit = math.log((1 - error) / error)
    return "back" if evidence >= limit else "gone" if evidence <= -limit else ""


def _evidence(tally: Tally, base: float) -> float:
    high = min(base, MOST_SURE)
    low = high * GONE_PART
    bad = tally.trials - tally.good
    return tally.good * math.log(high / low) + bad * math.log((1 - high) / (1 - low))


def following(
    tallies: Mapping[int, Tally], places: int, samples: int, confidence: float = 0.95, *, every: bool = False
) -> Next:
    """Where the next trial of a search over so many places is wanted, with `samples` trials at each at the most.

    The first place has all of its trials, since the others are held against it. With `every`, places are tried from the
    last one on; else the distance is halved. The place that is found, and the next one, have all of their trials too.
    Raises `ValueError` without places or samples.
    """
    if places < 1 or samples < 1 or not 0 < confidence < 1:
        raise ValueError(f"{samples} samples at {places} places with confidence {confidence} is no search")
    first = tallies.get(0, Tally())
    if first.trials < samples:
        return Next(0)
    if not first.good:
        return Next(None)
    error = (1 - confidence) / (places if every else math.ceil(math.log2(places + 1)) + 1)
    base = (first.good + 0.5) / (first.trials + 1)
    low, high = 0, places
    while high - low > 1:
        middle = high - 1 if every else (low + high) // 2
        tally = tallies.get(middle, Tally())
        found = leaning(tally, base, error)
        if not found and tally.trials < samples:
            return Next(middle)
        if found == "back" or (not found and _evidence(tally, base) > 0):
            low = middle
        else:
            high = middle
    for place in (low, high):
        if place < places and tallies.get(place, Tally()).trials < samples:
            return Next(place)
    return Next(None, low)


def turning(tallies: Mapping[int, Tally], at: int, places: int, confidence: float = 0.95) -> Turning:
    """How sure it is that the place at `at` turned it."""
    here, behind = tallies[at], tallies.get(at + 1, Tally())
    if at + 1 < places:
        p_value = hypergeometric_tail(here.good, here.trials, behind.good, behind.trials)
        after = clopper_pearson(*behind, confidence)
    else:
        p_value, after = (0.0 if here.good else 1.0), Interval(0.0, 0.0)
    return Turning(clopper_pearson(*here, confidence), after, min(1.0, p_value * places), _falls(tallies))


def _falls(tallies: Mapping[int, Tally]) -> bool:
    tried = [tally for _, tally in sorted(tallies.items()) if tally.trials]
    pairs = [(one, other) for number, one in enumerate(tried) for other in tried[number + 1 :]]
    return all(
        hypergeometric_tail(other.good, other.trials, one.good, one.trials) * len(pairs) > UNTRUE
        for one, other in pairs
        if other.share > one.share
    )
