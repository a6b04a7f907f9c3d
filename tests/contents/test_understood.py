"""What a judgement may say, and what is wrong with others."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.errors import InvalidRequest
from trimtab.processes.feedback import MAX_BYTES, Judgement, understood

REFUSED: dict[str, tuple[Any, str]] = {
    "no subject": ({"score": 1}, "exactly one of call, run and conversation"),
    "two subjects": ({"call": "a", "run": "b", "score": 1}, "exactly one of"),
    "nothing judged": ({"call": "a", "comment": "x"}, "judges nothing"),
    "unknown field": ({"call": "a", "scroe": 1}, "unknown field `scroe`"),
    "score as text": ({"call": "a", "score": "1"}, "score"),
    "long label": ({"call": "a", "label": "x" * 201}, "label is empty, over 200"),
    "long name": ({"call": "a", "name": "x" * 65, "score": 1}, "name is empty, over 64"),
    "no name": ({"call": "a", "name": "", "score": 1}, "name is empty"),
    "line end": ({"call": "a\n", "score": 1}, "call is empty, over 200 characters or not printable"),
    "long comment": ({"call": "a", "score": 1, "comment": "x" * 2001}, "comment is over 2000"),
    "a list": ([], "no judgement"),
    "whole number that is none": (
        {"attributes": [{"key": "gen_ai.evaluation.score.value", "value": {"intValue": "one"}}]},
        "score",
    ),
    "keys that are none": ({"attributes": [{"key": ["call"], "value": 1}, {"key": {}}], "score": 1}, "attributes"),
    "another event": (
        {"name": "gen_ai.choice", "attributes": {"gen_ai.response.id": "a", "gen_ai.evaluation.score.value": 1}},
        "not gen_ai.evaluation.result",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused(name: str) -> None:
    """What is wrong with a judgement is said."""
    body, said = REFUSED[name]
    with pytest.raises(InvalidRequest) as refused:
        understood(json.dumps(body).encode())
    assert said in str(refused.value)


@pytest.mark.parametrize(
    "body", [b"", b"{", b'{"call": "a", "score": NaN}', b'{"call": "a", "score": 1e999}', b"[" * 99]
)
def test_what_is_no_json(body: bytes) -> None:
    """Broken JSON and numbers that are none are refused."""
    with pytest.raises(InvalidRequest):
        understood(body)
    with pytest.raises(InvalidRequest, match="over 262144 bytes"):
        understood(b" " * (MAX_BYTES + 1))


def test_whole_numbers_of_otlp_are_texts() -> None:
    """Protobuf's JSON writes 64 bits as a decimal text: a score of 1 comes as `"1"`."""
    score = {"key": "gen_ai.evaluation.score.value", "value": {"intValue": "1"}}
    call = {"key": "gen_ai.response.id", "value": {"stringValue": "7"}}
    found = understood(json.dumps({"eventName": "gen_ai.evaluation.result", "attributes": [score, call]}).encode())
    assert (found.call, found.value) == ("7", 1.0)


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
KEYS = st.sampled_from([
    "call", "run", "conversation", "name", "score", "label", "correct", "comment", "id", "attributes", "eventName",
    "gen_ai.response.id", "gen_ai.evaluation.score.value", "key", "value",
])  # fmt: skip


@given(st.dictionaries(KEYS, JSON_VALUES | st.dictionaries(KEYS, JSON_VALUES), max_size=6))
def test_any_json(said: dict[str, Any]) -> None:
    """Whatever the JSON, it is a judgement of one thing or refused with words."""
    try:
        found = understood(json.dumps(said).encode())
    except InvalidRequest:
        return
    assert isinstance(found, Judgement)
    assert found.subject.partition(" ")[2]
