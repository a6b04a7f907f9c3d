"""Judges that err: what people said of some answers corrects their scores, and their error is in the interval."""

from __future__ import annotations

import random

from msgspec.structs import replace

from tests.evals.samples import ALONE, BOTH, cases, sample
from trimtab.declare.evaluating import Evals, Scorer
from trimtab.evals.comparing import compare
from trimtab.evals.report import Figure, Metric, Report
from trimtab.evals.sample import Sample

SUITE = Evals(scorers=(Scorer("polite", "rubric", model="large", question="Is it polite?"),), margin=0.05)
RUNS = 20
TRUE_DROP = 0.2


def judged(seed: int, number: int, labelled: int) -> tuple[list[Sample], dict[str, dict[str, float]]]:
    """A candidate that is worse by 20 points, and a judge that takes most of its bad answers for good ones."""
    chance = random.Random(seed)
    samples, labels = [], {}
    for index in range(number):
        for arm, share, fooled in (("base", 0.8, 0.1), ("candidate", 0.8 - TRUE_DROP, 0.6)):
            good = chance.random() < share
            says = good if chance.random() > (0.05 if good else fooled) else not good
            one = sample(arm, f"c{index}", 0, {"polite": float(says)})  # type: ignore[arg-type]
            samples.append(one)
            if index < labelled:
                labels[one.answer.call] = float(good)
    return samples, {"polite": labels}


def difference(report: Report) -> Figure:
    found = report.metrics[0].difference
    assert found is not None
    return found


def test_a_fooled_judge_is_seen_through() -> None:
    """A judge that likes the candidate's bad answers hides a drop of 20 points; with labels it is blocked."""
    samples, labels = judged(1, 400, 120)
    plain, mended = (compare(BOTH, SUITE, cases(400), samples, labels=found) for found in (None, labels))
    assert plain.verdict != "block"
    assert mended.verdict == "block"
    assert mended.metrics[0].method == "ppi"
    assert difference(mended).low <= -TRUE_DROP <= difference(mended).high < difference(plain).value


def test_the_interval_holds_what_is_true() -> None:
    """Of twenty such evaluations the interval of the difference covers the true one in at least 17, and the judge's own
    interval in at most ten.
    """
    covered = plain = 0
    for seed in range(RUNS):
        samples, labels = judged(100 + seed, 160, 60)
        found, alone = (
            difference(compare(BOTH, replace(SUITE, margin=0.3), cases(160), samples, labels=told))
            for told in (labels, None)
        )
        covered += found.low <= -TRUE_DROP <= found.high
        plain += alone.low <= -TRUE_DROP <= alone.high
    assert covered >= 17
    assert plain <= RUNS / 2


def test_few_labels_correct_nothing() -> None:
    """Nine labelled cases are too few: the judge's word stands, and it is said."""
    samples, labels = judged(2, 100, 9)
    report = compare(BOTH, SUITE, cases(100), samples, labels=labels)
    assert report.metrics[0] == compare(BOTH, SUITE, cases(100), samples).metrics[0]
    assert any("people labelled 9 cases of these" in note for note in report.notes)


def test_enough_labels_are_not_told_of() -> None:
    """With labels enough nothing is said of the judge."""
    samples, labels = judged(3, 100, 40)
    assert not any("judge" in note for note in compare(BOTH, SUITE, cases(100), samples, labels=labels).notes)


def test_one_arm() -> None:
    """The mean of one arm is corrected too: people found 60 % good where the judge says more."""
    samples, labels = judged(4, 400, 200)
    mine = [one for one in samples if one.arm == "candidate"]

    def mean(report: Report) -> Figure:
        found: Metric = report.metrics[0]
        assert found.candidate is not None
        return found.candidate

    plain, mended = (mean(compare(ALONE, SUITE, cases(400), mine, labels=found)) for found in (None, labels))
    assert plain.value > 0.75
    assert mended.low <= 0.6 <= mended.high
