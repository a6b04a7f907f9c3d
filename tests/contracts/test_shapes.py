"""The shape of a tool's answer: what is in it and what is not, as text and read back."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.contracts.shapes import (
    MAX_BYTES,
    MAX_DEPTH,
    MAX_READ,
    field_path,
    is_data,
    parse,
    places,
    shape_of,
    shape_of_value,
)


@pytest.mark.parametrize(
    ("answer", "shape"),
    [
        ("{}", "{}"),
        ("[]", "[]"),
        (' {"id": 7} ', "{id:integer}"),
        ('{"b": 1, "a": true}', "{a:boolean,b:integer}"),
        ('{"a": null, "b": "x", "c": 1.0}', "{a:null,b:string,c:number}"),
        ("[1, 2.5]", "[number]"),
        ('[1, "x", null]', "[integer|null|string]"),
        ('[[], [1], {"a": 1}]', "[[integer]|{a:integer}]"),
        ('[{"a": 1, "b": 2}, {"a": 3}]', "[{a:integer,b?:integer}]"),
        (
            '{"two words": 1, "größe": 2, "x.y": 3, "*": 4}',
            '{"größe":integer,"two words":integer,"x.y":integer,*:integer}',
        ),
        ('{"2026-11-25": 1, "total": 2}', "{total:integer,*:integer}"),
        ("not JSON", "text"),
        ("", "text"),
        ("42", "text"),
        ('"quoted"', "text"),
        ("null", "text"),
        ("{'id': 7}", "text"),
        ('{"id": NaN}', "text"),
        ('{"id": 7', "text"),
    ],
)
def test_shapes(answer: str, shape: str) -> None:
    """Names and types are in it, values are not; what is no object or array of JSON is text."""
    assert shape_of(answer) == shape


@pytest.mark.parametrize(
    "key",
    [
        *("2026-11-25", "12", "1", "user_104822", "alice@example.org", "src/main.py", "/etc/hosts"),
        *("550e8400-e29b-41d4-a716-446655440000", "9f86d081", "+41 44 268 12 12", "https://example.org", "", "x" * 65),
    ],
)
def test_keys_that_are_data(key: str) -> None:
    """Ids, dates, addresses and paths are values, and no names of fields."""
    assert is_data(key)


@pytest.mark.parametrize(
    "key",
    [
        *("id", "first_name", "firstName", "Content-Type", "@type", "$ref", "#text", "größe", "名前", "two words"),
        *("x.y", "ns:tag", "line1", "sha256", "md5", "2fa_enabled", "24h", "utf8mb4", "p95", "oauth2_v3"),
    ],
)
def test_keys_that_are_names(key: str) -> None:
    """Names of fields may hold a digit or two and any letters."""
    assert not is_data(key)


def test_many_keys_are_a_map() -> None:
    """An object with more than 256 keys is a map, whatever they look like."""
    values = {f"{a}{b}": 1 for a in "abcdefghijklmnopqrst" for b in "abcdefghijklmnopqrst"}
    assert shape_of_value({"rates": values, "base": "x"}) == "{base:string,rates:{**:integer}}"


def test_a_long_array_is_looked_at_evenly() -> None:
    """32 of its items are: what only a few of very many have may be missed, what follows in its second half is not."""
    assert shape_of_value([{"a": 1}] * 500 + [{"b": 1}] * 500) == "[{a?:integer,b?:integer}]"


def test_what_is_too_much_is_left_open() -> None:
    """Depth, number of values and length are bounded; of what is not looked at nothing is said."""
    deep: Any = "x"
    for _ in range(MAX_DEPTH + 5):
        deep = {"a": deep}
    assert shape_of_value(deep) == "{a:" * (MAX_DEPTH - 1) + "{...}" + "}" * (MAX_DEPTH - 1)
    assert shape_of("[" * 5000 + "]" * 5000) == "text"
    assert shape_of("[" + "1," * MAX_READ + "1]") == ""
    wide = {f"name_that_is_long_{a}{b}{c}": {"inner_name": 1} for a in "abcdef" for b in "abcdef" for c in "abcdef"}
    shape = shape_of_value({"things": wide, "other": wide, "more": [wide]})
    assert len(shape) <= MAX_BYTES
    assert shape == "{more:[...],other:{...},things:{...}}"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(), inner, max_size=5),
    max_leaves=30,
)


@given(JSON)
def test_a_shape_is_read_as_it_was_written(value: Any) -> None:
    """What control reads is what the gateway saw: each path once, its parent before it."""
    text = shape_of_value(value)
    found = list(places(parse(text)))
    paths = [place.path for place in found]
    assert len(set(paths)) == len(paths)
    assert found[0].path == "$"
    for number, place in enumerate(found[1:], 1):
        assert place.parent in paths[:number]


@given(st.text())
def test_foreign_text_is_a_shape_or_a_value_error(text: str) -> None:
    """A record may hold anything; reading a shape raises nothing but `ValueError`."""
    try:
        parse(text)
    except ValueError:
        return
    assert all(place.types for place in places(parse(text)))


@pytest.mark.parametrize(
    "text", ["", "{", "}", "{a}", "{a:}", "{a:integer", "[integer", "integer|", "{a:other}", "text text"]
)
def test_what_is_no_shape(text: str) -> None:
    """A text that is cut or edited is refused."""
    with pytest.raises(ValueError, match="not a shape"):
        parse(text)


def test_paths_of_odd_names() -> None:
    """A name that is not plain stands in brackets, so that no two paths are the same."""
    names = ["a", "a.b", 'a"b', "a]", "a b"]
    text = shape_of_value(dict.fromkeys(names, 1))
    assert {place.path for place in places(parse(text))} == {"$", *(field_path("$", name) for name in names)}
    assert field_path("$", 'a"b') == '$["a\\"b"]'


@given(st.dictionaries(st.text(max_size=4), st.integers(), max_size=4))
def test_no_value_is_in_a_shape(values: dict[str, int]) -> None:
    """Two answers that differ in their values alone have one shape."""
    other = {key: value + 1 for key, value in values.items()}
    assert shape_of(json.dumps(values)) == shape_of(json.dumps(other))
