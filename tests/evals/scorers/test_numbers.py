"""Numbers out of text and JSON, within a tolerance."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.evals.scorers.marking import value
from trimtab.evals.scorers.numbers import number_in


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("42", "42"),
        ("about 42.", "42"),
        ("1,234.5", "1234.5"),
        ("1.234,5", "1234.5"),
        ("1 234,5", "1234.5"),
        ("1\u202f234,5", "1234.5"),
        ("1'234.5", "1234.5"),
        ("1,234", "1234"),
        ("0,234", "0.234"),
        ("3,14", "3.14"),
        ("1.234", "1.234"),
        ("1.234.567", "1234567"),
        ("1,234,567", "1234567"),
        ("\u22125 EUR", "-5"),
        ("-.5", "-0.5"),
        ("1e3", "1000"),
        ("1e400", "1" + "0" * 400),
        ("0e999", "0"),
        ("-1.5E-3 m", "-0.0015"),
        ("first 3, then 7 of 9", "9"),
        ("2024-01-02", "2"),
        ("12 345 678", "12345678"),
        ("12 34", "34"),
        ("\uff11\uff12", "12"),
    ],
)
def test_number_in_a_text(text: str, number: str) -> None:
    """Thousands and decimals are told apart as they are written; the last number counts."""
    assert number_in(text) == Decimal(number)


@pytest.mark.parametrize(
    "value",
    [
        *("", "none", "v1", "x12", True, None, [1], {"a": 1}, "9" * 401, 10**400, "1,23,456"),
        *("1e401", "1e-401", "about 5e1000", "1e" + "9" * 401),
    ],
)
def test_no_number(value: Any) -> None:
    """What is none, and what has more than 400 digits or such an exponent: 1e401 is not 1."""
    assert number_in(value) is None


def test_decimals_are_exact() -> None:
    """0.1 off is within 0.1, though floats say otherwise; a tolerance of 0 asks for the same number."""
    assert 0.3 - 0.2 != 0.1
    assert value("numeric", "0.3", 0.2, tolerance=0.1) == 1.0
    assert value("numeric", "0.30000000000000001", 0.3) == 0.0
    assert value("numeric", "0.30", 0.3) == 1.0
    assert value("numeric", "12345678901234567891", 12345678901234567890) == 0.0


def test_tolerance() -> None:
    """Absolute, or a part of what is expected, whatever its sign."""
    assert value("numeric", "104", 100, tolerance=5.0) == 1.0
    assert value("numeric", "106", 100, tolerance=5.0) == 0.0
    assert value("numeric", "-105", -100, tolerance=0.05, relative=True) == 1.0
    assert value("numeric", "-106", -100, tolerance=0.05, relative=True) == 0.0
    assert value("numeric", "0.001", 0, tolerance=0.5, relative=True) == 0.0


def test_numbers_of_fields() -> None:
    """A field's number, or the number in its text; what is no number is wrong, what is not expected is no mark."""
    assert value("numeric", '{"total": "1,200 USD"}', {"total": 1200}, field="total") == 1.0
    assert value("numeric", '{"total": true}', {"total": 1}, field="total") == 0.0
    assert value("numeric", "no idea", 3) == 0.0
    assert value("numeric", "3", "three") is None


@given(st.decimals(allow_nan=False, allow_infinity=False, places=2, min_value=-(10**9), max_value=10**9))
def test_thousands_are_read_as_they_are_written(number: Decimal) -> None:
    """With commas or points between thousands, a number is the same."""
    english = f"{number:,}"
    assert number_in(english) == number
    assert number_in(english.translate({ord(","): ".", ord("."): ","})) == number
    assert number_in(f"it is {english} in all") == number


@given(st.text(alphabet="0123456789.,' -+eE", max_size=60))
def test_what_looks_like_a_number_never_fails(text: str) -> None:
    """Digits and signs in any order are a finite number or none."""
    found = number_in(text)
    assert found is None or found.is_finite()
