"""Scorers that ask a model: whether an answer does what a question asks for, and which of two answers is better."""

from __future__ import annotations

from typing import Final

from trimtab.contracts.judging import PAIRWISE, RUBRIC
from trimtab.declare.evaluating import Scorer
from trimtab.evals.asking import Judge
from trimtab.evals.case import Case
from trimtab.evals.sample import Answer, Mark
from trimtab.evals.scorers import judging
from trimtab.evals.scorers.marking import Wrong, check, cut

TIE: Final = 0.5
IN_ORDER: Final = {"first": 0.0, "second": 1.0, "tie": TIE}
"""What a word is worth to the second answer."""


class Rubric:
    """1 where the judge says yes, 0 where it says no; None where it says neither.

    Answers that were not delivered are wrong and not shown to it.
    """

    def __init__(self, scorer: Scorer, judge: Judge, seed: int) -> None:
        self.name = scorer.name
        self._scorer = scorer
        self._judge = judge
        self._seed = seed

    def mark(self, case: Case, answer: Answer) -> Mark:
        """The mark, with the judge's call and its cost. Raises like `Judge.judge`."""
        try:
            check(answer)
        except Wrong as wrong:
            return Mark(self.name, 0.0, cut(str(wrong)))
        shown = {**judging.question_of(case), "answered": judging.shown_of(answer)}
        seed = judging.seed_of(self._seed, self.name, case.id)
        told = judging.ask(self._judge, self._scorer, RUBRIC, shown, seed)
        value = None if not told.word else float(told.word == "yes")
        return Mark(self.name, value, told.why, told.call, told.cost_usd)


class Pairwise:
    """Which answer is better: asked in both orders, and won only where both say so, else a tie.

    Where the second question has to wait, the first is not put again.

    Where an answer was not delivered the other one is better, and where neither was none is; the judge is not asked.
    """

    def __init__(self, scorer: Scorer, judge: Judge, seed: int) -> None:
        self.name = scorer.name
        self._scorer = scorer
        self._judge = judge
        self._seed = seed
        self._half: dict[tuple[str, str, str], judging.Asked] = {}

    def compare(self, case: Case, base: Answer, candidate: Answer) -> tuple[Mark, Mark]:
        """The marks of both, each with the call in which its answer stood first. Raises like `Judge.judge`."""
        lost = [_undelivered(one) for one in (base, candidate)]
        if any(lost):
            won = TIE if all(lost) else float(bool(lost[0]))
            return Mark(self.name, 1 - won, lost[0]), Mark(self.name, won, lost[1])
        if judging.shown_of(base) == judging.shown_of(candidate):
            return Mark(self.name, TIE, "both are the same"), Mark(self.name, TIE, "both are the same")
        key = case.id, base.call, candidate.call
        ahead = self._half.pop(key, None) or self._ask(case, base, candidate, 0)
        self._half[key] = ahead
        behind = self._ask(case, candidate, base, 1)
        del self._half[key]
        why = ahead.why or behind.why
        value: float | None = None
        if not why:
            here, there = IN_ORDER[ahead.word], 1 - IN_ORDER[behind.word]
            value = here if here == there else TIE
            why = "" if here == there else "the judge says otherwise in the other order"
        return (
            Mark(self.name, None if value is None else 1 - value, why, ahead.call, ahead.cost_usd),
            Mark(self.name, value, why, behind.call, behind.cost_usd),
        )

    def _ask(self, case: Case, first: Answer, second: Answer, order: int) -> judging.Asked:
        shown = {
            **judging.question_of(case),
            "first": judging.shown_of(first),
            "second": judging.shown_of(second),
        }
        seed = judging.seed_of(self._seed, self.name, case.id, order)
        return judging.ask(self._judge, self._scorer, PAIRWISE, shown, seed)


def _undelivered(answer: Answer) -> str:
    try:
        check(answer)
    except Wrong as wrong:
        return cut(str(wrong))
    return ""
