"""Shared parts of prompts: where they are put in, what a part cannot hold, and how its mistakes are told."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.declare.projects import MODEL, TASK, write
from trimtab.declare import templates
from trimtab.declare.load import load, read
from trimtab.declare.mistakes import Mistakes
from trimtab.declare.parts import Parts, names_in
from trimtab.declare.project import FileDigest, Prompt
from trimtab.declare.prompts import read_prompt
from trimtab.declare.rendering import render


def files(root: Path, **parts: str) -> Path:
    """Writes `prompts/NAME.md` for each part."""
    (root / "prompts").mkdir(exist_ok=True)
    for name, text in parts.items():
        (root / "prompts" / f"{name}.md").write_text(text, encoding="utf-8")
    return root


def read_it(root: Path, text: str) -> tuple[Prompt | None, list[str]]:
    (root / "prompt.md").write_text(text, encoding="utf-8")
    mistakes = Mistakes()
    found = read_prompt(Parts(root, mistakes), "prompt.md")
    return found, list(map(str, mistakes))


def prompt(root: Path, text: str) -> Prompt:
    found, mistakes = read_it(root, text)
    assert mistakes == []
    assert found is not None
    return found


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def test_parts_are_put_in(tmp_path: Path) -> None:
    """A part's text stands where its tag stood, without the blank lines at its ends; parts may include parts."""
    files(tmp_path, policy='\nBe {{ tone }}.\n{% include "legal.md" %}\n\n', legal="No advice.  \n")
    found = prompt(
        tmp_path, "system:\n{% include \"policy.md\" %}\nEnd.\nuser:\n({%include 'legal.md'%}) {{ ticket }}\n"
    )
    assert [turn.template for turn in found.turns] == ["Be {{ tone }}.\nNo advice.\nEnd.", "(No advice.) {{ ticket }}"]
    assert found.inputs == ("ticket", "tone")
    policy = '\nBe {{ tone }}.\n{% include "legal.md" %}\n\n'
    assert found.includes == (
        FileDigest("prompts/legal.md", sha256("No advice.  \n")),
        FileDigest("prompts/policy.md", sha256(policy)),
    )
    assert render(found, {"tone": "kind", "ticket": "x"}) == [
        {"role": "system", "content": "Be kind.\nNo advice.\nEnd."},
        {"role": "user", "content": "(No advice.) x"},
    ]


def test_digest_covers_the_parts(tmp_path: Path) -> None:
    """A prompt with parts has the digest of its text and theirs, apart from that of any text."""
    text = 'user:\n{% include "a.md" %}\n'
    first = prompt(files(tmp_path, a="x"), text)
    facts = {"text": sha256(text), "includes": [["prompts/a.md", sha256("x")]], "types": {}}
    canonical = json.dumps(facts, sort_keys=True, separators=(",", ":"))
    assert first.digest == sha256(f"trimtab prompt 2\n{canonical}")
    assert prompt(files(tmp_path, a="y"), text).digest != first.digest
    assert prompt(files(tmp_path, a="x\n"), text).digest != first.digest


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('user:\n{{ "{% include" }} %}', "{% include %}"),
        ("user:\n{# {% include 'zzz' %} #}x", "x"),
        ("user:\n{% raw %}{% include 'zzz' %}{% endraw %}", "{% include 'zzz' %}"),
        ("user:\n{{ \"{% include 'zzz' %}\" }}", "{% include 'zzz' %}"),
        ("user:\n{{ {'a': {'b': \"{% include 'zzz' %}\"}}.a.b }}", "{% include 'zzz' %}"),
        ("user:\n{{ {'a': {'b': 1}} }}{% include 'a.md' %}", "{'a': {'b': 1}}x"),
        ("user:\ninclude {% if 1 %}{% include 'a.md' %}{% endif %}", "include x"),
    ],
)  # fmt: skip
def test_only_tags_include(tmp_path: Path, text: str, expected: str) -> None:
    """What looks like a tag in a comment, a string or a raw block is none, whatever braces stand around it."""
    files(tmp_path, a="x")
    assert [message["content"] for message in render(prompt(tmp_path, text), {})] == [expected]


UNREAD = "the template cannot be read: "
MISTAKES = {
    "missing": (
        'user:\n\n{% include "polcy.md" %}',
        "prompt.md:3",
        "there is no prompts/polcy.md; did you mean policy.md?",
    ),
    "missing far off": ('user:\n{% include "z" %}', "prompt.md:2", "there is no prompts/z; write it"),
    "missing in a part": (
        'user:\n{% include "broken.md" %}',
        "prompts/broken.md:2",
        "there is no prompts/zzz; write it",
    ),
    "above the folder": (
        'user:\n{% include "../prompt.md" %}',
        "prompt.md:2",
        '"../prompt.md" is not the name of a shared',
    ),
    "by a whole path": (
        'user:\n{% include "/etc/passwd" %}',
        "prompt.md:2",
        '"/etc/passwd" is not the name of a shared',
    ),
    "hidden": ('user:\n{% include ".a" %}', "prompt.md:2", '".a" is not the name of a shared part'),
    "link": (
        'user:\n{% include "link.md" %}',
        "prompt.md:2",
        "prompts/link.md is a link out of the project; keep the file",
    ),
    "a folder": ('user:\n{% include "folder" %}', "prompts/folder:1", "the file cannot be read (Is a directory)"),
    "circle": (
        'user:\n{% include "ring.md" %}',
        "prompts/ring2.md:3",
        "an inclusion goes in a circle: prompts/ring.md -> prompts/ring2.md -> prompts/ring.md",
    ),
    "itself": (
        'user:\n{% include "self.md" %}',
        "prompts/self.md:1",
        "an inclusion goes in a circle: prompts/self.md -> prompts/self.md; take one",
    ),
    "deep": ('user:\n{% include "deep1.md" %}', "prompts/deep8.md:1", "prompts/deep9.md lies over 8 inclusions deep"),
    "role": (
        'user:\n{% include "role.md" %}',
        "prompts/role.md:2",
        'the line "assistant:" would begin a turn, which a',
    ),
    "empty": ('user:\n{% include "empty.md" %}', "prompts/empty.md:1", "the shared part is empty"),
    "no template": ('user:\n{% include "open.md" %}', "prompts/open.md:2", UNREAD + "Unexpected end"),
    "foreign": ('user:\n{% include "foreign.md" %}', "prompts/foreign.md:1", UNREAD + "macro is not"),
    "carriage return": ('user:\n{% include "dos.md" %}', "prompts/dos.md:1", "the line has a carriage return"),
    "large": (
        'user:\n{% include "large.md" %}',
        "prompts/large.md:1",
        "with what it includes, the text is over 1048576",
    ),
    "by a variable": ("user:\nx\n{% include name %}", "prompt.md:3", UNREAD + "what is included must be"),
    "by a list": ("user:\n{% include ['policy.md'] %}", "prompt.md:2", UNREAD + "what is included must"),
    "by an expression": ("user:\n{% include 'policy' ~ '.md' %}", "prompt.md:2", UNREAD + "what is inc"),
    "ignore missing": ("user:\n{% include 'policy.md' ignore missing %}", "prompt.md:2", UNREAD + "noth"),
    "without context": ("user:\n{% include 'policy.md' without context %}", "prompt.md:2", UNREAD + "no"),
    "trimmed": ("user:\n{%- include 'policy.md' %}", "prompt.md:2", UNREAD + "an inclusion is {% include"),
    "escaped": ("user:\n{% include 'policy\\x2emd' %}", "prompt.md:2", UNREAD + "an inclusion is"),
    "over lines": ("user:\n{% include\n'policy.md' %}", "prompt.md:2", UNREAD + "an inclusion is"),
    "open": ("user:\n{% include 'policy.md'", "prompt.md:2", UNREAD + "unexpected end of template"),
    "makes a tag": (
        'user:\n{% include "brace.md" %}{ x',
        "prompt.md:2",
        "with what it includes, the turn's template cannot be read",
    ),
}


@pytest.mark.parametrize(("text", "place", "what"), MISTAKES.values(), ids=MISTAKES.keys())
def test_mistake(tmp_path: Path, text: str, place: str, what: str) -> None:
    """Each mistake is told once, at its line in the file in which it is made."""
    deep = {f"deep{depth}": f'{{% include "deep{depth + 1}.md" %}}' for depth in range(1, 12)}
    files(
        tmp_path,
        policy="p",
        broken='x\n{% include "zzz" %}\n',
        ring='{% include "ring2.md" %}',
        ring2='a\n\n{% include "ring.md" %}',
        self='{% include "self.md" %}',
        role="a\nassistant: \nb",
        empty="\n \n",
        open="a\n{% if x %}",
        foreign="{% macro x() %}{% endmacro %}",
        dos="a\r\n",
        large='{% include "half.md" %}{% include "half.md" %}{% include "half.md" %}',
        half="x" * (1 << 19),
        brace="{",
        **deep,
    )
    (tmp_path / "prompts" / "folder").mkdir()
    (tmp_path / "outside").mkdir()
    outside = tmp_path.parent / f"{tmp_path.name}-outside"
    outside.write_text("x")
    (tmp_path / "prompts" / "link.md").symlink_to(outside)
    found, [mistake] = read_it(tmp_path, text)
    assert found is None
    assert mistake.startswith(f"{place}: {what}")


def test_eight_deep_is_right(tmp_path: Path) -> None:
    """Parts may lie eight within each other, also where one was read before from less far down."""
    files(tmp_path, p8="end", **{f"p{depth}": f'{{% include "p{depth + 1}.md" %}}' for depth in range(1, 8)})
    assert prompt(tmp_path, 'user:\n{% include "p5.md" %} {% include "p1.md" %}').turns[0].template == "end end"
    files(tmp_path, p0='{% include "p1.md" %}')
    _, [mistake] = read_it(tmp_path, 'user:\n{% include "p1.md" %}{% include "p0.md" %}')
    assert mistake.startswith("prompts/p0.md:1: prompts/p1.md lies over 8 inclusions deep")


def test_a_part_that_grows_twofold(tmp_path: Path) -> None:
    """Parts that include each other twice, eight deep, are stopped at a bound of size and not at that of memory."""
    doubling = {f"p{depth}": f'{{% include "p{depth + 1}.md" %}}' * 64 for depth in range(1, 7)}
    files(tmp_path, p7="x" * 64, **doubling)
    _, [mistake] = read_it(tmp_path, 'user:\n{% include "p1.md" %}')
    assert "with what it includes, the text is over 1048576 characters" in mistake


def test_parts_nobody_includes(tmp_path: Path) -> None:
    """A file in `prompts` that no prompt includes is not looked at."""
    write(tmp_path, MODEL, triage=TASK)
    files(tmp_path, broken="{% if")
    (tmp_path / "tasks" / "triage" / "prompt.md").write_text("user:\nhi")
    assert read(tmp_path).mistakes == ()


def test_a_part_of_two_tasks_is_told_once(tmp_path: Path) -> None:
    """A mistake in a part is one mistake, however many prompts include it."""
    write(files(tmp_path, broken="{% if"), MODEL, one=TASK, two=TASK)
    for task in ("one", "two"):
        (tmp_path / "tasks" / task / "prompt.md").write_text('user:\n{% include "broken.md" %}')
    assert len(read(tmp_path).mistakes) == 1


MARKERS = st.sampled_from(
    ["system:", "user:", "assistant:\t", "text", " user:", "{{ x }}", "{% if x %}y{% endif %}", ""]
)


@given(
    st.lists(MARKERS, min_size=1, max_size=5),
    st.one_of(st.text(), st.sampled_from(["system:", "\nuser:\n", "{% include 'a.md' %}", "{{ y }}"])),
)
@example(["{{ x }}"], "\nsystem:\n")
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)
def test_neither_parts_nor_inputs_make_a_role(tmp_path: Path, lines: list[str], value: Any) -> None:
    """Whatever a part and an input hold, the roles are those of `prompt.md`, or the part is a mistake."""
    files(tmp_path, a="\n".join(lines))
    found, mistakes = read_it(tmp_path, 'system:\nS\nuser:\n{% include "a.md" %}\n{{ x }}\n')
    if any(line.rstrip() in {"system:", "user:", "assistant:"} for line in lines) or not any(map(str.strip, lines)):
        assert found is None
        assert all(mistake.startswith("prompts/a.md:") for mistake in mistakes)
        return
    assert found is not None
    messages = render(found, {"x": value})
    assert [message["role"] for message in messages] == ["system", "user"]
    assert messages[0]["content"] == "S"
    assert messages[1]["content"].endswith(value)


@given(st.text(st.sampled_from("{}%#\"'- \nainclude.md"), max_size=40))
@example("{% include 'a.md' %}{{ {'a': {'b': 1}} }}")
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300)
def test_any_text_with_inclusions(tmp_path: Path, text: str) -> None:
    """No text does more than be a mistake, and what is taken includes nothing any more."""
    files(tmp_path, a="x")
    found, mistakes = read_it(tmp_path, f"user:\n{{% include 'a.md' %}}{text}")
    if found is None:
        assert mistakes
    else:
        templates.compiled(found.turns[0].template)


def test_inputs_of_parts_count(tmp_path: Path) -> None:
    """What a part fills in is an input of each prompt that includes it."""
    write(files(tmp_path, a="{{ tone }}"), MODEL, triage=f'{TASK}inputs = {{ tone = "string" }}')
    (tmp_path / "tasks" / "triage" / "prompt.md").write_text('user:\n{% include "a.md" %}')
    found = load(tmp_path).tasks["triage"].prompt
    assert found is not None
    assert (found.inputs, found.types) == (("tone",), {"tone": "string"})


@pytest.mark.parametrize(
    "text",
    ["{%" * 300_000, "{% raw %}" * 100_000, "{{ '" * 200_000, "{#" * 300_000, "{% include 'a.md' %}" * 40_000, "{% x"],
)
def test_no_text_is_read_for_long(tmp_path: Path, text: str) -> None:
    """Tags without an end, and more inclusions than anybody writes, are mistakes that are found in one pass."""
    files(tmp_path, a="x")
    found, mistakes = read_it(tmp_path, f"user:\n{{% include 'a.md' %}}{text}")
    assert found is None
    assert len(mistakes) == 1
    assert set(names_in(text)) <= {"a.md"}
