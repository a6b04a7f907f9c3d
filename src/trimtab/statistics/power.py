"""What a comparison can see: cases needed for an effect, and the effect that so many cases show."""

from __future__ import annotations

from statistics import NormalDist
from typing import Final

from msgspec import Struct

from trimtab.statistics.paired import Difference

MOST_CASES: Final = 10_000_000
_NORMAL: Final = NormalDist()


class Spread(Struct, frozen=True):
    """What the variance of a paired difference is made of, in the squared unit of the scores.

    `difference` is the variance between cases of their true difference (omega^2), `base` and `candidate` that between
    samples of one case. `design_effect` is the factor by which groups raise the variance.
    """

    difference: float
    base: float = 0.0
    candidate: float = 0.0
    design_effect: float = 1.0

    def of_case(self, samples: float, samples_base: float | None = None) -> float:
        """The variance that one case's difference has with so many samples of each side, groups included."""
        of_base = samples if samples_base is None else samples_base
        return self.design_effect * (self.difference + self.base / of_base + self.candidate / samples)


class More(Struct, frozen=True):
    """What would settle it: so many more cases with the same samples, or so many more samples of each case.

    None where no number of it would, or more than ten million.
    """

    cases: int | None
    samples: int | None


def design_effect(cases_per_group: float, correlation: float) -> float:
    """By how much groups raise the variance of a mean: 1 + (m - 1) * correlation (L. Kish, Survey Sampling, 1965)."""
    return 1 + (cases_per_group - 1) * correlation


def cases_needed(
    spread: Spread, samples: float, distance: float, power: float = 0.8, alpha: float = 0.05
) -> int | None:
    """The least number of cases with which a test of one side at level `alpha` sees a distance with this power.

    The distance is from the tested bound to the truth: for non-inferiority margin + true difference, for "worse than
    the margin" the negative of that. Two-sided tests have twice the alpha. None if more than ten million are needed.
    """
    raise NotImplementedError


def power_of(spread: Spread, samples: float, cases: int, distance: float, alpha: float = 0.05) -> float:
    """The probability that the test sees a distance."""
    raise NotImplementedError


def smallest_effect(spread: Spread, samples: float, cases: int, power: float = 0.8, alpha: float = 0.05) -> float:
    """The smallest distance that so many cases show with this power."""
    raise NotImplementedError


def more_needed(difference: Difference, margin: float, alpha: float = 0.05, power: float = 0.8) -> More:
    """How many more cases or samples would settle it, if the difference is as it looks."""
    raise NotImplementedError
