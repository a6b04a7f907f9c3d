"""How well reviewers agree, against tables worked out by hand."""

from __future__ import annotations

import pytest

from trimtab.evals.agreeing import agreement_of


def test_two_reviewers_of_a_known_table() -> None:
    """20 yes-yes, 5 yes-no, 10 no-yes, 15 no-no of 50: they agree on 0.7, by chance on 0.5, so that kappa is 0.4."""
    rows = [
        {"ana": one, "ben": other}
        for one, other, count in ((1.0, 1.0, 20), (1.0, 0.0, 5), (0.0, 1.0, 10), (0.0, 0.0, 15))
        for _ in range(count)
    ]
    found = agreement_of(rows, "nominal")
    assert found.rows == 50
    assert found.same == pytest.approx(0.7)
    assert [(one.first, one.second, one.rows) for one in found.pairs] == [("ana", "ben", 50)]
    assert found.pairs[0].kappa == pytest.approx(0.4)
    # alpha = 1 - (n - 1) * Do / De with 55 ones and 45 zeros: Do = 30 / 100, De = 2 * 55 * 45 / (100 * 99)
    assert found.alpha == pytest.approx(1 - 0.3 / (2 * 55 * 45 / 9900))
    assert found.low < found.alpha < found.high


def test_one_reviewer_alone_agrees_with_nobody() -> None:
    """Rows of one label say nothing of agreement."""
    found = agreement_of([{"ana": 1.0}, {"ben": 0.0}], "nominal")
    assert (found.rows, found.alpha, found.same, found.pairs) == (0, None, None, ())


def test_all_the_same_is_no_evidence() -> None:
    """Where all say yes, chance alone would agree too: neither coefficient is a number."""
    found = agreement_of([{"ana": 1.0, "ben": 1.0}] * 5, "nominal")
    assert found.same == 1.0
    assert found.alpha is None
    assert found.pairs[0].kappa is None


def test_pairs_need_two_rows_in_common() -> None:
    """Two who met on one row are no pair."""
    rows = [{"ana": 1.0, "ben": 0.0}, {"ana": 1.0, "cleo": 1.0}, {"ana": 0.0, "cleo": 0.0}]
    assert [(one.first, one.second) for one in agreement_of(rows, "nominal").pairs] == [("ana", "cleo")]
