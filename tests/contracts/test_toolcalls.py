"""Tool calls are valid, or told apart by what is wrong with them; nothing is mended in silence."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.contracts.reply import ToolCall
from trimtab.contracts.toolcalls import REMEMBERED, Toolbox, ToolSpec, Validators

WEATHER = json.dumps(
    {
        "type": "object",
        "properties": {"city": {"type": "string"}, "days": {"type": "integer", "maximum": 7}},
        "required": ["city"],
        "additionalProperties": False,
    }
)


def toolbox(*tools):
    return Toolbox(tools or [ToolSpec("weather", WEATHER), ToolSpec("now", None)], Validators())


@pytest.mark.parametrize(
    ("name", "arguments", "outcome"),
    [
        ("weather", '{"city": "Ulm", "days": 3}', "valid"),
        ("now", "{}", "valid"),
        ("now", '{"zone": "UTC"}', "valid"),
        ("now", "", "valid"),
        ("now", " \n", "valid"),
        ("weather", "", "bad_json"),
        ("weather", '{"city": "Ulm"', "bad_json"),
        ("weather", '{"city": "Ulm"} {"city": "Bonn"}', "bad_json"),
        ("weather", '{"city": "Ulm", "city": "Bonn"}', "bad_json"),
        ("weather", '["Ulm"]', "bad_json"),
        ("now", "null", "bad_json"),
        ("now", '"{}"', "bad_json"),
        ("now", "[]", "bad_json"),
        ("weather", "{}", "schema_invalid"),
        ("weather", '{"city": "Ulm", "days": 8}', "schema_invalid"),
        ("weather", '{"city": "Ulm", "unit": "K"}', "schema_invalid"),
        ("Weather", "{}", "unknown_tool"),
        ("", "{}", "unknown_tool"),
    ],
)
def test_outcomes(name, arguments, outcome):
    checked = toolbox().check(ToolCall("1", name, arguments))
    assert (checked.tool, checked.outcome, checked.unusable) == (name, outcome, "")
    assert bool(checked.faults) == (outcome in {"bad_json", "schema_invalid"})


def test_what_is_wrong_has_its_path():
    (fault,) = toolbox().check(ToolCall("1", "weather", '{"city": "Ulm", "days": 8}')).faults
    assert (fault.place, fault.message) == ("/days: maximum", "must be at most 7; is 8")


def test_all_schemas_of_one_name_must_hold():
    """The task's tool is not overruled by one of the request that takes anything."""
    box = toolbox(ToolSpec("weather", "{}"), ToolSpec("weather", WEATHER), ToolSpec("weather", None))
    assert len(box) == 1
    assert box.check(ToolCall("1", "weather", "{}")).outcome == "schema_invalid"


def test_a_schema_that_cannot_be_used_lets_every_object_pass_and_says_so():
    box = toolbox(ToolSpec("f", '{"$ref": "https://a.example/b"}'))
    checked = box.check(ToolCall("1", "f", '{"a": 1}'))
    assert checked.outcome == "valid"
    assert "https://a.example/b" in checked.unusable
    assert box.check(ToolCall("1", "f", "[]")).outcome == "bad_json"


def test_names_are_cut_and_printable():
    checked = toolbox().check(ToolCall("1", "a\x1b\n" + "b" * 100, "{}"))
    assert checked.tool == "a??" + "b" * 61


def test_the_complaint_says_what_to_do():
    box = toolbox()
    wrong = box.check(ToolCall("1", "weather", '{"city": "Ulm", "days": 8}'))
    assert box.complaint_for(wrong).splitlines() == [
        "schema_invalid: the arguments of the call to 'weather' do not match the schema of the tool, "
        "so it was not executed:",
        "- /days: must be at most 7; is 8",
        f"The schema of its arguments: {WEATHER}",
        "Call the tool again with corrected arguments.",
    ]
    unknown = box.check(ToolCall("1", "forecast", "{}"))
    assert box.complaint_for(unknown) == (
        'unknown_tool: there is no tool \'forecast\'; the tools are "weather", "now". '
        "Call one of them, or answer without."
    )
    assert "there are no tools" in Toolbox([]).complaint_for(unknown)
    assert box.complaint_for(box.check(ToolCall("1", "now", "{}"))) == ""


def test_complaints_are_bounded():
    wide = json.dumps({"properties": {f"{'p' * 100}{number}": {"type": "null"} for number in range(100)}})
    box = toolbox(*(ToolSpec(f"{number}{'t' * 200}", wide) for number in range(200)))
    value = json.dumps({f"{'p' * 100}{number}": "x" * 1000 for number in range(100)})
    assert len(box.complaint_for(box.check(ToolCall("1", f"7{'t' * 200}", value)))) < 6_000
    assert len(box.complaint_for(box.check(ToolCall("1", "x", value)))) < 2_000


def test_compiled_validators_are_remembered_within_bounds():
    validators = Validators()
    first = validators.get("{}", declared=True)
    assert validators.get("{}", declared=True) is first
    for number in range(REMEMBERED):
        validators.get(f'{{"minimum": {number}}}', declared=True)
    assert validators.get("{}", declared=True) is not first


def test_what_is_remembered_is_weighed():
    """16 bytes for each of 900,000 characters and 1 MiB for a pattern that counts: four fit into 64 MiB."""
    validators = Validators()
    for number in range(10):
        schema = {"description": str(number) * 900_000, "pattern": "^.{1,200}$"}
        validators.get(json.dumps(schema), declared=True)
    assert repr(validators) == "<Validators: 4 of about 58 MiB>"


def test_schemas_of_requests_have_narrower_bounds_than_those_of_the_project():
    many = json.dumps({"anyOf": [{"pattern": "^a$"}] * 51})
    large = json.dumps({"description": "x" * 300_000})
    costly = json.dumps({"pattern": r"^\p{L}{1,100}$"})
    for schema, why in ((many, "51 patterns"), (large, "larger than 262144 bytes"), (costly, "compiles to too much")):
        checked = toolbox(ToolSpec("f", schema)).check(ToolCall("1", "f", "{}"))
        assert (checked.outcome, why in checked.unusable) == ("valid", True)
        assert toolbox(ToolSpec("f", schema, declared=True)).check(ToolCall("1", "f", "{}")).unusable == ""


@given(st.sampled_from(["weather", "now", "x"]) | st.text(), st.text(st.characters(exclude_categories=())))
def test_no_call_raises(name, arguments):
    box = toolbox()
    checked = box.check(ToolCall("1", name, arguments))
    assert checked.outcome in {"valid", "bad_json", "unknown_tool", "schema_invalid"}
    assert (box.complaint_for(checked) == "") == (checked.outcome == "valid")


@given(st.text(max_size=200))
def test_no_schema_raises(schema):
    toolbox(ToolSpec("f", schema)).check(ToolCall("1", "f", '{"a": 1}'))
