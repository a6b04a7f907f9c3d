"""Conditions on calls: what can be said is read, nothing else is, and each holds for what it says."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.store.samples import call
from trimtab.data.filters import FIELDS, NUMBERS, conditions
from trimtab.record.events import Usage


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("outcome = ok", True),
        ("outcome=OK", True),
        ("outcome != ok", False),
        ("repairs > 1 and repairs <= 2", True),
        ("repairs >= 3", False),
        ("repairs = 2.0", True),
        ('model = "small" AND verdict = invalid', True),
        ("model ~ MAL", True),
        ("replica ~ nowhere", False),
        ("total_s < 9", False),
        ("total_s != 9", True),
        ("ttft_s = 0", False),
        ("input_tokens = 18", True),
        ("cost_usd < 0.01", True),
        ("stream = true", True),
        ("end_user = ''", True),
        ("prompt = 'it''s'", None),
    ],
)
def test_conditions(text: str, holds: bool | None) -> None:
    """A call that was repaired twice, without times: what is not known holds for != alone."""
    usage = Usage(input=10, cache_read=5, cache_write=3, output=7)
    made = call("a", verdict="invalid", repairs=2, usage=usage, cost=("exact", 5_000_000_000))
    if holds is None:
        with pytest.raises(ValueError, match="stands where `and` should"):
            conditions(text)
        return
    assert all(condition.holds(made) for condition in conditions(text)) is holds


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is no condition"),
        ("outcome", "is no condition"),
        ("outcome = ok or outcome = b", "there is no `or`"),
        ("outcome = ok; DROP TABLE calls", "stands where `and` should"),
        ("(outcome = ok)", "is no condition"),
        ("__class__ = x", "is no field of a call"),
        ("nothing = 1", "is no field of a call; there are attempts"),
        ("repairs > many", "is a number, and 'many' is none"),
        ("repairs = nan", "is a number"),
        ("outcome > ok", "outcome is no number; use = != or ~"),
        (" and ".join(["repairs = 1"] * 33), "more than 32 conditions"),
        ("outcome = ok and", "is no condition"),
    ],
)
def test_refused(text: str, says: str) -> None:
    """Anything else is refused with what to write instead."""
    with pytest.raises(ValueError, match=says.replace("(", r"\(")):
        conditions(text)


@given(st.text(max_size=60))
def test_any_text(text: str) -> None:
    """Any text is read or refused, and what is read can be held against a call."""
    try:
        found = conditions(text)
    except ValueError as wrong:
        assert str(wrong)
        return
    for condition in found:
        assert condition.holds(call("a")) in {True, False}


def test_numbers_are_fields() -> None:
    """Each field that is called a number is one of a call, or not known."""
    usage = Usage(input=1)
    made = call("a", usage=usage, total_s=1.0, ttft_s=0.5)
    assert set(FIELDS) >= NUMBERS
    for name, read in FIELDS.items():
        value = read(made)
        assert isinstance(value, (int, float)) == (name in NUMBERS or name == "stream"), name
