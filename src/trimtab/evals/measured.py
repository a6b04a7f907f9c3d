"""All that is measured in an evaluation, weighed one by one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from trimtab.declare.evaluating import Evals
from trimtab.evals.case import Case
from trimtab.evals.looking import ONCE, Look
from trimtab.evals.observing import Measure, by_case, guards, observed, scores
from trimtab.evals.sample import Sample
from trimtab.evals.weighing import Weighed, weigh
from trimtab.statistics.clustered import Observation


class Arms:
    """The samples of each arm that say something, by case; no base where none was asked for."""

    def __init__(self, samples: Sequence[Sample], *, has_base: bool) -> None:
        self.base = by_case(samples, "base") if has_base else None
        self.candidate = by_case(samples, "candidate")

    def observed(self, measure: Measure, cases: Iterable[Case]) -> tuple[list[Observation] | None, list[Observation]]:
        """A measure's values in both arms, by case."""
        chosen = list(cases)
        base = None if self.base is None else observed(measure.values, chosen, self.base)
        return base, observed(measure.values, chosen, self.candidate)


def weigh_all(
    evals: Evals,
    cases: Sequence[Case],
    samples: Sequence[Sample],
    arms: Arms,
    look: Look = ONCE,
    *,
    deciding_alone: bool = False,
) -> list[Weighed]:
    """The scorers, the first one first, what stands beside them, and the slices of the first one.

    With `deciding_alone` what has no margin is left out, and what more cases would show.
    """
    scored = scores(evals)
    jobs = [(measure, "", list(cases)) for measure in (*scored, *guards(evals, samples))]
    if scored:
        named = list(dict.fromkeys((*evals.slices, *(name for one in cases for name in one.slices))))
        jobs += [(scored[0], name, [one for one in cases if name in one.slices]) for name in named]
    found = (
        weigh(measure, *arms.observed(measure, chosen), evals, name, look, ahead=not deciding_alone)
        for measure, name, chosen in jobs
        if measure.margin is not None or not deciding_alone
    )
    return [one for one in found if one is not None]
