"""Answers that want to harm: whatever a model writes, a scorer gives a mark or a reason."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.evals.scorers.marking import made
from trimtab.declare.evaluating import Scorer
from trimtab.evals.case import Case
from trimtab.evals.sample import Answer, Mark, ToolCall

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b", "name", "id"]), inner),
    max_leaves=12,
)
TEXT = st.text(max_size=200) | JSON.map(json.dumps)
NASTY = [
    "[" * 100_000,
    '{"a":' * 50_000,
    "9" * 10_000,
    "1" + "0" * 400,
    "1e999999999",
    "1," * 50_000,
    "\ud800",
    '"\\ud800"',
    "\x00",
    "\u202e\ufdfa" * 5_000,
    "-" * 10_000,
    " " * 100_000,
    "1 234" * 20_000,
    "a " * 100_000,
]
SCORERS = (
    Scorer("exact", "exact"),
    Scorer("exact_field", "exact", field="a"),
    Scorer("normalised", "normalised"),
    Scorer("numeric", "numeric", tolerance=0.1, relative=True),
    Scorer("numeric_field", "numeric", field="a"),
    Scorer("json", "json"),
    Scorer("json_field", "json", field="a.b"),
    Scorer("contains", "contains"),
    Scorer("cites", "cites"),
    Scorer("tool_call", "tool_call"),
    Scorer("schema", "schema"),
    Scorer("latency", "latency"),
    Scorer("cost", "cost"),
)
SCHEMA = '{"type": "object", "required": ["a"], "properties": {"a": {"type": "string"}}}'
READY = [made(scorer, SCHEMA).scorings[0] for scorer in SCORERS]


def is_mark(found: Mark) -> bool:
    """A value from 0 to 1, or a reason on one line."""
    if found.value is None:
        return 0 < len(found.why) <= 200 and found.why.isprintable()
    return 0 <= found.value <= 1 and (not found.why or found.why.isprintable())


@settings(max_examples=300)
@given(
    TEXT,
    st.lists(st.builds(ToolCall, st.sampled_from(["a", "b"]) | st.text(max_size=5), TEXT), max_size=4),
    JSON,
    st.sampled_from(["ok", "output_invalid", "tool_call_invalid"]),
)
def test_any_answer_to_any_case(text: str, calls: list[ToolCall], expected: Any, outcome: str) -> None:
    """No answer and no expectation make a scorer fail."""
    case = Case("one", {"q": "?"}, expected=expected)
    for scoring in READY:
        assert is_mark(scoring.mark(case, Answer("c", outcome, text, tuple(calls))))


@pytest.mark.parametrize("text", NASTY, ids=range(len(NASTY)))
@pytest.mark.parametrize("expected", ["1", 5, {"a": "x"}, ["a", "b"], {"name": "a", "arguments": {"x": 1}}], ids=str)
def test_what_breaks_readers(text: str, expected: Any) -> None:
    """Depth, length, digits, half characters and text that runs backwards are marked like others."""
    case = Case("one", {"q": "?"}, expected=expected)
    for scoring in READY:
        assert is_mark(scoring.mark(case, Answer("c", "ok", text, (ToolCall("a", text),))))
