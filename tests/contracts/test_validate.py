"""Answers are held against their schema: strictly parsed, judged, and explained to the model and to records."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.contracts.reply import Reply, ToolCall
from trimtab.contracts.validate import Validator, complaint, verdict_of
from trimtab.errors import SchemaInvalid

TICKET = {
    "type": "object",
    "properties": {
        "label": {"enum": ["bug", "question"]},
        "score": {"type": "number", "minimum": 0, "maximum": 1},
        "tags": {"type": "array", "items": {"type": "string", "maxLength": 3}},
        "who": {"anyOf": [{"type": "null"}, {"type": "object", "properties": {"id": {"type": "integer"}}}]},
        "counts": {"type": "object", "additionalProperties": {"type": "integer"}},
    },
    "required": ["label", "score"],
    "additionalProperties": False,
}
GOOD = {"label": "bug", "score": 0.5, "tags": ["a"], "who": {"id": 1}, "counts": {"Ann": 2}}
TREE = {
    "$ref": "#/$defs/node",
    "$defs": {
        "node": {
            "anyOf": [
                {"type": "integer"},
                *(
                    {
                        "type": "object",
                        "properties": {"op": {"const": op}, "left": {"$ref": "#/$defs/node"}},
                        "required": ["op", "left"],
                    }
                    for op in ("add", "sub", "mul", "div")
                ),
            ]
        }
    },
}

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from([*GOOD, "id", "x"]), inner, max_size=4),
    max_leaves=12,
)


def validator(schema):
    return Validator(json.dumps(schema))


def places(schema, value):
    return [fault.place for fault in validator(schema).check(json.dumps(value)).faults]


def test_a_valid_answer():
    checked = validator(TICKET).check(f" \n{json.dumps(GOOD)}\t")
    assert checked == (GOOD, (), True)


@pytest.mark.parametrize(
    ("change", "path", "keyword", "message"),
    [
        ({"label": "wish"}, "/label", "enum", 'must be one of "bug", "question"; is "wish"'),
        ({"score": 1.5}, "/score", "maximum", "must be at most 1; is 1.5"),
        ({"score": "high"}, "/score", "type", 'must be a number, is "high"'),
        ({"tags": ["ok", "long"]}, "/tags/1", "maxLength", "must have at most 3 characters, has 4"),
        ({"who": {"id": "x"}}, "/who/id", "type", 'must be an integer, is "x"'),
        ({"more": 1}, "", "additionalProperties", None),
    ],
)
def test_where_and_why(change, path, keyword, message):
    (fault,) = validator(TICKET).check(json.dumps(GOOD | change)).faults
    assert (fault.path, fault.keyword) == (path, keyword)
    assert message is None or fault.message == message


def test_extra_properties_are_named_with_what_is_allowed():
    (fault,) = validator(TICKET).check(json.dumps(GOOD | {"more": 1})).faults
    assert fault.message == ('has unknown properties "more"; allowed are "label", "score", "tags", "who", "counts"')


@pytest.mark.parametrize(
    ("schema", "value", "expected"),
    [
        ({"required": ["a", "b"]}, {"a": 1}, [": required"]),
        ({"dependentRequired": {"a": ["b"]}}, {"a": 1}, [": dependentRequired"]),
        ({"const": True}, False, [": const"]),
        ({"prefixItems": [{"type": "string"}], "items": False}, [1, 2], [": items", "/0: type"]),
        ({"items": {"type": "string"}}, ["a", 1, "b", 2], ["/1: type", "/3: type"]),
        ({"contains": {"type": "string"}}, [1], [": contains"]),
        ({"uniqueItems": True}, [1, 1], [": uniqueItems"]),
        ({"propertyNames": {"maxLength": 2}}, {"secret": 1}, [": propertyNames"]),
        ({"patternProperties": {"^x": {"type": "string"}}}, {"xy": 1}, ["/*: type"]),
        ({"unevaluatedProperties": False}, {"a": 1}, [": unevaluatedProperties"]),
        ({"not": {"type": "string"}}, "x", [": not"]),
        ({"if": {"type": "string"}, "then": {"minLength": 2}}, "x", [": minLength"]),
        ({"if": {"type": "string"}, "else": {"minimum": 2}}, 1, [": minimum"]),
        ({"oneOf": [{"type": "number"}, {"type": "integer"}]}, 1, [": oneOf"]),
        ({"anyOf": [{"type": "string"}, {"type": "integer"}]}, None, [": anyOf"]),
        ({"allOf": [{"minimum": 2}, {"multipleOf": 3}]}, 1, [": minimum", ": multipleOf"]),
        ({"dependentSchemas": {"a": {"properties": {"b": {"type": "null"}}}}}, {"a": 1, "b": 1}, ["/b: type"]),
        ({"properties": {"a": False}}, {"a": 1}, ["/a: false"]),
        ({"properties": {"a/b~c": {"type": "null"}}}, {"a/b~c": 1}, ["/a~1b~0c: type"]),
        ({"$ref": "#/$defs/%25", "$defs": {"%": {"type": "null"}}}, 1, [": type"]),
        ({"$ref": "#n", "$defs": {"x": {"$anchor": "n", "type": "null"}}}, 1, [": type"]),
        (False, 1, [": false"]),
    ],
)
def test_the_place_for_every_kind_of_keyword(schema, value, expected):
    assert places(schema, value) == expected


@pytest.mark.parametrize(
    ("schema", "good", "bad", "expected"),
    [
        ({"items": [{"type": "null"}], "additionalItems": False}, [None], [None, 1], [": additionalItems"]),
        ({"definitions": {"a": {"type": "null"}}, "$ref": "#/definitions/a", "minimum": 9}, None, 3, [": type"]),
        ({"prefixItems": [{"type": "null"}], "items": {"type": "integer"}}, [1], ["x"], ["/0: type"]),
    ],
)
def test_the_draft_that_the_schema_names(schema, good, bad, expected):
    """Draft 7: `items` may be a list, `$ref` hides what stands beside it, `prefixItems` is nothing."""
    seventh = {"$schema": "http://json-schema.org/draft-07/schema#", **schema}
    assert places(seventh, good) == []
    assert places(seventh, bad) == expected


def test_places_hold_no_names_of_the_answer():
    """Names that only the answer has may be somebody's: the model is told them, records are not."""
    (fault,) = validator(TICKET).check(json.dumps(GOOD | {"counts": {"Ann": "x"}})).faults
    assert (fault.path, fault.place) == ("/counts/Ann", "/counts/*: type")


def test_at_most_eight_faults_in_the_order_of_paths():
    faults = validator({"items": {"type": "null"}}).check(json.dumps(list(range(100)))).faults
    assert [fault.path for fault in faults] == [f"/{index}" for index in range(8)]


def test_a_large_answer_makes_a_small_complaint():
    wrong = {f"{'n' * 1000}{number}": "v" * 10_000 for number in range(50)}
    faults = validator({"additionalProperties": {"type": "integer"}}).check(json.dumps(wrong)).faults
    assert len(complaint(faults)) < 8 * 700 + 400
    assert len(faults[0].place) < 220


def test_the_branch_of_a_union_that_is_meant_is_explained():
    schema = {"anyOf": [{"properties": {"kind": {"const": kind}, "n": {"type": "integer"}}} for kind in "abc"]}
    assert places(schema, {"kind": "b", "n": "x"}) == ["/n: type"]


def test_recursive_unions_are_explained_in_a_bounded_number_of_steps():
    """A listing of all errors of all branches would take 5 to the power of 60 steps here."""
    value = "wrong"
    for _ in range(60):
        value = {"op": "div", "left": value}
    (fault,) = validator(TREE).check(json.dumps(value)).faults
    assert (fault.path, fault.keyword) == ("/left" * 60, "anyOf")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is empty"),
        ('{"a": 1,}', "line 1 column 9 (byte 8)"),
        ('{"é": 1,\n "b" 2}', "line 2 column 6 (byte 15)"),
        ("```json\n{}\n```", "without a code fence"),
        ("{} {}", "byte 3"),
        ("[NaN]", "NaN"),
        ("-Infinity", "Infinity"),
        ("[1e999]", "1e999 is beyond the range"),
        ("1" * 5000, "4,300 digits"),
        ('{"a": 1, "b": {"c": 1, "c": 2}}', '"c" twice'),
        ('{"a": 1, "\\u0061": 2}', '"a" twice'),
        ('["\\ud800"]', "surrogate"),
        ('["\\ud83d\\u0041"]', "surrogate"),
        ('["\\\\\\udc00"]', "surrogate"),
        ('["\ud800"]', "surrogate"),
        ('["\x01"]', "byte 2"),
        ("'a'", "byte 0"),
        ("01", "byte 1"),
        ("\ufeff{}", "byte 0"),
        ("[" * 129 + "]" * 129, "deeper than 128"),
        ("[" * 100_000, "deeper than 128"),
    ],
)
def test_what_is_not_json(text, said):
    checked = validator(True).check(text)
    (fault,) = checked.faults
    assert (checked.value, checked.is_json, fault.path, fault.keyword) == (None, False, "", "json")
    assert said in fault.message


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("9007199254740993", 2**53 + 1),
        ('"\\ud83d\\ude00"', "\U0001f600"),
        ('"\\\\ud800"', "\\ud800"),
        ("1e308", 1e308),
        ("[" * 128 + "]" * 128, None),
        ('[{"a": 1}, {"a": 2}]', [{"a": 1}, {"a": 2}]),
    ],
)
def test_what_is_json(text, value):
    checked = validator(True).check(text)
    assert checked.faults == ()
    assert value is None or checked.value == value


def test_integers_beyond_a_double_are_compared_exactly():
    schema = {"maximum": 2**63}
    assert places(schema, 2**63) == []
    assert places(schema, 2**63 + 1) == [": maximum"]


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("date", "2026-02-28", "2026-02-30"),
        ("date-time", "2026-02-28T12:00:00Z", "2026-02-28 12:00"),
        ("time", "12:00:00Z", "25:00:00Z"),
        ("duration", "P3D", "3 days"),
        ("email", "a@b.example", "a at b"),
        ("hostname", "a.example", "a_b!"),
        ("ipv4", "10.0.0.1", "10.0.0.256"),
        ("ipv6", "::1", "::g"),
        ("uuid", "2eb8aa08-aa98-11ea-b4aa-73b441d16380", "2eb8aa08"),
        ("uri", "https://a.example/b", "/b"),
        ("regex", "(", None),
        ("int32", "x", None),
    ],
)
def test_formats_that_are_asserted_and_those_that_are_not(name, good, bad):
    assert places({"format": name}, good) == []
    if bad is not None:
        assert places({"format": name}, bad) == [": format"]


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        ("{", "not JSON"),
        ("[]", "must be an object, true or false"),
        ('{"type": "object", "type": "array"}', '"type" twice'),
        ('{"type": "strin"}', "/type"),
        ('{"properties": {"a": {"minLength": -1}}}', "/properties/a/minLength"),
        ('{"properties": {"a": {"$ref": "https://a.example/b.json"}}}', "'https://a.example/b.json' at /properties/a"),
        ('{"$ref": "file:///etc/passwd"}', "'file:///etc/passwd' at the top"),
        ('{"$ref": "other.json"}', "'other.json'"),
        ('{"$ref": "#/$defs/none"}', "'#/$defs/none'"),
        ('{"$schema": "https://a.example/meta"}', "https://a.example/meta"),
        ('{"properties": {"a": {"pattern": "(a"}}}', "'(a' at /properties/a/pattern"),
        ('{"patternProperties": {"[": {}}}', "'[' at /patternProperties/["),
        (json.dumps({"pattern": "a" * 5000}), "longer than 4096"),
        (json.dumps({"anyOf": [{"pattern": "a"}] * 501}), "501 patterns"),
        ('{"items":' * 70 + "{}" + "}" * 70, "deeper than 64"),
        (json.dumps({"description": "x" * (1 << 20)}), "larger than 1048576 bytes"),
        (
            json.dumps(
                {
                    "$ref": "#/$defs/40",
                    "$defs": {"0": {}} | {str(n): {"allOf": [{"$ref": f"#/$defs/{n - 1}"}] * 2} for n in range(1, 41)},
                }
            ),
            "multiply",
        ),
        (
            json.dumps({"$ref": "#/$defs/0", "$defs": {str(n): {"$ref": f"#/$defs/{n + 1}"} for n in range(5000)}}),
            "chain",
        ),
    ],
)
def test_schemas_that_cannot_be_used(schema, said):
    with pytest.raises(SchemaInvalid) as raised:
        Validator(schema)
    assert said in str(raised.value)


def test_patterns_that_backtrack_without_end_fail_the_value():
    """Both ways round: a match that is not decided is none, nor is it a mismatch that `not` could turn into a match."""
    slow = r"^(a*)(a*)(a*)(a*)(a*)\1\2\3\4\5b$"
    assert places({"pattern": slow}, "a" * 200) == [": pattern"]
    assert places({"not": {"pattern": slow}}, "a" * 200) != []
    assert places({"pattern": "^(a+)+$"}, "a" * 50_000 + "b") == [": pattern"]


def test_references_within_a_schema_with_ids():
    schema = {
        "$id": "https://a.example/root",
        "properties": {"a": {"$ref": "item"}, "b": {"$ref": "#/$defs/inner"}},
        "$defs": {"inner": {"$id": "item", "type": "integer"}},
    }
    assert places(schema, {"a": 1, "b": 2}) == []
    assert places(schema, {"a": "x"}) == ["/a: $ref"]


@pytest.mark.parametrize(
    ("reply", "verdict"),
    [
        (Reply(text='{"label":"bug","score":1}', finish="stop"), "valid"),
        (Reply(text='{"label":"bug","score":1}', finish="length"), "valid"),
        (Reply(text='{"label":"bug","score":1}', finish="content_filter"), "valid"),
        (Reply(text='{"label":"bug","score":1}', finish=""), "truncated"),
        (Reply(text='{"label":"bug"', finish=""), "truncated"),
        (Reply(text='{"label":"bug"', finish="length"), "truncated"),
        (Reply(text='{"label":"bug"}', finish="length"), "truncated"),
        (Reply(text='{"label":"bug"}', finish="stop"), "invalid"),
        (Reply(text="", finish="stop"), "invalid"),
        (Reply(text="sorry", finish="content_filter"), "refused"),
        (Reply(text="", refusal="I cannot", finish="stop"), "refused"),
        (Reply(text="aaaa", finish="repetition"), "invalid"),
        (Reply(text=" ", tool_calls=[ToolCall("1", "f", "{}")], finish="tool_calls"), ""),
        (Reply(text="Let me look.", tool_calls=[ToolCall("1", "f", "{}")], finish="tool_calls"), ""),
        (Reply(text='{"label":"bug","score":1}', tool_calls=[ToolCall("1", "f", "{}")], finish="stop"), "valid"),
    ],
)
def test_verdicts(reply, verdict):
    judged = verdict_of(reply, validator(TICKET))
    assert judged.verdict == verdict
    assert bool(judged.faults) == (verdict in {"invalid", "truncated"} or reply.text == "sorry")


def test_the_complaint_names_each_path_and_says_what_to_do():
    faults = validator(TICKET).check('{"label": "wish"}').faults
    assert complaint(faults).splitlines() == [
        "The answer does not match the required JSON Schema:",
        '- the whole: lacks the required property "score"',
        '- /label: must be one of "bug", "question"; is "wish"',
        "Answer again with the whole corrected JSON value and nothing else: no explanation, no code fence.",
    ]


SCHEMAS = [validator(schema) for schema in (True, False, TICKET, TREE, {"uniqueItems": True, "multipleOf": 0.1})]


@given(st.sampled_from(SCHEMAS), st.text(st.characters(exclude_categories=())) | json_values.map(json.dumps))
def test_no_text_raises(schema, text):
    checked = schema.check(text)
    assert len(checked.faults) <= 8
    complaint(checked.faults)


@given(st.sampled_from(SCHEMAS), st.text(alphabet='{}[]",:\\ud80001eE+-. \n') | st.text(alphabet='{"a:1,}'))
def test_no_text_that_looks_like_json_raises(schema, text):
    checked = schema.check(text)
    assert checked.is_json or checked.faults


@given(json_values)
def test_every_json_value_is_parsed_as_python_parses_it(value):
    text = json.dumps(value)
    assert validator(True).check(text).value == json.loads(text)


@given(json_values)
def test_an_explained_path_leads_to_a_value_that_its_subschema_refuses(value):
    """Faults of a plain tree of `properties` and `items` are true: the value at the path breaks that keyword there."""
    schema = {
        "properties": {"label": {"enum": ["bug"]}, "tags": {"items": {"type": "integer", "minimum": 0}}},
        "required": ["label"],
    }
    for fault in validator(schema).check(json.dumps(value)).faults:
        held, below = value, schema
        for token in fault.path.split("/")[1:]:
            held, below = (
                (held[int(token)], below["items"])
                if isinstance(held, list)
                else (held[token], below["properties"][token])
            )
        assert validator({fault.keyword: below[fault.keyword]}).check(json.dumps(held)).faults


def test_a_fault_that_many_ways_lead_to_is_told_once():
    """Both parts of every level lead to the same wrong value; no level adds a fault of its own."""
    part = {"properties": {"a": {"$ref": "#"}}, "type": "object"}
    value = 1
    for _ in range(14):
        value = {"a": value}
    assert places({"allOf": [part, part]}, value) == [f"{'/a' * 14}: type"]
