"""Judges with planted errors: what they say is corrected, and intervals cover the truth as often as they say."""

from __future__ import annotations

import math
import random
from collections.abc import Callable

import pytest

from trimtab.statistics import clustered, paired
from trimtab.statistics.clustered import Observation
from trimtab.statistics.judge_errors import (
    JudgeErrors,
    Labelled,
    carried_difference,
    carried_mean,
    judge_errors,
    mean_p_value,
)

RUNS = 60
LEAST_COVERED = 0.95 - 2.5 * math.sqrt(0.95 * 0.05 / RUNS)


def labelled(human: str, judge: str) -> list[Labelled]:
    """Labels of equal length, each a group by itself."""
    return [Labelled(float(h), float(j), 1.0, str(n)) for n, (h, j) in enumerate(zip(human, judge, strict=True))]


def test_errors_of_zeros_and_ones_are_those_of_rogan_and_gladen() -> None:
    """Sensitivity 9 / 10 and specificity 8 / 10: a = 0.2, b = 0.7, and 55 % yes are (0.55 - 0.2) / 0.7 = 50 %."""
    errors = judge_errors(labelled("1111111111" + "0" * 10, "1111111110" + "1100000000"))
    assert errors.intercept == pytest.approx(0.2)
    assert errors.slope == pytest.approx(0.7)
    assert errors.corrected(0.55, 1.0) == pytest.approx(0.5)
    assert errors.agreement == pytest.approx(17 / 20)


def test_covariance_against_ordinary_least_squares() -> None:
    """HC3 by hand for two groups of ten: se(a)^2 = sum of (e / (1 - 1/10))^2 / 10^2, and those of both add up for b."""
    errors = judge_errors(labelled("1" * 10 + "0" * 10, "1111000000" + "1111110000"))
    bad = (4 * 0.6**2 + 6 * 0.4**2) / 0.9**2 / 10**2
    assert errors.covariance[0][0] == pytest.approx(bad)
    assert errors.covariance[1][1] == pytest.approx(2 * bad)
    assert errors.covariance[0][1] == pytest.approx(-bad)
    assert errors.slope == pytest.approx(-0.2)
    assert not errors.tells


def test_labels_are_weighed_as_if_there_were_more_of_them() -> None:
    """10 good and 20 bad labels, weighed to one half good, give the line of each good one taken twice."""
    chance = random.Random(2)
    lengths = [1.0, 2.0, 3.0, 4.0, 5.0] * 6
    found = [
        Labelled(float(n < 10), float(chance.random() < (0.9 if n < 10 else 0.1 * length)), length, str(n))
        for n, length in enumerate(lengths)
    ]
    twice = [*found, *(one._replace(group=f"{one.group} again") for one in found[:10])]
    weighed, repeated = judge_errors(found, share=0.5), judge_errors(twice)
    assert weighed.usual == repeated.usual == 3
    for name in ("intercept", "slope", "length"):
        assert getattr(weighed, name) == pytest.approx(getattr(repeated, name))
    assert judge_errors(found, share=1 / 3).covariance[1] == pytest.approx(judge_errors(found).covariance[1])


def test_a_liking_for_length_in_wrong_answers_alone() -> None:
    """Wrong answers get 0.4 if long: of labels half wrong the line takes 0.2 for length off all, of a tenth wrong 0.04.

    So long answers of which a tenth is wrong, which get 0.94, are as good as short ones, which get 0.9.
    """
    found = [
        Labelled(human, human if human or length < 2 else 0.4, length, f"{human} {length} {n}")
        for human in (0.0, 1.0) for length in (1.0, 2.0) for n in range(10)
    ]  # fmt: skip
    assert judge_errors(found).length == pytest.approx(0.2)
    errors = judge_errors(found, share=0.9)
    assert errors.length == pytest.approx(0.04)
    assert errors.corrected(0.94, 2.0) == pytest.approx(errors.corrected(0.9, 1.0))


def test_a_judge_that_never_erred_may_err_yet() -> None:
    """Of 20 labels without an error nothing is concluded that 20 labels cannot tell."""
    errors = judge_errors(labelled("1" * 10 + "0" * 10, "1" * 10 + "0" * 10))
    assert errors.slope == pytest.approx(1.0)
    assert math.sqrt(errors.covariance[0][0]) > 0.05


@pytest.mark.parametrize(
    ("labels", "why"),
    [
        (labelled("101", "101"), "people scored 3 answers: label at least 10"),
        (labelled("1" * 10, "1" * 10), "people say the same of all answers"),
    ],
)
def test_labels_that_tell_nothing(labels: list[Labelled], why: str) -> None:
    """Too few, or all the same."""
    with pytest.raises(ValueError, match=why):
        judge_errors(labels)


def test_a_judge_that_tells_nothing_decides_nothing() -> None:
    """A coin: every interval has no ends, and no test is ever small."""
    errors = judge_errors(labelled("10" * 20, "1100" * 10))
    assert not errors.tells
    base = [Observation(str(n), str(n), (0.0,)) for n in range(50)]
    candidate = [Observation(str(n), str(n), (1.0,)) for n in range(50)]
    found = carried_difference(errors, paired.paired_difference(base, candidate, exact=False), 0.0)
    assert (found.low, found.high) == (-math.inf, math.inf)
    assert (found.p_value, found.above(-0.5), found.below(1.5)) == (1.0, 1.0, 1.0)
    mean = carried_mean(errors, clustered.mean(candidate), 1.0)
    assert (mean.low, mean.high) == (0.0, 1.0)
    assert mean_p_value(errors, clustered.mean(candidate), 1.0, 0.1) == 1


def test_the_interval_is_where_the_test_begins_to_reject() -> None:
    """At each end of a 95 % interval the p-value of one side is 2.5 %."""
    errors, base, candidate, lengths = _rubric(random.Random(1), 60, 80)
    found = carried_difference(errors, paired.paired_difference(base, candidate, exact=False), lengths[1] - lengths[0])
    assert found.above(found.low) == pytest.approx(0.025, abs=1e-4)
    assert found.below(found.high) == pytest.approx(0.025, abs=1e-4)


def test_the_interval_of_a_mean_is_where_its_test_begins_to_reject() -> None:
    """At each end of a 90 % interval the p-value of both sides is 10 %, and at what was found it is 1."""
    errors, _, candidate, lengths = _rubric(random.Random(1), 60, 80)
    plain = clustered.mean(candidate)
    found = carried_mean(errors, plain, lengths[1], 0.9)
    assert mean_p_value(errors, plain, lengths[1], found.low) == pytest.approx(0.1, abs=1e-4)
    assert mean_p_value(errors, plain, lengths[1], found.high) == pytest.approx(0.1, abs=1e-4)
    assert mean_p_value(errors, plain, lengths[1], plain.value) == 1


Sides = tuple[JudgeErrors, list[Observation], list[Observation], tuple[float, float]]
P_LABELS, P_BASE, P_CANDIDATE = 0.5, 0.65, 0.75


def _rubric(chance: random.Random, labels: int, cases: int) -> Sides:
    """A judge that finds long answers right too often and says the opposite one time in ten. The candidate is better
    and longer, and people labelled other, worse answers.
    """

    def draw(right: float, length: float) -> tuple[float, float, float]:
        human, size = float(chance.random() < right), chance.gauss(length, 0.5)
        judge = 1.0 if size > 5.3 and chance.random() < 0.15 else human
        return human, 1 - judge if chance.random() < 0.1 else judge, size

    errors = judge_errors([Labelled(*draw(P_LABELS, 5.2 + 0.2 * (n % 2)), str(n)) for n in range(labels)])
    sides, lengths = [], []
    for right, length in ((P_BASE, 5.2), (P_CANDIDATE, 5.4)):
        drawn = [draw(right, length) for _ in range(cases)]
        sides.append([Observation(str(n), str(n), (errors.corrected(j, z),)) for n, (_, j, z) in enumerate(drawn)])
        lengths.append(math.fsum(z for _, _, z in drawn) / cases)
    return errors, sides[0], sides[1], (lengths[0], lengths[1])


WIN, TIE = 0.5, 0.2


def _pairwise(chance: random.Random, labels: int, cases: int) -> Sides:
    """A judge that names the first one time in five and the longer one time in seven, and errs one time in ten."""

    def order(human: float, longer: float, first: float) -> float:
        luck = chance.random()
        told = first if luck < 0.2 else float(longer > 0) if luck < 0.34 else human
        return 1 - told if chance.random() < 0.1 else told

    def draw(win: float) -> tuple[float, float, float]:
        luck = chance.random()
        human = 1.0 if luck < win else 0.5 if luck < win + TIE else 0.0
        longer = 1 / (1 + math.exp(-chance.gauss(0.2, 0.5))) - 0.5
        one, other = order(human, longer, 0.0), order(human, longer, 1.0)
        return human, one if one == other else 0.5, longer

    errors = judge_errors([Labelled(*draw(0.4), str(n)) for n in range(labels)], antisymmetric=True)
    drawn = [draw(WIN) for _ in range(cases)]
    candidate = [Observation(str(n), str(n), (errors.corrected(j, z),)) for n, (_, j, z) in enumerate(drawn)]
    base = [Observation(str(n), str(n), (errors.corrected(1 - j, -z),)) for n, (_, j, z) in enumerate(drawn)]
    longer = math.fsum(z for _, _, z in drawn) / cases
    return errors, base, candidate, (-longer, longer)


@pytest.mark.parametrize(
    ("world", "difference", "mean"),
    [
        (_rubric, P_CANDIDATE - P_BASE, P_CANDIDATE),
        (_pairwise, 2 * (WIN + TIE / 2 - 0.5), WIN + TIE / 2),
    ],
    ids=["rubric", "pairwise"],
)
def test_intervals_cover_the_truth(
    world: Callable[[random.Random, int, int], Sides], difference: float, mean: float
) -> None:
    """A judge with a liking for places and for length that errs by chance: what is told holds the truth."""
    covered = means = 0
    for run in range(RUNS):
        errors, base, candidate, lengths = world(random.Random(run), 80, 120)
        plain = paired.paired_difference(base, candidate, exact=False)
        found = carried_difference(errors, plain, lengths[1] - lengths[0])
        covered += found.low <= difference <= found.high
        told = carried_mean(errors, clustered.mean(candidate), lengths[1])
        means += told.low <= mean <= told.high
    assert covered / RUNS >= LEAST_COVERED
    assert means / RUNS >= LEAST_COVERED
