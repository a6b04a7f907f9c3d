"""Which fields of an answer are watched, and what each answer says in them."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from trimtab.contracts.predictions import Predicted, predicted, predictions

TICKET: dict[str, Any] = {
    "type": "object",
    "properties": {
        "reason": {"type": "string"},
        "label": {"enum": ["billing", "access", "other"]},
        "urgent": {"type": "boolean"},
        "amount": {"type": ["number", "null"]},
        "kind": {"const": "ticket"},
        "items": {"type": "array", "items": {"$ref": "#/$defs/item"}},
        "a/b": {"anyOf": [{"enum": [1, 2]}, {"type": "null"}]},
    },
    "$defs": {"item": {"properties": {"size": {"enum": ["S", "L"]}, "note": {"type": "string"}}}},
}


def said(answer: object, schema: object = TICKET) -> list[tuple[str, str | float]]:
    return [(one.pointer, one.value) for one in predicted(answer, predictions(json.dumps(schema)))]


def test_what_is_watched() -> None:
    """Enums, truths and numbers are watched, through references and in arrays; free strings and constants are not."""
    assert [(one.pointer, one.kind) for one in predictions(json.dumps(TICKET))] == [
        ("/label", "category"),
        ("/urgent", "category"),
        ("/amount", "number"),
        ("/a~1b", "category"),
        ("/items/*/size", "category"),
    ]


def test_what_an_answer_says() -> None:
    """Each field counts as its category or its number; each item of an array counts."""
    answer = {
        "reason": "secret", "label": "access", "urgent": True, "amount": -2.5, "kind": "ticket", "a/b": 2,
        "items": [{"size": "S"}, {"size": "L", "note": "x"}, {}],
    }  # fmt: skip
    assert said(answer) == [
        ("/label", "access"),
        ("/urgent", "true"),
        ("/amount", -2.5),
        ("/a~1b", "2"),
        ("/items/*/size", "S"),
        ("/items/*/size", "L"),
    ]


def test_what_is_not_there_says_nothing() -> None:
    """A field that is absent, null where it is a number, or of another kind is not guessed."""
    assert said({"amount": None, "urgent": [], "items": {"size": "S"}}) == []
    assert said("text") == []


def test_a_value_that_no_enum_has() -> None:
    """A value outside its enum counts as other, so that categories are bounded."""
    assert said({"label": "invented"}) == [("/label", "(other)")]


def test_a_whole_answer_may_be_watched() -> None:
    """A schema of one scalar is a field by itself, with an empty pointer."""
    assert said(7, {"type": "integer"}) == [("", 7.0)]


def test_the_bounds() -> None:
    """There are at most 32 fields, 64 categories, 16 items, 6 levels, and numbers a double can hold."""
    wide = {"properties": {f"f{n}": {"type": "boolean"} for n in range(50)}}
    assert len(predictions(json.dumps(wide))) == 32
    many = {"enum": [f"v{n}" for n in range(70)]}
    assert said("v63", many) == [("", "v63")]
    assert said("v64", many) == [("", "(other)")]
    listed = {"items": {"type": "boolean"}}
    assert said([True] * 40, listed) == [("/*", "true")] * 16
    looped = {
        "$ref": "#/$defs/n",
        "$defs": {"n": {"properties": {"n": {"$ref": "#/$defs/n"}, "ok": {"type": "boolean"}}}},
    }
    assert max(one.pointer.count("/") for one in predictions(json.dumps(looped))) == 6
    assert said(10**400, {"type": "integer"}) == []
    assert predictions('{"type": {"type": "boolean"}}') == predictions("no json") == ()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["type", "enum", "properties", "items", "$ref", "anyOf", "label", "const"]), inner
        )
    ),
    max_leaves=30,
)


@given(JSON, JSON)
def test_any_schema_and_answer(schema: Any, answer: Any) -> None:
    """Whatever passes for a schema and for an answer, there are a few short values or none."""
    for one in predicted(answer, predictions(json.dumps(schema))):
        assert isinstance(one, Predicted)
        assert isinstance(one.value, float) or len(one.value) <= 80
