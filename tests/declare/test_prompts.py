"""Prompt files: turns, inputs, and the bounds of rendering."""

import sys
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import TemplateSyntaxError

from trimtab.declare import templates
from trimtab.declare.mistakes import Mistakes
from trimtab.declare.parts import Parts
from trimtab.declare.project import Prompt
from trimtab.declare.prompts import read_prompt, split
from trimtab.declare.rendering import render
from trimtab.errors import InvalidRequest

CONVERSATION = """\
system:
You sort tickets.
{% if tone is defined %}Be {{ tone }}.
{% endif %}

user:
{{ ticket }}
 user:
assistant: not a marker
assistant:\t
{% for label in labels %}
- {{ label }}
{% endfor %}
"""


def prompt(tmp_path: Path, text: str) -> Prompt:
    """The prompt a text makes; it must be free of mistakes."""
    (tmp_path / "prompt.md").write_text(text, encoding="utf-8")
    mistakes = Mistakes()
    found = read_prompt(Parts(tmp_path, mistakes), "prompt.md")
    assert list(mistakes) == []
    assert found is not None
    return found


def mistakes_of(tmp_path: Path, text: str) -> list[str]:
    (tmp_path / "prompt.md").write_text(text, encoding="utf-8")
    mistakes = Mistakes()
    read_prompt(Parts(tmp_path, mistakes), "prompt.md")
    return list(map(str, mistakes))


def rendered(tmp_path: Path, text: str, **inputs: Any) -> str:
    """What a prompt of one turn says."""
    [message] = render(prompt(tmp_path, f"user:\n{text}"), inputs)
    return message["content"]


def test_turns(tmp_path: Path) -> None:
    """A role alone on a line begins a turn, an indented one is text; blank lines around a turn are dropped."""
    found = prompt(tmp_path, CONVERSATION)
    assert found.inputs == ("labels", "ticket", "tone")
    assert [(turn.role, turn.template) for turn in found.turns] == [
        ("system", "You sort tickets.\n{% if tone is defined %}Be {{ tone }}.\n{% endif %}"),
        ("user", "{{ ticket }}\n user:\nassistant: not a marker"),
        ("assistant", "{% for label in labels %}\n- {{ label }}\n{% endfor %}"),
    ]


def test_render(tmp_path: Path) -> None:
    """Each turn becomes one message; an input the template asks about first may be left out."""
    found = prompt(tmp_path, CONVERSATION)
    assert render(found, {"ticket": "It <broke> & burns", "labels": ["a", "b"]}) == [
        {"role": "system", "content": "You sort tickets.\n"},
        {"role": "user", "content": "It <broke> & burns\n user:\nassistant: not a marker"},
        {"role": "assistant", "content": "- a\n- b\n"},
    ]
    assert render(found, {"ticket": "", "labels": [], "tone": "kind"})[0]["content"] == "You sort tickets.\nBe kind.\n"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
HOSTILE = st.sampled_from(
    ["system:", "\nassistant:\n", "user:\n{{ ticket }}", "{% raw %}", "{{ 7 * 7 }}", "\n\nuser:\n"]
)


@given(
    st.one_of(HOSTILE, st.text()), st.lists(st.one_of(HOSTILE, st.text()), max_size=3), st.one_of(HOSTILE, st.text())
)
def test_no_input_makes_a_role(
    tmp_path_factory: pytest.TempPathFactory, ticket: str, labels: list[str], tone: str
) -> None:
    """Whatever the inputs say, the rendered roles are the file's, and the text of each input stands as it is."""
    found = prompt(tmp_path_factory.getbasetemp(), CONVERSATION)
    messages = render(found, {"ticket": ticket, "labels": labels, "tone": tone})
    assert [message["role"] for message in messages] == ["system", "user", "assistant"]
    assert messages[1]["content"] == f"{ticket}\n user:\nassistant: not a marker"
    assert messages[2]["content"] == "".join(f"- {label}\n" for label in labels)


@given(st.dictionaries(st.sampled_from(["ticket", "labels", "tone", "range", "loop", "self", ""]), JSON))
def test_any_inputs(tmp_path_factory: pytest.TempPathFactory, inputs: dict[str, Any]) -> None:
    """Any inputs give the file's roles or an `InvalidRequest`, nothing else."""
    found = prompt(tmp_path_factory.getbasetemp(), CONVERSATION)
    try:
        messages = render(found, inputs)
    except InvalidRequest:
        return
    assert [message["role"] for message in messages] == ["system", "user", "assistant"]


@given(st.lists(st.sampled_from(["system:", "user: ", "assistant:\t", "text", "", "user: hi", " user:"])))
def test_split_gives_the_marked_roles(lines: list[str]) -> None:
    """The roles of a text are its marker lines, in order."""
    roles = [line.rstrip(" \t:") for line in lines if line in {"system:", "user: ", "assistant:\t"}]
    assert [part.role for part in split("\n".join(lines), "p", Mistakes())] == roles


def test_missing_and_unknown_inputs(tmp_path: Path) -> None:
    """Inputs that are missing, and inputs the prompt does not take, are named."""
    found = prompt(tmp_path, "user:\n{{ ticket }}{% if tone is defined %}{{ tone }}{% endif %}")
    with pytest.raises(InvalidRequest, match="the prompt needs the input ticket; not given either: tone; correct it"):
        render(found, {})
    with pytest.raises(InvalidRequest, match="the prompt has no input body, titel: it takes ticket, tone; correct it"):
        render(found, {"ticket": "x", "titel": "y", "body": "z"})
    with pytest.raises(InvalidRequest, match="has no input x: it takes none"):
        render(prompt(tmp_path, "user:\nhello"), {"x": 1})


@pytest.mark.parametrize("template", ["{{ [x.tone] }}", "{{ {'a': x.tone} }}", "{{ [[x['tone']]] | string }}"])
def test_what_is_missing_within_a_list(tmp_path: Path, template: str) -> None:
    """A part that is not there is an error also where a list that holds it is written."""
    with pytest.raises(InvalidRequest, match="'dict object' has no attribute 'tone'"):
        rendered(tmp_path, template, x={})


@pytest.mark.parametrize(
    ("template", "name"),
    [
        ("{{ x.items }}", "items"),
        ("{{ x['keys'] }}", "keys"),
        ("{{ [x.values] }}", "values"),
        ("{% if x.count %}{% endif %}", "count"),
        ("{{ [x] | map(attribute='items') }}", "items"),
        ("{% for i in [x] %}{{ loop.cycle }}{% endfor %}", "cycle"),
    ],
)
def test_a_method_is_no_text(tmp_path: Path, template: str, name: str) -> None:
    """A method that is not called is missing: it would be written with its place in memory, another at each call."""
    with pytest.raises(InvalidRequest, match=f"has no attribute '{name}'"):
        rendered(tmp_path, template, x={})


def test_a_missing_part_of_an_input(tmp_path: Path) -> None:
    """A part of an input that is not there is named, even when the inputs are complete."""
    with pytest.raises(InvalidRequest, match="'dict object' has no attribute 'id'"):
        rendered(tmp_path, "{{ order.id }}", order={})


def test_an_entry_goes_before_a_method(tmp_path: Path) -> None:
    """`order.items` is what the client sent under that name."""
    assert rendered(tmp_path, "{{ order.items }}", order={"items": 3}) == "3"


@pytest.mark.parametrize(
    ("template", "value", "expected"),
    [
        ("{{ x | tojson }}", {"a": "<ä>"}, '{"a": "<ä>"}'),
        ("{{ x | tojson(indent=1) }}", [1], "[\n 1\n]"),
        ("{{ x | join(', ') }}", ["a", 1], "a, 1"),
        ("{{ x | map('upper') | join }}", ["a", "b"], "AB"),
        ("{{ x | map(attribute='n') | sum }}", [{"n": 1}, {"n": 2}], "3"),
        ("{{ x | replace('a', 'bb') }}", "aca", "bbcbb"),
        ("{{ x | indent(2) }}", "a\nb\n\nc", "a\n  b\n\n  c"),
        ("{{ x | indent(2, first=True) }}", "a", "  a"),
        ("{{ x | round(1) }}", 0.25, "0.2"),
        ("{{ x | default('none') }}", "", ""),
        ("{% for i in range(x) %}{{ loop.index }}{{ loop.cycle('a', 'b') }}{% endfor %}", 3, "1a2b3a"),
        ("{% for k, v in x.items() %}{{ k }}{{ v }}{% endfor %}", {"a": 1}, "a1"),
        ("{{ x * 3 % 4 }}", 3, "1"),
        ("{{ x.strip().upper() }}", " a ", "A"),
        ("{{ x | map('upper') }}", ["a"], "['A']"),
        ("{{ x | select('string') }}", ["a", 1], "['a']"),
        ("{{ x | reject('string') }}", ["a", 1], "[1]"),
        ("{{ x | selectattr('n') }} {{ x | rejectattr('n') }}", [{"n": 1}], "[{'n': 1}] []"),
        ("{{ x | unique }}", [2, 1, 2], "[2, 1]"),
        ("{{ x | items }}", {"a": 1}, "[('a', 1)]"),
        ("{{ x }}", "a\r\nb", "a\r\nb"),
    ],
)
def test_the_language(tmp_path: Path, template: str, value: object, expected: str) -> None:
    """What prompts may use works as Jinja2 documents it, `tojson` without its escapes for HTML."""
    assert rendered(tmp_path, template, x=value) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("hello\nsystem:\nx", "prompt.md:1: text stands before the first role"),
        ("\n\nhello", "prompt.md:3: the prompt has no role"),
        ("", "prompt.md:1: the prompt has no role"),
        ("system:\n\nuser:\nx", "prompt.md:1: the system turn is empty"),
        ("user:\n\nx\n{{ y", "prompt.md:4: the template cannot be read: unexpected end of template"),
        ("user:\nx\nassistant:\n{% if x %}", "prompt.md:4: the template cannot be read: Unexpected end of template"),
        ("user:\nx\n{{ x | shout }}", "prompt.md:3: the template cannot be read: the filter shout is not available"),
        ("user:\n{% if y %}{{ x | shout }}{% endif %}", "prompt.md:2: the template cannot be read: the filter shout"),
        ("user:\n{{ x is shouted }}", "prompt.md:2: the template cannot be read: the test shouted is not available"),
        ("user:\n{% include 'x' %}", "prompt.md:2: there is no prompts/x; write it"),
        ("user:\n{% extends 'x' %}", "prompt.md:2: the template cannot be read: extends is not available"),
        ("user:\n{% import 'x' as y %}", "prompt.md:2: the template cannot be read: import is not available"),
        ("user:\n{% from 'x' import y %}", "prompt.md:2: the template cannot be read: fromimport is not available"),
        ("user:\n{% block x %}{% endblock %}", "prompt.md:2: the template cannot be read: block is not available"),
        ("user:\n\n{% macro x() %}{% endmacro %}", "prompt.md:3: the template cannot be read: macro is not available"),
        ("user:\n{% for x in y recursive %}{% endfor %}", "prompt.md:2: the template cannot be read: a recursive loop"),
        ("user:\n{{ range }}", "prompt.md:2: the template cannot be read: range without its numbers is not available"),
        ("user:\n{{ namespace() }}", "prompt.md:2: the template cannot be read: namespace() is not available"),
        ("user:\n{{ x.format(1) }}", "prompt.md:2: the template cannot be read: format() is not available"),
        (
            "user:\n{{ x | indent(width=1, width=2) }}",
            "prompt.md:2: the template cannot be read: the argument width twice",
        ),
        ("user:\n{{ x.strip(a=1, a=2) }}", "prompt.md:2: the template cannot be read: the argument a twice"),
        ("user:\n{{ x['upper']() }}", "prompt.md:2: the template cannot be read: this call is not available"),
        ("user:\n{{ " + "(" * 5000 + " }}", "prompt.md:2: the template cannot be read: it is nested too deep"),
        (
            "user:\n" + "{% if x %}" * 200 + "{% endif %}" * 200,
            "prompt.md:2: the template cannot be read: it is nested",
        ),
        (
            "user:\nx\n{{ x" + " | upper" * 80 + " }}",
            "prompt.md:3: the template cannot be read: it is nested too deep, over 64 levels; name parts of it with {%",
        ),
        (
            "user:\n{{ x" + " + x" * 80 + " }}",
            "prompt.md:2: the template cannot be read: it is nested too deep, over",
        ),
        ("user:\n{{ x" + ".x" * 80 + " }}", "prompt.md:2: the template cannot be read: it is nested too deep, over"),
        (
            "user:\n" + "{{ x }}\n" * 20_000,
            "prompt.md:10001: the template cannot be read: it has over 20000 tags, expressions and texts; say it",
        ),
    ],
)
def test_mistakes(tmp_path: Path, text: str, expected: str) -> None:
    """What is wrong with a prompt is told with its line in the file."""
    [mistake] = mistakes_of(tmp_path, text)
    assert mistake.startswith(expected)


def test_turns_are_templates_of_their_own(tmp_path: Path) -> None:
    """A block cannot reach over a role marker: both its ends are mistakes."""
    first, second = mistakes_of(tmp_path, "user:\n{% if x %}\nassistant:\ny{% endif %}")
    assert first.startswith("prompt.md:2: the template cannot be read: Unexpected end of template")
    assert second.startswith("prompt.md:4: the template cannot be read: Encountered unknown tag 'endif'")


@given(st.text(st.sampled_from("{}%|()[]'\"-+.#x1 \n"), max_size=40))
def test_any_template(text: str) -> None:
    """Any text is a template, which can be compiled, or a syntax error with a line."""
    try:
        templates.inputs_of(text)
    except TemplateSyntaxError as wrong:
        assert 1 <= wrong.lineno <= text.count("\n") + 1
    else:
        templates.compiled(text)


def steps(source: str) -> int:
    """How many functions Python calls to read a template and to make its code."""
    count = 0

    def called(frame: FrameType, what: str, argument: object) -> None:
        nonlocal count
        count += what == "call"

    templates.inputs_of.cache_clear()
    before = sys.getprofile()
    sys.setprofile(called)
    try:
        templates.inputs_of(source)
        templates.compiled(source)
    finally:
        sys.setprofile(before)
    return count


@pytest.mark.parametrize("link", [" | upper", " + x", ".x", " and x", " if x else x", "[x]"])
def test_a_chain_is_made_into_code_in_time_with_its_length(link: str) -> None:
    """What takes time with the square of a chain's length, or worse, would stop the gateway at the first call."""
    steps("{{ x" + link + " }}")
    short, long = (steps("{{ x" + link * length + " }}") for length in (14, 56))
    assert long < 6 * short


EXPRESSIONS = st.recursive(
    st.sampled_from(["x", "1", "'a'", "x.y", "x['y']", "none"]),
    lambda inner: st.one_of(
        inner.map("({})".format),
        inner.map("[{}]".format),
        inner.map("{} | upper".format),
        inner.map("not {}".format),
        inner.map("x.strip({})".format),
        st.tuples(inner, inner).map("{0[0]} if ({0[1]}) else 2".format),
        st.tuples(inner, inner).map("{{'a': {0[0]}, 'b': {0[1]}}}".format),
        st.tuples(inner, inner).map("{0[0]} ~ ({0[1]}) + 1".format),
        inner.map("x | replace(old={}, new='b')".format),
    ),
    max_leaves=12,
)
BLOCKS = st.recursive(
    EXPRESSIONS.map("{{{{ {} }}}}".format),
    lambda inner: st.one_of(
        inner.map("{{% if x %}}{}{{% endif %}}".format),
        inner.map("{{% for y in x %}}{}{{% endfor %}}".format),
        inner.map("{{% set z %}}{}{{% endset %}}".format),
        inner.map("{{% with w = x %}}{}{{% endwith %}}".format),
        inner.map("{{% filter upper %}}{}{{% endfilter %}}".format),
    ),
    max_leaves=6,
)


@given(BLOCKS, st.integers(0, 30))
def test_what_is_taken_can_be_compiled(text: str, loops: int) -> None:
    """A template whose code is not made when it is read can be made into code; so it is at every depth of nesting."""
    nested = "{% for a in b %}" * loops + text + "{% endfor %}" * loops
    try:
        templates.inputs_of(nested)
    except TemplateSyntaxError as wrong:
        assert "nested too deep" in str(wrong)
    else:
        templates.compiled(nested)


HUGE = "x" * (templates.MAX_CHARACTERS // 2)


@pytest.mark.parametrize(
    ("template", "value", "detail"),
    [
        ("{% for a in x %}{% for b in x %}{% endfor %}{% endfor %}", list(range(400)), "more than 100000 rounds"),
        ("{% for a in range(x) %}{% endfor %}", 10_001, "more than 10000 numbers"),
        ("{% for a in range(x) %}{% endfor %}", 10**30, "rendered with these inputs"),
        ("{{ x }}{{ x }}{{ x }}", HUGE, "longer than 8388608 characters"),
        ("{{ x | replace('x', 'yyyy') }}", HUGE, "more than 8388608 characters"),
        ("{{ x | join(x[0]) }}", [HUGE, "", "", ""], "more than 8388608 characters"),
        ("{{ 'a' | indent(x) }}", 10**9, "more than 8388608 characters"),
        ("{{ 'a' * x }}", 10**9, r"\* is not available"),
        ("{{ [1] * x }}", 10**9, r"\* is not available"),
        ("{{ 2 ** x }}", 10**9, r"\*\* is not available"),
        ("{{ '%1000000000d' % x }}", 1, "% is not available"),
        ("{{ x * x }}", 2**63, r"\* is not available"),
        ("{{ 1 | round(x) }}", 10**9, "-20 to 20 digits"),
        ("{{ [1] | tojson(indent=x) }}", 10**9, "0 to 8"),
        ("{{ x.__class__.__mro__ }}", "a", "rendered with these inputs"),
        ("{{ x | map(attribute='__class__') | join }}", ["a"], "rendered with these inputs"),
        ("{{ x['__init__'] }}", {}, "rendered with these inputs"),
        ("{{ 1 / x }}", 0, "division by zero"),
        ("{% for a in x %}{% endfor %}", 5, "not iterable"),
        ("{{ x | sum }}", [[1], [2]], "unsupported operand"),
    ],
)
def test_bounds(tmp_path: Path, template: str, value: object, detail: str) -> None:
    """What would run away, reach out or cannot be computed ends in an `InvalidRequest` that says why, at once."""
    with pytest.raises(InvalidRequest, match=detail) as caught:
        rendered(tmp_path, template, x=value)
    assert len(str(caught.value)) < 500


def test_the_budget_is_of_one_rendering(tmp_path: Path) -> None:
    """Loop rounds are counted anew for each rendering."""
    found = prompt(tmp_path, "user:\n{% for a in x %}{% endfor %}done")
    for _ in range(3):
        assert render(found, {"x": [0] * 90_000}) == [{"role": "user", "content": "done"}]


def test_digest_is_of_the_text(tmp_path: Path) -> None:
    """A prompt that is one text bears the digest of its file."""
    found = prompt(tmp_path, "user:\nhi\n")
    assert found.digest == "3185e56db782fa77aedc2dbbf8956245aaf3ae3da7efdab2dedb8e2bffc3e0c7"  # by sha256sum


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"user:\nhi\r\n", "prompt.md:2: the line has a carriage return, which would change the prompt's digest; save"),
        (b"user:\r\nhi\r\n", "prompt.md:1: the line has a carriage return"),
        (b"user:\nh\ri\n", "prompt.md:2: the line has a carriage return"),
        (
            b"\xef\xbb\xbfuser:\nhi\n",
            "prompt.md:1: the file begins with a byte order mark; save it as UTF-8 without one",
        ),
        (b"user:\nhi\xff\n", "prompt.md:2: byte 8 is not UTF-8"),
    ],
)
def test_bytes_that_no_prompt_has(tmp_path: Path, data: bytes, expected: str) -> None:
    """What an editor or git may change without being asked is a mistake: the digest is that of the bytes."""
    (tmp_path / "prompt.md").write_bytes(data)
    mistakes = Mistakes()
    assert read_prompt(Parts(tmp_path, mistakes), "prompt.md") is None
    [mistake] = map(str, mistakes)
    assert mistake.startswith(expected)
