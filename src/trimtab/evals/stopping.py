"""Ends an evaluation as soon as enough is known, with no more wrong verdicts than one look at the end would have."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

from trimtab.declare.evaluating import Evals
from trimtab.evals import case_results
from trimtab.evals.case import Case
from trimtab.evals.deciding import LEAST_TURNED, MOST_LOST, blocked
from trimtab.evals.observing import Measure, by_case, guards, observed, scores
from trimtab.evals.report import Verdict
from trimtab.evals.sample import Sample
from trimtab.evals.weighing import as_verdict, key_of
from trimtab.statistics import decision
from trimtab.statistics.anytime import AnytimeTest, Look
from trimtab.statistics.clustered import case_means

LEAST_ANSWERS: Final = 20
"""Answers before which a share of failures says nothing."""


class EarlyStop:
    """Told of each finished case in the order of the plan, whether no more of them are needed.

    Each share that has a margin (scores, guards, the first score in each slice) is a test of its own that may be looked
    at after every case (`trimtab.statistics.anytime`); cases of a group count once all of them are there. It ends with
    "ship" where the first score is surely within its margin and nothing that may veto looks beyond its own, and with
    "block" where the first score or a veto is surely beyond it, or a critical case turned. It does not end while too
    many calls fail. Amounts (length, cost, latency) end nothing; they are tested once, when it has ended.

    `cases` are all of the plan, in its order. Without a margin above 0 of the first scorer it never ends.
    """

    def __init__(self, evals: Evals, cases: Sequence[Case]) -> None:
        self._evals = evals
        self._cases = {one.id: one for one in cases}
        self._measures: list[Measure] | None = None
        self._sequences: dict[str, _Sequence] = {}
        self._amounts: list[_Amount] = []
        self._calls = self._lost = 0
        self.verdict: Verdict | None = None

    def __repr__(self) -> str:
        first = self._look(self._evals.scorers[0].name) if self._evals.scorers else None
        seen = "nothing" if first is None else f"{first.value:+.3f} of {first.cases}"
        return f"EarlyStop({seen}, {self.verdict or 'goes on'})"

    def __call__(self, case: str, samples: tuple[Sample, ...]) -> bool:
        """Whether enough is known, with the samples of both arms to one more case."""
        found = self._cases[case]
        if self._measures is None:
            self._begin(samples)
        sides = by_case(samples, "base"), by_case(samples, "candidate")
        self._count(samples)
        for sequence in self._sequences.values():
            sequence.take(found, sides)
        for amount in self._amounts:
            amount.take(found, sides)
        turned = case_results.turned(self._evals, [found], *sides)
        if any(one.samples >= LEAST_TURNED for one in turned):
            self.verdict = "block"
        elif self._calls < LEAST_ANSWERS or self._lost <= self._calls * MOST_LOST:
            self.verdict = self._decision()
        return self.verdict is not None

    def looks(self) -> dict[str, Look]:
        """What each test knows, by the name of its measure and slice: what `compare` takes for the verdict."""
        return {key: one.look() for key, one in self._sequences.items()}

    def _begin(self, samples: Sequence[Sample]) -> None:
        """Measures follow from the first answers: whether these are held to a schema."""
        self._measures = [*scores(self._evals), *guards(self._evals, samples)]
        cases = list(self._cases.values())
        for measure in self._measures:
            if measure.is_share:
                self._add(measure, "", cases)
            elif measure.margin is not None:
                self._amounts.append(_Amount(measure))
        for name in dict.fromkeys((*self._evals.slices, *(name for one in cases for name in one.slices))):
            self._add(self._measures[0], name, [one for one in cases if name in one.slices])

    def _add(self, measure: Measure, of_slice: str, cases: Sequence[Case]) -> None:
        sizes = Counter(one.group or one.id for one in cases)
        if not measure.is_share or not measure.margin or not sizes:
            return
        sequence = _Sequence(measure, of_slice, sizes, self._evals.alpha)
        if sequence.is_possible:
            self._sequences[key_of(measure.name, of_slice)] = sequence

    def _count(self, samples: Sequence[Sample]) -> None:
        self._calls += len(samples)
        self._lost += sum(not one.answer.is_ours for one in samples)
        for measure in (self._measures or [])[:1]:
            unmarked = [one for one in samples if one.answer.is_ours and not measure.values(one)]
            self._lost += len(unmarked) if any(map(measure.values, samples)) else 0

    def _look(self, name: str) -> Look | None:
        return self._sequences[name].look() if name in self._sequences else None

    def _decision(self) -> Verdict | None:
        first = self._evals.scorers[0].name if self._evals.scorers else ""
        alpha = self._evals.alpha
        verdicts = {
            key: as_verdict(one.look(), one.measure.margin or 0.0, alpha) for key, one in self._sequences.items()
        }
        score = verdicts.pop(first, None)
        if score is None:
            return None
        if blocked(first, score, verdicts, alpha):
            return "block"
        if score.ship > alpha:
            return None
        calm = [one.looks_fine for key, one in self._sequences.items() if key != first]
        calm += [one.looks_fine for one in self._amounts]
        return "ship" if all(calm) else None


ByCase = Mapping[str, Sequence[Sample]]
Sides = tuple[ByCase, ByCase]


def _means(measure: Measure, case: Case, sides: Sides) -> tuple[float, float] | None:
    """A case's mean in both arms; None where one of them has none."""
    found = [observed(measure.values, [case], side) for side in sides]
    if not all(found):
        return None
    (base,), (candidate,) = map(case_means, found)
    return base, candidate


class _Sequence:
    """One share over the cases of a slice; a group counts by the sum of its differences, over the mean group's size."""

    def __init__(self, measure: Measure, of_slice: str, sizes: Mapping[str, int], alpha: float) -> None:
        self.measure = measure
        self._slice = of_slice
        self._left = dict(sizes)
        self._usual = sum(sizes.values()) / len(sizes)
        self._sums: dict[str, float] = {}
        self._margin = measure.margin or 0.0
        self._largest = max(sizes.values()) / self._usual
        self.is_possible = self._margin < self._largest
        if self.is_possible:
            self._test = AnytimeTest(self._margin, alpha, largest=self._largest)
            self._running = self._test.begin()

    def take(self, case: Case, sides: Sides) -> None:
        """One more case."""
        if self._slice and self._slice not in case.slices:
            return
        group = case.group or case.id
        means = _means(self.measure, case, sides)
        if means is not None:
            better = means[1] - means[0] if self.measure.more_is_better else means[0] - means[1]
            self._sums[group] = self._sums.get(group, 0.0) + better
        self._left[group] -= 1
        if not self._left[group] and group in self._sums:
            step = self._sums.pop(group) / self._usual
            self._running, _ = self._test.step(self._running, min(self._largest, max(-self._largest, step)))

    def look(self) -> Look:
        """What is known."""
        return self._test.look(self._running)

    def verdict(self, alpha: float) -> decision.Verdict:
        """What that says."""
        return as_verdict(self.look(), self._margin, alpha)

    @property
    def looks_fine(self) -> bool:
        """Whether what was seen so far lies within the margin."""
        return self.look().value >= -self._margin


class _Amount:
    """An amount that may veto, by its sums so far."""

    def __init__(self, measure: Measure) -> None:
        self._measure = measure
        self._base = self._candidate = 0.0
        self._cases = 0

    def take(self, case: Case, sides: Sides) -> None:
        """One more case."""
        means = _means(self._measure, case, sides)
        if means is not None:
            self._base += means[0]
            self._candidate += means[1]
            self._cases += 1

    @property
    def looks_fine(self) -> bool:
        """Whether what was seen so far lies within the margin."""
        margin = self._measure.margin or 0.0
        if self._measure.is_ratio:
            return self._candidate <= self._base * (1 + margin)
        return self._candidate - self._base <= margin * max(1, self._cases)
