"""An answer is refused at the first character after which nothing valid can follow, and not a character before."""

import json

import pytest

from trimtab.contracts.incremental import Incremental, compile_plan

DRAFT_4 = "http://json-schema.org/draft-04/schema#"
DRAFT_7 = "http://json-schema.org/draft-07/schema#"
TREE = {
    "$ref": "#/$defs/node",
    "$defs": {
        "node": {
            "type": "object",
            "properties": {"v": {"type": "integer"}, "kids": {"type": "array", "items": {"$ref": "#/$defs/node"}}},
            "required": ["v"],
            "additionalProperties": False,
        }
    },
}
PERSON = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "nation": {"enum": ["fr", "de"]}, "age": {"type": "integer"}},
    "required": ["name", "age"],
    "additionalProperties": False,
}
SHAPES = {
    "oneOf": [
        {"properties": {"kind": {"const": "circle"}, "r": {"type": "number"}}, "required": ["kind", "r"]},
        {"properties": {"kind": {"const": "square"}, "side": {"type": "number"}}, "required": ["kind", "side"]},
    ]
}

# The first character that must be refused stands after the mark ¦.
REFUSED = [
    # JSON itself
    (True, "¦Here is", "", "json"),
    (True, "¦```json", "", "json"),
    (True, "¦\ufeff{}", "", "json"),
    (True, "{} ¦{", "", "json"),
    (True, '{"a":1}¦}', "", "json"),
    (True, '"a"¦b', "", "json"),
    (True, "1 ¦2", "", "json"),
    (True, "0¦1", "", "json"),
    (True, "[-0¦1", "", "json"),
    (True, "-¦a", "", "json"),
    (True, "[-¦]", "/0", "json"),
    (True, "¦+1", "", "json"),
    (True, "¦.5", "", "json"),
    (True, "[1.¦]", "/0", "json"),
    (True, "[1e¦.5]", "/0", "json"),
    (True, "1e+¦-", "", "json"),
    (True, "1.2¦.3", "", "json"),
    (True, "¦NaN", "", "json"),
    (True, "-¦Infinity", "", "json"),
    (True, "t¦ure", "", "json"),
    (True, "¦True", "", "json"),
    (True, "nul¦L", "", "json"),
    (True, "true¦e", "", "json"),
    (True, "[¦,", "", "json"),
    (True, "[1,¦]", "/1", "json"),
    (True, "[1 ¦2", "", "json"),
    (True, "[1¦}", "", "json"),
    (True, '{"a":1,¦}', "", "json"),
    (True, "{¦a:1}", "", "json"),
    (True, "{¦'a'", "", "json"),
    (True, '{"a"¦,', "/a", "json"),
    (True, '{"a":¦}', "/a", "json"),
    (True, '{"a":1¦]', "", "json"),
    (True, '{"a":1 ¦"b"', "", "json"),
    (True, '{"a":[{"b":"x\\¦q', "/a/0/b", "json"),
    (True, '"\\u12¦g', "", "json"),
    (True, '"\\¦U', "", "json"),
    (True, '"a¦\nb"', "", "json"),
    (True, '"a¦\tb"', "", "json"),
    (True, "¦\u00a01", "", "json"),
    (True, "¦\f1", "", "json"),
    (True, "1¦٣", "", "json"),
    # types
    ({"type": "object"}, ' \n¦"a"', "", "type"),
    ({"type": "object"}, "¦[", "", "type"),
    ({"type": "string"}, "¦-1", "", "type"),
    ({"type": "integer"}, '¦"1"', "", "type"),
    ({"type": "null"}, "¦true", "", "type"),
    ({"type": "boolean"}, "¦null", "", "type"),
    ({"type": ["string", "null"]}, "¦1", "", "type"),
    ({"items": {"type": "boolean"}}, "[true, ¦1", "/1", "type"),
    ({"type": "integer"}, "1.5¦ ", "", "type"),
    ({"items": {"type": "integer"}}, "[1.50¦]", "/0", "type"),
    ({"items": {"type": "integer"}}, "[15e-1¦]", "/0", "type"),
    (False, "¦1", "", "false"),
    # enum and const
    ({"enum": ["red", "green"]}, '"¦b', "", "enum"),
    ({"enum": ["red", "green"]}, '"gr¦a', "", "enum"),
    ({"enum": ["red", "green"]}, '"red¦d', "", "enum"),
    ({"enum": ["red", "green"]}, '"re¦"', "", "enum"),
    ({"enum": ["red", "green"]}, '"\\u0072\\u0065\\u006¦f', "", "enum"),
    ({"enum": ["red", "green"]}, "¦7", "", "enum"),
    ({"enum": ["a/b"]}, '"a\\/¦c', "", "enum"),
    ({"enum": ["été"]}, '"ét\\u00e¦8', "", "enum"),
    ({"enum": ["red", 12, None, [1]]}, "¦true", "", "enum"),
    ({"enum": ["red", 12, None, [1]]}, "¦5", "", "enum"),
    ({"enum": ["red", 12, None, [1]]}, "1¦5", "", "enum"),
    ({"enum": ["red", 12, None, [1]]}, "120¦ ", "", "enum"),
    ({"enum": ["red", 12, None, [1]]}, "[¦3", "/0", "enum"),
    ({"enum": ["red", 12, None, [1]]}, "[1¦,", "", "maxItems"),
    ({"enum": ["red", 12, None, [1]]}, "[¦]", "", "minItems"),
    ({"const": "mail"}, '"m¦e', "", "const"),
    ({"const": 12.5}, "¦-", "", "const"),
    ({"const": 12.5}, "12.¦6", "", "const"),
    ({"const": 12.5}, "12.5000¦1", "", "const"),
    ({"const": {"a": [1, True]}}, '{"¦b', "", "additionalProperties"),
    ({"const": {"a": [1, True]}}, '{"a":[1,¦1', "/a/1", "enum"),
    ({"const": {"a": [1, True]}}, "{¦}", "", "required"),
    ({"const": False}, "¦0", "", "const"),
    ({"const": 0}, "¦false", "", "const"),
    ({"enum": [True]}, "¦false", "", "enum"),
    ({"type": "string", "enum": ["a", 1]}, "¦1", "", "type"),
    ({"enum": ["a", "b"], "const": "b"}, '"¦a', "", "const"),
    # strings
    ({"maxLength": 3}, '"abc¦d', "", "maxLength"),
    ({"maxLength": 3}, '"a\\n\\u00e9¦d"', "", "maxLength"),
    ({"maxLength": 2}, '"\\ud83d\\ude00\U0001f600¦!', "", "maxLength"),
    ({"maxLength": 0}, '"¦a', "", "maxLength"),
    ({"minLength": 3}, '"ab¦"', "", "minLength"),
    ({"minLength": 2}, '"\\ud83d\\ude00¦"', "", "minLength"),
    ({"pattern": "^[0-9]{4}-[0-9]{2}$"}, '"2026-¦x', "", "pattern"),
    ({"pattern": "^[0-9]{4}-[0-9]{2}$"}, '"2026-0¦"', "", "pattern"),
    ({"pattern": "^[0-9]{4}-[0-9]{2}$"}, '"2026-01¦2', "", "pattern"),
    ({"pattern": "cat|dog"}, '"a bird¦"', "", "pattern"),
    ({"pattern": "^(a|b)*c?$"}, '"abac¦a', "", "pattern"),
    ({"allOf": [{"pattern": "^a"}, {"maxLength": 2}]}, '"ab¦c', "", "maxLength"),
    # numbers
    ({"minimum": 1}, "0¦ ", "", "minimum"),
    ({"minimum": 1}, "¦-", "", "minimum"),
    ({"exclusiveMinimum": 0}, "¦-", "", "exclusiveMinimum"),
    ({"maximum": -1}, "¦3", "", "maximum"),
    ({"exclusiveMaximum": 0}, "¦0", "", "exclusiveMaximum"),
    ({"items": {"maximum": 5}}, "[5, 5.5¦]", "/1", "maximum"),
    ({"exclusiveMaximum": 5}, "5.0¦\n", "", "exclusiveMaximum"),
    ({"exclusiveMinimum": 5}, "0.5e1¦\n", "", "exclusiveMinimum"),
    ({"multipleOf": 5}, "12¦ ", "", "multipleOf"),
    ({"multipleOf": 0.01}, "1.005¦ ", "", "multipleOf"),
    ({"$schema": DRAFT_4, "minimum": 5, "exclusiveMinimum": True}, "5¦ ", "", "exclusiveMinimum"),
    # objects
    (PERSON, '{"¦x', "", "additionalProperties"),
    (PERSON, '{"na¦x', "", "additionalProperties"),
    (PERSON, '{"na¦"', "", "additionalProperties"),
    (PERSON, '{"name¦d', "", "additionalProperties"),
    (PERSON, '{"\\u006ea\\u007¦8', "", "additionalProperties"),
    (PERSON, '{"name":"x","nation":"f¦i', "/nation", "enum"),
    (PERSON, '{"name": "x", "nation": "fr"¦}', "", "required"),
    (PERSON, '{"age": 1.5¦,', "/age", "type"),
    ({"additionalProperties": False}, '{"¦a', "", "additionalProperties"),
    ({"properties": {"a": False}}, '{"a¦"', "", "properties"),
    ({"properties": {"a": False, "ab": True}, "additionalProperties": False}, '{"a¦"', "", "properties"),
    ({"additionalProperties": {"type": "number"}}, '{"a":1,"b":¦"x', "/b", "type"),
    ({"patternProperties": {"^n_": {"type": "number"}}}, '{"n_a":¦"x', "/n_a", "type"),
    ({"patternProperties": {"^n_": True}, "additionalProperties": False}, '{"m_a¦"', "", "additionalProperties"),
    ({"patternProperties": {"^n_": False}}, '{"n_a¦"', "", "patternProperties"),
    ({"minProperties": 2}, '{"a":1¦}', "", "minProperties"),
    ({"minProperties": 2}, '{"a":1,"a":2¦}', "", "minProperties"),
    ({"maxProperties": 1}, '{"a":1,"b¦"', "", "maxProperties"),
    ({"properties": {"a/b~c": {"type": "null"}}}, '{"a/b~c":¦1', "/a~1b~0c", "type"),
    # arrays
    ({"minItems": 1}, "[ ¦]", "", "minItems"),
    ({"minItems": 3}, "[1,2¦]", "", "minItems"),
    ({"maxItems": 2}, "[1,[]¦,", "", "maxItems"),
    ({"maxItems": 0}, "[¦1", "", "maxItems"),
    ({"items": False}, "[ ¦1", "", "items"),
    ({"prefixItems": [{"type": "string"}], "items": False}, '["a"¦,', "", "items"),
    ({"prefixItems": [{"type": "string"}], "items": {"type": "null"}}, '["a",¦1', "/1", "type"),
    ({"prefixItems": [{"type": "string"}]}, "[¦1", "/0", "type"),
    ({"$schema": DRAFT_7, "items": [{"type": "string"}], "additionalItems": False}, '["a"¦,', "", "additionalItems"),
    ({"uniqueItems": True}, '["a", "\\u0061¦"', "/1", "uniqueItems"),
    ({"uniqueItems": True}, "[1, null, 2, 1¦]", "/3", "uniqueItems"),
    ({"uniqueItems": True}, "[1, null, nul¦l", "/2", "uniqueItems"),
    # references
    (TREE, '{"v":1,"kids":[{"v":2},{"v":3,"kids":[{"v":¦"', "/kids/1/kids/0/v", "type"),
    (TREE, '{"v":1,"kids":[{"kids":[]¦}', "/kids/0", "required"),
    ({"items": {"$ref": "#"}, "type": "array"}, "[[],[[¦1", "/1/0/0", "type"),
    ({"$ref": "#/$defs/a", "minimum": 3, "$defs": {"a": {"type": "integer"}}}, "2¦ ", "", "minimum"),
    ({"$ref": "#/$defs/a%25b", "$defs": {"a%b": {"type": "integer"}}}, "¦{", "", "type"),
    ({"$ref": "#/$defs/a~1b/0", "$defs": {"a/b": [{"type": "integer"}]}}, "¦{", "", "type"),
    ({"$schema": DRAFT_7, "$ref": "#/definitions/a", "definitions": {"a": {"type": "null"}}}, "¦1", "", "type"),
    # alternatives
    ({"anyOf": [{"type": "string"}, {"type": "null"}]}, "¦1", "", "type"),
    ({"anyOf": [{"const": "ab"}, {"const": "cd"}]}, '"a¦d', "", "enum"),
    ({"anyOf": [{"maxLength": 2}, {"pattern": "^abc$"}]}, '"abc¦d', "", "pattern"),
    ({"anyOf": [{"maximum": 2}, {"minimum": 8}]}, "5¦ ", "", "minimum"),
    (SHAPES, '{"kind":"square","side":¦"', "/side", "type"),
    (SHAPES, '{"side":1,"kind":"circle","r":1.5} ¦x', "", "json"),
    (SHAPES, '{"kind":"circle","side":3¦}', "", "required"),
    (SHAPES, '{"side":"a","kind":"¦s', "/kind", "const"),
    ({"allOf": [{"type": ["string", "null"]}, {"type": ["null", "number"]}]}, '¦"', "", "type"),
    ({"allOf": [{"enum": ["a", "b"]}, {"enum": ["b", "c"]}]}, '"¦a', "", "enum"),
    ({"allOf": [{"required": ["a"]}], "anyOf": [{"required": ["b"]}, {"required": ["c"]}]}, '{"a":1¦}', "", "required"),
    ({"anyOf": [{"items": {"type": "string"}}, {"items": {"type": "null"}}]}, '["a",¦n', "/1", "type"),
    (
        {"anyOf": [{"prefixItems": [{"type": "null"}, {"type": "null"}]}, {"maxItems": 1}]},
        "[null,¦1",
        "/1",
        "type",
    ),
]


@pytest.mark.parametrize(("schema", "marked", "path", "keyword"), REFUSED)
def test_refused_at_once(schema, marked, path, keyword):
    """Character by character or in one piece: the same verdict, and the mark is where it falls."""
    before, _, after = marked.partition("¦")
    stream = Incremental(compile_plan(schema))
    assert [stream.feed(char) for char in before] == [True] * len(before)
    assert stream.fault is None
    assert not stream.feed(after[0])
    assert stream.fault == (path, keyword)
    assert not stream.feed(" ")
    assert not stream.complete
    whole = Incremental(compile_plan(schema))
    assert not whole.feed(before + after)
    assert whole.fault == (path, keyword)


POSSIBLE = [
    # what a number may still become
    ({"type": "integer"}, "1.0"),
    ({"type": "integer"}, "1.5e1"),
    ({"type": "integer"}, "10e-1"),
    ({"const": 1}, "1.0"),
    ({"const": 1}, "1e0"),
    ({"const": 1}, "10e-1"),
    ({"const": 1}, "0.1e1"),
    ({"const": 0}, "-0.0"),
    ({"enum": [10, 250]}, "0.25e3"),
    ({"enum": [10, 250]}, "1E+1"),
    ({"enum": [-2.5]}, "-25e-1"),
    ({"maximum": 10}, "100000e-4"),
    ({"minimum": 10}, "0.001e4"),
    ({"minimum": 0}, "-0"),
    ({"multipleOf": 0.1}, "0.3"),
    ({"multipleOf": 0.01}, "19.99"),
    ({"multipleOf": 1e-8}, "12391239123"),
    # two readings of a number
    ({"const": 0.1}, "0.1000000000000000055511151231257827"),
    ({"const": 1}, "0.99999999999999999999"),
    ({"maximum": 0.1}, "0.1000000000000000000001"),
    ({"const": 12345678901234567890}, "12345678901234567890"),
    ({"const": 12345678901234567890}, "1.234567890123456789e19"),
    # strings
    ({"enum": ["red", "re"]}, '"re"'),
    ({"enum": ["\U0001f600"]}, '"\\ud83d\\ude00"'),
    ({"maxLength": 1}, '"\\ud83d\\ude00"'),
    ({"minLength": 1, "maxLength": 1}, '"\\ud83d"'),
    ({"enum": ['a"b\\c/\n']}, '"a\\"b\\\\c\\/\\n"'),
    ({"pattern": "b$"}, '"ab"'),
    ({"pattern": "^$"}, '""'),
    ({"pattern": r"^\w+$"}, '"été"'),
    ({"pattern": r"(?=x)y"}, '"not judged"'),
    ({"pattern": "^(a+)+$"}, '"' + "a" * 5000 + '"'),
    # keys
    (PERSON, '{"\\u006eame": "x", "age" : 4}'),
    ({"properties": {"a": {}}, "patternProperties": {"(?=y)": False}, "additionalProperties": False}, '{"yes":1}'),
    (
        {"patternProperties": {"^n_": {"type": "number"}}, "additionalProperties": {"type": "string"}},
        '{"n_":1,"x":"a"}',
    ),
    ({"properties": {"n": {"minimum": 2}}, "patternProperties": {"n": {"maximum": 4}}}, '{"n":3}'),
    ({"maxProperties": 1}, '{"a":1,"a":2}'),
    ({"required": ["a"]}, '{"\\u0061":1}'),
    ({"required": ["a"]}, "[]"),
    # arrays
    ({"uniqueItems": True}, '[1, "1", "a", "A", []]'),
    ({"maxItems": 2}, "[[1,2],[3]]"),
    # alternatives that overlap
    ({"anyOf": [{"type": "integer", "minimum": 5}, {"type": "number", "maximum": 2}]}, "1.5"),
    ({"anyOf": [{"type": "integer", "minimum": 5}, {"type": "number", "maximum": 2}]}, "7"),
    (SHAPES, '{"side": 1, "kind": "square"}'),
    (SHAPES, '{"r": 1, "side": "x", "kind": "circle"}'),
    (
        {"anyOf": [{"$ref": "#/$defs/l"}, {"type": "null"}], "$defs": {"l": {"items": {"$ref": "#"}}}},
        "[null,[null,[]]]",
    ),
    # keywords that are not judged, and schemas that are not known
    ({"not": {"type": "string"}}, '"a"'),
    ({"if": True, "then": False}, '"a"'),
    ({"contains": {"type": "null"}}, "[1]"),
    ({"propertyNames": {"maxLength": 1}}, '{"ab":1}'),
    ({"unevaluatedProperties": False}, '{"ab":1}'),
    ({"format": "date"}, '"x"'),
    ({"$schema": "https://example.com/own", "type": "string"}, "1"),
    ({"$ref": "https://example.com/other"}, "1"),
    ({"$ref": "#/$defs/missing"}, "1"),
    ({"$ref": "#"}, "1"),
    ({"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"allOf": [{"$ref": "#/$defs/a"}]}}}, "1"),
    ({"$schema": DRAFT_7, "$ref": "#/definitions/a", "type": "null", "definitions": {"a": {}}}, "1"),
    ({"$schema": DRAFT_4, "const": 2}, "1"),
    ({"$schema": DRAFT_7, "prefixItems": [{"type": "null"}]}, "[1]"),
    (
        {"properties": {"a": {"$id": "b", "$ref": "#/$defs/c", "$defs": {"c": {}}}}, "$defs": {"c": {"type": "null"}}},
        '{"a":1}',
    ),
    (True, '["\\ud800", "\\udc00\\ud800x", 1e999, -0, {"": {"": []}}]'),
]


@pytest.mark.parametrize(("schema", "text"), POSSIBLE)
def test_left_possible(schema, text):
    """What is valid, or not judged, is never refused; the whole of it is complete, with spaces around it or without."""
    stream = Incremental(compile_plan(schema))
    assert [stream.feed(char) for char in text] == [True] * len(text)
    assert stream.complete
    assert stream.feed(" \n")
    assert stream.complete
    assert stream.fault is None


@pytest.mark.parametrize(
    "text", ["", " ", "[", "{", '"a', '{"a"', '{"a":', '{"a":1', "[1,", "tru", "-", "1.", "1e", "1e+"]
)
def test_not_complete_yet(text):
    """A text to which something must be added is possible but not complete."""
    stream = Incremental(compile_plan(True))
    assert stream.feed(text)
    assert not stream.complete


def test_a_number_is_complete_and_may_go_on():
    """After each of the digits the text is one whole value."""
    stream = Incremental(compile_plan({"type": "integer"}))
    assert [(stream.feed(char), stream.complete) for char in "105"] == [(True, True)] * 3


def test_deep_answers_are_not_judged():
    """128 arrays within each other are judged; from the next one on everything is possible."""
    plan = compile_plan({"type": "array", "items": {"$ref": "#"}})
    assert not Incremental(plan).feed("[" * 128 + "1")
    deep = Incremental(plan)
    assert deep.feed("[" * 129 + "1 Here is")
    assert not deep.complete


def test_too_many_alternatives_allow_everything():
    """64 alternatives are followed; one more, and none is."""
    many = [{"type": "object", "properties": {"a": {"maximum": number}}} for number in range(65)]
    assert not Incremental(compile_plan({"anyOf": many[:64]})).feed('{"a": 64}')
    assert Incremental(compile_plan({"anyOf": many})).feed('{"a": 65}')


def test_many_constants_are_one_enumeration():
    """Alternatives that each name their values are followed however many they are."""
    plan = compile_plan({"oneOf": [{"const": f"value {number}", "title": "a"} for number in range(1000)]})
    assert Incremental(plan).feed('"value 999"')
    assert not Incremental(plan).feed('"value 1000')


def test_schemas_that_double_at_each_step():
    """References that would make 2^40 alternatives end at the bound."""
    schema = {"$ref": "#/$defs/0", "$defs": {"40": {"type": "string"}}}
    for number in range(40):
        branch = {"$ref": f"#/$defs/{number + 1}"}
        schema["$defs"][str(number)] = {
            "anyOf": [{**branch, "minLength": number}, {**branch, "maxLength": 99 + number}]
        }
    assert Incremental(compile_plan(schema)).feed("1")


def test_long_keys_are_held_to_what_is_closed_only():
    """A key of 2,000 characters is possible where keys are open, and refused at its first one where they are not."""
    key = json.dumps({"k" * 2000: 1})
    assert Incremental(compile_plan({"required": ["k" * 2000]})).feed(key)
    closed = Incremental(compile_plan({"additionalProperties": False}))
    assert [closed.feed(key[:2]), closed.feed(key[2:])] == [True, False]


def test_an_array_may_be_long():
    """Items beyond those that are compared may repeat unseen, and their number is still counted."""
    items = [str(number) for number in range(1025)]
    stream = Incremental(compile_plan({"uniqueItems": True, "maxItems": 1026}))
    assert stream.feed(json.dumps([*items, "1024"])[:-1])
    assert not stream.feed(",")
    assert stream.fault == ("", "maxItems")


def test_streams_of_one_plan_do_not_meet():
    """Two streams fed in turns under one plan keep their own state."""
    plan = compile_plan(PERSON)
    good, bad = Incremental(plan), Incremental(plan)
    assert [good.feed('{"name":"'), bad.feed('{"name":'), good.feed('x",'), bad.feed("7"), good.feed('"age":1}')] == [
        True, True, True, False, True,
    ]  # fmt: skip
    assert good.complete
    assert bad.fault == ("/name", "type")


def test_repr_is_the_state():
    """It says where the stream is, that it is complete, or why it cannot be."""
    plan = compile_plan(PERSON)
    stream = Incremental(plan)
    assert repr(stream) == "<Incremental at ''>"
    stream.feed('{"age": ')
    assert repr(stream) == "<Incremental at '/age'>"
    stream.feed('"')
    assert repr(stream) == "<Incremental impossible: '/age' type>"


def test_objects_of_very_many_keys_are_not_judged_by_them():
    """Of 5,000 keys not all are kept, so that neither their number nor the required ones count."""
    many = json.dumps(dict.fromkeys(map(str, range(5000))))
    assert Incremental(compile_plan({"minProperties": 6000, "required": ["x"]})).feed(many)
    assert not Incremental(compile_plan({"required": ["x"]})).feed(many)
    assert not Incremental(compile_plan({"maxProperties": 4000})).feed(many)


def test_schemas_of_very_many_parts_are_judged_by_some():
    """1,000 schemas that must hold at once make shapes of 64 of them."""
    some = [{"minLength": number} for number in range(64)]
    every = [{"maxLength": 1005 - number} for number in range(1001)]
    assert Incremental(compile_plan({"anyOf": some, "allOf": every})).feed('"123456')
    assert not Incremental(compile_plan({"allOf": [{"maxLength": 5}, {"anyOf": some}]})).feed('"123456')
