"""How far each engine holds answers to a schema: the class, and the keyword and place that decide it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.contracts.schemas.corpus import corpus
from trimtab.contracts.classify import Classified, Engine, Grammar, Kind, classify

WHOLE = {"type": "integer"}
TEXT = {"type": "string"}


def closed(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def decisive(classified: Classified) -> set[tuple[str, str, str]]:
    """Path, keyword and effect of what keeps a schema from being native."""
    return {(found.path, found.keyword, found.effect) for found in classified.findings if found.effect != "narrowed"}


def kinds(schema: dict[str, Any]) -> tuple[Kind, Kind, Kind]:
    """The classes under vLLM's auto, xgrammar and guidance."""
    grammars: tuple[Grammar, ...] = ("auto", "xgrammar", "guidance")
    first, second, third = (classify(schema, "vllm", grammar).kind for grammar in grammars)
    return first, second, third


PLAIN = closed(name=TEXT, level={"enum": ["low", "high"]}, count={"type": "integer", "minimum": 1, "maximum": 9})
BY_GRAMMAR: dict[str, tuple[dict[str, Any], tuple[Kind, Kind, Kind]]] = {
    "plain": (PLAIN, ("native", "native", "native")),
    "maxLength": (closed(a={"type": "string", "maxLength": 8}), ("weakened", "weakened", "native")),
    "minLength": (closed(a={"type": "string", "minLength": 1}), ("weakened", "weakened", "native")),
    "maxLength 0": (closed(a={"type": "string", "maxLength": 0}), ("native", "native", "native")),
    "pattern": (closed(a={"type": "string", "pattern": "^[A-Z]{3}$"}), ("native", "native", "native")),
    "pattern and length": (
        closed(a={"type": "string", "pattern": "^[a-z]+$", "maxLength": 4}),
        ("weakened", "validated", "native"),
    ),
    "lookahead": (closed(a={"type": "string", "pattern": "^(?=.*1)[a-z1]+$"}), ("weakened", "weakened", "validated")),
    "word boundary": (closed(a={"type": "string", "pattern": r"\bfoo\b"}), ("validated",) * 3),
    "Unicode class": (closed(a={"type": "string", "pattern": r"^\p{L}$"}), ("validated", "validated", "native")),
    "dot": (closed(a={"type": "string", "pattern": "^.$"}), ("weakened", "weakened", "weakened")),
    "date": (closed(a={"type": "string", "format": "date"}), ("weakened", "weakened", "weakened")),
    "uuid": (closed(a={"type": "string", "format": "uuid"}), ("native", "native", "native")),
    "an own format": (closed(a={"type": "string", "format": "phone"}), ("validated",) * 3),
    "uniqueItems": (closed(a={"type": "array", "items": TEXT, "uniqueItems": True}), ("validated",) * 3),
    "array of anything": (closed(a={"type": "array", "minItems": 1}), ("validated", "validated", "native")),
    "multipleOf": (closed(a={"type": "number", "multipleOf": 0.01}), ("weakened", "validated", "native")),
    "allOf": (
        {"allOf": [closed(a=WHOLE), {"required": ["a"]}]},
        ("weakened", "validated", "native"),
    ),
    "not": (closed(a={"type": "string", "not": {"const": "x"}}), ("weakened", "weakened", "validated")),
    "if": (
        {**PLAIN, "if": {"properties": {"level": {"const": "low"}}}, "then": {"required": ["note"]}},
        ("weakened", "weakened", "validated"),
    ),
    "if without then": ({**PLAIN, "if": {"required": ["level"]}}, ("native", "native", "validated")),
    "propertyNames": (
        {"type": "object", "propertyNames": {"pattern": "^[a-z]+$"}, "additionalProperties": WHOLE},
        ("native", "native", "validated"),
    ),
    "required but not declared": ({**PLAIN, "required": ["name", "x"]}, ("weakened", "weakened", "native")),
    "bound without type": (closed(a={"minimum": 5}), ("weakened", "weakened", "native")),
    "beside anyOf": (
        {"type": "integer", "anyOf": [{"minimum": 7}, {"maximum": 3}]},
        ("weakened", "weakened", "native"),
    ),
    "type beside anyOf": ({"type": "object", "anyOf": [closed(a=WHOLE), closed(b=TEXT)]}, ("native",) * 3),
    "enum wider than its type": (closed(a={"type": "string", "enum": ["a", 1]}), ("weakened", "weakened", "native")),
    "beside $ref": (
        {**closed(a={"$ref": "#/$defs/n", "maximum": 9}), "$defs": {"n": WHOLE}},
        ("weakened", "weakened", "native"),
    ),
    "described $ref": (
        {**closed(a={"$ref": "#/$defs/n", "description": "Nine."}), "$defs": {"n": WHOLE}},
        ("native", "native", "native"),
    ),
    "oneOf by tag": (
        {"oneOf": [closed(t={"const": "a"}, x=WHOLE), closed(t={"const": "b"}, x=TEXT)]},
        ("native", "native", "native"),
    ),
    "oneOf by reference": (
        {
            "oneOf": [{"$ref": "#/$defs/a"}, {"$ref": "#/$defs/b"}],
            "$defs": {"a": closed(t={"const": "a"}), "b": closed(t={"const": "b"})},
        },
        ("native", "native", "validated"),
    ),
    "oneOf that overlaps": ({"oneOf": [WHOLE, {"type": "number"}]}, ("weakened", "weakened", "validated")),
    "recursion": (
        closed(text=TEXT, replies={"type": "array", "items": {"$ref": "#"}}),
        ("native", "native", "native"),
    ),
    "names by pattern": (
        {"type": "object", "patternProperties": {"^x-[a-z]+$": TEXT}, "additionalProperties": False},
        ("native", "native", "native"),
    ),
    "unused definition": (
        {**PLAIN, "$defs": {"unused": {"type": "array", "items": TEXT, "uniqueItems": True}}},
        ("native", "validated", "native"),
    ),
}


@pytest.mark.parametrize("name", BY_GRAMMAR)
def test_classes_at_a_vllm(name: str) -> None:
    schema, expected = BY_GRAMMAR[name]
    assert kinds(schema) == expected


def test_a_finding_names_the_place_and_the_keyword() -> None:
    schema = closed(order={"type": "array", "items": closed(**{"a/b": {"type": "string", "maxLength": 3}})})
    found = classify(schema, "vllm", "xgrammar")
    assert decisive(found) == {("/properties/order/items/properties/a~1b", "maxLength", "weakened")}
    assert found.sent


def test_what_is_refused_decides_before_what_is_weakened() -> None:
    schema = closed(a={"type": "string", "maxLength": 3}, b={"type": "integer", "multipleOf": 5})
    found = classify(schema, "vllm", "xgrammar")
    assert decisive(found) == {
        ("/properties/a", "maxLength", "weakened"),
        ("/properties/b", "multipleOf", "refused"),
    }
    assert found.kind == "validated"
    assert not found.sent


def test_what_only_narrows_leaves_a_schema_native() -> None:
    found = classify(closed(a={"type": "string", "pattern": "^https?://"}), "vllm", "xgrammar")
    assert [(one.path, one.keyword, one.effect) for one in found.findings] == [("/properties/a", "pattern", "narrowed")]
    assert found.kind == "native"


def test_an_engine_that_is_not_known_is_never_sent_a_schema() -> None:
    found = classify(PLAIN, "other")
    assert found.kind == "validated"
    assert "models.X.engine" in found.findings[0].detail


@pytest.mark.parametrize("engine", ["vllm", "openai", "anthropic"])
@pytest.mark.parametrize("schema", [True, False])
def test_a_schema_that_is_no_object_is_validated_only(engine: Engine, schema: bool) -> None:
    assert classify(schema, engine).kind == "validated"


def test_findings_are_bounded_and_the_worst_stay() -> None:
    many = {f"p{i}": {"type": "string", "maxLength": 3} for i in range(300)}
    found = classify(closed(**many, last={"type": "integer", "multipleOf": 5}), "vllm", "xgrammar")
    assert len(found.findings) == 100
    assert ("/properties/last", "multipleOf", "refused") in decisive(found)


ANTHROPIC: dict[str, tuple[dict[str, Any], set[tuple[str, str]]]] = {
    "plain": (closed(name=TEXT, level={"enum": ["low", "high"]}, n={"type": ["integer", "null"]}), set()),
    "formats": (closed(day={"type": "string", "format": "date"}, id={"type": "string", "format": "uuid"}), set()),
    "optional": ({**closed(a=WHOLE, b=WHOLE), "required": ["a"]}, set()),
    "bounds": (closed(n={"type": "integer", "minimum": 1}), {("/properties/n", "minimum")}),
    "length": (closed(n={"type": "string", "maxLength": 1}), {("/properties/n", "maxLength")}),
    "open object": ({"type": "object", "properties": {"a": WHOLE}}, {("", "additionalProperties")}),
    "minItems 1": (closed(a={"type": "array", "items": TEXT, "minItems": 1}), set()),
    "minItems 2": (closed(a={"type": "array", "items": TEXT, "minItems": 2}), {("/properties/a", "minItems")}),
    "recursion": (closed(next={"anyOf": [{"$ref": "#"}, {"type": "null"}]}), {("/properties/next/anyOf/0", "$ref")}),
    "reference": ({**closed(a={"$ref": "#/$defs/n"}), "$defs": {"n": WHOLE}}, set()),
    "reference in allOf": (
        {**closed(a={"allOf": [{"$ref": "#/$defs/n"}]}), "$defs": {"n": WHOLE}},
        {("/properties/a/allOf/0", "$ref")},
    ),
    "oneOf": (closed(a={"oneOf": [WHOLE, TEXT]}), {("/properties/a", "oneOf")}),
    "anyOf": (closed(a={"anyOf": [WHOLE, TEXT]}), set()),
    "values that are objects": (closed(a={"enum": [{"b": 1}]}), {("/properties/a", "enum")}),
    "lookahead": (closed(a={"type": "string", "pattern": "^(?=a)a$"}), {("/properties/a", "pattern")}),
    "no type": (closed(a={"description": "anything"}), {("/properties/a", "type")}),
    "25 optional properties": (
        {**closed(**{f"p{i}": WHOLE for i in range(25)}), "required": []},
        {("", "required")},
    ),
    "24 optional properties": ({**closed(**{f"p{i}": WHOLE for i in range(24)}), "required": []}, set()),
    "17 unions": (closed(**{f"p{i}": {"type": ["integer", "null"]} for i in range(17)}), {("", "anyOf")}),
}


@pytest.mark.parametrize("name", ANTHROPIC)
def test_the_subset_of_anthropic(name: str) -> None:
    schema, refused = ANTHROPIC[name]
    found = classify(schema, "anthropic")
    assert {(one.path, one.keyword) for one in found.findings} == refused
    assert {one.effect for one in found.findings} <= {"refused"}
    assert found.kind == ("validated" if refused else "native")


@pytest.mark.parametrize("engine", ["vllm", "openai", "anthropic", "other"])
def test_every_schema_of_the_corpus_has_a_class(engine: Engine) -> None:
    for case in corpus():
        found = classify(case.schema, engine)
        assert found.kind != "native" or not decisive(found), case.id
