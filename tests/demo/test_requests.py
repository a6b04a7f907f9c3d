"""Reading request bodies."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.demo.requests import CANNOT, ChatRequest, CompletionRequest, EmbeddingRequest, read, texts_of
from trimtab.errors import EngineRefusal

MINIMAL = {"model": "m", "messages": [{"role": "user", "content": "hello"}]}

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(st.binary(max_size=200))
def test_no_bytes_break_the_reader(content: bytes) -> None:
    """Whatever arrives, the reader gives a request or refuses it with 400."""
    for kind in (ChatRequest, CompletionRequest, EmbeddingRequest):
        with pytest.raises(EngineRefusal) as caught:
            read(kind, content)
        assert caught.value.status == 400


def test_no_depth_breaks_the_reader() -> None:
    """Brackets within brackets without end are refused with 400."""
    deep = b'{"model": "m", "messages": ' + b"[" * 100_000
    with pytest.raises(EngineRefusal, match="recursion"):
        read(ChatRequest, deep.replace(b'"messages"', b'"response_format"'))


@given(name=st.sampled_from(sorted(ChatRequest.__struct_fields__)), value=anything)
def test_no_value_breaks_the_reader(name: str, value: Any) -> None:
    """A known field with any JSON value in it is read, or refused with 400."""
    try:
        assert read(ChatRequest, json.dumps({**MINIMAL, name: value}).encode()).messages
    except EngineRefusal as refusal:
        assert refusal.status == 400


@given(st.dictionaries(st.text(max_size=8).map("x_{}".format), anything, max_size=4))
def test_unknown_fields_are_ignored(extra: dict[str, Any]) -> None:
    """What the engine does not know does not disturb it."""
    assert read(ChatRequest, json.dumps({**MINIMAL, **extra}).encode()) == read(
        ChatRequest, json.dumps(MINIMAL).encode()
    )


@pytest.mark.parametrize("name", sorted(set(CANNOT) & set(ChatRequest.__struct_fields__)))
def test_what_cannot_be_honoured_is_refused(name: str) -> None:
    """Fields that would change the answer are refused by name; null, and the value that asks for nothing, are not."""
    with pytest.raises(EngineRefusal, match=name) as caught:
        read(ChatRequest, json.dumps({**MINIMAL, name: {"type": "something"}}).encode())
    assert caught.value.param == name
    for harmless in (None, CANNOT[name]):
        assert read(ChatRequest, json.dumps({**MINIMAL, name: harmless}).encode())


@pytest.mark.parametrize(
    ("value", "texts"),
    [
        ("a", ["a"]),
        ([1, 2], [[1, 2]]),
        (["a", "b"], ["a", "b"]),
        ([[1], [2, 3]], [[1], [2, 3]]),
        (["a", [1]], ["a", [1]]),
    ],
)
def test_inputs_come_in_all_their_forms(value: Any, texts: list[Any]) -> None:
    """A text, token ids, and lists of these are told apart."""
    assert texts_of(value, "input", 2) == texts


@pytest.mark.parametrize("value", [[], [[]], [{}], ["a", None], ["a", "b", "c"], [[1], ["a"]]])
def test_other_inputs_are_refused(value: Any) -> None:
    """Empty lists, other things, and more than the limit are refused by the field's name."""
    with pytest.raises(EngineRefusal) as caught:
        texts_of(value, "input", 2)
    assert caught.value.param == "input"
