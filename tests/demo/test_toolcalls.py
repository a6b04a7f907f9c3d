"""Finding tool calls in a growing answer."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.demo.toolcalls import ArgumentsPart, CallBegins, Part, TextPart, ToolCallReader

CALL = '<tool_call>\n{"name": "find_order", "arguments": {"customer": "Ada"}}\n</tool_call>'


def parts_of(pieces: list[str], reader: ToolCallReader | None = None) -> list[Part]:
    reader = reader or ToolCallReader()
    return [part for piece in pieces for part in reader.add(piece)] + reader.rest()


def summary(parts: list[Part]) -> tuple[str, list[tuple[str, str]]]:
    """The text, and the name and arguments of each call."""
    text, calls = "", []
    for part in parts:
        match part:
            case TextPart(more):
                text += more
            case CallBegins(index, name):
                assert index == len(calls)
                calls.append((name, ""))
            case ArgumentsPart(index, more):
                assert index == len(calls) - 1
                calls[index] = (calls[index][0], calls[index][1] + more)
    return text, calls


@pytest.mark.parametrize(
    ("answer", "text", "calls"),
    [
        ("no call here", "no call here", []),
        (CALL, "", [("find_order", '{"customer": "Ada"}')]),
        (f"I look.\n{CALL}\n", "I look.", [("find_order", '{"customer": "Ada"}')]),
        (f"{CALL}\n{CALL}", "", [("find_order", '{"customer": "Ada"}')] * 2),
        (f"{CALL} done", " done", [("find_order", '{"customer": "Ada"}')]),
        ('<tool_call>{"arguments": {"a": 1}, "name": "f"}</tool_call>', "", [("f", '{"a": 1}')]),
        ('<tool_call>{"name": "f"}</tool_call>', "", [("f", "{}")]),
        ('<tool_call>{"name":"f","arguments":{"a":"}]\\"{"}}</tool_call>', "", [("f", '{"a":"}]\\"{"}')]),
        ('<tool_call>{"name": "f", "arguments": "x"}</tool_call>', "", [("f", '"x"')]),
        ('<tool_call>{"name": "f", "arguments": {"a": </tool_call>', "", [("f", '{"a":')]),
        ('<tool_call>{"name": "f", "arguments": {"a": 1', "", [("f", '{"a": 1')]),
        ("<tool_call>nonsense</tool_call>", "<tool_call>nonsense</tool_call>", []),
        ("<tool_call>[1]</tool_call>", "<tool_call>[1]</tool_call>", []),
        ('<tool_call>{"na', '<tool_call>{"na', []),
        ("a <tool", "a <tool", []),
    ],
)
def test_an_answer_is_split_into_text_and_calls(answer: str, text: str, calls: list[tuple[str, str]]) -> None:
    """Each form of answer, in one piece and letter by letter, has this text and these calls."""
    assert summary(parts_of([answer])) == (text, calls)
    assert summary(parts_of(list(answer))) == (text, calls)


def test_arguments_are_given_out_as_they_come() -> None:
    """The name comes once it is known, each piece of the arguments at once."""
    parts = parts_of(['<tool_call>{"name": "f", "argu', 'ments": {"a"', ": 1", "}}</tool_call>"])
    assert parts == [CallBegins(0, "f"), ArgumentsPart(0, '{"a"'), ArgumentsPart(0, ": 1"), ArgumentsPart(0, "}")]


def test_a_forced_beginning_counts_as_written() -> None:
    """A reader that was given the beginning needs only the rest."""
    reader = ToolCallReader('<tool_call>\n{"name": "f", "arguments":')
    assert summary(parts_of([' {"a": 1}', "}\n</tool_call>"], reader)) == ("", [("f", '{"a": 1}')])


def test_calls_beyond_the_limit_are_dropped() -> None:
    """With a limit of one, the second call is neither a call nor text."""
    assert summary(parts_of([CALL, CALL], ToolCallReader(calls_limit=1))) == (
        "",
        [("find_order", '{"customer": "Ada"}')],
    )


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


@given(
    name=st.text(min_size=1, max_size=8),
    arguments=st.dictionaries(st.text(max_size=4), json_values, max_size=3),
    text=st.text("abc <\n", max_size=10).map(str.rstrip),
    places=st.lists(st.integers(0, 300), max_size=10),
)
def test_any_cut_gives_the_same_calls(name: str, arguments: dict[str, object], text: str, places: list[int]) -> None:
    """Any name and arguments come through any cut unchanged, as JSON that means the same."""
    answer = f"{text}<tool_call>{json.dumps({'name': name, 'arguments': arguments})}</tool_call>"
    edges = [0, *sorted(place % (len(answer) + 1) for place in places), len(answer)]
    got_text, calls = summary(parts_of([answer[a:b] for a, b in pairwise(edges)]))
    assert got_text == text
    assert [(called, json.loads(written)) for called, written in calls] == [(name, arguments)]


@given(
    st.lists(st.sampled_from(["<tool_call>", "</tool_call>", '{"name": "f", "arguments": ', "{", "}", '"', "x", " "]))
)
def test_no_answer_breaks_the_reader(pieces: list[str]) -> None:
    """Whatever a model writes, whole and piece by piece give the same calls, and reading ends."""
    assert summary(parts_of(pieces))[1] == summary(parts_of(["".join(pieces)]))[1]
