"""What bodies of undeclared calls tell, in the form of every wire."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from tests.store.samples import call
from trimtab.processes.adoption_read import NO_DESCRIPTION, asked_schema, bodies_seen, system_prompt, tools_in
from trimtab.record.events import Settled
from trimtab.record.redact import preview_of

SCHEMA = {"type": "object", "properties": {"b": {"type": "string"}, "a": {"type": "integer"}}}
WRITTEN = '{"type":"object","properties":{"b":{"type":"string"},"a":{"type":"integer"}}}'
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["messages", "tools", "function", "name", "parameters", "response_format", "type", "content"]
            )
            | st.text(max_size=4),
            inner,
            max_size=4,
        )
    ),
    max_leaves=15,
)


def kept(requests: list[bytes], answers: list[bytes] | None = None) -> tuple[list[Settled], Mapping[str, bytes]]:
    """Calls with these bodies, and the bodies by their digests."""
    bodies: dict[str, bytes] = {}
    calls = []
    for number, request in enumerate(requests):
        made = call(f"c{number}", task="(undeclared)", finish_reason="stop")
        bodies[f"q{number}"] = request
        if answers:
            bodies[f"a{number}"] = answers[number]
        admitted = structs.replace(made.admitted, request_body=f"q{number}")
        calls.append(structs.replace(made, admitted=admitted, response_body=f"a{number}" if answers else ""))
    return calls, bodies


def chat(text: str) -> bytes:
    return json.dumps({"choices": [{"index": 0, "message": {"role": "assistant", "content": text}}]}).encode()


@pytest.mark.parametrize(
    "said",
    [
        {"messages": [{"role": "system", "content": "Sort."}, {"role": "user", "content": "x"}]},
        {"messages": [{"role": "developer", "content": [{"type": "text", "text": "Sort."}]}]},
        {"instructions": "Sort.", "input": "x"},
        {"system": [{"type": "text", "text": "Sort."}], "messages": [{"role": "user", "content": "x"}]},
    ],
    ids=["chat", "parts", "responses", "messages"],
)
def test_system_prompts(said: dict[str, Any]) -> None:
    """The beginning of what is said first by the system."""
    assert system_prompt(said) == "Sort."


def test_a_system_prompt_without_secrets() -> None:
    """What looks like a key is masked, and a long prompt is cut."""
    said = {"messages": [{"role": "system", "content": "Use sk-abcdef0123456789abcdef. " + "x" * 5000}]}
    found = system_prompt(said)
    assert "sk-abcdef" not in found
    assert len(found) < 1100
    assert system_prompt({"messages": [{"role": "user", "content": "Sort."}]}) == ""


@pytest.mark.parametrize(
    "said",
    [
        {"response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": SCHEMA}}},
        {"text": {"format": {"type": "json_schema", "name": "n", "schema": SCHEMA}}},
        {"output_config": {"format": {"type": "json_schema", "schema": SCHEMA}}},
        {"output_format": {"type": "json_schema", "schema": SCHEMA}},
    ],
    ids=["chat", "responses", "messages", "messages before"],
)
def test_schemas_that_are_asked_for(said: dict[str, Any]) -> None:
    """With their keys in the order they came in."""
    assert asked_schema(said) == WRITTEN


@pytest.mark.parametrize(
    "tool",
    [
        {"type": "function", "function": {"name": "find", "description": "Finds.", "parameters": SCHEMA}},
        {"type": "function", "name": "find", "description": "Finds.", "parameters": SCHEMA},
        {"name": "find", "description": "Finds.", "input_schema": SCHEMA},
    ],
    ids=["chat", "responses", "messages"],
)
def test_tools(tool: dict[str, Any]) -> None:
    """A function with its schema."""
    (found,) = tools_in({"tools": [tool]})
    assert (found.name, found.description, found.input_schema) == ("find", "Finds.", SCHEMA)


def test_tools_that_cannot_be_declared_are_left_out() -> None:
    """Their name or schema would be a mistake; one without a description says so."""
    offered = [
        {"name": "../etc", "input_schema": SCHEMA},
        {"name": "a" * 65, "input_schema": SCHEMA},
        {"name": "string", "input_schema": {"type": "string"}},
        {"type": "web_search"},
        "find",
        {"name": "find", "input_schema": SCHEMA},
    ]
    assert [(one.name, one.description) for one in tools_in({"tools": offered})] == [("find", NO_DESCRIPTION)]


def test_answers_that_are_json() -> None:
    """Of what was answered whole and well, objects and arrays are kept; the rest is counted."""
    calls, bodies = kept([b"{}"] * 4, [chat('{"a": 1}'), chat("Hello"), chat("[1]"), chat('"text"')])
    found = bodies_seen(calls, bodies.get)
    assert (found.answers.read, found.answers.values) == (4, ({"a": 1}, [1]))
    cut = [structs.replace(one, finish_reason="length") for one in calls]
    failed = [structs.replace(one, outcome="output_invalid") for one in calls]
    assert bodies_seen([*cut, *failed], bodies.get).answers.read == 0


def test_schemas_that_cannot_stand_in_a_declaration() -> None:
    """One that does not compile, is too large or refers elsewhere is not proposed; a good one is counted."""

    def asking(schema: dict[str, Any]) -> bytes:
        return json.dumps({"output_format": {"schema": schema}}).encode()

    deep: dict[str, Any] = {"type": "object"}
    for _ in range(40):
        deep = {"type": "object", "properties": {"a": deep}}
    bad: list[dict[str, Any]] = [
        {"type": "nonsense"},
        {"type": "object", "properties": {"a": {"$ref": "https://example.com/schema.json"}}},
        {"type": "object", "description": "x" * 70_000},
        deep,
    ]
    calls, bodies = kept([*map(asking, bad), asking(SCHEMA), asking(SCHEMA)])
    found = bodies_seen(calls, bodies.get)
    assert (found.bodies, dict(found.schemas)) == (6, {WRITTEN: 2})


def test_previews_tell_how_prompts_begin_and_no_more() -> None:
    """Texts in them are cut, so schemas and tools are not taken from them."""
    said = {
        "messages": [{"role": "system", "content": "Sort. " + "x" * 300}],
        "tools": [{"name": "find", "input_schema": SCHEMA}],
        "output_format": {"schema": SCHEMA},
    }
    calls, bodies = kept([preview_of(json.dumps(said).encode())])
    found = bodies_seen(calls, bodies.get)
    assert found.system_prompt.startswith("Sort.")
    assert (found.bodies, found.tools, dict(found.schemas)) == (0, {}, {})


def test_only_the_latest_calls_are_read() -> None:
    """Bodies of 200 calls, whatever there are."""
    calls, bodies = kept([b"{}"] * 250)
    asked: list[str] = []

    def read(digest: str) -> bytes | None:
        asked.append(digest)
        return bodies.get(digest)

    assert bodies_seen(calls, read).bodies == 200
    assert asked == [f"q{number}" for number in range(200)]


@given(st.lists(st.binary(max_size=60) | JSON.map(lambda one: json.dumps(one).encode()), max_size=6))
def test_foreign_bytes(contents: list[bytes]) -> None:
    """Whatever requests and answers hold, it is read or passed over."""
    calls, bodies = kept(contents, contents)
    found = bodies_seen(calls, bodies.get)
    assert found.bodies <= len(contents)
