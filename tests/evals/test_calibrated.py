"""Verdicts by a judge that errs, with its errors known from other answers."""

from __future__ import annotations

import random

import pytest

from tests.evals.samples import ALONE, BOTH, both, cases
from trimtab.declare.evaluating import Evals, Scorer
from trimtab.evals.case import Case
from trimtab.evals.comparing import Setting, compare
from trimtab.evals.report import Metric, Report
from trimtab.evals.sample import Arm, Mark, Sample
from trimtab.evals.scorers.calibrating import Calibration
from trimtab.statistics.judge_errors import Labelled, judge_errors

RUBRIC = Evals(scorers=(Scorer("helpful", "rubric", model="large", question="?"),), margin=0.05)
PAIRWISE = Evals(scorers=(Scorer("better", "pairwise", model="large", question="?"),), margin=0.1)


def errs(chance: random.Random, human: float) -> float:
    """One time in five the judge says the opposite."""
    return 1 - human if chance.random() < 0.2 else human


def calibration(labels: int, scorer: str = "helpful", *, coin: bool = False) -> Calibration:
    chance = random.Random(5)
    found = []
    for place in range(labels):
        human = float(place % 2)
        judge = float(chance.random() < 0.5) if coin else errs(chance, human)
        found.append(Labelled(human, judge, 2.0, str(place)))
    errors = judge_errors(found, antisymmetric=scorer == "better")
    return Calibration(scorer, "helpful_labels", "sha256:l", errors, labelled=tuple(found))


def test_a_calibration_fits_answers_as_good_as_those_it_corrects() -> None:
    """Wrong answers get 0.4 if long: of a tenth wrong length is worth 0.04. A comparison in both orders stands."""
    found = tuple(
        Labelled(human, human if human or length < 2 else 0.4, length, f"{human} {length} {n}")
        for human in (0.0, 1.0) for length in (1.0, 2.0) for n in range(10)
    )  # fmt: skip
    one = Calibration("helpful", "helpful_labels", "sha256:l", judge_errors(found), labelled=found)
    assert (one.errors.length, one.of(0.9).length) == pytest.approx((0.2, 0.04))
    assert one.of(0.5).length == pytest.approx(0.2)
    better = calibration(40, "better")
    assert better.of(0.9) is better.errors


def with_judges(setting: Setting, one: Calibration) -> Setting:
    return Setting(
        **{**{name: getattr(setting, name) for name in setting.__struct_fields__}, "judges": {one.scorer: one}}
    )


def judged(these: list[Case], base: float, candidate: float) -> list[Sample]:
    """Arms that are right so often, under a judge that errs."""
    chance = random.Random(7)
    return both(
        these,
        1,
        lambda case, _: errs(chance, float(chance.random() < base)),
        lambda case, _: errs(chance, float(chance.random() < candidate)),
        "helpful",
    )


def first(report: Report) -> Metric:
    return report.metrics[0]


def test_scores_are_corrected() -> None:
    """A judge that errs one time in five shows 0.2 + 0.6 h: 68 % of 80 %, and six tenths of a difference."""
    these = cases(2_000)
    samples = judged(these, 0.9, 0.6)
    plain, found = (
        compare(BOTH, RUBRIC, these, samples),
        compare(with_judges(BOTH, calibration(1_000)), RUBRIC, these, samples),
    )
    before, after = first(plain).difference, first(found).difference
    assert before is not None
    assert after is not None
    assert before.value == pytest.approx(-0.18, abs=0.04)
    assert after.value == pytest.approx(-0.30, abs=0.06)
    for figure, truth in ((first(found).base, 0.9), (first(found).candidate, 0.6), (first(found).difference, -0.3)):
        assert figure is not None
        assert figure.low <= truth <= figure.high
    assert found.verdict == "block"
    assert first(found).method == "judge"


def test_fewer_labels_widen_the_interval() -> None:
    """The judge's own error is in the interval, and it is said what is known of it."""
    these = cases(400)
    samples = judged(these, 0.6, 0.8)
    few, many = (compare(with_judges(BOTH, calibration(n)), RUBRIC, these, samples) for n in (30, 1_000))
    widths = [one.high - one.low for one in (first(few).difference, first(many).difference) if one]
    assert widths[0] > 1.2 * widths[1]
    told = " ".join(few.notes)
    assert "helpful is corrected by 30 labels of helpful_labels: judge and people agree on" in told
    assert "label 50 at least" in told
    assert "as it stands" not in told


def test_a_coin_decides_nothing() -> None:
    """A judge that is no better than chance blocks nothing and ships nothing."""
    these = cases(300)
    report = compare(with_judges(BOTH, calibration(100, coin=True)), RUBRIC, these, judged(these, 1.0, 0.0))
    assert report.verdict == "inconclusive"
    assert first(report).decision == "inconclusive"
    assert (first(report).difference.low, first(report).difference.high) == (-1.0, 1.0)  # type: ignore[union-attr]
    assert any("It may be no better than chance, so nothing is decided by it" in note for note in report.notes)


def test_one_arm_alone() -> None:
    """Without a base the mean is corrected too."""
    these = cases(2_000)
    samples = [one for one in judged(these, 0.9, 0.9) if one.arm == "candidate"]
    figure = first(compare(with_judges(ALONE, calibration(2_000)), RUBRIC, these, samples)).candidate
    assert figure is not None
    assert figure.low <= 0.9 <= figure.high < 1.0


def preferred(these: list[Case], win: float) -> list[Sample]:
    """The candidate is better so often, by a judge that errs."""
    chance = random.Random(3)
    arms: tuple[Arm, Arm] = ("base", "candidate")
    found = []
    for one in these:
        value = errs(chance, float(chance.random() < win))
        for arm, mark in zip(arms, (1 - value, value), strict=True):
            (sample,) = [each for each in both([one], 1, lambda *_: 0.0, lambda *_: 0.0) if each.arm == arm]
            found.append(Sample(arm, one.id, 0, 1, sample.answer, (Mark("better", mark),)))
    return found


@pytest.mark.parametrize(("win", "verdict"), [(0.7, "ship"), (0.3, "block")])
def test_pairs(win: float, verdict: str) -> None:
    """Of a judge that compares, the difference of both arms is corrected: 70 % won are 0.7 - 0.3."""
    these = cases(600)
    report = compare(with_judges(BOTH, calibration(400, "better")), PAIRWISE, these, preferred(these, win))
    difference = first(report).difference
    assert difference is not None
    assert difference.low <= 2 * win - 1 <= difference.high
    assert report.verdict == verdict
