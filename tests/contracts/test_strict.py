"""OpenAI's strict subset: where a schema leaves it, and how it is brought into it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.contracts.schemas.corpus import Case, corpus
from trimtab.contracts.rewriting import rewrite
from trimtab.contracts.strict import findings
from trimtab.contracts.validate import Validator

WHOLE = {"type": "integer"}
TEXT = {"type": "string"}


def closed(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def nested(levels: int) -> dict[str, Any]:
    """So many objects in one another."""
    schema: dict[str, Any] = closed(a=TEXT)
    for _ in range(levels - 1):
        schema = closed(a=schema)
    return schema


LEAVES: dict[str, tuple[dict[str, Any], set[tuple[str, str]]]] = {
    "plain": (closed(name=TEXT, level={"type": "string", "enum": ["low", "high"]}), set()),
    "null for what is optional": (closed(name={"type": ["string", "null"]}), set()),
    "bounds": (closed(n={"type": "number", "minimum": 0, "exclusiveMaximum": 1, "multipleOf": 0.5}), set()),
    "counts": (closed(n={"type": "array", "items": TEXT, "minItems": 1, "maxItems": 9}), set()),
    "pattern and format": (
        closed(a={"type": "string", "pattern": "^a$"}, b={"type": "string", "format": "ipv4"}),
        set(),
    ),
    "recursion": (closed(next={"anyOf": [{"$ref": "#"}, {"type": "null"}]}), set()),
    "definition": ({**closed(a={"$ref": "#/$defs/n"}), "$defs": {"n": WHOLE}}, set()),
    "optional": ({**closed(a=WHOLE, b=WHOLE), "required": ["a"]}, {("", "required")}),
    "open": ({"type": "object", "properties": {"a": WHOLE}, "required": ["a"]}, {("", "additionalProperties")}),
    "no object at the top": (TEXT, {("", "type")}),
    "union at the top": ({"anyOf": [closed(a=WHOLE), closed(b=WHOLE)]}, {("", "type"), ("", "anyOf")}),
    "oneOf": (closed(a={"oneOf": [WHOLE, TEXT]}), {("/properties/a", "oneOf")}),
    "allOf": (closed(a={"allOf": [WHOLE]}), {("/properties/a", "allOf")}),
    "length": (closed(a={"type": "string", "maxLength": 3}), {("/properties/a", "maxLength")}),
    "default": (closed(a={"type": "string", "default": "x"}), {("/properties/a", "default")}),
    "unknown format": (closed(a={"type": "string", "format": "uri"}), {("/properties/a", "format")}),
    "lookahead": (closed(a={"type": "string", "pattern": "^(?!x)"}), {("/properties/a", "pattern")}),
    "values without type": (closed(a={"enum": ["x"]}), {("/properties/a", "type")}),
    "array without items": (closed(a={"type": "array"}), {("/properties/a", "items")}),
    "beside a reference": (
        {**closed(a={"$ref": "#/$defs/n", "description": "x"}), "$defs": {"n": WHOLE}},
        {("/properties/a", "$ref")},
    ),
    "10 levels": (nested(10), set()),
    "11 levels": (nested(11), {("", "properties")}),
    "5,000 properties": (closed(**{f"p{i}": TEXT for i in range(5000)}), set()),
    "5,001 properties": (closed(**{f"p{i}": TEXT for i in range(5001)}), {("", "properties")}),
    "1,000 values": (closed(a={"type": "string", "enum": [f"{i:03}" for i in range(1000)]}), set()),
    "1,001 values": (closed(a={"type": "string", "enum": [f"{i:03}" for i in range(1001)]}), {("", "enum")}),
    "250 long values": (closed(a={"type": "string", "enum": [f"{i:064}" for i in range(250)]}), set()),
    "251 values of 15,060 characters": (
        closed(a={"type": "string", "enum": [f"{i:060}" for i in range(251)]}),
        {("/properties/a", "enum")},
    ),
    "120,001 characters": (closed(**{"n" * 60_000: TEXT, "m" * 60_001: TEXT}), {("", "properties")}),
    "120,000 characters": (closed(**{"n" * 60_000: TEXT, "m" * 60_000: TEXT}), set()),
}


@pytest.mark.parametrize("name", LEAVES)
def test_where_a_schema_leaves_the_subset(name: str) -> None:
    schema, refused = LEAVES[name]
    found = list(findings(schema))
    assert {(one.path, one.keyword) for one in found} == refused
    assert all(one.effect == "refused" for one in found)


REWRITTEN: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "optional becomes null": (
        {**closed(a=WHOLE, b=TEXT), "required": ["a"]},
        closed(a=WHOLE, b={"type": ["string", "null"]}),
    ),
    "optional choice of values": (
        {**closed(a={"enum": ["x", "y"]}), "required": []},
        closed(a={"type": ["string", "null"], "enum": ["x", "y", None]}),
    ),
    "optional object": (
        {**closed(a=closed(b=WHOLE)), "required": []},
        closed(a={"anyOf": [closed(b=WHOLE), {"type": "null"}]}),
    ),
    "optional reference": (
        {**closed(a={"$ref": "#/$defs/n"}), "required": [], "$defs": {"n": WHOLE}},
        {**closed(a={"anyOf": [{"$ref": "#/$defs/n"}, {"type": "null"}]}), "$defs": {"n": WHOLE}},
    ),
    "no other properties": ({"type": "object", "properties": {"a": WHOLE}, "required": ["a"]}, closed(a=WHOLE)),
    "one of": (closed(a={"oneOf": [WHOLE, TEXT]}), closed(a={"anyOf": [WHOLE, TEXT]})),
    "wrapped": ({"type": "array", "items": TEXT}, closed(value={"type": "array", "items": TEXT})),
    "wrapped union": (
        {"oneOf": [closed(a=WHOLE), closed(b=TEXT)]},
        closed(value={"anyOf": [closed(a=WHOLE), closed(b=TEXT)]}),
    ),
    "reference at the top": ({"$ref": "#/$defs/o", "$defs": {"o": closed(a=WHOLE)}}, closed(a=WHOLE)),
    "told": (
        closed(a={"type": "string", "description": "A name.", "minLength": 1, "maxLength": 9}),
        closed(a={"type": "string", "description": "A name. (minLength: 1; maxLength: 9)"}),
    ),
    "format told": (
        closed(a={"type": "string", "format": "uri"}),
        closed(a={**TEXT, "description": '(format: "uri")'}),
    ),
    "map": (
        closed(a={"type": "object", "additionalProperties": WHOLE}),
        closed(a={"type": "array", "items": closed(key=TEXT, value=WHOLE)}),
    ),
    "names by pattern": (
        closed(a={"type": "object", "patternProperties": {"^x$": WHOLE}, "additionalProperties": False}),
        closed(a={"type": "array", "items": closed(key={"type": "string", "pattern": "^x$"}, value=WHOLE)}),
    ),
    "tuple": (
        closed(a={"type": "array", "prefixItems": [TEXT, WHOLE], "items": False, "minItems": 2}),
        closed(a={"type": "array", "items": {"anyOf": [TEXT, WHOLE]}, "minItems": 2, "maxItems": 2}),
    ),
    "all of": (
        closed(a={"allOf": [{"type": "integer", "minimum": 1}, {"minimum": 3, "maximum": 9}]}),
        closed(a={"type": "integer", "minimum": 3, "maximum": 9}),
    ),
    "all of objects": (
        {
            "allOf": [{"$ref": "#/$defs/o"}, {"properties": {"b": TEXT}, "required": ["b"]}],
            "$defs": {"o": closed(a=WHOLE)},
        },
        closed(a=WHOLE, b=TEXT),
    ),
    "beside a reference": (
        {**closed(a={"$ref": "#/$defs/n", "maximum": 9}), "$defs": {"n": {"type": "integer", "minimum": 1}}},
        closed(a={"type": "integer", "minimum": 1, "maximum": 9}),
    ),
    "no type": (closed(a={"minimum": 5}), closed(a={"type": "number", "minimum": 5})),
    "anything": (closed(a={}), closed(a={"type": ["string", "number", "boolean", "null"]})),
    "condition": (
        {**closed(a=WHOLE), "dependentRequired": {"a": ["b"]}},
        {**closed(a=WHOLE), "description": '(dependentRequired: {"a": ["b"]})'},
    ),
    "any of beside properties": (
        {"type": "object", "properties": {"a": WHOLE, "b": WHOLE}, "anyOf": [{"required": ["a"]}, {"required": ["b"]}]},
        closed(
            value={
                "anyOf": [
                    closed(a=WHOLE, b={"type": ["integer", "null"]}),
                    closed(a={"type": ["integer", "null"]}, b=WHOLE),
                ]
            }
        ),
    ),
}


@pytest.mark.parametrize("name", REWRITTEN)
def test_rewriting(name: str) -> None:
    schema, expected = REWRITTEN[name]
    written = rewrite(schema)
    assert written is not None
    assert written.schema == expected
    assert written.changes


def test_changes_name_the_place_and_what_happened() -> None:
    written = rewrite({**closed(a=WHOLE, b={"type": "string", "maxLength": 3}), "required": ["a"]})
    assert written is not None
    assert [(change.path, change.what) for change in written.changes] == [
        ("/properties/b", "maxLength is only told in the description"),
        ("/properties/b", "null where it was left out"),
    ]


IMPOSSIBLE = {
    "already in the subset": closed(a=WHOLE),
    "values that are objects": closed(a={"enum": [{"b": 1}, [2]]}),
    "nothing is valid": closed(a=False),
    "a list that contains itself": {"type": "array", "items": {"$ref": "#"}},
    "true": True,
}


@pytest.mark.parametrize("name", IMPOSSIBLE)
def test_no_rewriting(name: str) -> None:
    assert rewrite(IMPOSSIBLE[name]) is None


@pytest.mark.parametrize("case", corpus(), ids=lambda case: case.id)
def test_what_is_rewritten_is_in_the_subset_and_compiles(case: Case) -> None:
    written = rewrite(case.schema)
    if written is not None:
        assert list(findings(written.schema)) == []
        Validator(json.dumps(written.schema))
        assert rewrite(written.schema) is None
        assert written.changes or "$schema" in case.schema
