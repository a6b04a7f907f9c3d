"""Judges with planted biases whose errors are known from labels of other answers: one cell, in a process of its own."""

from __future__ import annotations

import math
from collections import Counter
from random import Random
from typing import NamedTuple

from trimtab.statistics.clustered import Observation, mean
from trimtab.statistics.judge_errors import CorrectedDifference, Labelled, judge_errors, mean_p_value
from trimtab.statistics.paired import paired_test

ALPHA = 0.05
LABELLED, BASE, CANDIDATE = 0.5, 0.7, 0.75
"""How often the answers are right that people labelled, and those of both arms."""
WIN, TIE, LABELLED_WIN = 0.45, 0.2, 0.4
"""How often the candidate is better, and neither is; how often the second of labelled pairs is better."""


class Cell(NamedTuple):
    """A judge, what it is biased by, and how many labels and cases there are."""

    kind: str
    bias: str
    labels: int
    cases: int
    seed: int
    trials: int


class Drawn(NamedTuple):
    """What people and the judge say of an answer, and its covariate."""

    human: float
    judge: float
    length: float


def trial(cell: Cell) -> Counter[str]:
    """How many intervals hold the truth, and how many tests at the truth reject it; `bias` is in millionths.

    An interval ends where its test begins to reject, so the tests tell whether it holds the truth.
    """
    random, found = Random(cell.seed), Counter[str]()
    for _ in range(cell.trials):
        sides = _pairwise(random, cell) if cell.kind == "pairwise" else _rubric(random, cell)
        labelled, base, candidate, truth, level = sides
        errors = judge_errors(labelled, antisymmetric=cell.kind == "pairwise")
        if cell.kind == "rubric" and errors.tells:
            first = [errors.corrected(one.judge, one.length) for side in (base, candidate) for one in side]
            errors = judge_errors(labelled, share=math.fsum(first) / len(first))
        before, after = ([_observed(n, errors.corrected(one.judge, one.length)) for n, one in enumerate(side)]
                         for side in (base, candidate))  # fmt: skip
        lengths = [math.fsum(one.length for one in side) / len(side) for side in (base, candidate)]
        plain = paired_test(before, after, exact=False)
        facts = {name: getattr(plain, name) for name in plain.__struct_fields__}
        difference = CorrectedDifference(**facts, errors=errors, length=lengths[1] - lengths[0])
        above, below = difference.above(truth), difference.below(truth)
        found["difference"] += min(above, below) > ALPHA / 2
        found["shipped"] += above <= ALPHA
        found["blocked"] += below <= ALPHA
        told = mean(after)
        found["mean"] += told.low <= level <= told.high or mean_p_value(errors, told, lengths[1], level) > ALPHA
        uncorrected = math.fsum(one.judge for one in candidate) / cell.cases
        uncorrected -= math.fsum(one.judge for one in base) / cell.cases
        found["bias"] += round(1e6 * (uncorrected - truth))
    return found


def _observed(place: int, value: float) -> Observation:
    return Observation(str(place), str(place), (value,))


Sides = tuple[list[Labelled], list[Drawn], list[Drawn], float, float]


def _rubric(random: Random, cell: Cell) -> Sides:
    """Answers of the candidate are longer; `length`: 15 % of wrong long ones are found right."""

    def draw(right: float, usual: float) -> Drawn:
        human, length = float(random.random() < right), random.gauss(usual, 0.5)
        said = human
        if cell.bias in {"length", "all"} and length > 5.3 and random.random() < 0.15:
            said = 1.0
        if cell.bias in {"flips", "all"} and random.random() < 0.1:
            said = 1 - said
        return Drawn(human, said, length)

    labelled = [Labelled(*draw(LABELLED, 5.2 + 0.2 * (n % 2)), str(n)) for n in range(cell.labels)]
    base = [draw(BASE, 5.2) for _ in range(cell.cases)]
    return labelled, base, [draw(CANDIDATE, 5.4) for _ in range(cell.cases)], CANDIDATE - BASE, CANDIDATE


def _pairwise(random: Random, cell: Cell) -> Sides:
    """Asked in both orders; `position`: 20 % name the first, `length`: 15 % the longer one."""

    def order(human: float, longer: float, first: float) -> float:
        said = human
        if cell.bias in {"length", "all"} and random.random() < 0.15:
            said = float(longer > 0)
        if cell.bias in {"position", "all"} and random.random() < 0.2:
            said = first
        if cell.bias in {"flips", "all"} and random.random() < 0.1:
            said = 1 - said
        return said

    def draw(win: float) -> Drawn:
        luck = random.random()
        human = 1.0 if luck < win else 0.5 if luck < win + TIE else 0.0
        longer = 1 / (1 + math.exp(-random.gauss(0.2, 0.5))) - 0.5
        one, other = order(human, longer, 0.0), order(human, longer, 1.0)
        return Drawn(human, one if one == other else 0.5, longer)

    labelled = [Labelled(*draw(LABELLED_WIN), str(n)) for n in range(cell.labels)]
    candidate = [draw(WIN) for _ in range(cell.cases)]
    base = [Drawn(1 - one.human, 1 - one.judge, -one.length) for one in candidate]
    return labelled, base, candidate, 2 * (WIN + TIE / 2) - 1, WIN + TIE / 2
