"""Each rule of contracts: `output`, `tools` and `tool_calls` of a task, schema files and tool files.

In the texts, `#!` (in JSON, a key `"!"`) marks the line on which the one mistake must be reported.
"""

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.declare.projects import MODEL, TASK, marked, write
from trimtab.declare.json_source import pointer, read_json
from trimtab.declare.load import load, read
from trimtab.declare.mistakes import Mistakes

OUTPUT = 'output = { schema = "s.json"'
TOOL = '{"description": "d", "input_schema": {"type": "object"}}'

TASK_RULES = {
    "no schema": (f"{TASK}output = {{}} #!", "output has no `schema`", 'schema = "output.schema.json"'),
    "schema elsewhere": (
        f'{TASK}output = {{ schema = "../s.json" }} #!',
        'output.schema is "../s.json", not the name of a file in the task\'s folder',
        "output.schema.json",
    ),
    "hidden schema": (f'{TASK}output = {{ schema = ".s.json" }} #!', 'output.schema is ".s.json", not the name', "one"),
    "on_invalid": (
        f'{TASK}{OUTPUT}, on_invalid = "retry" }} #!',
        'output.on_invalid is "retry"',
        '"reject" or "repair"',
    ),
    "repairs": (
        f'{TASK}{OUTPUT}, on_invalid = "repair", repairs = 6 }} #!',
        "output.repairs is 6, not a whole number from 1 to 5",
        "bounds",
    ),
    "repairs of nothing": (
        f'{TASK}[output]\nschema = "s.json"\nrepairs = 1 #!',
        'output.repairs has no use while on_invalid is "reject"',
        'on_invalid = "repair"',
    ),
    "repair without hold": (
        f'{TASK}[output]\nschema = "s.json"\non_invalid = "repair"\nhold = false #!',
        "output.hold is false, and what was released cannot be repaired",
        'on_invalid = "reject"',
    ),
    "hold": (f"{TASK}{OUTPUT}, hold = 1 }} #!", "output.hold is 1, neither true nor false", "without quotes"),
    "confidence": (f'{TASK}{OUTPUT}, confidence = "yes" }} #!', 'output.confidence is "yes"', "true or false"),
    "unknown key of output": (f'{TASK}{OUTPUT}, shema = "x" }} #!', '"output.shema" is an unknown key', "mean schema?"),
    "no such tool": (f'{TASK}tools = [\n"refund",\n"refnud", #!\n]', "there is no tools/refnud.json", "mean refund?"),
    "no such tool far off": (f'{TASK}tools = ["zzz"] #!', "there is no tools/zzz.json", "write tools/zzz.json"),
    "tool elsewhere": (f'{TASK}tools = ["../x"] #!', 'tools[0] is "../x", not the name of a tool', "A-Z a-z"),
    "tool twice": (f'{TASK}tools = ["refund",\n"refund"] #!', 'tools has "refund" twice', "keep one"),
    "tools as text": (f'{TASK}tools = "refund" #!', 'tools is "refund", not a list', "[ ... ]"),
    "repairs of no tool calls": (
        f"{TASK}tool_calls = {{ repairs = 2 }} #!",
        'tool_calls.repairs has no use while on_invalid is "pass"',
        "take it out",
    ),
    "tool calls without hold": (
        f'{TASK}tool_calls = {{ on_invalid = "repair", hold = false }} #!',
        "tool_calls.hold is false",
        "take it out",
    ),
    "tool calls' on_invalid": (f"{TASK}tool_calls.on_invalid = true #!", "tool_calls.on_invalid is true", '"pass"'),
    "repetition": (f'{TASK}repetition = "halt" #!', 'repetition is "halt"', '"flag", "off" or "stop"'),
    "resume": (f"{TASK}retry = {{ resume = 0 }} #!", "retry.resume is 0, neither true nor false", "without quotes"),
}


def project(root: Path, *, task: str = TASK, schema: str = "{}", tool: str = TOOL) -> Path:
    write(root, MODEL, triage=task)
    (root / "tasks" / "triage" / "s.json").write_text(schema, encoding="utf-8", errors="surrogatepass")
    (root / "tools").mkdir()
    (root / "tools" / "refund.json").write_text(tool, encoding="utf-8")
    return root


@pytest.mark.parametrize(("text", "what", "instead"), TASK_RULES.values(), ids=TASK_RULES.keys())
def test_task_rule(tmp_path: Path, text: str, what: str, instead: str) -> None:
    """One mistake in a `task.toml` gives one message, at its line, that says what to write."""
    [mistake] = read(project(tmp_path, task=text)).mistakes
    assert (mistake.path, mistake.line) == ("tasks/triage/task.toml", marked(text)), mistake
    assert mistake.what.startswith(what), mistake
    assert instead in mistake.instead, mistake


DEEP = '{"allOf": [' * 40 + "{}" + "]}" * 40

SCHEMA_RULES = {
    "not JSON": ('{\n"type": "object",\n}', 3, "this is not JSON: ", "json.org"),
    "cut": ('{\n"type": "object"\n', 2, "this is not JSON: ", "json.org"),
    "empty": ("", 1, "this is not JSON: ", "json.org"),
    "a list": ("[]", 1, "this is a list, not an object", "{ ... }"),
    "null": ("null", 1, "this is null, not an object", "{ ... }"),
    "true": ("true", 1, "this is true, not an object", "{ ... }"),
    "a number": ("1.5", 1, "this is a number, not an object", "{ ... }"),
    "key twice": ('{\n"type": "object",\n"type":\n"array"}', 3, 'the key "type" stands here a second time', "keep one"),
    "deep": (DEEP, 1, "this is nested deeper than 64 levels", "simplify"),
    "very deep": ("[" * 100_000 + "]" * 100_000, 1, "this is nested deeper than 64 levels", "simplify"),
    "not a number": ('{"minimum": NaN}', 1, "a number is not finite or too long", "a double"),
    "infinite": ('{"minimum": 1e400}', 1, "a number is not finite or too long", "a double"),
    "too long": ('{"minimum": ' + "9" * 5000 + "}", 1, "a number is not finite or too long", "a double"),
    "half a character": ('{"const": "\\ud800"}', 1, "a \\u escape is half a character", "both halves"),
    "remote reference": (
        '{"properties": {\n"a": {"$ref": "https://example.com/a.json"}}}',
        2,
        '/properties/a/$ref refers to "https://example.com/a.json", outside this schema',
        "$defs",
    ),
    "reference to a file": (
        '{"anyOf": [{},\n{"$dynamicRef": "a.json#/b"}]}',
        2,
        '/anyOf/1/$dynamicRef refers to "a.json#/b", outside this schema',
        "$defs",
    ),
    "reference below a property called default": (
        '{"properties": {"default":\n{"$ref": "a.json"}}}',
        2,
        '/properties/default/$ref refers to "a.json"',
        "$defs",
    ),
}


@pytest.mark.parametrize(("schema", "line", "what", "instead"), SCHEMA_RULES.values(), ids=SCHEMA_RULES.keys())
def test_schema_rule(tmp_path: Path, schema: str, line: int, what: str, instead: str) -> None:
    """The same for a schema file."""
    [mistake] = read(project(tmp_path, task=f"{TASK}{OUTPUT} }}", schema=schema)).mistakes
    assert (mistake.path, mistake.line) == ("tasks/triage/s.json", line), mistake
    assert mistake.what.startswith(what), mistake
    assert instead in mistake.instead, mistake


def test_no_schema_file(tmp_path: Path) -> None:
    """A schema that is named must be there."""
    [mistake] = read(write(tmp_path, MODEL, triage=f"{TASK}{OUTPUT} }}")).mistakes
    assert str(mistake) == "tasks/triage/s.json:1: there is no such file; write it, a JSON Schema"


def test_a_large_schema(tmp_path: Path) -> None:
    """A schema file is at most 1 MiB."""
    [mistake] = read(project(tmp_path, task=f"{TASK}{OUTPUT} }}", schema=" " * (1 << 20) + "{}")).mistakes
    assert mistake.what == "the file is over 1048576 bytes"


@pytest.mark.parametrize(
    "schema",
    [
        '{"$ref": "#/$defs/a", "$defs": {"a": {}}}',
        '{"$defs": {"a": {"$id": "a.json"}}, "$ref": "a.json#"}',
        '{"const": {"$ref": "https://example.com"}, "enum": [{"$ref": "x"}]}',
        '{"properties": {"$ref": {"type": "string"}}}',
        '{"allOf": [' * 31 + "{}" + "]}" * 31,
    ],
)
def test_a_schema_that_is_right(tmp_path: Path, schema: str) -> None:
    """References within a schema, data that looks like one, and nesting within the limit are no mistakes."""
    assert read(project(tmp_path, task=f"{TASK}{OUTPUT} }}", schema=schema)).mistakes == ()


def test_a_schema_has_one_form(tmp_path: Path) -> None:
    """Blanks and escapes do not change a schema's digest; the order of its keys does, as engines follow it."""
    root = project(tmp_path, task=f"{TASK}{OUTPUT} }}", schema='{"a": 1, "b": "ä", "c": 0.10, "d": 1.0}')

    def digest(text: str) -> str:
        (root / "tasks" / "triage" / "s.json").write_text(text)
        output = load(root).tasks["triage"].output
        assert output is not None
        return output.schema.digest

    first = digest('{"a": 1, "b": "ä", "c": 0.10}')
    assert digest('{\r\n\t"a":1,"\\u0062":"\\u00e4","c":0.1}\n') == first
    assert digest('{"b": "ä", "a": 1, "c": 0.10}') != first


def test_repair_holds(tmp_path: Path) -> None:
    """`repair` implies `hold`, for answers and for tool calls."""
    task = f'{TASK}{OUTPUT}, on_invalid = "repair" }}\ntool_calls = {{ on_invalid = "repair", repairs = 5 }}\n'
    found = load(project(tmp_path, task=task)).tasks["triage"]
    assert found.output is not None
    assert (found.output.hold, found.output.repairs) == (True, 1)
    assert (found.tool_calls.hold, found.tool_calls.repairs) == (True, 5)


TOOL_RULES = {
    "unknown key": ('{"description": "d",\n"input_schema": {"type": "object"},\n"efect": "read"}', 3,
                    '"efect" is an unknown key', "did you mean effect?"),
    "no description": ('{"input_schema": {"type": "object"}}', 1, "the tool has no description", "give it one"),
    "empty description": ('{"input_schema": {"type": "object"},\n"description": ""}', 2, "description is not a text",
                          "1 to 10000"),
    "no schema": ('{"description": "d"}', 1, "the tool has no input_schema", '"type": "object"'),
    "schema as text": ('{"description": "d",\n"input_schema": "s"}', 2,
                       "input_schema is not the schema of an object", '"type": "object"'),
    "schema of a list": ('{"description": "d",\n"input_schema": {"type": "array"}}', 2,
                         "input_schema is not the schema of an object", '"type": "object"'),
    "another name": ('{"description": "d", "input_schema": {"type": "object"},\n"name": "pay"}', 2,
                     'the name is not "refund"', "rename one"),
    "effect": ('{"description": "d", "input_schema": {"type": "object"},\n"effect": "none"}', 2, 'effect is "none"',
               '"idempotent", "read" or "write"'),
    "remote reference": ('{"description": "d", "input_schema":\n{"type": "object", "allOf": [{\n"$ref": "a.json"}]}}',
                         3, '/input_schema/allOf/0/$ref refers to "a.json"', "$defs"),
    "not JSON": ("{\n'name': 1}", 2, "this is not JSON", "json.org"),
}  # fmt: skip


@pytest.mark.parametrize(("tool", "line", "what", "instead"), TOOL_RULES.values(), ids=TOOL_RULES.keys())
def test_tool_rule(tmp_path: Path, tool: str, line: int, what: str, instead: str) -> None:
    """The same for a tool's file, told once though two tasks name it."""
    write(tmp_path, MODEL, other=f'{TASK}tools = ["refund"]')
    [mistake] = read(project(tmp_path, task=f'{TASK}tools = ["refund"]', tool=tool)).mistakes
    assert (mistake.path, mistake.line) == ("tools/refund.json", line), mistake
    assert mistake.what.startswith(what), mistake
    assert instead in mistake.instead, mistake


def test_tools_nobody_names(tmp_path: Path) -> None:
    """A tool that no task names is not looked at."""
    assert read(project(tmp_path, tool="{")).mistakes == ()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=20,
)


def paths(value: object, at: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """Every path of a JSON value below its root, in the order of the text."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path for key, inner in items for path in ((*at, key), *paths(inner, (*at, key)))]


@given(st.dictionaries(st.text(max_size=4), JSON, max_size=5), st.sampled_from([None, 0, 2]))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
def test_every_path_has_its_line(tmp_path: Path, value: dict[str, object], indent: int | None) -> None:
    """All paths of any document are found; where each stands on a line of its own, lines follow their order."""
    (tmp_path / "a.json").write_text(json.dumps(value, indent=indent), encoding="utf-8")
    mistakes = Mistakes()
    source = read_json(tmp_path, "a.json", mistakes, None)
    assert source is not None, list(mistakes)
    assert list(source.lines) == paths(value)
    lines = list(source.lines.values())
    if indent is None:
        assert set(lines) <= {1}
    else:
        assert lines == sorted(set(lines))


@given(st.binary(max_size=100))
@example(b'{"a": {"a": 1, "a": 2}}')
@example(b'{"a":"\\"}')
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
def test_any_bytes(tmp_path: Path, data: bytes) -> None:
    """No bytes in a schema or tool file can do more than be mistakes in it."""
    for folder in ("tasks/triage", "tools"):
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
    (tmp_path / "trimtab.toml").write_text(MODEL)
    (tmp_path / "tasks" / "triage" / "task.toml").write_text(f'{TASK}{OUTPUT} }}\ntools = ["refund"]')
    (tmp_path / "tasks" / "triage" / "s.json").write_bytes(data)
    (tmp_path / "tools" / "refund.json").write_bytes(data)
    reading = read(tmp_path)
    assert reading.project is None
    assert {mistake.path for mistake in reading.mistakes} <= {"tasks/triage/s.json", "tools/refund.json"}


@pytest.mark.parametrize("models", ['model = "claude"', 'model = "small"\nfallback = ["claude"]'])
def test_confidence_needs_a_wire_that_has_it(tmp_path: Path, models: str) -> None:
    """Anthropic's wire has no token probabilities, so no model of it may serve a task that wants them."""
    claude = '\n[models.claude]\nwire = "anthropic"\nmodel = "c"\nreplicas = ["http://127.0.0.1:1"]\n'
    write(tmp_path, MODEL + claude, triage=f'{models}\n[output]\nschema = "s.json"\nconfidence = true\n')
    (tmp_path / "tasks" / "triage" / "s.json").write_text("{}")
    [mistake] = read(tmp_path).mistakes
    assert "output.confidence needs token probabilities, and model claude speaks anthropic" in str(mistake)
    assert mistake.line == models.count("\n") + 4


def test_confidence_is_read(tmp_path: Path) -> None:
    """A task whose models have log probabilities may ask for them."""
    read_project = load(project(tmp_path, task=f"{TASK}{OUTPUT}, confidence = true }}"))
    output = read_project.tasks["triage"].output
    assert output is not None
    assert output.confidence


def test_pointers() -> None:
    """The examples of RFC 6901, section 5."""
    assert pointer(()) == ""
    assert pointer(("foo", 0)) == "/foo/0"
    assert pointer(("a/b",)) == "/a~1b"
    assert pointer(("m~n",)) == "/m~0n"
