"""Where two documents differ."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.journal.difference import Difference, differences, first_difference, path_text

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)


def encoded(value: Any) -> bytes:
    return json.dumps(value).encode()


def paths(left: Any, right: Any) -> list[tuple[str, str]]:
    return [(one.path, one.how) for one in differences(encoded(left), encoded(right))]


def test_a_character_is_located() -> None:
    """One character in the text of a message is named with its message and its place."""
    left = {"messages": [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Refund 40 EUR"}]}
    right = {"messages": [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Refund 41 EUR"}]}
    found = first_difference(encoded(left), encoded(right))
    assert found == Difference("messages[1].content", "changed", '"Refund 40 EUR"', '"Refund 41 EUR"', 8)
    assert found.told() == ('messages[1].content differs at character 8: recorded "Refund 40 EUR", now "Refund 41 EUR"')


def test_what_is_shown_is_cut_around_the_difference() -> None:
    """Of a long text, 24 characters before and behind the first difference are shown."""
    found = first_difference(encoded("a" * 100 + "b" + "c" * 100), encoded("a" * 100 + "x" + "c" * 100))
    assert found is not None
    assert found.left == '..."' + "a" * 24 + "b" + "c" * 23 + '"...'
    assert (found.path, found.at) == ("", 100)


def test_an_element_put_in_is_named_as_that() -> None:
    """A message between others is new; those behind it have not changed."""
    assert paths([{"a": 1}, {"b": 2}], [{"a": 1}, {"c": 3}, {"b": 2}]) == [("[1]", "added")]
    assert paths({"m": [1, 2, 3]}, {"m": [1, 3]}) == [("m[1]", "removed")]


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        ({"a": 1}, {"a": True}, [("a", "changed")]),
        ({"a": None}, {}, [("a", "removed")]),
        ({}, {"a": None}, [("a", "added")]),
        ({"a": 0}, {"a": ""}, [("a", "changed")]),
        ([], {}, [("", "changed")]),
        ({"a": {"b c": [0, {"d": 1}]}}, {"a": {"b c": [0, {"d": 2}]}}, [('a["b c"][1].d', "changed")]),
        ({"x": 1, "y": 1}, {"y": 2, "x": 2}, [("x", "changed"), ("y", "changed")]),
        ([1, 2], [2, 1], [("[0]", "changed"), ("[1]", "changed")]),
    ],
)
def test_kinds_of_difference(left: Any, right: Any, expected: list[tuple[str, str]]) -> None:
    """Types are told apart, absent is not null, and both keys and elements are named by their path."""
    assert paths(left, right) == expected


def test_equal_values_written_otherwise() -> None:
    """Order of keys, spaces, escapes and the form of a number change nothing but the writing, which is said."""
    assert differences(b'{"a": 1, "b": "\xc3\xa9"}', b'{"b":"\\u00e9","a":1.0}') == (Difference("", "written"),)
    assert differences(b"{}", b"{}") == ()


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (b"plain", b"plane"),
        (b"\xff\xfe", b"\xff\xfd"),
        (b'{"a": 1', b'{"a": 1}'),
        (b"[" * 5000, b"[" * 5001),
        (b'{"a": ' + b"[" * 900 + b"]" * 900 + b"}", b'{"a": ' + b"[" * 901 + b"]" * 901 + b"}"),
        (b"9" * 5000, b"8" * 5000),
        (b"1e999", b"1e998"),
        (b'"\\ud800"', b'"\\ud801"'),
    ],
)
def test_any_bytes_have_a_difference(left: bytes, right: bytes) -> None:
    """What is no JSON, too deep or too large for a number is compared as well, and what is told is UTF-8."""
    found = differences(left, right)
    assert len(found) == 1
    assert found[0].told().encode()


def test_only_so_many_are_told() -> None:
    """The differences that are told are bounded."""
    assert len(differences(encoded(list(range(1000))), encoded(list(range(1, 2000, 2))))) == 50


def test_what_only_one_side_has_is_cut() -> None:
    """A huge value that is new is shown by its beginning."""
    found = first_difference(b"{}", encoded({"a": [["x" * 10_000] * 100] * 100}))
    assert found is not None
    assert len(found.right) == 120


def test_paths_are_quoted_where_they_must_be() -> None:
    """A key with anything but letters, digits, _ and - stands in brackets, as JSON."""
    assert path_text(("a", 0, "b-c", 'd"e')) == 'a[0].b-c["d\\"e"]'


@given(JSON, JSON)
def test_equal_exactly_if_nothing_is_told(left: Any, right: Any) -> None:
    """Two documents without a difference of values are the same by another reading of them."""
    found = [one for one in differences(encoded(left), encoded(right)) if one.how != "written"]
    assert (found == []) == (normal(left) == normal(right))


@given(st.text(min_size=1, max_size=200), st.data())
def test_the_first_character_is_the_first(text: str, data: st.DataObject) -> None:
    """The place that is told is where the two texts part."""
    at = data.draw(st.integers(0, len(text) - 1))
    letter = data.draw(st.characters().filter(lambda one: one != text[at]))
    found = first_difference(encoded({"t": text}), encoded({"t": text[:at] + letter + text[at + 1 :]}))
    assert found is not None
    assert (found.path, found.at) == ("t", at)


def normal(value: Any) -> Any:
    """A value in which true and 1 are not equal, and 1 and 1.0 are."""
    match value:
        case bool() | None | str():
            return (type(value).__name__, value)
        case list():
            return [normal(one) for one in value]
        case dict():
            return {key: normal(one) for key, one in value.items()}
        case _:
            return ("number", value)
