"""A judge that errs, corrected."""

from __future__ import annotations

from random import Random

import pytest
from statsmodels.stats.proportion import proportion_confint

from trimtab.statistics.judged import Judged, corrected_mean, rogan_gladen


def test_a_judge_of_no_use_changes_nothing() -> None:
    """One that always says the same leaves the mean of what people said."""
    judged = [Judged(str(place), str(place), 1.0, float(place < 12) if place < 20 else None) for place in range(100)]
    found = corrected_mean(judged)
    assert found.value == pytest.approx(0.6)
    assert (found.cases, found.samples) == (100, 20)


def test_a_constant_bias_is_taken_out() -> None:
    """A judge that gives 0.2 too much on every case is as good as one without."""
    random = Random(1)
    scores = [random.random() * 0.8 for _ in range(200)]
    fair = [Judged(str(n), str(n), one, one if n < 50 else None) for n, one in enumerate(scores)]
    biased = [one._replace(judge=one.judge + 0.2) for one in fair]
    assert corrected_mean(biased).value == pytest.approx(corrected_mean(fair).value)


@pytest.mark.parametrize("labelled", [30, 120])
@pytest.mark.parametrize("kind", ["flips", "position", "length"])
def test_planted_biases_are_covered(kind: str, labelled: int) -> None:
    """10 % flips, a liking for the first answer, a liking for long ones: of 150 intervals 92 % and more cover 0.7."""
    random = Random(5)
    hits = 0
    for _ in range(150):
        judged = []
        for case in range(labelled + 200):
            truth = random.random() < 0.7
            said = truth
            if kind == "flips":
                said = truth ^ (random.random() < 0.1)
            elif kind == "position" and random.random() < 0.2:
                said = random.random() < 0.5
            elif kind == "length" and random.random() < 0.2:
                said = True
            judged.append(Judged(str(case), str(case), float(said), float(truth) if case < labelled else None))
        found = corrected_mean(judged)
        hits += found.low <= 0.7 <= found.high
    assert hits / 150 >= 0.92


def test_labels_are_worth_more_with_a_good_judge() -> None:
    """50 labels and 2,000 scores of a judge that errs on 5 %: narrower than 50 labels alone."""
    random = Random(6)
    judged = []
    for case in range(2_050):
        truth = random.random() < 0.5
        judged.append(
            Judged(str(case), str(case), float(truth ^ (random.random() < 0.05)), float(truth) if case < 50 else None)
        )
    found = corrected_mean(judged)
    low, high = proportion_confint(25, 50, method="wilson")
    assert found.high - found.low < 0.8 * (high - low)


def test_a_judge_known_to_be_right_has_the_interval_of_agresti_and_coull() -> None:
    """With a sensitivity and a specificity of 1 from 10^12 labels Lang and Reiczigel's interval is theirs."""
    many = (10**12, 10**12)
    found = rogan_gladen((37, 120), many, many)
    assert found.value == pytest.approx(37 / 120)
    assert (found.low, found.high) == pytest.approx(proportion_confint(37, 120, method="agresti_coull"), abs=1e-6)


def test_a_corrected_share_by_hand() -> None:
    """90 % sensitivity, 80 % specificity, 45 % said to be positive: (0.45 - 0.2) / 0.7."""
    assert rogan_gladen((45, 100), (90, 100), (80, 100)).value == pytest.approx(0.25 / 0.7)


def test_a_judge_no_better_than_chance_tells_nothing() -> None:
    """Half right on both kinds."""
    found = rogan_gladen((45, 100), (10, 20), (9, 20))
    assert (found.low, found.high) == (0.0, 1.0)


def test_few_labels_are_refused() -> None:
    """Nine do not tell how a judge errs; none of one kind neither."""
    with pytest.raises(ValueError, match="label at least"):
        corrected_mean([Judged(str(place), str(place), 1.0, 1.0) for place in range(9)])
    with pytest.raises(ValueError, match="label at least"):
        rogan_gladen((1, 2), (0, 0), (1, 1))
