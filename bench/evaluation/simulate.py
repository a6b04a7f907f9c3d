"""One cell of a simulation, run in a process of its own: it gives counts."""

from __future__ import annotations

import math
from collections import Counter
from random import Random
from typing import NamedTuple

from bench.evaluation import scenarios
from trimtab.statistics.anytime import AnytimeTest
from trimtab.statistics.clustered import mean
from trimtab.statistics.decision import Decision
from trimtab.statistics.group_sequential import GroupSequentialTest, plan
from trimtab.statistics.judged import Judged, corrected_mean
from trimtab.statistics.paired import paired_test, ratio_test
from trimtab.statistics.power import cases_needed, spread_of

ALPHA = 0.05
PILOT = 10_000


class Cell(NamedTuple):
    """What to simulate: a place in the lists of `scenarios`, and how often."""

    kind: str
    scenario: int
    shape: str
    count: int
    samples: int
    seed: int
    trials: int


class Planned(NamedTuple):
    """The cases that a pilot plans, and how many comparisons of so many are shipped."""

    cases: int
    shipped: int


def cover(cell: Cell) -> int:
    """How many intervals of a mean hold the truth."""
    random = Random(cell.seed)
    hits = 0
    for _ in range(cell.trials):
        if cell.kind == "continuous":
            spread = scenarios.CONTINUOUS[cell.scenario]
            truth, found = spread.mean, mean(scenarios.scores(random, spread, cell.shape, cell.count))
        else:
            truth = scenarios.SHARES[cell.scenario]
            by_group = scenarios.chances(random, truth, cell.shape, cell.count)
            found = mean(scenarios.answers(random, by_group, cell.samples))
        hits += found.low <= truth <= found.high
    return hits


def compare(cell: Cell) -> Counter[str]:
    """Comparisons of a change that is as bad as the margin: covered, shipped, blocked; and of one that is none."""
    random, change = Random(cell.seed), scenarios.CHANGES[cell.scenario]
    found: Counter[str] = Counter()
    for _ in range(cell.trials):
        difference = paired_test(*change.make(random, cell.count, -change.margin))
        above, below = difference.above(-change.margin), difference.below(-change.margin)
        found["covered"] += above > ALPHA / 2 and below > ALPHA / 2
        found["shipped"] += above <= ALPHA
        found["blocked"] += below <= ALPHA
        same = paired_test(*change.make(random, cell.count, 0.0))
        found["different"] += min(same.above(0.0), same.below(0.0)) <= ALPHA / 2
    return found


def ratio(cell: Cell) -> int:
    """How many intervals of a ratio of costs hold 1.25; costs are log-normal, and correlate.

    An interval ends where its test begins to reject, so the tests tell whether it holds the truth.
    """
    random = Random(cell.seed)
    hits, truth = 0, math.log(1.25)
    for _ in range(cell.trials):
        sides: scenarios.Pair = ([], [])
        for case in range(cell.count):
            cost = random.lognormvariate(0, 1)
            for side, factor in zip(sides, (1.0, 1.25), strict=True):
                value = factor * cost * random.lognormvariate(-0.045, 0.3)
                side.append(scenarios.Observation(str(case), str(case), (value,)))
        test = ratio_test(*sides)
        hits += min(test.above(truth), test.below(truth)) > ALPHA / 2
    return hits


def planned(scenario: int, power: float, pilot: int = 99) -> int:
    """The cases needed to ship a change that is none, as a large pilot tells; `pilot` is its seed."""
    change = scenarios.CHANGES[scenario]
    spread = spread_of(*change.make(Random(pilot), PILOT, 0.0))
    cases = cases_needed(spread, change.samples, change.margin, power)
    if cases is None:
        raise ValueError(f"{change.name} cannot be planned")
    return cases


def power(cell: Cell) -> Planned:
    """How many comparisons of a change that is none are shipped, with as many cases as a pilot of the same seed plans
    for a power of `count` percent.
    """
    cases = planned(cell.scenario, cell.count / 100, cell.seed)
    random, change = Random(cell.seed + 1), scenarios.CHANGES[cell.scenario]
    shipped = sum(
        paired_test(*change.make(random, cases, 0.0)).above(-change.margin) <= ALPHA for _ in range(cell.trials)
    )
    return Planned(cases, shipped)


def looks(cell: Cell, difference: float, cases: int, goal: float) -> Counter[str]:
    """Tests with ten looks: how they end, and the cases they used."""
    random, change = Random(cell.seed), scenarios.CHANGES[cell.scenario]
    test, design = GroupSequentialTest(change.margin), plan(cases, power=goal)
    found: Counter[str] = Counter()
    for _ in range(cell.trials):
        base, after = change.make(random, design.most, difference)
        size = len(base) // design.most or 1
        for look, until in enumerate(design.looks, 1):
            verdict = test.judge(look, paired_test(base[: until * size], after[: until * size]))
            if verdict.decision is not Decision.INCONCLUSIVE or look == len(design.looks):
                found[str(verdict.decision)] += 1
                found["cases"] += until
                break
    return found


def always(cell: Cell) -> Counter[str]:
    """Tests that look after every case, `count` times, at a change as bad as the margin."""
    random, found = Random(cell.seed), Counter[str]()
    change = scenarios.CHANGES[cell.scenario]
    for _ in range(cell.trials):
        test = AnytimeTest(change.margin)
        running, missed = test.begin(), False
        base, after = change.make(random, cell.count, -change.margin)
        for old, new in zip(base, after, strict=True):
            gap = math.fsum(new.values) / len(new.values) - math.fsum(old.values) / len(old.values)
            running, look = test.step(running, max(-1.0, min(1.0, gap)))
            missed = missed or not look.interval.low <= -change.margin <= look.interval.high
        found[str(running.decision)] += 1
        found["missed"] += missed
    return found


BIASES = ("flips", "position", "length", "kind")


def judge(cell: Cell) -> int:
    """How many corrected means hold the truth, a judge having one of the biases; `samples` cases are labelled."""
    random, share = Random(cell.seed), scenarios.SHARES[cell.scenario]
    hits = 0
    for _ in range(cell.trials):
        judged = []
        for case in range(cell.samples + cell.count):
            truth, long = random.random() < share, random.random() < 0.2
            said = truth
            if cell.shape == "flips" and random.random() < 0.1:
                said = not truth
            elif cell.shape == "position" and random.random() < 0.2:
                said = random.random() < 0.5
            elif cell.shape == "length" and long:
                said = random.random() < 0.95
            elif cell.shape == "kind":
                said = truth or random.random() < 0.3
            judged.append(Judged(str(case), str(case), float(said), float(truth) if case < cell.samples else None))
        found = corrected_mean(judged)
        hits += found.low <= share <= found.high
    return hits
