"""The canonical form of requests: what counts as the same step's, and what does not."""

from __future__ import annotations

import json
from typing import Any

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from trimtab.journal.requests import EVERY, Path, canonical

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)


def digest(body: str | bytes, *volatile: Path) -> str:
    return canonical("model", "chat", body.encode() if isinstance(body, str) else body, volatile).digest


@given(VALUES)
def test_it_is_what_the_rfc_says(value: Any) -> None:
    """The form is RFC 8785's, as another library writes it, of a value and of its text alike."""
    shown = canonical("tool", "look_up", {"x": value}).shown
    assert shown == rfc8785.dumps({"kind": "tool", "name": "look_up", "request": {"x": value}})
    assert canonical("tool", "look_up", json.dumps({"x": value}, indent=1).encode()).shown == shown


def test_how_it_is_written_does_not_count() -> None:
    """Spaces, the order of keys, escapes and the way a number is written change nothing."""
    assert digest('{"a":1,"b":[100,"\\u00e9"]}') == digest('{ "b": [1e2, "é"], "a": 1.0 }')


@pytest.mark.parametrize(
    "other",
    [
        '{"a":2,"b":"x"}',
        '{"a":1,"b":"y"}',
        '{"a":"1","b":"x"}',
        '{"a":1}',
        '{"a":1,"b":"x","c":null}',
        '{"a":1,"b":"x"',
    ],
)
def test_what_is_asked_counts(other: str) -> None:
    """Another value, another type, a key more or less, or no JSON at all is another request."""
    assert digest(other) != digest('{"a":1,"b":"x"}')


def test_the_same_request_elsewhere_is_another() -> None:
    """Kind and name belong to the request."""
    found = {canonical(kind, name, {}).digest for kind in ("model", "tool") for name in ("a", "b")}
    assert len(found) == 4


def chat(first: str, answered: str, text: str = "sunny") -> str:
    calls = [{"id": first, "type": "function", "function": {"name": "w", "arguments": "{}"}}]
    return json.dumps(
        {
            "messages": [
                {"role": "assistant", "tool_calls": calls},
                {"role": "tool", "tool_call_id": answered, "content": text},
            ]
        }
    )


def messages(first: str, answered: str, text: str = "sunny") -> str:
    call = {"type": "tool_use", "id": first, "name": "w", "input": {"call_id": "kept"}}
    answer = {"type": "tool_result", "tool_use_id": answered, "content": text}
    return json.dumps({"messages": [{"content": [call]}, {"content": [answer]}]})


def responses(first: str, answered: str, text: str = "sunny") -> str:
    call = {"type": "function_call", "id": f"fc_{first}", "call_id": first, "name": "w", "arguments": "{}"}
    return json.dumps({"input": [call, {"type": "function_call_output", "call_id": answered, "output": text}]})


@pytest.mark.parametrize("surface", [chat, messages, responses])
def test_ids_of_tool_calls_are_volatile(surface: Any) -> None:
    """Other ids are the same request as long as they join the same things; all else counts."""
    same = digest(surface("call_1", "call_1"))
    assert digest(surface("call_x", "call_x")) == same
    assert digest(surface("call_x", "call_y")) != same
    assert digest(surface("call_1", "call_1", "rain")) != same


def test_an_id_in_arguments_is_no_id_of_a_call() -> None:
    """What a tool is given counts whatever its keys are called."""
    assert digest(messages("a", "a")) != digest(messages("a", "a").replace("kept", "lost"))


@pytest.mark.parametrize(
    ("path", "same", "other"),
    [
        (("user",), '{"user":"b","n":[{"at":1}]}', '{"user":"a","n":[{"at":2}]}'),
        (("n", 0, "at"), '{"user":"a","n":[{"at":2}]}', '{"user":"b","n":[{"at":1}]}'),
        (("n", EVERY, "at"), '{"user":"a","n":[{"at":9}]}', '{"user":"a","n":[{"at":1},{}]}'),
        (("n", 0), '{"user":"a","n":[5]}', '{"user":"a","n":[]}'),
        (("n", EVERY), '{"user":"a","n":[5]}', '{"user":"a","n":[5,6]}'),
        ((EVERY,), "{}", "[]"),
        (("no", "such", 3), '{"user":"a","n":[{"at":1}]}', '{"user":"b","n":[{"at":1}]}'),
    ],
)
def test_volatile_paths_are_left_out(path: Path, same: str, other: str) -> None:
    """What a project declares volatile does not count; what lies beside it does."""
    found = digest('{"user":"a","n":[{"at":1}]}', path)
    assert digest(same, path) == found
    assert digest(other, path) != found


@pytest.mark.parametrize(("value", "fault"), [(float("nan"), ValueError), (object(), TypeError)])
def test_what_is_no_json_is_refused(value: object, fault: type[Exception]) -> None:
    """A value that JSON cannot carry is refused, and never taken for null."""
    with pytest.raises(fault):
        canonical("step", "f", [value])


@given(st.binary(max_size=40))
def test_any_bytes_have_a_digest(body: bytes) -> None:
    """A body that is no JSON stands for itself."""
    assert len(digest(body)) == 64
    if body[:1] not in b'{["-0123456789tfn \t\r\n':
        assert digest(body) != digest(body + b"x")
