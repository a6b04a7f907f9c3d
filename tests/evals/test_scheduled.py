"""Which cases are asked when."""

from __future__ import annotations

from collections import Counter

import pytest

from trimtab.evals.case import Case
from trimtab.evals.scheduled import chosen, slot_of

CASES = tuple(Case(str(n), {"n": n}, slices=("hard",) if n % 5 == 0 else ()) for n in range(50))


def test_slots_of_time() -> None:
    """An hour from its first second to before the next."""
    assert [slot_of(at, 3600.0) for at in (0.0, 3599.9, 3600.0, 7300.0)] == [0, 0, 1, 2]


@pytest.mark.parametrize("count", [7, 20, 49])
def test_all_cases_are_asked_equally_often(count: int) -> None:
    """After whole turns each was asked as often as every other; 50 slots of so many are that many turns."""
    asked = Counter(case.id for slot in range(1000, 1050) for case in chosen(CASES, 1, slot, count))
    assert set(asked) == {case.id for case in CASES}
    assert max(asked.values()) - min(asked.values()) <= 1
    assert sum(asked.values()) == 50 * count


def test_each_slot_is_like_the_suite() -> None:
    """A fifth of the cases is hard: of 20 of them three to five, with a turn that ends within perhaps six."""
    for slot in range(200):
        hard = sum(bool(case.slices) for case in chosen(CASES, 1, slot, 20))
        assert 2 <= hard <= 6


def test_a_slot_has_the_same_cases_whenever_it_is_asked() -> None:
    """In whatever order the file has them; other slots and seeds have others."""
    first = [case.id for case in chosen(CASES, 1, 7, 20)]
    assert [case.id for case in chosen(CASES[::-1], 1, 7, 20)] == first
    assert [case.id for case in chosen(CASES, 1, 8, 20)] != first
    assert [case.id for case in chosen(CASES, 2, 7, 20)] != first


def test_a_small_suite_is_asked_whole() -> None:
    """In its own order."""
    assert chosen(CASES[:5], 1, 3, 20) == CASES[:5]
