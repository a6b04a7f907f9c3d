"""Samples that were never asked: two arms with known chances of being right."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from trimtab.declare.evaluating import Evals, Scorer
from trimtab.evals.case import Case
from trimtab.evals.comparing import Setting
from trimtab.evals.report import ArmReport, Exactly
from trimtab.evals.sample import Answer, Arm, Mark, Sample

SUITE = Evals(cases="tasks/t/cases", samples=2, scorers=(Scorer("exact", "exact"),), margin=0.05)
EXACTLY = Exactly("sha256:s", "sha256:c", 1, 2)
BOTH = Setting(
    "01", "t", 5, ArmReport("candidate", "new", "l2", "s2"), EXACTLY, base=ArmReport("base", "old", "l1", "s1")
)
ALONE = Setting("01", "t", 5, ArmReport("candidate", "new", "l2", "s2"), EXACTLY)


def cases(number: int, **about: Any) -> list[Case]:
    """So many cases, `c0` and on, all with the same facts."""
    return [Case(f"c{index}", {}, **about) for index in range(number)]


def sample(
    arm: Arm, case: str, number: int = 0, marks: Mapping[str, float | None] | None = None, **answer: Any
) -> Sample:
    """One sample; its answer is well unless said otherwise."""
    facts: dict[str, Any] = {"call": f"{arm}-{case}-{number}", "outcome": "ok", **answer}
    found = tuple(Mark(name, value) for name, value in (marks or {}).items())
    return Sample(arm, case, number, 1, Answer(**facts), found)


def both(
    these: Sequence[Case],
    samples: int,
    base: Callable[[Case, int], float | None],
    candidate: Callable[[Case, int], float | None],
    scorer: str = "exact",
) -> list[Sample]:
    """Samples of both arms, with marks that are functions of the case and the number."""
    arms: tuple[tuple[Arm, Callable[[Case, int], float | None]], ...] = (("base", base), ("candidate", candidate))
    return [
        sample(arm, case.id, number, {scorer: mark(case, number)})
        for case in these
        for number in range(samples)
        for arm, mark in arms
    ]


def drawn(these: Sequence[Case], samples: int, drop: float, seed: int) -> list[Sample]:
    """Cases of which most are easy; the candidate is right with a chance that is lower by `drop`, if it can be."""
    chance = random.Random(seed)
    easy = {case.id: chance.betavariate(6, 1.2) for case in these}
    return both(
        these,
        samples,
        lambda case, _: float(chance.random() < easy[case.id]),
        lambda case, _: float(chance.random() < max(0.0, easy[case.id] - drop)),
    )
