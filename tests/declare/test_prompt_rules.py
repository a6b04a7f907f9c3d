"""Each rule of `[inputs]`, `[prompt]`, `[context]` and `retrieval` of a task, and what declared inputs may be.

In the texts, `#!` ends the line on which the one mistake must be reported.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from tests.declare.projects import MODEL, TASK, marked, write
from trimtab.declare.load import load, read
from trimtab.declare.project import Context, InputType, Prompt, Task, Turn
from trimtab.declare.rendering import render, render_task, rendered
from trimtab.errors import InvalidRequest

INPUTS = f"{TASK}[inputs]\n"
CONTEXT = f"{TASK}[context] #!\n"

RULES = {
    "type": (f'{INPUTS}ticket = "text" #!\ntone = "string"', 'inputs.ticket is "text"', '"array", "boolean"'),
    "near type": (f'{INPUTS}ticket = "strng" #!\ntone = "string"', 'inputs.ticket is "strng"', 'write "string"'),
    "name": (
        f'{INPUTS}ticket = "string"\ntone = "string"\na-b = "string" #!',
        '"inputs.a-b" has a name',
        "A-Z a-z 0-9 _",
    ),
    "not declared": (
        f'{TASK}[inputs] #!\nticket = "string"',
        'the prompt fills in "tone", which inputs does not declare',
        'write tone = "string" under [inputs]',
    ),
    "not used": (
        f'{INPUTS}ticket = "string"\ntone = "string"\nlabels = "array" #!',
        "inputs.labels is filled in nowhere in the prompt",
        "write {{ labels }} there",
    ),
    "as text": (f'{TASK}inputs = "ticket" #!', 'inputs is "ticket", not a table', "{ ... }"),
    "tuned on nothing known": (
        f'{TASK}[prompt]\ntuned_on = ["tickets",\n"tickest"] #!',
        'there is no data set "tickest"',
        "did you mean tickets?",
    ),
    "tuned on no name": (
        f'{TASK}prompt.tuned_on = [""] #!',
        'prompt.tuned_on[0] is "", not the name of a data',
        "NAME",
    ),
    "unknown key of prompt": (f"{TASK}[prompt]\ntuned = [] #!", '"prompt.tuned" is an unknown key', "mean tuned_on?"),
    "strategy": (f'{TASK}[context]\nstrategy = "window" #!', 'context.strategy is "window"', "token_window"),
    "full with recent": (
        f"{TASK}[context]\nrecent = 3 #!",
        'context.recent has no use with the strategy "full"',
        'write strategy = "keep_system_and_recent", "summarise" or "token_window"',
    ),
    "keeping everything": (
        f'{CONTEXT}strategy = "keep_system_and_recent"',
        "context keeps everything: it has neither `recent` nor `max_input_tokens`",
        "recent = 20",
    ),
    "window without a size": (f'{CONTEXT}strategy = "token_window"', "context has no `max_input_tokens`", "= 8000"),
    "summary without a size": (
        f'{CONTEXT}strategy = "summarise"\nmodel = "small"',
        "context has no `max_input_tokens`",
        "= 8000",
    ),
    "summary without a model": (
        f'{CONTEXT}strategy = "summarise"\nmax_input_tokens = 8000',
        "context has no `model`",
        'model = "small"',
    ),
    "window with a model": (
        f'{TASK}[context]\nstrategy = "token_window"\nmax_input_tokens = 9\nmodel = "small" #!',
        'context.model has no use with the strategy "token_window"',
        'write strategy = "summarise"',
    ),
    "summary by nobody": (
        f'{TASK}[context]\nstrategy = "summarise"\nmax_input_tokens = 9000\nmodel = "smal" #!',
        'there is no model "smal"',
        "did you mean small?",
    ),
    "summary too long": (
        f'{TASK}[context]\nstrategy = "summarise"\nmax_input_tokens = 99 #!\nmodel = "small"',
        "a summary of 512 tokens leaves no room in 99",
        "more max_input_tokens",
    ),
    "given summary too long": (
        f'{TASK}[context]\nstrategy = "summarise"\nmodel = "small"\nmax_input_tokens = 99\nsummary_tokens = 99 #!',
        "a summary of 99 tokens leaves no room in 99",
        "fewer summary_tokens",
    ),
    "tokens": (f"{TASK}context.max_input_tokens = 0 #!", "context.max_input_tokens is 0, not a whole number", "bounds"),
    "retrieval": (f'{TASK}retrieval = ["help",\n"hlep"] #!', "there is no [retrieval.hlep]", "did you mean help?"),
    "retrieval far off": (f'{TASK}retrieval = ["zzz"] #!', "there is no [retrieval.zzz]", "declare [retrieval.zzz]"),
    "retrieval as text": (f'{TASK}retrieval = "help" #!', 'retrieval is "help", not a list', "[ ... ]"),
}


def project(root: Path, task: str, prompt: str | None = "user:\n{{ ticket }} {{ tone }}") -> Path:
    write(root, f'{MODEL}[retrieval.help]\ncorpus = "c"\n', triage=task)
    if prompt is not None:
        (root / "tasks" / "triage" / "prompt.md").write_text(prompt)
    (root / "data").mkdir()
    (root / "data" / "tickets.json").write_text(f'{{"digest": "sha256:{"0" * 64}"}}')
    return root


@pytest.mark.parametrize(("text", "what", "instead"), RULES.values(), ids=RULES.keys())
def test_rule(tmp_path: Path, text: str, what: str, instead: str) -> None:
    """One mistake in a `task.toml` gives one message, at its line, that says what to write."""
    [mistake] = read(project(tmp_path, text)).mistakes
    [line] = [number for number, line in enumerate(text.split("\n"), 1) if line.endswith("#!")]
    assert (mistake.path, mistake.line) == ("tasks/triage/task.toml", line), mistake
    assert mistake.what.startswith(what), mistake
    assert instead in mistake.instead, mistake


@pytest.mark.parametrize("text", [f'{TASK}[inputs] #!\nticket = "string"', f"{TASK}[prompt] #!\n"])
def test_nothing_is_said_of_no_prompt(tmp_path: Path, text: str) -> None:
    """What is said of a prompt that is not there is a mistake; of one that is wrong, it is not told as well."""
    [mistake] = read(project(tmp_path, text, None)).mistakes
    assert mistake.line == marked(text)
    assert "has no use: the task has no prompt.md" in mistake.what
    (tmp_path / "tasks" / "triage" / "prompt.md").write_text("user:\n{{ ticket")
    [mistake] = read(tmp_path).mistakes
    assert mistake.path == "tasks/triage/prompt.md"


def test_everything_is_read(tmp_path: Path) -> None:
    """Every key is read; types are part of the prompt's digest, data sets are not."""
    text = f"""{TASK}retrieval = ["help"]
inputs = {{ tone = "string", ticket = "object" }}
prompt = {{ tuned_on = ["tickets"] }}
context = {{ strategy = "summarise", max_input_tokens = 9000, recent = 8, model = "small", summary_tokens = 256 }}
"""
    found = load(project(tmp_path, text)).tasks["triage"]
    assert found.retrieval == ("help",)
    assert found.context == Context("summarise", 1, 9000, 8, "small", 256)
    assert found.prompt is not None
    assert found.prompt.types == {"ticket": "object", "tone": "string"}
    assert found.prompt.tuned_on == ("tickets",)
    of_text = hashlib.sha256(b"user:\n{{ ticket }} {{ tone }}").hexdigest()
    facts = {"includes": [], "text": of_text, "types": {"ticket": "object", "tone": "string"}}
    canonical = json.dumps(facts, separators=(",", ":"))
    assert found.prompt.digest == hashlib.sha256(f"trimtab prompt 2\n{canonical}".encode()).hexdigest()
    (tmp_path / "tasks" / "triage" / "task.toml").write_text(f'{TASK}prompt = {{ tuned_on = ["tickets"] }}')
    untyped = load(tmp_path).tasks["triage"].prompt
    assert untyped is not None
    assert untyped.digest == of_text


VALUES: dict[InputType, Any] = {
    "string": "x", "integer": 1, "number": 1.5, "boolean": True, "array": [1], "object": {"a": 1},
}  # fmt: skip
TAKEN = {("number", "integer")}
"""Beside itself: a whole number is a number."""


@pytest.mark.parametrize("type_", VALUES)
@pytest.mark.parametrize("given_", [*VALUES, "null"])
def test_types(type_: InputType, given_: InputType) -> None:
    """An input takes values of its type and no others, and a refusal names it, what it wants and what it got."""
    prompt = Prompt((Turn("user", "{{ x }}"),), ("x",), "", types={"x": type_})
    value = VALUES.get(given_)
    if type_ == given_ or (type_, given_) in TAKEN:
        assert render(prompt, {"x": value})[0]["content"] == str(value)
        return
    wanted = "an" if type_[0] in "aio" else "a"
    got = "null" if value is None else f"{'an' if given_[0] in 'aio' else 'a'} {given_}"
    with pytest.raises(InvalidRequest, match=f"x must be {wanted} {type_}, not {got}; correct it"):
        render(prompt, {"x": value})


def test_all_wrong_types_are_named() -> None:
    """Every input of a wrong type is named at once, and one that is missing stays the template's matter."""
    prompt = Prompt((Turn("user", "{{ a }}{{ b }}{{ c }}"),), ("a", "b", "c"), "", types=dict.fromkeys("abc", "string"))
    with pytest.raises(InvalidRequest, match="a must be a string, not an integer; b must be a string, not an object;"):
        render(prompt, {"a": 1, "b": {}})
    with pytest.raises(InvalidRequest, match="the prompt needs the input c"):
        render(prompt, {"a": "1", "b": "2"})
    with pytest.raises(InvalidRequest, match="a must be a string, not a tuple"):
        render(prompt, {"a": ()})
    optional = Prompt((Turn("user", "{% if a is defined %}{{ a }}{% endif %}"),), ("a",), "", types={"a": "string"})
    assert render(optional, {})[0]["content"] == ""


@given(st.text(st.characters(exclude_categories=("Cs",))))
def test_digest_of_what_is_rendered(value: str) -> None:
    """It is that of the messages' canonical JSON, as RFC 8785 has it."""
    prompt = Prompt((Turn("system", "s"), Turn("user", "{{ x }}")), ("x",), "")
    found = rendered(prompt, {"x": value})
    assert found.messages == [{"role": "system", "content": "s"}, {"role": "user", "content": value}]
    canonical = rfc8785.dumps([{"role": "system", "content": "s"}, {"role": "user", "content": value}])
    assert found.digest == hashlib.sha256(b"trimtab rendered prompt 1\n" + canonical).hexdigest()


def test_what_cannot_be_sent_is_refused() -> None:
    """Half a character cannot stand in a request, and a task without a prompt has nothing to render."""
    with pytest.raises(InvalidRequest, match="half a character"):
        rendered(Prompt((Turn("user", "{{ x }}"),), ("x",), ""), {"x": "\ud800"})
    with pytest.raises(InvalidRequest, match=r"task triage has no prompt: write tasks/triage/prompt\.md"):
        render_task(Task("triage", "small"), {})


def test_inputs_are_rendered_as_they_arrive() -> None:
    """The SDK renders what a call would bring: a tuple is a list in JSON, and the keys of an object are strings."""
    task = Task("triage", "small", prompt=Prompt((Turn("user", "{{ x }}"),), ("x",), ""))
    assert render_task(task, {"x": ({1: None}, 2)}).messages[0]["content"] == "[{'1': None}, 2]"


@pytest.mark.parametrize("value", [float("inf"), float("nan"), {1}, object(), b"x", "\ud800"])
def test_inputs_that_no_call_can_bring(value: object) -> None:
    """What JSON cannot carry is refused by the SDK too, whether the prompt shows it or not."""
    task = Task("triage", "small", prompt=Prompt((Turn("user", "{% if x %}yes{% endif %}"),), ("x",), ""))
    with pytest.raises(InvalidRequest, match="the inputs cannot be sent as JSON"):
        render_task(task, {"x": value})
