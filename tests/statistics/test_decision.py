"""Ship, block and inconclusive, alone and together."""

from __future__ import annotations

import pytest

from trimtab.statistics.clustered import Observation
from trimtab.statistics.decision import Decision, Verdict, combined, non_inferiority, superiority
from trimtab.statistics.paired import Difference, paired_difference


def difference(shift: float, noise: float = 0.1, cases: int = 100) -> Difference:
    """Cases whose scores lie `shift` apart on average, with a standard error of about noise / 10."""
    base = [Observation(str(place), str(place), (0.5,)) for place in range(cases)]
    after = [
        Observation(str(place), str(place), (0.5 + shift + noise * (1 if place % 2 else -1),)) for place in range(cases)
    ]
    return paired_difference(base, after)


@pytest.mark.parametrize(
    ("shift", "margin", "decision"),
    [
        (0.0, 0.05, "ship"),
        (-0.03, 0.05, "ship"),
        (-0.045, 0.05, "inconclusive"),
        (-0.055, 0.05, "inconclusive"),
        (-0.08, 0.05, "block"),
        (0.0, 0.0, "inconclusive"),
        (0.05, 0.0, "ship"),
    ],
)
def test_non_inferiority(shift: float, margin: float, decision: str) -> None:
    """With a standard error of 0.01, what lies 0.017 from the margin is decided, the rest is not."""
    assert non_inferiority(difference(shift), margin).decision == decision


def test_less_may_be_better() -> None:
    """A cost that falls ships, one that rises by more than the margin is blocked."""
    assert non_inferiority(difference(-0.1), 0.05, higher_is_better=False).decision is Decision.SHIP
    assert non_inferiority(difference(0.1), 0.05, higher_is_better=False).decision is Decision.BLOCK


def test_superiority() -> None:
    """A change has to be better by more than the margin; being as good is not enough, and surely not is a block."""
    assert superiority(difference(0.1), 0.05).decision is Decision.SHIP
    assert superiority(difference(0.05), 0.05).decision is Decision.INCONCLUSIVE
    assert superiority(difference(0.0), 0.05).decision is Decision.BLOCK
    assert superiority(difference(-0.1), 0.05, higher_is_better=False).decision is Decision.SHIP


def test_a_margin_below_nothing_is_refused() -> None:
    """Its sign is a mistake that would ship anything."""
    with pytest.raises(ValueError, match="0 or more"):
        non_inferiority(difference(0.0), -0.05)


def verdict(ship: float, block: float) -> Verdict:
    """Two p-values at a level of 0.05."""
    decision = Decision.SHIP if ship <= 0.05 else Decision.BLOCK if block <= 0.05 else Decision.INCONCLUSIVE
    return Verdict(decision, ship, block, 0.05, 0.05)


FINE, OPEN, BAD = verdict(0.001, 0.999), verdict(0.4, 0.6), verdict(0.999, 0.001)


@pytest.mark.parametrize(
    ("metrics", "slices", "decision"),
    [
        ({"score": FINE, "parse": FINE}, {}, "ship"),
        ({"score": FINE, "parse": OPEN}, {}, "inconclusive"),
        ({"score": FINE, "parse": BAD}, {}, "block"),
        ({"score": FINE}, {"german": OPEN}, "ship"),
        ({"score": FINE}, {"german": BAD}, "block"),
        ({}, {"german": FINE}, "inconclusive"),
    ],
)
def test_several_metrics(metrics: dict[str, Verdict], slices: dict[str, Verdict], decision: str) -> None:
    """All metrics must be fine, one bad one or one bad slice blocks, slices need not be shown to be fine."""
    assert combined(metrics, slices).decision == decision


def test_many_slices_are_corrected() -> None:
    """A p-value of 0.02 blocks alone, and not as the least of ten (Holm: 0.2)."""
    bad = verdict(0.98, 0.02)
    assert combined({"score": bad}, {}).blocked_by == ("score",)
    found = combined({"score": FINE}, {"bad": bad, **{f"slice {place}": FINE for place in range(8)}})
    assert found.decision is Decision.SHIP
