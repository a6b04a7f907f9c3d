"""Cases, groups and samples whose true means are known: docs/evaluation_statistics.md lists them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from trimtab.statistics.clustered import Observation

SHAPES = ("alone", "fives", "unequal")
"""Clusters: of one case each, of five, of 1 to 20 (geometric, mean about 3)."""
COUNTS = (8, 15, 30, 100)
SHARED = 0.4
"""The weight of what cases of a group share: two of them correlate by 0.31."""


@dataclass(frozen=True)
class Spread:
    """One way in which scores vary: a draw, its mean, whether scores lie between 0 and 1, whether it is continuous."""

    name: str
    draw: Callable[[Random], float]
    mean: float


CONTINUOUS = (
    Spread("normal", lambda random: random.gauss(0, 1), 0.0),
    Spread("skewed towards 1, beta(5, 0.5)", lambda random: random.betavariate(5, 0.5), 5 / 5.5),
    Spread("all or nothing, beta(0.5, 0.5)", lambda random: random.betavariate(0.5, 0.5), 0.5),
    Spread("exponential", lambda random: random.expovariate(1), 1.0),
    Spread("log-normal, sigma 0.5", lambda random: random.lognormvariate(0, 0.5), math.exp(0.125)),
    Spread("log-normal, sigma 1", lambda random: random.lognormvariate(0, 1), math.exp(0.5)),
    Spread("Student's t, 3 degrees", lambda random: random.gauss(0, 1) / math.sqrt(random.gammavariate(1.5, 2) / 3), 0),
)
SHARES = (0.5, 0.9, 0.98)


def sizes(random: Random, shape: str, count: int) -> list[int]:
    """How many cases each cluster has."""
    if shape == "alone":
        return [1] * count
    if shape == "fives":
        return [5] * count
    return [min(20, 1 + int(math.log(1 - random.random()) / math.log(0.7))) for _ in range(count)]


def scores(random: Random, spread: Spread, shape: str, count: int) -> list[Observation]:
    """One score for each case."""
    found = []
    for group, size in enumerate(sizes(random, shape, count)):
        shared = spread.draw(random)
        for case in range(size):
            value = shared if shape == "alone" else SHARED * shared + (1 - SHARED) * spread.draw(random)
            found.append(Observation(f"{group}.{case}", str(group), (value,)))
    return found


def chances(random: Random, share: float, shape: str, count: int) -> list[list[float]]:
    """The chance of each case to pass, by group: groups vary as beta(2 share, 2 - 2 share), cases within them."""
    found = []
    for size in sizes(random, shape, count):
        level = min(1 - 1e-6, max(1e-6, random.betavariate(2 * share, 2 - 2 * share)))
        found.append([
            level if shape == "alone" else random.betavariate(6 * level, 6 - 6 * level) for _ in range(size)
        ])  # fmt: skip
    return found


def answers(random: Random, by_group: list[list[float]], samples: int, factor: float = 1.0) -> list[Observation]:
    """Pass or fail of each sample; `factor` lowers each chance."""
    return [
        Observation(
            f"{group}.{case}",
            str(group),
            tuple(1.0 if random.random() < chance * factor else 0.0 for _ in range(samples)),
        )
        for group, cases in enumerate(by_group)
        for case, chance in enumerate(cases)
    ]


Pair = tuple[list[Observation], list[Observation]]


@dataclass(frozen=True)
class Change:
    """One way in which a candidate differs from the base; `make(random, cases, difference)` gives both."""

    name: str
    make: Callable[[Random, int, float], Pair]
    margin: float
    samples: int = 1


def discordant(share: float) -> Callable[[Random, int, float], Pair]:
    """Pass or fail, one sample each: this share of cases comes out differently (more, if the difference needs it)."""

    def make(random: Random, cases: int, difference: float) -> Pair:
        base, after = [], []
        apart = max(share, abs(difference))
        for case in range(cases):
            place, level = random.random(), float(random.random() < 0.8)
            gained, lost = place < (apart + difference) / 2, (apart + difference) / 2 <= place < apart
            old, new = (0.0, 1.0) if gained else (1.0, 0.0) if lost else (level, level)
            base.append(Observation(str(case), str(case), (old,)))
            after.append(Observation(str(case), str(case), (new,)))
        return base, after

    return make


def sampled(samples: int, size: int) -> Callable[[Random, int, float], Pair]:
    """Pass or fail of several samples, in groups; the chance of each case changes by a factor. The mean is 0.7."""

    def make(random: Random, cases: int, difference: float) -> Pair:
        groups = max(2, round(cases / size))
        by_group = chances(random, 0.7, "alone" if size == 1 else "fives", groups)
        return answers(random, by_group, samples), answers(random, by_group, samples, 1 + difference / 0.7)

    return make


def shifted(noise: Callable[[Random], float], size: int, tied: float = 0.0) -> Callable[[Random, int, float], Pair]:
    """Scores that differ by a shift and noise of mean 0, part of which a group shares; some do not differ at all."""

    def make(random: Random, cases: int, difference: float) -> Pair:
        base, after = [], []
        for group in range(max(2, round(cases / size))):
            common = noise(random)
            for case in range(size):
                old = random.betavariate(4, 2)
                apart = difference / (1 - tied) + (
                    SHARED * common + (1 - SHARED) * noise(random) if size > 1 else common
                )
                new = old if random.random() < tied else old + apart
                base.append(Observation(f"{group}.{case}", str(group), (old,)))
                after.append(Observation(f"{group}.{case}", str(group), (new,)))
        return base, after

    return make


CHANGES = (
    Change("pass or fail once, 15 % of cases differ", discordant(0.15), 0.05),
    Change("pass or fail once, only losses", discordant(0.0), 0.05),
    Change("pass or fail of 5 samples", sampled(5, 1), 0.05, 5),
    Change("pass or fail of 2 samples in groups of 5", sampled(2, 5), 0.05, 2),
    Change("scores, normal noise", shifted(lambda random: random.gauss(0, 0.15), 1), 0.03),
    Change("scores in groups of 5", shifted(lambda random: random.gauss(0, 0.15), 5), 0.02),
    Change("scores, heavy tails", shifted(lambda random: 0.08 * CONTINUOUS[6].draw(random), 1), 0.03),
    Change("scores, 70 % of cases tie", shifted(lambda random: random.gauss(0, 0.2), 1, 0.7), 0.03),
)
