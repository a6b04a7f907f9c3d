"""Schemas inferred from answers."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.advice.inferred import MAX_FIELDS, agreeing, infer
from trimtab.contracts.validate import Validator

CHARACTERS = st.characters(codec="utf-8")
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(CHARACTERS),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(CHARACTERS, max_size=5), inner, max_size=4),
    max_leaves=12,
)


def test_fields_types_and_what_is_required() -> None:
    """A field of every answer is required; whole numbers beside others are numbers; null may stand beside a type."""
    answers = [
        {"n": 1 if number % 2 else 0.5, "note": None if number % 2 else f"text {number}", "tags": [number]}
        for number in range(20)
    ]
    answers[3]["extra"] = True
    assert infer(answers) == {
        "type": "object",
        "properties": {
            "n": {"type": "number"},
            "note": {"type": ["null", "string"]},
            "tags": {"type": "array", "items": {"type": "integer"}},
            "extra": {"type": "boolean"},
        },
        "required": ["n", "note", "tags"],
    }


@pytest.mark.parametrize(
    ("texts", "is_enum"),
    [
        (["a"] * 10 + ["b"] * 10, True),
        (["a"] * 16 + ["b"] * 4, False),
        (["a"] * 20, False),
        ([letter for letter in "abcdefghi" for _ in range(5)], False),
        ([letter for letter in "abcdefgh" for _ in range(5)], True),
        (["a" * 41] * 10 + ["b"] * 10, False),
    ],
    ids=["two", "a rare one", "always the same", "nine", "eight", "long"],
)
def test_an_enum_only_of_few_frequent_values(texts: list[str], is_enum: bool) -> None:
    """Two to eight short values, each seen five times."""
    found = infer([{"label": text} for text in texts])
    assert found is not None
    assert found["properties"]["label"].get("enum") == (sorted(set(texts)) if is_enum else None)


def test_null_is_a_value_of_an_enum_beside_it() -> None:
    """An enum of a field that may be null takes null."""
    found = infer([{"label": (None, "a", "b")[number % 3]} for number in range(30)])
    assert found is not None
    assert found["properties"]["label"] == {"type": ["null", "string"], "enum": ["a", "b", None]}


@pytest.mark.parametrize(
    "answers",
    [
        [{"a": 1}] * 19,
        [*[{"a": 1}] * 20, [1]],
        [{"a": 1}] * 10 + [{"b": 1}] * 10,
        [{"a": 1}] * 10 + [{"a": "x"}] * 10,
        [{}] * 20,
        [{f"k{number}": 1 for number in range(MAX_FIELDS + 1)}] * 20,
    ],
    ids=["too few", "not an object", "no field in common", "types", "empty", "a map"],
)
def test_answers_that_do_not_agree(answers: list[Any]) -> None:
    """Nothing is inferred."""
    assert infer(answers) is None


def test_what_was_not_looked_at_is_left_open() -> None:
    """Of a long array, and of what lies deep, nothing is said."""
    deep: Any = "bottom"
    for _ in range(20):
        deep = {"a": deep}
    found = infer([{"long": [1] * 300, "deep": deep}] * 20)
    assert found is not None
    assert found["properties"]["long"] == {"type": "array"}
    assert json.dumps(found).count('"properties"') == 7


@given(st.lists(st.dictionaries(st.text(CHARACTERS, max_size=3), JSON, max_size=4), min_size=20, max_size=30))
def test_every_answer_keeps_the_schema_inferred_from_it(answers: list[dict[str, Any]]) -> None:
    """Whatever the answers are, none of them breaks it."""
    whole = [one | {"always": 1} for one in answers]
    found = infer(whole)
    if found is not None:
        validator = Validator(json.dumps(found))
        assert [validator.faults(one) for one in whole] == [()] * len(whole)


def test_agreeing() -> None:
    """Nine in ten agree, eight do not, and of nothing nothing comes."""
    assert agreeing([("a", 9), ("b", 1)], 10) == "a"
    assert agreeing([("a", 8), ("b", 2)], 10) == ""
    assert agreeing([], 0) == ""
