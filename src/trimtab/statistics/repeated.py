"""The same cases evaluated again and again: whether they pass less often than they did.

Each case is held against its own past. One that always passed tells much by failing, one that passes half of the time
little: together they find a drop sooner than the success rate of all does. A drop lowers the chance of every case by
the same factor.

What was learned of a case is little at first. So its chance to fail is that of the next sample by what all cases show:
a beta-binomial distribution fitted by moments (J. C. Kleinman, "Proportions with extraneous variance: single and
independent samples", JASA 68 (1973) 46-54), whose mean is taken higher by two standard errors. Whoever adds each run to
what was learned, after it was read, keeps the evidence fair however few samples of each case there were before.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Final

from trimtab.statistics.intervals import Interval
from trimtab.statistics.rates import Counted, share_since
from trimtab.statistics.sequential import Alternative, Detector, Leading, Reading

SIZES: Final = ((1.0, 0.7), (2.0, 0.2), (4.0, 0.1))
"""Multiples of the declared drop, and which part of the false alarms is for each."""
CAUTION: Final = 2.0
_LEAST_ALIKE, _MOST_ALIKE = 0.02, 0.9
"""Bounds of the correlation of samples of one case: all alike, or always right or always wrong."""


def learned(runs: Iterable[Mapping[str, Counted]]) -> dict[str, Counted]:
    """How often each case passed in all runs together."""
    found: dict[str, Counted] = {}
    for run in runs:
        for case, (of, n) in run.items():
            before = found.get(case, Counted(0, 0))
            found[case] = Counted(before.of + of, before.n + n)
    return found


def correlation(cases: Iterable[Counted], share: float) -> float:
    """How alike samples of one case are, from 0.02 to 0.9: 1 / (strength + 1) of the beta distribution of chances."""
    variance = share * (1 - share)
    squares = trials = pairs = 0.0
    for of, n in cases:
        squares += (of - n * share) ** 2
        trials += n
        pairs += n * (n - 1)
    if pairs <= 0:
        return _LEAST_ALIKE
    return min(max((squares / variance - trials) / pairs, _LEAST_ALIKE), _MOST_ALIKE)


class RepeatedDetector(Detector[Mapping[str, Counted]]):
    """Whether cases pass less often than `baseline` says of each, by about `drop` of the success rate of all.

    `baseline` has how many of how many samples of each case passed; a week of hourly runs is a good length. A case
    that is not in it is left out. `sequential.Detector` says what the rate of false alarms means. Raises `ValueError`
    unless 0 < drop < 1 and the baseline has a sample.
    """

    spare = 0.7

    def __init__(
        self, baseline: Mapping[str, Counted], drop: float = 0.05, false_alarms_per_month: float = 1.0
    ) -> None:
        known = {case: one for case, one in baseline.items() if one.n > 0}
        if not 0 < drop < 1 or not known:
            raise ValueError(
                "nothing is known of the cases, or the drop is none: evaluate them first, and give a share"
            )
        super().__init__([Alternative("falls", "", part) for _, part in SIZES], false_alarms_per_month)
        n = sum(one.n for one in known.values())
        self.share = (sum(one.of for one in known.values()) + 0.5) / (n + 1)
        alike = correlation(known.values(), self.share)
        unsure = CAUTION * math.sqrt(self.share * (1 - self.share) * (1 - alike) / n)
        self._known, self._drop = known, drop
        self._strength, self._usual = 1 / alike - 1, min(1 - self.share + unsure, 1 - 1e-6)
        self._lines: dict[str, list[tuple[float, float]]] = {}

    def _line(self, case: str) -> list[tuple[float, float]] | None:
        """For each alternative, the logarithm of the likelihood ratio of a pass and of a failure of a case."""
        if case not in self._known:
            return None
        if case not in self._lines:
            self._lines[case] = self._made(self._known[case])
        return self._lines[case]

    def _made(self, one: Counted) -> list[tuple[float, float]]:
        passing = 1 - (one.n - one.of + self._strength * self._usual) / (one.n + self._strength)
        found = []
        for size, _ in SIZES:
            after = passing * max(0.01, 1 - size * self._drop / self.share)
            found.append((math.log(after / passing), math.log((1 - after) / (1 - passing))))
        return found

    def read(self, minute: int, seen: Mapping[str, Counted]) -> Reading | None:
        """The likelihood ratios of a run; None of none of the cases."""
        ratios, passed, trials = [0.0] * len(SIZES), 0, 0
        for case, (of, n) in seen.items():
            line = self._line(case)
            if line is not None and n > 0:
                ratios = [old + of * right + (n - of) * wrong for old, (right, wrong) in zip(ratios, line, strict=True)]
                passed += of
                trials += n
        return Reading(ratios, [passed] * len(ratios), trials) if trials else None

    def describe(self, leading: Leading) -> tuple[float | None, Interval | None]:
        """The share that passed since the change, with Wilson's interval."""
        return share_since(leading)

    def normal(self, minute: int, what: str) -> float | None:
        """The share that passed before."""
        return self.share
