"""Tool calls, argument by argument, in any order."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.evals.scorers.marking import calling, mark, value
from trimtab.evals.sample import ToolCall

WEATHER = {"name": "weather", "arguments": {"city": "Bonn", "day": "friday"}}
ORDER = {"name": "order", "arguments": {"id": 7}}


@pytest.mark.parametrize(
    ("made", "expected", "marked"),
    [
        ([("weather", '{"day": "friday", "city": "Bonn"}')], WEATHER, 1.0),
        ([("weather", '{"city": "Bonn", "day": "monday"}')], WEATHER, 0.5),
        ([("weather", '{"city": "Bonn"}')], WEATHER, 0.5),
        ([("weather", '{"city": "Bonn", "day": "friday", "unit": "C", "x": 1}')], WEATHER, 0.5),
        ([("weather", "not json")], WEATHER, 0.0),
        ([("weather", '["Bonn"]')], WEATHER, 0.0),
        ([("climate", '{"city": "Bonn", "day": "friday"}')], WEATHER, 0.0),
        ([], WEATHER, 0.0),
        ([], [], 1.0),
        ([("weather", "{}")], [], 0.0),
        ([("ping", "")], "ping", 1.0),
        ([("ping", "")], {"name": "ping"}, 1.0),
        ([("order", '{"id": 7}'), ("weather", '{"city": "Bonn", "day": "friday"}')], [WEATHER, ORDER], 1.0),
        ([("order", '{"id": 7}')], [WEATHER, ORDER], 0.5),
        ([("order", '{"id": 7}'), ("order", '{"id": 7}')], ORDER, 0.5),
        ([("order", '{"id": 8}'), ("order", '{"id": 7}')], [ORDER, {"name": "order", "arguments": {"id": 8}}], 1.0),
        ([("order", '{"id": 7.0}')], {"function": {"name": "order", "arguments": '{"id": 7}'}}, 1.0),
        ([("order", '{"id": 7}')], {"tool_calls": [{"function": {"name": "order", "arguments": '{"id": 7}'}}]}, 1.0),
        ([("order", '{"id": "7"}')], ORDER, 0.0),
    ],
)
def test_tool_calls(made: list[tuple[str, str]], expected: Any, marked: float) -> None:
    """The share of the arguments that are right, over as many calls as were expected or made."""
    assert value("tool_call", calling(*made), expected) == marked


def test_one_tool_and_some_arguments() -> None:
    """Calls of other tools do not count, nor do other arguments; an argument may lie deep."""
    made = calling(("order", '{"id": 7, "note": "x", "to": {"city": "Bonn"}}'), ("weather", "{}"))
    expected = {"name": "order", "arguments": {"id": 7, "to": {"city": "Bonn"}}}
    assert value("tool_call", made, expected, tool="order", arguments=("id", "to.city")) == 1.0
    assert value("tool_call", made, expected, tool="order") == pytest.approx(2 / 3)
    assert value("tool_call", made, expected) == pytest.approx(1 / 3)


def test_what_expects_no_call_is_not_marked() -> None:
    """A case that says nothing of calls tells nothing."""
    assert mark("tool_call", calling(), None).value is None
    assert "name" in mark("tool_call", calling(), {"label": "x"}).why
    assert mark("tool_call", calling(("a", "{}")), [WEATHER] * 33).value is None


CALLS = st.lists(
    st.tuples(st.sampled_from(["a", "b"]), st.dictionaries(st.sampled_from("xyz"), st.integers(0, 2), max_size=3)),
    max_size=6,
)


@given(CALLS, CALLS, st.randoms())
def test_order_does_not_count(expected: list[Any], made: list[Any], chance: Any) -> None:
    """The mark is the same whatever the order, from 0 to 1, and 1 for the calls themselves."""
    wanted = [{"name": name, "arguments": arguments} for name, arguments in expected]
    answer = [(name, json.dumps(arguments)) for name, arguments in made]
    first = value("tool_call", calling(*answer), wanted)
    chance.shuffle(wanted)
    chance.shuffle(answer)
    assert value("tool_call", calling(*answer), wanted) == pytest.approx(first)
    assert first is not None
    assert 0 <= first <= 1
    same = [(one["name"], json.dumps(one["arguments"])) for one in wanted]
    assert value("tool_call", calling(*same), wanted) == 1.0


def test_many_calls_are_bounded() -> None:
    """Of 300 calls 256 are looked at."""
    answer = calling(("order", '{"id": 7}'))
    many = type(answer)("c", "ok", tool_calls=(ToolCall("order", '{"id": 7}'),) * 300)
    assert value("tool_call", many, ORDER) == 1 / 256
