"""Ends an evaluation as soon as enough is known, with no more wrong verdicts than one look at the end would have."""

from __future__ import annotations

import math
from collections.abc import Sequence

from trimtab.declare.evaluating import Evals
from trimtab.evals import case_results
from trimtab.evals.case import Case
from trimtab.evals.deciding import LEAST_TURNED, MOST_LOST, blocked
from trimtab.evals.looking import Look, looks_of
from trimtab.evals.measured import Arms, weigh_all
from trimtab.evals.observing import scores
from trimtab.evals.report import Verdict
from trimtab.evals.sample import Sample
from trimtab.evals.weighing import Weighed


class EarlyStop:
    """Told of each finished case in the order of the plan, whether no more of them are needed.

    It looks after equal parts of the cases, ten times at most. It ends with "ship" where the first score is surely
    within its margin and nothing that may veto looks beyond its own, and with "block" where one of them surely is, or,
    at any case, where a critical one turned. While too many calls fail it does not end. The levels are those of
    `trimtab.statistics.group_sequential`, so that all looks together err no more often than one.

    `cases` are all of the plan, in its order.
    """

    def __init__(self, evals: Evals, cases: Sequence[Case]) -> None:
        self._evals = evals
        self._cases = {one.id: one for one in cases}
        self._told: list[Case] = []
        self._samples: list[Sample] = []
        self._looks = looks_of(len(cases))
        self._done = 0
        self.verdict: Verdict | None = None

    def __repr__(self) -> str:
        seen = f"{len(self._told)} of {len(self._cases)} cases, {self._done} of {self._looks} looks"
        return f"EarlyStop({seen}, {self.verdict or 'goes on'})"

    def __call__(self, case: str, samples: tuple[Sample, ...]) -> bool:
        """Whether enough is known, with the samples of both arms to one more case."""
        found = self._cases[case]
        self._told.append(found)
        self._samples += samples
        if self._has_turned(found, samples):
            self.verdict = "block"
        elif len(self._told) >= math.ceil(len(self._cases) * (self._done + 1) / self._looks):
            self._done += 1
            self.verdict = None if self._has_lost_much() else self._decision()
        return self.verdict is not None

    @property
    def look(self) -> Look:
        """The look by which `compare` judges what was told: the last one; of one that is cut short, the next."""
        is_ended = self.verdict is not None or self._done == self._looks
        return Look(max(1, self._done if is_ended else self._done + 1), self._looks)

    def _has_turned(self, case: Case, samples: Sequence[Sample]) -> bool:
        arms = Arms(samples, has_base=True)
        turned = case_results.turned(self._evals, [case], arms.base or {}, arms.candidate)
        return any(one.samples >= LEAST_TURNED for one in turned)

    def _has_lost_much(self) -> bool:
        """Whether the report would be inconclusive whatever the figures are, see `deciding`."""
        failed = sum(not one.answer.is_ours for one in self._samples)
        unmarked = 0
        for measure in scores(self._evals)[:1]:
            markable = {one.case for one in self._samples if measure.values(one)}
            answers = [one for one in self._samples if one.answer.is_ours and one.case in markable]
            unmarked = sum(not measure.values(one) for one in answers)
        return failed + unmarked > len(self._samples) * MOST_LOST

    def _decision(self) -> Verdict | None:
        arms = Arms(self._samples, has_base=True)
        look = Look(self._done, self._looks)
        weighed = weigh_all(self._evals, self._told, self._samples, arms, look, deciding_alone=True)
        verdicts = {one.key: one.verdict for one in weighed if one.verdict is not None}
        first = self._evals.scorers[0].name if self._evals.scorers else ""
        score = verdicts.pop(first, None)
        if score is None:
            return None
        if blocked(first, score, verdicts, self._evals.alpha, look):
            return "block"
        if score.ship > look.level(self._evals.alpha):
            return None
        return "ship" if all(_looks_fine(one) for one in weighed if one.key != first) else None


def _looks_fine(one: Weighed) -> bool:
    """Whether what was seen so far lies within the margin."""
    return one.tested is None or one.verdict is None or one.tested.value >= -one.verdict.margin
