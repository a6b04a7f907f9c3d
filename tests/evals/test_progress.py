"""How far a run is: the rate of late, and how long the rest takes at it."""

from __future__ import annotations

import pytest

from trimtab.evals.dispatch import Dispatch, Limits
from trimtab.evals.plan import Cell
from trimtab.evals.progress import Pace


def test_the_rate_is_that_of_late() -> None:
    """Of what ended in the last thirty seconds; what is left takes as long as it says."""
    dispatch = Dispatch([Cell("base", "a", 0, 1)], Limits(budget_usd=2.0), lambda _: None, 100.0, 0.5)
    pace = Pace(planned=100, kept=10, now=100.0)
    begun = pace.progress(dispatch, 10, 0, 100.0)
    assert (begun.rate, begun.left_s, begun.kept, begun.done) == (0.0, None, 10, 10)
    for second in range(10):
        pace.ended(101.0 + second, failed=second == 0)
    early = pace.progress(dispatch, 20, 3, 110.0)
    assert early.rate == pytest.approx(1.0)
    assert early.left_s == pytest.approx(80.0)
    assert (early.failed, early.unpriced, early.spent_usd, early.budget_usd) == (1, 3, 0.5, 2.0)
    late = pace.progress(dispatch, 20, 3, 135.0)
    assert late.rate == pytest.approx(6 / 30), "those that ended after 105"
    assert pace.progress(dispatch, 20, 3, 200.0).left_s is None


def test_a_wait_is_told() -> None:
    """For how long a limit still holds the run."""
    dispatch = Dispatch([Cell("base", "a", 0, 1)], Limits(), lambda _: None, 0.0)
    cell = dispatch.next(0.0)
    assert isinstance(cell, Cell)
    assert Pace(1, 0, 0.0).progress(dispatch, 0, 0, 0.0).open == 1
    dispatch.wait(cell, 9.0, 1.0)
    assert Pace(1, 0, 0.0).progress(dispatch, 0, 0, 4.0).waiting_s == pytest.approx(6.0)
